"""How long the region's DNS and load balancing take, all in one place; what operators take is `standin.pace`.

All are seconds. The plain region spares a rehearsal the waiting; `REALISTIC` is what is seen in AWS and what HyperShift
installs. Each can be set by its name: `hcp-dr-lab up --delay new_backend=90`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace


@dataclass(frozen=True, slots=True)
class Delays:
    """`external_dns_events` 0 means that external-dns looks at its intervals only, as HyperShift's does."""

    new_backend: float = 0  # until a load balancer sends connections to a pod that became Ready
    router_reload: float = 0  # until the router does, for Routes
    longest_cached: float = 5  # caps how long the VPC's resolver keeps an answer, or that there is none
    record_propagation: float = 0  # from a change in Route53 to its name servers
    external_dns_interval: float = 2
    external_dns_events: float = 1  # least time between two looks because something happened
    external_dns_txt_cache: float = 0  # for so long it goes on seeing another owner's record that is given up
    external_dns_between_batches: float = 0.1
    api_proxy_check: float = 3  # between two looks of a worker's API proxy at whether its address still answers
    container_back_off: float = 2  # the longest that a worker's kubelet waits before it restarts a container


FAST = Delays()
REALISTIC = Delays(
    new_backend=30,  # three health checks of a network load balancer, ten seconds apart
    router_reload=5,  # HAProxy's RELOAD_INTERVAL in OpenShift's router
    longest_cached=900,
    record_propagation=30,  # Route53 promises 60 and takes less
    external_dns_interval=60,  # these four: cmd/install/assets/hypershift_operator.go
    external_dns_events=0,
    external_dns_txt_cache=3600,
    external_dns_between_batches=10,
    api_proxy_check=120,  # hypershift-operator/controllers/nodepool/apiserver-haproxy/haproxy.go
    container_back_off=300,
)

NAMES = tuple(field.name for field in fields(Delays))


def chosen(*, realistic: bool, changed: Mapping[str, float]) -> Delays:
    """The delays of a region; names that are not among them are somebody else's."""
    return replace(
        REALISTIC if realistic else FAST, **{name: seconds for name, seconds in changed.items() if name in NAMES}
    )
