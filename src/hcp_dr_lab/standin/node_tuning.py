"""The node tuning operator of a hosted cluster: from a NodePool's tuning to a piece of its machine configuration.

The generated ConfigMap is part of the NodePool's hash. If it is missing, no error is reported: the hash differs, and
the pool rolls (rule A9, facts 2.4).
"""

from __future__ import annotations

from datetime import datetime

from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Object
from hcp_dr_lab.standin.change import Change
from hcp_dr_lab.standin.machine_config import POOL, TUNED, TUNED_RESULT
from hcp_dr_lab.standin.shape import body, deleting, ensure, label
from hcp_dr_lab.standin.view import View

NAME = "cluster-node-tuning-operator"
_KERNEL = "[bootloader]"  # a profile's section of kernel arguments; other sections are applied to the running node


def reconcile(view: View) -> list[Change]:
    changes: list[Change] = []
    for requested in view.all(r.CONFIG_MAP):
        namespace = requested["metadata"]["namespace"]
        wanted = label(requested, TUNED) == "true" and _KERNEL in (requested.get("data") or {}).get("tuning", "")
        if wanted and not deleting(requested) and view.active(namespace, NAME):
            since = datetime.fromisoformat(requested["metadata"]["creationTimestamp"])
            if (view.now - since).total_seconds() >= view.paced.tuning:
                changes += ensure(view, r.CONFIG_MAP, _tuned_config_map(requested))
    return changes


def _tuned_config_map(requested: Object) -> Object:
    pool = label(requested, POOL) or ""
    labels = {TUNED_RESULT: "true", POOL: pool}
    content = f"# MachineConfig 50-nto-{pool}\n{(requested.get('data') or {}).get('tuning', '')}"
    return body(
        r.CONFIG_MAP, f"nto-mc-{pool}", requested["metadata"]["namespace"], labels=labels, data={"config": content}
    )
