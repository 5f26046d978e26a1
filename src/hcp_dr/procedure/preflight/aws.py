"""Can the given AWS credentials do their part: write and read the bucket, presign an URL that fits, read the zone, see
and protect the instances?"""

from __future__ import annotations

from dataclasses import dataclass, replace

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Check, Decision, Step
from hcp_dr.hypershift.bucket_probe import Probe, read_probe
from hcp_dr.hypershift.checks import bad_if, verdict
from hcp_dr.hypershift.dns.external_dns import source_owner, under
from hcp_dr.hypershift.dns.records import owned, owners_of
from hcp_dr.hypershift.etcd.restore_url import URL_LENGTH as URL_LIMIT
from hcp_dr.hypershift.etcd.restore_url import URL_SECONDS
from hcp_dr.hypershift.machines.instances import aws_machines, instance_id, instance_ids
from hcp_dr.model import Case, Ports

NEEDED_SECONDS = 2 * 3600
"""So long the credentials should hold: a relocation with all its waits."""


@dataclass(frozen=True, slots=True)
class Facts:
    probe: Probe
    url_length: int
    url_scheme: str
    zone_domain: str
    domain: str
    api_hostname: str
    owned_names: tuple[str, ...]  # names in the zone that the source keeps for this control plane
    keepers: tuple[str, ...]  # owner ids that claim the API's name
    without_instance: tuple[str, ...]  # AWSMachines without providerID
    not_running: tuple[str, ...]
    spot: tuple[str, ...]
    instances: int
    lasts: bool | None = True  # do the credentials hold for NEEDED_SECONDS; None where their session does not say


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    url = ports.bucket.presign_get(case.snapshot_key, seconds=URL_SECONDS)
    machines = aws_machines(ports.source, case)
    wanted = instance_ids(machines)
    found = {instance.instance_id: instance for instance in ports.instances.describe(wanted)}
    records = ports.zone.records()
    owner = source_owner(ports, case, records)
    return Facts(
        probe=read_probe(ports, case, memory),
        url_length=len(url),
        url_scheme=url.partition(":")[0],
        zone_domain=ports.zone.domain(),
        domain=case.domain,
        api_hostname=case.api_hostname,
        owned_names=tuple(sorted({r.name for r in owned(records, owner, case.control_plane_namespace)})),
        keepers=tuple(sorted(owners_of(records, case.api_hostname))),
        without_instance=tuple(m["metadata"]["name"] for m in machines if instance_id(m) is None),
        not_running=tuple(i for i in wanted if i not in found or found[i].state != "running"),
        spot=tuple(i.instance_id for i in found.values() if i.spot),
        instances=len(wanted),
        lasts=ports.identity.lasts(NEEDED_SECONDS),
    )


def checks(facts: Facts) -> tuple[Check, ...]:
    found = [
        *facts.probe.checks(),
        _credentials(facts),
        _url(facts),
        _zone(facts),
        _api_record(facts),
        _machines(facts),
    ]
    if facts.spot:
        found.append(
            Check(
                "spot_instances",
                "warning",
                f"Spot instances: {', '.join(facts.spot)}",
                "AWS may take them at any time, and they cannot be protected against termination",
                "go on if their loss is acceptable",
            )
        )
    return tuple(found)


def _credentials(facts: Facts) -> Check:
    """A presigned URL ends with the session that signed it (rule C8)."""
    name, hours = "credentials", f"{NEEDED_SECONDS // 3600} hours"
    why = "the restore URL ends with the session that signed it, and no step after it can be done"
    if facts.lasts is None:
        return Check(
            name,
            "warning",
            f"{facts.probe.caller} is a session that does not say when it ends",
            why,
            f"see that it lasts for {hours} more, or log in anew before you start",
        )
    return bad_if(
        facts.lasts is False,
        name,
        f"{facts.probe.caller} {'ends' if facts.lasts is False else 'holds for more than'} "
        f"{f'in less than {hours}' if facts.lasts is False else hours}",
        why,
        "log in anew, or use the keys of an IAM user; accept this when the relocation is sure to be quicker",
        acceptable=True,
    )


def _url(facts: Facts) -> Check:
    if facts.url_scheme != "https" or facts.url_length > URL_LIMIT:
        return Check(
            "restore_url",
            "blocked",
            f"the presigned URL is {facts.url_scheme} and has {facts.url_length} characters",
            f"restoreSnapshotURL takes https and {URL_LIMIT} characters; session credentials make it longer",
            "use credentials of an IAM user instead of a session, or a shorter bucket name",
        )
    return Check("restore_url", "ok", f"{facts.url_length} of {URL_LIMIT} characters")


def _zone(facts: Facts) -> Check:
    if not under(facts.domain, facts.zone_domain):
        return Check(
            "zone",
            "blocked",
            f"the zone is {facts.zone_domain}, the domain {facts.domain}",
            "the API's records are not in this zone",
            "correct AWS_ZONE_ID or EXTERNAL_DNS_DOMAIN",
        )
    seen = f"{facts.zone_domain} is readable; that it can be written was not tried: external-dns of both sides does it"
    return Check("zone", "ok", seen)


def _api_record(facts: Facts) -> Check:
    if facts.api_hostname not in facts.owned_names:
        keepers = " and ".join(f"owner {each}" for each in facts.keepers) or "nobody"
        return Check(
            "api_record",
            "blocked",
            f"{facts.api_hostname} is not kept in the zone by the source's external-dns, but by {keepers}",
            "whoever keeps it would not give it up to the destination",
            "let the source's external-dns own the record, or publish the API under a name that it owns; where another "
            "relocation holds it, as hcp-dr-<backup id>, `hcp-dr abort` of that one gives it back",
        )
    return Check("api_record", "ok", f"{facts.api_hostname} is kept by the source's external-dns")


def _machines(facts: Facts) -> Check:
    bad = [
        *(f"AWSMachine {name} has no providerID" for name in facts.without_instance),
        *(f"instance {name} is not running" for name in facts.not_running),
    ]
    if bad:
        return Check(
            "instances",
            "blocked",
            "; ".join(bad),
            "an AWSMachine restored without a running instance makes a new one",
            "let Cluster API settle first",
        )
    return Check("instances", "ok", f"{facts.instances} running")


def plan(facts: Facts) -> Decision:
    return facts.probe.next() or verdict(checks(facts))


def afterwards(facts: Facts, decision: Decision) -> Facts:
    return replace(facts, probe=facts.probe.after())


STEP = Step(name="preflight.aws", documented="-", observe=observe, plan=plan, afterwards=afterwards)
