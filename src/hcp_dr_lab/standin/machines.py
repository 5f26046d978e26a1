"""What MachineDeployments and MachineSets share: whose an object is, and how many of them are of use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from hcp_dr.kube.port import Object, Resource
from hcp_dr_lab.standin.shape import controller_uid
from hcp_dr_lab.standin.view import View, condition_status

DEPLOYMENT_FINALIZER = "cluster.x-k8s.io/machinedeployment"
MACHINE_SET_FINALIZER = "cluster.x-k8s.io/machineset"


def owned(view: View, resource: Resource, owner: Object) -> Iterator[Object]:
    """Controlled by this very object, by UID."""
    uid = owner["metadata"]["uid"]
    return (item for item in view.all(resource, owner["metadata"]["namespace"]) if controller_uid(item) == uid)


def children(view: View, resource: Resource, owner: Object, *, with_owned: bool = False) -> Iterator[Object]:
    """Selected by the owner and without controller; `with_owned`: or controlled by it. Another's are left out."""
    uid = owner["metadata"]["uid"]
    wanted: Mapping[str, str] = owner["spec"]["selector"].get("matchLabels") or {}
    for item in view.all(resource, owner["metadata"]["namespace"]):
        selected = wanted.items() <= (item["metadata"].get("labels") or {}).items()
        controller = controller_uid(item)
        if selected and (controller is None or (with_owned and controller == uid)):
            yield item


def ready(machine: Object) -> bool:
    return condition_status(machine, "Ready") == "True"


def available(machine: Object) -> bool:
    return condition_status(machine, "Available") == "True"


def scale_status(owner: Object, counted: Sequence[Object]) -> Object:
    wanted: Mapping[str, str] = owner["spec"]["selector"].get("matchLabels") or {}
    return {
        "replicas": len(counted),
        "selector": ",".join(f"{key}={value}" for key, value in sorted(wanted.items())),
        "observedGeneration": owner["metadata"].get("generation", 1),
    }
