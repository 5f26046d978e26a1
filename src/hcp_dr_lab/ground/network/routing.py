"""The decisions of router and load balancer: the pods behind a host name, and the admission of Routes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from hcp_dr.kube.port import Object
from hcp_dr_lab.ground.network.cluster_names import SERVICE_LABEL

ROUTER_NAME = "default"
HOSTNAME_ANNOTATION = "external-dns.alpha.kubernetes.io/hostname"

Service = tuple[str, str]  # namespace, name


@dataclass(frozen=True, slots=True, order=True)
class Backend:
    """A Ready pod's address and port."""

    address: str
    port: int


@dataclass(frozen=True, slots=True)
class Backends:
    """The Ready pods of a Service by port, and the addresses of all pods, Ready or not."""

    ready: Mapping[tuple[str, int], frozenset[Backend]] = field(default_factory=dict)
    present: frozenset[str] = frozenset()

    def at(self, port: str | int | None) -> frozenset[Backend]:
        """Return the backends for a port's name or number; None means all."""
        chosen = (
            backends for (name, number), backends in self.ready.items() if port in (None, name, number, str(number))
        )
        return frozenset().union(*chosen)


@dataclass(frozen=True, slots=True)
class Table:
    """The targets of new connections: by server name for Routes (443) and for LoadBalancers (6443). A single
    LoadBalancer gets all connections, regardless of the name."""

    routes: Mapping[str, frozenset[Backend]] = field(default_factory=dict)
    load_balancers: Mapping[str, frozenset[Backend]] = field(default_factory=dict)
    only: frozenset[Backend] | None = None
    present: frozenset[str] = frozenset()

    def for_route(self, server_name: str | None) -> frozenset[Backend]:
        return self.routes.get(server_name or "", frozenset())

    def for_load_balancer(self, server_name: str | None) -> frozenset[Backend]:
        """A single LoadBalancer Service gets all connections, as if on its own address."""
        return self.only if self.only is not None else self.load_balancers.get(server_name or "", frozenset())

    @property
    def backends(self) -> frozenset[Backend]:
        return frozenset().union(*self.routes.values(), *self.load_balancers.values(), self.only or frozenset())


HostNames = Mapping[str, frozenset[str]]
"""All host names, past and present, of LoadBalancer Services, by uid."""


def collect_host_names(services: Iterable[Object], before: HostNames) -> HostNames:
    """Add the Services' current host names to the earlier names.

    The region has one address for all load balancers of a management cluster and distinguishes them by server name. In
    AWS a load balancer has its own address: when its Service loses the host name, clients that still know the address
    are served. So here a load balancer keeps all earlier names."""
    backends = {}
    for service in services:
        if is_load_balancer(service):
            metadata = service["metadata"]
            host = (metadata.get("annotations") or {}).get(HOSTNAME_ANNOTATION)
            uid = _uid(service)
            backends[uid] = before.get(uid, frozenset()) | ({host.lower()} if host else frozenset())
    return backends


def _uid(service: Object) -> str:
    metadata = service["metadata"]
    return str(metadata.get("uid") or f"{metadata['namespace']}/{metadata['name']}")


def table(
    routes: Iterable[Object], services: Iterable[Object], slices: Iterable[Object], *, before: HostNames | None = None
) -> Table:
    """Compute the table. `before` has the earlier names of the load balancers."""
    services = tuple(services)
    names = collect_host_names(services, before or {})
    behind = _backends_by_service(slices)
    none = Backends()
    by_host = {}
    for route in routes:
        if is_admitted(route):
            spec = route["spec"]
            backends = behind.get((route["metadata"]["namespace"], spec["to"]["name"]), none)
            by_host[spec["host"].lower()] = backends.at((spec.get("port") or {}).get("targetPort"))
    by_name = {}
    balanced = []
    for service in services:
        if is_load_balancer(service):
            namespace, name = service["metadata"]["namespace"], service["metadata"]["name"]
            first_port = service["spec"]["ports"][0].get("name", "")
            balanced.append(behind.get((namespace, name), none).at(first_port))
            by_name.update(dict.fromkeys(names[_uid(service)], balanced[-1]))
    present = frozenset().union(*(backends.present for backends in behind.values()))
    return Table(by_host, by_name, balanced[0] if len(balanced) == 1 else None, present)


def _backends_by_service(slices: Iterable[Object]) -> dict[Service, Backends]:
    ready: dict[Service, dict[tuple[str, int], set[Backend]]] = defaultdict(lambda: defaultdict(set))
    present: dict[Service, set[str]] = defaultdict(set)
    for each in slices:
        metadata = each["metadata"]
        service = (metadata["namespace"], (metadata.get("labels") or {}).get(SERVICE_LABEL, ""))
        for endpoint in each.get("endpoints") or ():
            addresses = endpoint.get("addresses") or ()
            present[service].update(addresses)
            conditions = endpoint.get("conditions") or {}
            if conditions.get("ready") is False or conditions.get("terminating"):
                continue
            for port in each.get("ports") or ():
                key = (port.get("name") or "", port["port"])
                ready[service][key].update(Backend(address, port["port"]) for address in addresses)
    return {
        service: Backends({key: frozenset(backends) for key, backends in ready[service].items()}, frozenset(addresses))
        for service, addresses in present.items()
    }


def is_load_balancer(service: Object) -> bool:
    return bool(service["spec"].get("type") == "LoadBalancer" and not service["metadata"].get("deletionTimestamp"))


def is_admitted(route: Object) -> bool:
    return any(
        ingress.get("host") == route["spec"].get("host") and _admitted_condition(ingress).get("status") == "True"
        for ingress in (route.get("status") or {}).get("ingress") or ()
        if ingress.get("routerName") == ROUTER_NAME
    )


def _admitted_condition(ingress: Object) -> Object:
    conditions = ingress.get("conditions") or ()
    return next((condition for condition in conditions if condition.get("type") == "Admitted"), {})


@dataclass(frozen=True, slots=True)
class Admission:
    """A missing status of a Route."""

    namespace: str
    name: str
    status: Object


def admissions(routes: Iterable[Object], canonical_hostname: str, now: str) -> list[Admission]:
    """Admit the oldest Route of every host; later Routes get the condition HostAlreadyClaimed."""
    ordered = sorted(
        (route for route in routes if route["spec"].get("host") and not route["metadata"].get("deletionTimestamp")),
        key=lambda route: (route["metadata"].get("creationTimestamp") or "", route["metadata"].get("uid") or ""),
    )
    holders: dict[str, Object] = {}
    for route in ordered:
        holders.setdefault(route["spec"]["host"].lower(), route)
    expected = []
    for route in ordered:
        holder = holders[route["spec"]["host"].lower()]
        ingress = _ingress(route, holder, canonical_hostname, now)
        if not _says_the_same(route, ingress):
            metadata = route["metadata"]
            expected.append(Admission(metadata["namespace"], metadata["name"], {"ingress": [ingress]}))
    return expected


def _ingress(route: Object, holder: Object, canonical_hostname: str, now: str) -> Object:
    condition: Object = {"type": "Admitted", "status": "True", "lastTransitionTime": now}
    if route is not holder:
        claimed_by = f"{holder['metadata']['namespace']}/{holder['metadata']['name']}"
        message = f"route {claimed_by} already exposes {route['spec']['host']} and is older"
        condition |= {"status": "False", "reason": "HostAlreadyClaimed", "message": message}
    return {
        "host": route["spec"]["host"],
        "routerName": ROUTER_NAME,
        "routerCanonicalHostname": canonical_hostname,
        "wildcardPolicy": "None",
        "conditions": [condition],
    }


def _says_the_same(route: Object, ingress: Object) -> bool:
    present = (route.get("status") or {}).get("ingress") or []
    if len(present) != 1 or any(present[0].get(key) != ingress[key] for key in ("host", "routerCanonicalHostname")):
        return False
    present_condition, expected = _admitted_condition(present[0]), _admitted_condition(ingress)
    return all(present_condition.get(key) == expected.get(key) for key in ("status", "reason", "message"))
