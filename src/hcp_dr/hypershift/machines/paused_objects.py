"""The machine objects of Cluster API and their paused annotations (rule A4): a paused Cluster or NodePool stops the
reconciliation of only some machine objects."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hcp_dr.engine.step import Patch
from hcp_dr.kube.port import Kubernetes, Object, Resource
from hcp_dr.kube.resources import AWS_MACHINE, MACHINE, MACHINE_DEPLOYMENT, MACHINE_HEALTH_CHECK, MACHINE_SET
from hcp_dr.model import Case, Side
from hcp_dr.objects.reading import annotations_of, name_of, namespace_of, owner_kinds
from hcp_dr.objects.select import of_infrastructure
from hcp_dr.upstream import PAUSED_ANNOTATION

PAUSED_KINDS = (MACHINE_DEPLOYMENT, MACHINE_SET, MACHINE, AWS_MACHINE, MACHINE_HEALTH_CHECK)


@dataclass(frozen=True, slots=True)
class Held:
    """A machine object, and whether its own annotation pauses it. `top`: created by the HyperShift operator for a
    NodePool: the MachineDeployment, or, for an in-place upgrade, the MachineSet."""

    resource: Resource
    namespace: str
    name: str
    paused: bool
    top: bool = False

    @property
    def key(self) -> str:
        return f"{self.resource.kind}/{self.name}"

    def pause(self, side: Side, *, on: bool) -> Patch:
        value = "true" if on else None
        return Patch(
            side, self.resource, self.name, self.namespace, {"metadata": {"annotations": {PAUSED_ANNOTATION: value}}}
        )


def held(resource: Resource, items: Iterable[Object]) -> tuple[Held, ...]:
    return tuple(
        Held(
            resource,
            namespace_of(item) or "",
            name_of(item),
            PAUSED_ANNOTATION in annotations_of(item),
            top=resource == MACHINE_DEPLOYMENT
            or (resource == MACHINE_SET and MACHINE_DEPLOYMENT.kind not in owner_kinds(item)),
        )
        for item in items
    )


def read_machine_objects(cluster: Kubernetes, case: Case) -> tuple[Held, ...]:
    """All machine objects of the cluster on one side."""
    return tuple(
        found
        for resource in PAUSED_KINDS
        for found in held(
            resource,
            of_infrastructure(case.infra_id, cluster.list(resource, case.control_plane_namespace).items),
        )
    )
