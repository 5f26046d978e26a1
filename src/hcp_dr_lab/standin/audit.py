"""What the rehearsal's API servers write down: each request of the product's user, who asked what of which object."""

from __future__ import annotations

import json

from hcp_dr_lab.ground.layout import PRODUCT_USER

FOLDER = "/etc/kubernetes/audit-config"
FILE = "policy.yaml"
LOGS = "/var/log/kube-apiserver"
LOG = f"{LOGS}/audit.log"
CONFIG_MAP = "kas-audit-config"


def policy() -> str:
    """JSON is YAML too. Without the content of any object; and nothing of the others, who ask all the time."""
    rules = [{"level": "Metadata", "users": [PRODUCT_USER]}, {"level": "None"}]
    document = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"], "rules": rules}
    return json.dumps(document)


def flags(policy_file: str, log_file: str) -> tuple[str, str]:
    """Of a kube-apiserver; one JSON object a line."""
    return (f"--audit-policy-file={policy_file}", f"--audit-log-path={log_file}")
