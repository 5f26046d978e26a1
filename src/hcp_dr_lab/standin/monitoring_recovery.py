"""hosted-cluster-config-operator's handling of a hosted cluster marked as restored in its HostedControlPlane: if
Prometheus is not fully available, it deletes all claims of openshift-monitoring and the pods of Prometheus once, and
waits for Prometheus
(control-plane-operator/hostedclusterconfigoperator/controllers/resources/recovery/recovery.go).

This exists since release 4.20. The real process remembers the deletion in memory; here its condition records it.
"""

from __future__ import annotations

from datetime import datetime

from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Object
from hcp_dr_lab.ground import names
from hcp_dr_lab.standin.change import Change, DeleteHosted
from hcp_dr_lab.standin.pause import is_paused
from hcp_dr_lab.standin.shape import annotation, condition, deleting, set_status
from hcp_dr_lab.standin.view import Monitoring, View

NAME = "hosted-cluster-config-operator"
NAMESPACE = "openshift-monitoring"
PROMETHEUS = "prometheus-k8s"
RECOVERED = "HostedClusterRestoredFromBackup"
_SINCE = (4, 20)
_LOOKS_AGAIN = 120.0


def is_asked_for(plane: Object) -> bool:
    if annotation(plane, names.RESTORED) is None:
        return False
    major, minor, _ = map(int, names.release_version(plane["spec"]["releaseImage"]).split("."))
    return (major, minor) >= _SINCE


def reconcile(view: View) -> list[Change]:
    changes: list[Change] = []
    for plane in view.all(r.HOSTED_CONTROL_PLANE):
        namespace = plane["metadata"]["namespace"]
        idle = deleting(plane) or is_paused(plane, view.now) or not view.active(namespace, NAME)
        seen = view.monitoring.get(namespace)
        if is_asked_for(plane) and not idle and seen is not None and seen.prometheus is not None:
            changes += _recover(view, plane, seen, seen.prometheus)
    return changes


def _recover(view: View, plane: Object, seen: Monitoring, prometheus: Object) -> list[Change]:
    begun = next((each for each in _conditions(plane) if each["type"] == RECOVERED), None)
    since = datetime.fromisoformat(begun["lastTransitionTime"]) if begun else view.now
    if begun is not None and (view.now - since).total_seconds() < _LOOKS_AGAIN:
        return []
    status = prometheus.get("status") or {}
    if status.get("availableReplicas", 0) >= status.get("replicas", 0):
        return _set_recovered(view, plane, "True", "Hosted cluster recovery finished")
    chosen = prometheus["spec"]["selector"]["matchLabels"].items()
    pods = [pod for pod in seen.pods if chosen <= (pod["metadata"].get("labels") or {}).items()]
    doomed = (
        () if begun else (*((r.PERSISTENT_VOLUME_CLAIM, each) for each in seen.claims), *((r.POD, p) for p in pods))
    )
    own = plane["metadata"]["namespace"]
    why = "restored, and Prometheus is not fully available"
    changes: list[Change] = [
        DeleteHosted(own, resource, NAMESPACE, item["metadata"]["name"], item["metadata"]["uid"], why)
        for resource, item in doomed
    ]
    return changes + _set_recovered(view, plane, "False", "Hosted cluster recovery not finished yet")


def _conditions(plane: Object) -> list[Object]:
    return list((plane.get("status") or {}).get("conditions") or ())


def _set_recovered(view: View, plane: Object, status: str, message: str) -> list[Change]:
    recovered = condition(view, RECOVERED, status, "RecoveryFinished", message)
    return set_status(r.HOSTED_CONTROL_PLANE, plane, {"conditions": [recovered]})
