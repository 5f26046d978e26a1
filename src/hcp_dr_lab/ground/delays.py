"""Delays of the region's DNS and load balancing, all in one place; the operators' delays are in `standin.pace`.

All are in seconds. The plain region keeps delays short; `REALISTIC` has the delays observed in AWS and the values that
HyperShift installs. A delay can be set by name: `hcp-dr-lab up --delay new_backend=90`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace


@dataclass(frozen=True, slots=True)
class Delays:
    """`external_dns_events` 0 means that external-dns syncs only at intervals, as HyperShift's external-dns does."""

    new_backend: float = 0  # until a load balancer sends connections to a newly Ready pod
    router_reload: float = 0  # until the router sends connections to a newly Ready pod
    longest_cached: float = 5  # upper limit of the VPC resolver's cache, for positive and negative answers
    record_propagation: float = 0  # from a change in Route53 to the name servers
    external_dns_interval: float = 2
    external_dns_events: float = 1  # minimum time between two event-driven syncs
    external_dns_txt_cache: float = 0  # how long external-dns still sees another owner's released record
    external_dns_between_batches: float = 0.1
    api_proxy_check: float = 3  # period of the liveness probe of a worker's API proxy
    container_back_off: float = 2  # maximum back-off of a worker's kubelet before a container restart


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
    """Return the delays of a region. Names in `changed` that are no field of Delays belong to another table."""
    return replace(
        REALISTIC if realistic else FAST, **{name: seconds for name, seconds in changed.items() if name in NAMES}
    )
