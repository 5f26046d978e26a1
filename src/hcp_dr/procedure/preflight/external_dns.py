"""The documented hard condition: both management clusters run external-dns for the domain of the API's hostname, so
that the hostname can move. A hosted cluster without this setup cannot be migrated."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Check, Decision, Step
from hcp_dr.hypershift.checks import verdict
from hcp_dr.hypershift.dns.external_dns import ExternalDns, read_external_dns, under
from hcp_dr.hypershift.dns.obstacles import against_creation, against_deletion, naming, unseen_names, unseen_objects
from hcp_dr.hypershift.dns.records import fixed_names
from hcp_dr.hypershift.state import DNS
from hcp_dr.kube.port import Object
from hcp_dr.kube.resources import HOSTED_CLUSTER, ROUTE, SERVICE
from hcp_dr.model import HANDOVER, RELEASE, Case, Dns, Ports, Side
from hcp_dr.objects.reading import dig
from hcp_dr.upstream import EXTERNAL_DNS, OPERATOR_NAMESPACE

_REQUIRED_SERVICES = ("APIServer", "OAuthServer", "Konnectivity", "Ignition")


@dataclass(frozen=True, slots=True)
class Facts:
    sides: tuple[ExternalDns, ...]
    domain: str
    dns: Dns  # remembered: the value of --dns
    hostnames: tuple[tuple[str, str, str], ...]  # service, publishing strategy, hostname or ""
    unseen: tuple[tuple[Side, str], ...] = ()  # names that the external-dns of a side would not see, and why


def _hostnames_of(hosted_cluster: Object) -> tuple[tuple[str, str, str], ...]:
    services = {entry.get("service"): entry for entry in dig(hosted_cluster, "spec", "services") or ()}
    hostnames = []
    for service in _REQUIRED_SERVICES:
        strategy = dig(services.get(service), "servicePublishingStrategy") or {}
        kind = str(strategy.get("type") or "")
        field = kind[:1].lower() + kind[1:]
        hostnames.append((service, kind, str(dig(strategy, field, "hostname") or "")))
    return tuple(hostnames)


def _observing(*sides: Side) -> Callable[[Ports, Case, RunState], Facts]:
    """Reads the external-dns of these sides; the names only if the source is one of them."""

    def observe_sides(ports: Ports, case: Case, memory: RunState) -> Facts:
        found = tuple(read_external_dns(ports.cluster(side), side) for side in sides)
        facts = Facts(sides=found, domain=case.domain, dns=memory.get(DNS) or RELEASE, hostnames=())
        if "source" not in sides:
            return facts
        hosted_cluster = ports.source.get(HOSTED_CLUSTER, case.name, case.namespace)
        unseen = _read_unseen(ports, case, hosted_cluster, found)
        return replace(facts, hostnames=_hostnames_of(hosted_cluster), unseen=unseen)

    return observe_sides


def _read_unseen(
    ports: Ports, case: Case, hosted_cluster: Object, sides: Iterable[ExternalDns]
) -> tuple[tuple[Side, str], ...]:
    """The destination publishes the same objects as the source, with the same labels and annotations."""
    names = fixed_names(hosted_cluster)
    published = [i for kind in (ROUTE, SERVICE) for i in ports.source.list(kind, case.control_plane_namespace).items]
    return tuple(
        (side.side, text)
        for side in sides
        if side.there
        for text in (*unseen_names(side, names, case.zone_id), *unseen_objects(side, published, names))
    )


def _check_side(side: ExternalDns, facts: Facts) -> Check:
    domain, dns = facts.domain, facts.dns
    name = f"external_dns.{side.side}"
    why = "without external-dns on both sides the API's hostname cannot move, and the hosted cluster cannot be migrated"
    deployment = f"Deployment {OPERATOR_NAMESPACE}/{EXTERNAL_DNS} of the {side.side} management cluster"
    if dns != RELEASE and side.side == "source" and not side.ready:
        seen = f"{deployment} {'has no Ready pod' if side.there else 'does not exist'}"
        return Check(name, "warning", seen, f"--dns {dns} moves the records without this external-dns", "")
    alternative = "; if this is impossible, have the records taken over with --dns takeover"
    alternative = alternative if side.side == "source" else ""
    if not side.there:
        todo = f"install HyperShift with external-dns on the {side.side}{alternative}"
        return Check(name, "blocked", f"{deployment} does not exist", why, todo)
    problems = []
    if side.provider != "aws":
        problems.append(f"provider is {side.provider or 'not set'} instead of aws")
    by_pattern = side.value("regex-domain-filter") or side.value("regex-domain-exclusion")
    if not by_pattern and not any(under(f"any.{domain}", wanted) for wanted in side.domain_filters):
        problems.append(f"domain filter is {', '.join(side.domain_filters) or 'not set'}, without {domain}")
    if not side.credentials and (problems or not side.ready):
        problems.append("no AWS credentials are configured")
    if not side.ready:
        problems.append("no pod is Ready")
    if problems:
        todo = "fix the Deployment and wait for a Ready pod" + (alternative if not side.ready else "")
        return Check(name, "blocked", f"{deployment}: {'; '.join(problems)}", why, todo)
    return _check_effect(side, facts, name, deployment)


def _check_effect(side: ExternalDns, facts: Facts, name: str, deployment: str) -> Check:
    """Would this external-dns, which is alive, delete or create the names?"""
    leaves = side.side == "source"
    problems = against_deletion(side) if leaves else against_creation(side, facts.dns)
    problems += tuple(text for its_side, text in facts.unseen if its_side == side.side)
    seen = f"{deployment}: {'; '.join(problems)}"
    if problems and leaves and facts.dns != RELEASE:
        return Check(name, "warning", seen, f"--dns {facts.dns} moves the records without this external-dns")
    if problems:
        why = "the names would keep leading to the source" if leaves else "no record would lead to the destination"
        todo = "change these arguments or variables of the Deployment, and wait for a Ready pod"
        todo += "; or have the records moved without it: --dns takeover or --dns handover" if leaves else ""
        return Check(
            name, "blocked", seen, f"{why}, and the API would be unreachable by its name", todo, acceptable=True
        )
    if side.unread:
        return Check(
            name,
            "warning",
            f"{deployment}: not read: {', '.join(side.unread)}, with variables of the container",
            "a variable EXTERNAL_DNS_POLICY or EXTERNAL_DNS_DRY_RUN, for example, decides whether the names move",
            "check these variables, or grant the right to get the ConfigMap",
        )
    if not side.credentials:
        return Check(
            name,
            "warning",
            f"{deployment}: no AWS credentials were seen in the Deployment or its pods",
            "without the role of its ServiceAccount or its node, external-dns could not change the zone",
            "check in the log of external-dns that it updates records",
        )
    return Check(name, "ok", f"provider aws, filter {', '.join(side.domain_filters)}, owner {side.owner}")


def checks(facts: Facts) -> tuple[Check, ...]:
    results = [_check_side(side, facts) for side in facts.sides]
    owners = [side.owner for side in facts.sides if side.there]
    if len(owners) == 2 and owners[0] == owners[1]:
        results.append(
            Check(
                "external_dns.owners",
                "blocked",
                f"external-dns on both sides uses owner ID {owners[0]}",
                "the two controllers would delete records of the other side",
                "set another --txt-owner-id on one side",
            )
        )
    if facts.dns == HANDOVER and naming(facts.sides[0]) != naming(facts.sides[1]):
        results.append(
            Check(
                "external_dns.naming",
                "blocked",
                f"TXT records have {naming(facts.sides[0])} on the source, {naming(facts.sides[1])} on the destination",
                "the destination's external-dns would not recognize the names handed over, and never change them",
                "set the same --txt-prefix and --txt-suffix on both sides, or use --dns takeover",
            )
        )
    for service, kind, hostname in facts.hostnames:
        if kind in ("Route", "LoadBalancer") and hostname and under(hostname, facts.domain):
            results.append(Check(f"hostname.{service}", "ok", f"{kind} {hostname}"))
            continue
        results.append(
            Check(
                f"hostname.{service}",
                "blocked",
                f"{service} is published as {kind or 'nothing'} with hostname {hostname or '(none)'}",
                f"only a fixed hostname under {facts.domain} moves with the control plane",
                f"publish {service} with a hostname under {facts.domain}",
            )
        )
    return tuple(results)


def plan(facts: Facts) -> Decision:
    return verdict(checks(facts))


_SIDES: tuple[Side, ...] = ("source", "destination")
_WHOLE = Step(name="preflight.external_dns", documented="8.6 note", observe=_observing(*_SIDES), plan=plan)
STEP = replace(_WHOLE, parts=tuple(replace(_WHOLE, observe=_observing(side)) for side in _SIDES))
