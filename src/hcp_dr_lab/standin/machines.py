"""Shared code of MachineDeployments and MachineSets: ownership of objects, and counts of ready objects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from hcp_dr.kube.port import Object, Resource
from hcp_dr_lab.standin.shape import controller_uid
from hcp_dr_lab.standin.view import View, condition_status

DEPLOYMENT_FINALIZER = "cluster.x-k8s.io/machinedeployment"
MACHINE_SET_FINALIZER = "cluster.x-k8s.io/machineset"


def owned(view: View, resource: Resource, owner: Object) -> Iterator[Object]:
    """Return the objects controlled by this object, by UID."""
    uid = owner["metadata"]["uid"]
    return (item for item in view.all(resource, owner["metadata"]["namespace"]) if controller_uid(item) == uid)


def children(view: View, resource: Resource, owner: Object, *, with_owned: bool = False) -> Iterator[Object]:
    """Return objects selected by the owner without controller, and with `with_owned` also objects controlled by the
    owner. Objects with another controller are excluded."""
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
