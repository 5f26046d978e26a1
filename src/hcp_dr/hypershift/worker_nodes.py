"""The hosted cluster's nodes: whether they are Ready, and when each renewed its lease."""

from __future__ import annotations

from dataclasses import dataclass

from hcp_dr.hypershift.state import HostedIdentity
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
    provider_id: str = ""


def former_nodes(identity: HostedIdentity | None) -> dict[str, str]:
    """The uids of the nodes that were Ready before the fence, by name."""
    nodes = identity.nodes if identity else {}
    return {name: uid for name, uid in nodes.items() if identity is None or name not in identity.not_ready}


def still_not_ready(hosted: Kubernetes, identity: HostedIdentity | None) -> tuple[str, ...]:
    """The nodes that were not Ready before the fence, and are not Ready now."""
    former = identity.not_ready if identity else ()
    nodes = hosted.list(NODE).items if former else ()
    return tuple(name_of(node) for node in nodes if name_of(node) in former and condition(node, "Ready") != "True")


def read_nodes(hosted: Kubernetes) -> tuple[NodeFact, ...]:
    leases = {
        name_of(x): str(dig(x, "spec", "renewTime") or "") for x in hosted.list(LEASE, NODE_LEASES_NAMESPACE).items
    }
    return tuple(
        NodeFact(
            name=name_of(node),
            uid=uid_of(node),
            ready=condition(node, "Ready") == "True",
            renewed=leases.get(name_of(node), ""),
            provider_id=str(dig(node, "spec", "providerID") or ""),
        )
        for node in hosted.list(NODE).items
    )
