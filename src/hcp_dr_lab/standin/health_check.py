"""A MachineHealthCheck: judges the nodes of its Machines by the hosted API of its own side, and marks unhealthy
Machines; their MachineSet deletes them together with their instances.

After a relocation the nodes report to the destination, so all nodes become not Ready on a source with a running API
(rule A12). The check acts on a few machines at a time, which can be all machines of a small pool.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime

from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Object
from hcp_dr_lab.standin import machine
from hcp_dr_lab.standin.change import Change
from hcp_dr_lab.standin.pause import machine_api_paused
from hcp_dr_lab.standin.shape import annotation, condition, deleting, set_status
from hcp_dr_lab.standin.view import View, condition_status

HEALTHY = "HealthCheckSucceeded"
REMEDIATED = "OwnerRemediated"
_SKIP = "cluster.x-k8s.io/skip-remediation"


def reconcile(view: View, cluster: Object, check: Object) -> list[Change]:
    """Does nothing while the hosted API does not answer."""
    namespace = check["metadata"]["namespace"]
    if deleting(check) or namespace not in view.hosted_nodes:
        return []
    targets = [item for item in _selected(view, check) if not _spared(cluster, item)]
    sick = {item["metadata"]["name"]: why for item in targets if (why := _sickness(view, check, item)) is not None}
    limit = _limit(check, len(targets))
    acts = len(sick) <= limit
    changes = set_status(
        r.MACHINE_HEALTH_CHECK,
        check,
        {
            "expectedMachines": len(targets),
            "currentHealthy": len(targets) - len(sick),
            "remediationsAllowed": max(limit - len(sick), 0) if acts else 0,
        },
    )
    for item in targets:
        why = sick.get(item["metadata"]["name"])
        if why is None and condition_status(item, HEALTHY) is not None:
            changes += set_status(r.MACHINE, item, {"conditions": [condition(view, HEALTHY, "True", "Succeeded")]})
        elif why is not None and acts:
            failed = [
                condition(view, HEALTHY, "False", "NodeNotHealthy", why),
                condition(view, REMEDIATED, "False", "WaitingForRemediation", why),
            ]
            changes += set_status(r.MACHINE, item, {"conditions": failed})
    return changes


def is_to_go(machine: Object) -> bool:
    """Return whether a health check has marked the Machine for remediation by its owner."""
    return condition_status(machine, HEALTHY) == "False" and condition_status(machine, REMEDIATED) == "False"


def unready_seconds(view: View, node: Object) -> float:
    """Return how long a Node is not Ready; 0 if it is Ready."""
    conditions = (node.get("status") or {}).get("conditions") or ()
    ready = next((entry for entry in conditions if entry["type"] == "Ready"), None)
    if ready is None or ready["status"] == "True" or "lastTransitionTime" not in ready:
        return 0
    return (view.now - datetime.fromisoformat(ready["lastTransitionTime"])).total_seconds()


def _selected(view: View, check: Object) -> list[Object]:
    wanted: Mapping[str, str] = check["spec"]["selector"].get("matchLabels") or {}
    return [
        item
        for item in view.all(r.MACHINE, check["metadata"]["namespace"])
        if wanted.items() <= (item["metadata"].get("labels") or {}).items()
    ]


def _spared(cluster: Object, item: Object) -> bool:
    return deleting(item) or annotation(item, _SKIP) is not None or machine_api_paused(cluster, item)


def _sickness(view: View, check: Object, item: Object) -> str | None:
    checks = check["spec"].get("checks") or {}
    node = machine.node_of(view, item)
    if node is None:
        if (item.get("status") or {}).get("nodeRef") is not None:
            return "its node is gone"
        age = (view.now - datetime.fromisoformat(item["metadata"]["creationTimestamp"])).total_seconds()
        limit = checks.get("nodeStartupTimeoutSeconds", 600)
        return f"no node after {limit} s" if 0 < limit <= age else None
    for entry in checks.get("unhealthyNodeConditions") or ():
        if entry["type"] == "Ready" and condition_status(node, "Ready") == entry["status"]:
            seconds = unready_seconds(view, node)
            if seconds >= entry["timeoutSeconds"]:
                return f"its node is not Ready for {seconds:.0f} s"
    return None


def _limit(check: Object, targets: int) -> int:
    trigger = ((check["spec"].get("remediation") or {}).get("triggerIf") or {}).get("unhealthyLessThanOrEqualTo")
    if trigger is None:
        return targets
    text = str(trigger)
    return math.floor(targets * int(text[:-1]) / 100) if text.endswith("%") else int(text)
