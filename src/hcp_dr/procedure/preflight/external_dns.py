"""The documented hard condition: both management clusters run external-dns for the domain of the API's hostname, so
that the hostname can move. A hosted cluster without this setup cannot be migrated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Check, Decision, Step
from hcp_dr.hypershift.checks import verdict
from hcp_dr.hypershift.dns.external_dns import ExternalDns, read_external_dns, under
from hcp_dr.hypershift.state import DNS
from hcp_dr.kube.resources import HOSTED_CLUSTER
from hcp_dr.model import RELEASE, Case, Dns, Ports, Side
from hcp_dr.objects.reading import dig
from hcp_dr.upstream import EXTERNAL_DNS, OPERATOR_NAMESPACE

_REQUIRED_SERVICES = ("APIServer", "OAuthServer", "Konnectivity", "Ignition")


@dataclass(frozen=True, slots=True)
class Facts:
    sides: tuple[ExternalDns, ...]
    domain: str
    dns: Dns  # remembered: the value of --dns
    hostnames: tuple[tuple[str, str, str], ...]  # service, publishing strategy, hostname or ""


def _read_hostnames(ports: Ports, case: Case) -> tuple[tuple[str, str, str], ...]:
    hosted_cluster = ports.source.get(HOSTED_CLUSTER, case.name, case.namespace)
    services = {entry.get("service"): entry for entry in dig(hosted_cluster, "spec", "services") or ()}
    hostnames = []
    for service in _REQUIRED_SERVICES:
        strategy = dig(services.get(service), "servicePublishingStrategy") or {}
        kind = str(strategy.get("type") or "")
        field = kind[:1].lower() + kind[1:]
        hostnames.append((service, kind, str(dig(strategy, field, "hostname") or "")))
    return tuple(hostnames)


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    return Facts(
        sides=(read_external_dns(ports.source, "source"), read_external_dns(ports.destination, "destination")),
        domain=case.domain,
        dns=memory.get(DNS) or RELEASE,
        hostnames=_read_hostnames(ports, case),
    )


def _check_side(side: ExternalDns, domain: str, dns: Dns) -> Check:
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
    if not any(under(domain, wanted) for wanted in side.domain_filters):
        problems.append(f"domain filter is {', '.join(side.domain_filters) or 'not set'}, without {domain}")
    if not side.credentials:
        problems.append("no AWS credentials are configured")
    if not side.ready:
        problems.append("no pod is Ready")
    if problems:
        todo = "fix the Deployment and wait for a Ready pod" + (alternative if not side.ready else "")
        return Check(name, "blocked", f"{deployment}: {'; '.join(problems)}", why, todo)
    return Check(name, "ok", f"provider aws, filter {', '.join(side.domain_filters)}, owner {side.owner}")


def checks(facts: Facts) -> tuple[Check, ...]:
    results = [_check_side(side, facts.domain, facts.dns) for side in facts.sides]
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


def _observe_side(side: Side) -> Callable[[Ports, Case, RunState], Facts]:
    def observe_side(ports: Ports, case: Case, memory: RunState) -> Facts:
        external_dns = read_external_dns(ports.cluster(side), side)
        hostnames = _read_hostnames(ports, case) if side == "source" else ()
        return Facts((external_dns,), case.domain, memory.get(DNS) or RELEASE, hostnames)

    return observe_side


_WHOLE = Step(name="preflight.external_dns", documented="8.6 note", observe=observe, plan=plan)
_SIDES: tuple[Side, ...] = ("source", "destination")
STEP = replace(_WHOLE, parts=tuple(replace(_WHOLE, observe=_observe_side(side)) for side in _SIDES))
