"""The hosted cluster's nodes: whether they are Ready, and when each renewed its lease."""

from __future__ import annotations

from dataclasses import dataclass

from hcp_dr.kube.port import Kubernetes
from hcp_dr.kube.resources import LEASE, NODE
from hcp_dr.objects.reading import condition, dig, name_of, uid_of
from hcp_dr.upstream import NODE_LEASES_NAMESPACE


@dataclass(frozen=True, slots=True)
class NodeFact:
    name: str
    uid: str
    ready: bool
    renewed: str  # the lease's renewTime, "" without a lease


def read_nodes(hosted: Kubernetes) -> tuple[NodeFact, ...]:
    leases = {
        name_of(x): str(dig(x, "spec", "renewTime") or "") for x in hosted.list(LEASE, NODE_LEASES_NAMESPACE).items
    }
    return tuple(
        NodeFact(name_of(node), uid_of(node), condition(node, "Ready") == "True", leases.get(name_of(node), ""))
        for node in hosted.list(NODE).items
    )
