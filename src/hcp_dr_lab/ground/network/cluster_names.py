"""The DNS names of one management cluster, from EndpointSlices.

The region has no kube-proxy, so a Service's name resolves to the addresses of the pods, never to the ClusterIP. Pods
that are not ready have names too if the Service publishes them: the EndpointSlice then reports them as ready. PTR
records are required: etcd uses them to check a peer with a wildcard certificate.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import dns.name
import dns.reversename
from dns.name import Name
from dns.rcode import Rcode
from dns.rdatatype import RdataType

from hcp_dr.kube.port import Object
from hcp_dr_lab.ground.network.answers import Step, records

DOMAIN = dns.name.from_text("cluster.local.")
SHORT_DOMAIN = dns.name.from_text("svc.")
SERVICES = dns.name.from_text("svc", DOMAIN)
SERVICE_LABEL = "kubernetes.io/service-name"
TTL = 5


@dataclass(frozen=True, slots=True)
class ClusterNames:
    """Full names to addresses, and addresses to full names."""

    addresses: Mapping[Name, tuple[str, ...]] = field(default_factory=dict)
    pointers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def step(self, name: Name, kind: RdataType) -> Step | None:
        """Return None if the name does not belong to the cluster."""
        full = name.canonicalize()
        if full.is_subdomain(SHORT_DOMAIN):
            full = full.relativize(dns.name.root).concatenate(DOMAIN)
        if full.is_subdomain(DOMAIN):
            found = self.addresses.get(full)
            if found is None:
                return Step(Rcode.NXDOMAIN)
            return Step(Rcode.NOERROR, records(name, TTL, "A", *found) if kind == RdataType.A else None)
        if kind == RdataType.PTR and full.is_subdomain(dns.reversename.ipv4_reverse_domain):
            targets = self.pointers.get(_address_of(full))
            return None if targets is None else Step(Rcode.NOERROR, records(name, TTL, "PTR", *targets))
        return None


def cluster_names(slices: Iterable[Object]) -> ClusterNames:
    addresses: dict[Name, dict[str, None]] = defaultdict(dict)
    pointers: dict[str, dict[str, None]] = defaultdict(dict)
    for each in slices:
        metadata = each["metadata"]
        service = (metadata.get("labels") or {}).get(SERVICE_LABEL)
        if not service or each.get("addressType") != "IPv4":
            continue
        service_name = dns.name.from_text(f"{service}.{metadata['namespace']}", SERVICES)
        for endpoint in each.get("endpoints") or ():
            if (endpoint.get("conditions") or {}).get("ready") is False:
                continue
            for address in endpoint.get("addresses") or ():
                pod_name = dns.name.from_text(endpoint.get("hostname") or address.replace(".", "-"), service_name)
                addresses[service_name][address] = None
                addresses[pod_name][address] = None
                pointers[address][pod_name.to_text()] = None
    return ClusterNames(
        {name: tuple(found) for name, found in addresses.items()},
        {address: tuple(found) for address, found in pointers.items()},
    )


def _address_of(reverse: Name) -> str:
    try:
        return dns.reversename.to_address(reverse)
    except ValueError:
        return ""
    except dns.exception.SyntaxError:
        return ""
