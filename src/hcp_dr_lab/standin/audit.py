"""The audit policy of the rehearsal's API servers: log every request of the product's user, with verb and object."""

from __future__ import annotations

import json

from hcp_dr_lab.ground.layout import PRODUCT_USER

FOLDER = "/etc/kubernetes/audit-config"
FILE = "policy.yaml"
LOGS = "/var/log/kube-apiserver"
LOG = f"{LOGS}/audit.log"
CONFIG_MAP = "kas-audit-config"


def policy() -> str:
    """Return the policy as JSON (a subset of YAML). Logs no object content, and no requests of other users."""
    rules = [{"level": "Metadata", "users": [PRODUCT_USER]}, {"level": "None"}]
    document = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"], "rules": rules}
    return json.dumps(document)


def flags(policy_file: str, log_file: str) -> tuple[str, str]:
    """Return kube-apiserver's flags for an audit log with one JSON object per line."""
    return (f"--audit-policy-file={policy_file}", f"--audit-log-path={log_file}")
