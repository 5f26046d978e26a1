"""external-dns of a management cluster, by its Deployment's arguments, and its owner ID for DNS names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from hcp_dr.aws.port import Record
from hcp_dr.hypershift.dns.records import owners_of
from hcp_dr.kube.port import Kubernetes, Object
from hcp_dr.kube.resources import DEPLOYMENT, POD
from hcp_dr.model import Case, Ports, Side
from hcp_dr.objects.reading import first_container, flags_of, is_ready_pod, pods_of
from hcp_dr.upstream import EXTERNAL_DNS, OPERATOR_NAMESPACE


@dataclass(frozen=True, slots=True)
class ExternalDns:
    """external-dns of one side, by its Deployment's arguments. `owner` is its TXT owner ID."""

    side: Side
    there: bool
    ready: int = 0
    provider: str = ""
    domain_filters: tuple[str, ...] = ()
    owner: str = ""
    cache: str = ""  # --txt-cache-interval
    interval: str = ""
    credentials: bool = False


def read_arguments(deployment: Object, side: Side) -> ExternalDns:
    """From the first container's command, args and environment. Its pods decide whether it is running."""
    container = first_container(deployment)
    flags = flags_of(container)
    environment = {entry.get("name") for entry in container.get("env") or ()}
    return ExternalDns(
        side=side,
        there=True,
        provider=next(iter(flags.get("provider", ())), ""),
        domain_filters=tuple(flags.get("domain-filter", ())),
        owner=next(iter(flags.get("txt-owner-id", ())), "default"),
        cache=next(iter(flags.get("txt-cache-interval", ())), ""),
        interval=next(iter(flags.get("interval", ())), ""),
        credentials=bool(environment & {"AWS_SHARED_CREDENTIALS_FILE", "AWS_ACCESS_KEY_ID", "AWS_ROLE_ARN"}),
    )


def read_external_dns(cluster: Kubernetes, side: Side) -> ExternalDns:
    """The external-dns of one management cluster."""
    deployment = cluster.find(DEPLOYMENT, EXTERNAL_DNS, OPERATOR_NAMESPACE)
    if deployment is None:
        return ExternalDns(side, there=False)
    pods = pods_of(deployment, cluster.list(POD, OPERATOR_NAMESPACE).items)
    return replace(read_arguments(deployment, side), ready=sum(map(is_ready_pod, pods)))


def source_owner(ports: Ports, case: Case, records: Iterable[Record]) -> str:
    """The owner ID of the source's DNS names: from its external-dns, or, if that is gone, from the API's own record. ""
    if unknown."""
    external_dns = read_external_dns(ports.source, "source")
    if external_dns.there:
        return external_dns.owner
    owners = owners_of(records, case.api_hostname) - {read_external_dns(ports.destination, "destination").owner}
    return next(iter(owners)) if len(owners) == 1 else ""


def under(hostname: str, domain: str) -> bool:
    return hostname == domain or hostname.endswith("." + domain)
