"""Settings with which external-dns would not move the names: it deletes nothing, writes nothing, or does not see the
hosted cluster's names, Routes and Services."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator

from hcp_dr.hypershift import timeouts
from hcp_dr.hypershift.dns.external_dns import ExternalDns, under
from hcp_dr.hypershift.dns.records import SUFFIX, names_in
from hcp_dr.hypershift.downtime import seconds
from hcp_dr.kube.port import Object
from hcp_dr.kube.resources import ROUTE
from hcp_dr.model import HANDOVER, Dns
from hcp_dr.objects.reading import annotations_of, dig, labels_of, name_of, namespace_of
from hcp_dr.objects.selector import matches
from hcp_dr.upstream import HOSTNAME_ANNOTATION

_NEEDED_TYPES = ("A", "CNAME")


def against_deletion(found: ExternalDns) -> tuple[str, ...]:
    """Why this external-dns would not delete its records."""
    policy = found.value("policy", "sync")
    problems = [f"policy is {policy}, with which no record is deleted"] if policy != "sync" else []
    period = seconds(found.interval)
    if period is not None and period > timeouts.DNS_RELEASED.seconds and not found.is_on("events"):
        problems.append(
            f"interval is {found.interval}, and records are awaited for {timeouts.DNS_RELEASED.seconds:.0f} s"
        )
    return (*problems, *_against_any_change(found))


def against_creation(found: ExternalDns, dns: Dns) -> tuple[str, ...]:
    """Why this external-dns would not write the names. After a handover the records exist, and are updated."""
    policy = found.value("policy", "sync")
    problems = []
    if policy == "create-only" and dns == HANDOVER:
        problems.append("policy is create-only, with which no record is changed")
    return (*problems, *_against_any_change(found))


def _against_any_change(found: ExternalDns) -> Iterator[str]:
    if found.is_on("dry-run"):
        yield "dry-run is set"
    if found.is_on("once"):
        yield "once is set, with which external-dns ends after one pass"
    registry = found.value("registry", "txt")
    if registry != "txt":
        yield f"registry is {registry} instead of txt, so that no TXT record has the owner"
    managed = found.values("managed-record-types") or ("A", "AAAA", "CNAME")
    ignored = {each.upper() for each in found.values("exclude-record-types")}
    lacking = [each for each in _NEEDED_TYPES if each not in {word.upper() for word in managed} - ignored]
    if lacking:
        yield f"records of type {' and '.join(lacking)} are not managed"


def naming(found: ExternalDns) -> str:
    """How the TXT records with the owner are named."""
    return f"prefix {found.value('txt-prefix') or 'none'}, suffix {found.value('txt-suffix', SUFFIX) or 'none'}"


def unseen_names(found: ExternalDns, hostnames: Iterable[str], zone_id: str) -> tuple[str, ...]:
    """Why names are outside of the filters."""
    pattern, exclusion = found.value("regex-domain-filter"), found.value("regex-domain-exclusion")
    try:
        outside = [name for name in hostnames if not _passes(found, name, pattern, exclusion)]
    except re.error:
        return (f"the regular expression {pattern or exclusion} was not understood",)
    problems = [f"filtered out: {', '.join(sorted(outside))}"] if outside else []
    zones = found.values("zone-id-filter")
    if zone_id and zones and not any(zone_id == each.rpartition("/")[2] for each in zones):
        problems.append(f"zone-id-filter is {', '.join(zones)}, without {zone_id}")
    return tuple(problems)


def _passes(found: ExternalDns, name: str, pattern: str, exclusion: str) -> bool:
    """A regular expression takes the place of the lists of domains."""
    if pattern or exclusion:
        return bool(re.search(pattern, name)) and not (exclusion and re.search(exclusion, name))
    wanted = found.domain_filters
    included = not wanted or any(under(name, each) for each in wanted)
    return included and not any(under(name, each) for each in found.values("exclude-domains"))


def unseen_objects(found: ExternalDns, published: Iterable[Object], hostnames: Collection[str]) -> tuple[str, ...]:
    """Names that no Route or Service publishes which this external-dns sees, with the reason."""
    reasons: dict[str, list[str]] = {}
    seen: set[str] = set()
    for item in published:
        names = {*_published_by(item)} & {*hostnames}
        why = _overlooks(found, item)
        if why is None:
            seen |= names
        for name in names:
            reasons.setdefault(name, []).append(f"{item['kind']} {name_of(item)}: {why}")
    return tuple(f"{name} is not seen ({'; '.join(why)})" for name, why in sorted(reasons.items()) if name not in seen)


def _published_by(item: Object) -> frozenset[str]:
    if item["kind"] == ROUTE.kind:
        return names_in(str(dig(item, "spec", "host") or ""))
    return names_in(annotations_of(item).get(HOSTNAME_ANNOTATION, ""))


def _overlooks(found: ExternalDns, item: Object) -> str | None:
    kind = item["kind"]
    sources, types = found.values("source"), found.values("service-type-filter")
    namespace = found.value("namespace")
    source = "openshift-route" if kind == ROUTE.kind else "service"
    if sources and source not in sources:
        return f"source {source} is not set"
    if namespace and namespace != namespace_of(item):
        return f"namespace is {namespace}"
    for flag, words in (("label-filter", labels_of(item)), ("annotation-filter", annotations_of(item))):
        selector = found.value(flag)
        if selector and not matches(selector, words):
            return f"{flag} is {selector}"
    if kind == "Service" and found.is_on("ignore-hostname-annotation"):
        return "ignore-hostname-annotation is set"
    if kind == "Service" and types and str(dig(item, "spec", "type")) not in types:
        return f"service-type-filter is {', '.join(types)}"
    router = found.value("openshift-router-name")
    if (
        kind == "Route"
        and router
        and router not in {each.get("routerName") for each in dig(item, "status", "ingress") or ()}
    ):
        return f"openshift-router-name is {router}"
    return None
