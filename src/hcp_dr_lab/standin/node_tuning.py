"""The node tuning operator of a hosted cluster: from a NodePool's tuning to a piece of its machine configuration.

The ConfigMap that it makes is part of the NodePool's hash. Where it is missing nobody says so: the hash is another one,
and the pool rolls (rule A9, facts 2.4).
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
_KERNEL = "[bootloader]"  # a profile's section of kernel arguments; all else is applied to the running node


def reconcile(view: View) -> list[Change]:
    changes: list[Change] = []
    for asked in view.all(r.CONFIG_MAP):
        namespace = asked["metadata"]["namespace"]
        wanted = label(asked, TUNED) == "true" and _KERNEL in (asked.get("data") or {}).get("tuning", "")
        if wanted and not deleting(asked) and view.active(namespace, NAME):
            since = datetime.fromisoformat(asked["metadata"]["creationTimestamp"])
            if (view.now - since).total_seconds() >= view.paced.tuning:
                changes += ensure(view, r.CONFIG_MAP, _made(asked))
    return changes


def _made(asked: Object) -> Object:
    pool = label(asked, POOL) or ""
    labels = {TUNED_RESULT: "true", POOL: pool}
    content = f"# MachineConfig 50-nto-{pool}\n{(asked.get('data') or {}).get('tuning', '')}"
    return body(r.CONFIG_MAP, f"nto-mc-{pool}", asked["metadata"]["namespace"], labels=labels, data={"config": content})
