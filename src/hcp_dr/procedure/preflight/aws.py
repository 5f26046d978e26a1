"""Are the given AWS credentials sufficient? Required: write and read access to the bucket, a presigned URL within the
length limit, read access to the zone, and access to the instances and their protection."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Check, Decision, Step
from hcp_dr.hypershift.bucket_probe import Probe, read_probe
from hcp_dr.hypershift.checks import bad_if, verdict
from hcp_dr.hypershift.dns.external_dns import orphans, source_owner, under
from hcp_dr.hypershift.dns.records import fixed_names, kept_at, owned, owners_of, strangers_at
from hcp_dr.hypershift.etcd.restore_url import URL_LENGTH as URL_LIMIT
from hcp_dr.hypershift.etcd.restore_url import URL_SECONDS
from hcp_dr.hypershift.machines.instances import aws_machines, gone, instance_id, instance_ids
from hcp_dr.hypershift.state import DNS
from hcp_dr.kube.port import Object
from hcp_dr.kube.resources import HOSTED_CLUSTER, MACHINE
from hcp_dr.model import RELEASE, Case, Dns, Ports
from hcp_dr.objects.reading import name_of, owner_names

NEEDED_SECONDS = 2 * 3600
"""Required lifetime of the credentials: a relocation with all waits."""


@dataclass(frozen=True, slots=True)
class Caller:
    """The credentials for one service."""

    service: str
    arn: str
    lasts: bool | None


@dataclass(frozen=True, slots=True)
class Facts:
    probe: Probe
    url_length: int
    url_scheme: str
    zone_domain: str
    domain: str
    api_hostname: str
    owned_names: tuple[str, ...]  # names in the zone, owned by the source for this control plane
    name_owners: tuple[str, ...]  # owner IDs with a claim on the API's hostname
    without_instance: tuple[str, ...]  # AWSMachines without providerID
    not_running: tuple[str, ...]
    spot: tuple[str, ...]
    instances: int
    namespace: str = ""  # the control plane namespace
    foreign_records: tuple[str, ...] = ()  # address records of others at the hosted cluster's other names
    gone: tuple[str, ...] = ()  # Machines, with their instances, that exist no more
    region: str = ""  # in which EC2 was asked
    known: int = 1  # instances of this hosted cluster that EC2 knows
    routed: tuple[str, ...] = ()  # records at the hosted cluster's names with a routing policy
    orphaned: tuple[str, ...] = ()  # names whose owner ID no external-dns of either side has, with the owner ID
    dns: Dns = RELEASE  # remembered: the value of --dns
    lasts: bool | None = True  # are the credentials valid for NEEDED_SECONDS; None if the session has no known end
    others: tuple[Caller, ...] = ()  # of services with credentials of their own


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    url = ports.bucket.presign_get(case.snapshot_key, seconds=URL_SECONDS)
    machines = aws_machines(ports.source, case)
    wanted = instance_ids(machines)
    instances = {instance.instance_id: instance for instance in ports.instances.describe(wanted)}
    dead = gone(wanted, instances.values())
    records = ports.zone.records()
    owner = source_owner(ports, case, records)
    all_names = fixed_names(ports.source.get(HOSTED_CLUSTER, case.name, case.namespace)) | {case.api_hostname}
    names = all_names - {case.api_hostname}
    own, orphaned = {owner} - {""}, orphans(ports, case, records, all_names, owner)
    kept = kept_at(records, own | orphaned, case.control_plane_namespace, names)
    return Facts(
        probe=read_probe(ports, case, memory),
        url_length=len(url),
        url_scheme=url.partition(":")[0],
        zone_domain=ports.zone.domain(),
        domain=case.domain,
        api_hostname=case.api_hostname,
        owned_names=tuple(sorted({r.name for r in owned(records, own, case.control_plane_namespace)})),
        name_owners=tuple(sorted(owners_of(records, case.api_hostname))),
        without_instance=tuple(m["metadata"]["name"] for m in machines if instance_id(m) is None),
        not_running=tuple(
            i for i in wanted if i not in dead and (i not in instances or instances[i].state != "running")
        ),
        spot=tuple(i.instance_id for i in instances.values() if i.spot and i.instance_id not in dead),
        gone=tuple(f"{_machine_of(m)} ({found})" for m in machines if (found := instance_id(m)) in dead),
        region=ports.instances.region,
        known=len(instances),
        instances=len(wanted) - len(dead),
        namespace=case.control_plane_namespace,
        routed=tuple(f"{r.type} {r.name} {r.routing}" for r in records if r.routing and r.name in all_names),
        orphaned=tuple(
            f"{name} of owner {' and '.join(sorted(owners_of(records, name)))}"
            for name in sorted(
                {r.name for r in kept_at(records, orphaned, case.control_plane_namespace, all_names)} & all_names
            )
        ),
        dns=memory.get(DNS) or RELEASE,
        foreign_records=tuple(f"{each.type} {each.name}" for each in strangers_at(records, kept, names)),
        lasts=ports.identity.lasts(NEEDED_SECONDS),
        others=_read_others(ports),
    )


def _read_others(ports: Ports) -> tuple[Caller, ...]:
    others = ports.identity.others().items()
    return tuple(Caller(service, each.arn(), each.lasts(NEEDED_SECONDS)) for service, each in others)


def _machine_of(aws_machine: Object) -> str:
    """The Machine of an AWSMachine; its own name, if it has no owner."""
    return next(
        (name for name in owner_names(aws_machine) if name.startswith(f"{MACHINE.kind} ")), name_of(aws_machine)
    )


def checks(facts: Facts) -> tuple[Check, ...]:
    results = [
        *facts.probe.checks(),
        *_check_callers(facts.probe, facts.others, lasts=facts.lasts),
        _check_url(facts),
        _check_zone(facts.zone_domain, facts.domain),
        *_check_owners(facts),
        _check_foreign_records(facts),
        _check_machines(facts),
    ]
    if facts.routed:
        results.append(_check_routing(facts))
    if facts.gone:
        results.append(_check_gone(facts))
    if facts.spot:
        results.append(
            Check(
                "spot_instances",
                "warning",
                f"Spot instances: {', '.join(facts.spot)}",
                "AWS may reclaim Spot instances at any time, and termination protection is impossible",
                "continue if the loss of these instances is acceptable",
            )
        )
    return tuple(results)


def _check_callers(probe: Probe, others: Iterable[Caller], *, lasts: bool | None) -> Iterator[Check]:
    """A presigned URL expires with the session of the signer (rule C8)."""
    why = "the restore URL expires with this session, and no later step can run"
    yield _check_credentials("credentials", probe.caller, why, lasts=lasts)
    for each in others:
        name, caller = f"credentials.{each.service.lower()}", f"{each.arn}, which signs for {each.service},"
        yield _check_credentials(name, caller, "no later step with this service can run", lasts=each.lasts)


def _check_credentials(name: str, caller: str, why: str, *, lasts: bool | None) -> Check:
    hours = f"{NEEDED_SECONDS // 3600} hours"
    if lasts is None:
        return Check(
            name,
            "warning",
            f"{caller} is a session with an unknown end",
            why,
            f"check that the session is valid for {hours} more, or log in again before the start",
        )
    return bad_if(
        lasts is False,
        name,
        f"{caller} {'expires' if lasts is False else 'is valid for more than'} "
        f"{f'in less than {hours}' if lasts is False else hours}",
        why,
        "log in again, or use the keys of an IAM user; accept this check if the relocation takes less time",
        acceptable=True,
    )


def _check_url(facts: Facts) -> Check:
    if facts.url_scheme != "https" or facts.url_length > URL_LIMIT:
        return Check(
            "restore_url",
            "blocked",
            f"the presigned URL is {facts.url_scheme} and has {facts.url_length} characters",
            f"restoreSnapshotURL takes https and {URL_LIMIT} characters; session credentials make a URL longer",
            "use credentials of an IAM user instead of a session, or a shorter bucket name",
        )
    life = f"it will read all of etcd for {URL_SECONDS // 60} minutes at most"
    return Check("restore_url", "ok", f"{facts.url_length} of {URL_LIMIT} characters; {life}")


def _check_zone(zone_domain: str, domain: str) -> Check:
    if not under(domain, zone_domain):
        return Check(
            "zone",
            "blocked",
            f"the zone is {zone_domain}, the domain {domain}",
            "the API's records are not in this zone",
            "correct AWS_ZONE_ID or EXTERNAL_DNS_DOMAIN",
        )
    seen = f"{zone_domain} is readable; write access was not tested: external-dns of both sides writes the zone"
    return Check("zone", "ok", seen)


def _check_owners(facts: Facts) -> tuple[Check, ...]:
    if not facts.orphaned:
        return (_check_api_record(facts),)
    api = any(each.startswith(f"{facts.api_hostname} ") for each in facts.orphaned)
    return (_check_orphaned(facts),) if api else (_check_api_record(facts), _check_orphaned(facts))


def _check_orphaned(facts: Facts) -> Check:
    """`hypershift install` without an owner ID sets another one, and the former records stay behind."""
    name, seen = (
        "orphaned_records",
        f"records whose owner ID no external-dns of either side has: {', '.join(facts.orphaned)}",
    )
    if facts.dns != RELEASE:
        return Check(name, "warning", seen, f"--dns {facts.dns} moves the records without this external-dns")
    return Check(
        name,
        "blocked",
        seen,
        "no external-dns deletes the records, and the names would keep leading to the source",
        "have the records moved without it: run the command again with --dns takeover or --dns handover; or set the "
        "former --txt-owner-id in the source's external-dns",
    )


def _check_api_record(facts: Facts) -> Check:
    if facts.api_hostname not in facts.owned_names:
        owners = " and ".join(f"owner {each}" for each in facts.name_owners) or "no owner"
        return Check(
            "api_record",
            "blocked",
            f"record {facts.api_hostname} in the zone does not belong to the source's external-dns, but to {owners}",
            "the owner of the record would not release the hostname to the destination",
            "let the source's external-dns own the record, or publish the API under a name of the source's "
            "external-dns; if the owner is another relocation, hcp-dr-<backup id>, run `hcp-dr abort` for that "
            "relocation to return the record",
        )
    return Check("api_record", "ok", f"{facts.api_hostname} belongs to the source's external-dns")


def _check_foreign_records(facts: Facts) -> Check:
    if not facts.foreign_records:
        return Check("foreign_records", "ok", "no record of others is at the hosted cluster's names")
    return Check(
        "foreign_records",
        "blocked",
        f"records at the hosted cluster's names that the source's external-dns does not own: "
        f"{', '.join(facts.foreign_records)}",
        "the destination's external-dns cannot replace them, and the names would keep leading to the source",
        "delete these records, or let the source's external-dns own them",
    )


def _check_gone(facts: Facts) -> Check:
    """An AWSMachine with a providerID never gets another instance: carried as it is, it harms no instance."""
    names = " ".join(each.removeprefix(f"{MACHINE.kind} ").partition(" ")[0] for each in facts.gone)
    return Check(
        "gone_instances",
        "blocked",
        f"instances that exist no more: {', '.join(facts.gone)}",
        "the hosted cluster lacks these workers, and no part of the relocation brings them back",
        f"if Cluster API works on the source, run `oc delete machines.cluster.x-k8s.io -n {facts.namespace} {names}` "
        "there, and wait until their MachineSet has created others; else accept this check: these machines are carried "
        "as they are, without a new instance, and can be deleted on the destination afterwards with the same command",
        acceptable=True,
    )


def _check_routing(facts: Facts) -> Check:
    return Check(
        "routing_policy",
        "blocked",
        f"records with a routing policy: {', '.join(facts.routed)}",
        "the destination's external-dns writes plain records, and Route53 refuses a plain record beside others of its "
        "name: the API would be unreachable by its name",
        "replace these records by plain ones, with one record set for each name and type; remove the annotations "
        "external-dns.alpha.kubernetes.io/set-identifier and the like that create them",
    )


def _check_machines(facts: Facts) -> Check:
    if facts.not_running and not facts.known:
        return Check(
            "instances",
            "blocked",
            f"EC2 in region {facts.region} knows none of the instances {', '.join(facts.not_running)}",
            "without access to the instances hcp-dr cannot protect them from termination",
            "check that AWS_REGION is the region of the hosted cluster, and that AWS_CREDS, or AWS_CREDS_EC2, belongs "
            "to the account with its instances",
        )
    problems = [
        *(f"AWSMachine {name} has no providerID" for name in facts.without_instance),
        *(f"instance {name} is not running" for name in facts.not_running),
    ]
    if problems:
        return Check(
            "instances",
            "blocked",
            "; ".join(problems),
            "a restored AWSMachine without a running instance creates a new instance",
            "wait until Cluster API has reconciled the machines",
        )
    return Check("instances", "ok", f"{facts.instances} running")


def plan(facts: Facts) -> Decision:
    return facts.probe.next() or verdict(checks(facts))


def afterwards(facts: Facts, decision: Decision) -> Facts:
    return replace(facts, probe=facts.probe.after())


@dataclass(frozen=True, slots=True)
class BucketFacts:
    """The bucket and the credentials alone."""

    probe: Probe
    lasts: bool | None
    others: tuple[Caller, ...] = ()


def _observe_bucket(ports: Ports, case: Case, memory: RunState) -> BucketFacts:
    return BucketFacts(read_probe(ports, case, memory), ports.identity.lasts(NEEDED_SECONDS), _read_others(ports))


def _plan_bucket(facts: BucketFacts) -> Decision:
    return facts.probe.next() or verdict(
        (*facts.probe.checks(), *_check_callers(facts.probe, facts.others, lasts=facts.lasts))
    )


def _observe_zone(ports: Ports, case: Case, memory: RunState) -> tuple[str, str]:
    return ports.zone.domain(), case.domain


def _plan_zone(domains: tuple[str, str]) -> Decision:
    return verdict((_check_zone(*domains),))


_NAME = "preflight.aws"
STEP = Step(
    name=_NAME,
    documented="-",
    observe=observe,
    plan=plan,
    afterwards=afterwards,
    parts=(Step(_NAME, "-", _observe_bucket, _plan_bucket), Step(_NAME, "-", _observe_zone, _plan_zone)),
)
