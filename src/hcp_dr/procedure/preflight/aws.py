"""Can the given AWS credentials do their part: write and read the bucket, presign an URL that fits, read the zone, see
and protect the instances?"""

from __future__ import annotations

from dataclasses import dataclass, replace

from hcp_dr.engine.journal import Memory
from hcp_dr.engine.step import Check, Decision, DeleteObject, Do, PutObject, Remember, Step
from hcp_dr.errors import Forbidden
from hcp_dr.model import Case, Ports
from hcp_dr.procedure import etcd
from hcp_dr.procedure.instances import aws_machines, instance_id, instance_ids
from hcp_dr.procedure.preflight import bad_if, verdict
from hcp_dr.procedure.preflight.external_dns import source_owner, under
from hcp_dr.procedure.records import owned
from hcp_dr.procedure.restore_url import LIMIT as URL_LIMIT
from hcp_dr.procedure.restore_url import SECONDS as URL_SECONDS

NEEDED_SECONDS = 2 * 3600
"""So long the credentials should hold: a relocation with all its waits."""
PROBE_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Facts:
    caller: str
    probe_key: str
    probed: bool  # remembered: the probe was seen there
    probe_there: bool
    url_length: int
    url_scheme: str
    zone_domain: str
    domain: str
    api_hostname: str
    owned_names: tuple[str, ...]  # names in the zone that the source keeps for this control plane
    without_instance: tuple[str, ...]  # AWSMachines without providerID
    not_running: tuple[str, ...]
    spot: tuple[str, ...]
    instances: int
    fetched: str | None = None  # by etcd's pod on the source: "" where the probe was, else why not; None: not tried
    lasts: bool | None = True  # do the credentials hold for NEEDED_SECONDS; None where their session does not say


def observe(ports: Ports, case: Case, memory: Memory) -> Facts:
    key = f"{case.key_prefix}/probe"
    url = ports.bucket.presign_get(case.snapshot_key, seconds=URL_SECONDS)
    machines = aws_machines(ports.source, case)
    wanted = instance_ids(machines)
    found = {instance.instance_id: instance for instance in ports.instances.describe(wanted)}
    records = ports.zone.records()
    owner = source_owner(ports, case, records)
    probe_there = ports.bucket.head(key) is not None
    remembered = memory.mapping("preflight.probe") or {}
    return Facts(
        caller=ports.identity.arn(),
        probe_key=key,
        probed=remembered.get("key") == key,
        probe_there=probe_there,
        url_length=len(url),
        url_scheme=url.partition(":")[0],
        zone_domain=ports.zone.domain(),
        domain=case.domain,
        api_hostname=case.api_hostname,
        owned_names=tuple(sorted({r.name for r in owned(records, owner, case.control_plane_namespace)})),
        without_instance=tuple(m["metadata"]["name"] for m in machines if instance_id(m) is None),
        not_running=tuple(i for i in wanted if i not in found or found[i].state != "running"),
        spot=tuple(i.instance_id for i in found.values() if i.spot),
        instances=len(wanted),
        fetched=_fetched(ports, case, key) if probe_there else remembered.get("fetched"),
        lasts=ports.identity.lasts(NEEDED_SECONDS),
    )


def _fetched(ports: Ports, case: Case, key: str) -> str | None:
    try:
        pods = etcd.ready_pods(ports.source, case)
        url = ports.bucket.presign_get(key, seconds=PROBE_SECONDS)
        return etcd.cannot_fetch(ports.source, case, pods[0], url) or "" if pods else None
    except Forbidden:
        return None


def checks(facts: Facts) -> tuple[Check, ...]:
    found = [
        Check("bucket", "ok", f"written, read and deleted {facts.probe_key} as {facts.caller}"),
        _from_source(facts),
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


def _from_source(facts: Facts) -> Check:
    """The snapshot goes to the bucket from etcd's pod, and is fetched by etcd's pod on the destination."""
    name, why = "bucket.source", "the snapshot goes from etcd's pod straight to the bucket, while the API is away"
    if facts.fetched is None:
        return Check(
            name,
            "warning",
            "not tried: no ready pod of etcd on the source lets a command be run in it",
            why,
            "see that the nodes of both management clusters reach the bucket",
        )
    return bad_if(
        facts.fetched,
        name,
        f"etcd's pod on the source could not fetch the probe: {facts.fetched}"
        if facts.fetched
        else "etcd's pod on the source fetched the probe; the destination's way to the bucket cannot be tried before "
        "there is a pod of it",
        why,
        "open the way from the source's nodes to the bucket (endpoint, proxy, policy, certificates), and try again",
    )


def _credentials(facts: Facts) -> Check:
    """A presigned URL ends with the session that signed it (rule C8)."""
    name, hours = "credentials", f"{NEEDED_SECONDS // 3600} hours"
    why = "the restore URL ends with the session that signed it, and no step after it can be done"
    if facts.lasts is None:
        return Check(
            name,
            "warning",
            f"{facts.caller} is a session that does not say when it ends",
            why,
            f"see that it lasts for {hours} more, or log in anew before you start",
        )
    return bad_if(
        facts.lasts is False,
        name,
        f"{facts.caller} {'ends' if facts.lasts is False else 'holds for more than'} "
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
        return Check(
            "api_record",
            "blocked",
            f"{facts.api_hostname} is not kept in the zone by the source's external-dns",
            "whoever keeps it would not give it up to the destination",
            "let the source's external-dns own the record, or publish the API under a name that it owns",
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
    if facts.probe_there:
        seen = {"key": facts.probe_key, "fetched": facts.fetched}
        return Do((Remember("preflight.probe", seen), DeleteObject(facts.probe_key)))
    if not facts.probed:
        return Do((PutObject(facts.probe_key, b"probe"),))
    return verdict(checks(facts))


def afterwards(facts: Facts, decision: Decision) -> Facts:
    return replace(facts, probed=facts.probe_there, probe_there=not facts.probe_there)


STEP = Step(name="preflight.aws", documented="-", observe=observe, plan=plan, afterwards=afterwards)
