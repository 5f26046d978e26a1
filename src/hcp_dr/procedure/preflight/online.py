"""What an online backup needs: the rights to read what is carried, the bucket, and etcd with room for its snapshot."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hcp_dr.engine.journal import Memory
from hcp_dr.engine.step import Check, Decision, DeleteObject, Do, PutObject, Remember, Step
from hcp_dr.engine.transfer import MEBIBYTE
from hcp_dr.errors import Forbidden
from hcp_dr.model import Case, Ports, Side
from hcp_dr.procedure import etcd
from hcp_dr.procedure.permissions import SIDES, denied, of_online
from hcp_dr.procedure.preflight import bad_if, verdict
from hcp_dr.procedure.snapshot import glance, path_of

_PROBE_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Facts:
    caller: str
    probe_key: str
    probed: bool  # remembered: the probe was seen there
    probe_there: bool
    fetched: str | None  # by etcd's pod: "" where the probe was, else why not; None: not tried
    denied: tuple[tuple[Side, tuple[str, ...]], ...]
    etcd_pod: str | None
    lacking: int  # bytes of room in its volume


def observe(ports: Ports, case: Case, memory: Memory) -> Facts:
    key = f"{case.key_prefix}/probe"
    probe_there = ports.bucket.head(key) is not None
    remembered = memory.mapping("preflight.probe") or {}
    namespace = case.control_plane_namespace
    refused = tuple((side, denied(ports.cluster(side), side, case.namespace, case.name, of_online)) for side in SIDES)
    pod, lacking, fetched = None, 0, remembered.get("fetched")
    try:
        pod = etcd.truth(ports.source, case)
        lacking = glance(ports.source, namespace, pod, path_of("online")).lacking if pod else 0
        if pod and probe_there:
            url = ports.bucket.presign_get(key, seconds=_PROBE_SECONDS)
            fetched = etcd.cannot_fetch(ports.source, case, pod, url) or ""
    except Forbidden:
        pass  # that is among what is denied
    return Facts(
        caller=ports.identity.arn(),
        probe_key=key,
        probed=remembered.get("key") == key,
        probe_there=probe_there,
        fetched=fetched,
        denied=refused,
        etcd_pod=pod,
        lacking=lacking,
    )


def checks(facts: Facts) -> tuple[Check, ...]:
    return (
        *(
            bad_if(
                refused,
                f"permissions.{side}",
                f"not allowed: {', '.join(refused)}" if refused else "every verb that an online backup uses is allowed",
                "the backup would stop half-way",
                f"give the user of the {side} kubeconfig the roles that `hcp-dr rbac {side}` prints",
            )
            for side, refused in facts.denied
        ),
        Check("bucket", "ok", f"written, read and deleted {facts.probe_key} as {facts.caller}"),
        bad_if(
            facts.fetched,
            "bucket.source",
            f"etcd's pod could not fetch the probe: {facts.fetched}" if facts.fetched else "etcd's pod reaches it",
            "the snapshot goes from etcd's pod straight to the bucket",
            "open the way from the source's nodes to the bucket (endpoint, proxy, policy, certificates), and try again",
        ),
        _etcd(facts),
    )


def _etcd(facts: Facts) -> Check:
    if facts.etcd_pod is None:
        why = "the snapshot is taken from the member that leads"
        return Check("etcd", "blocked", "no Ready pod of etcd leads", why, "bring etcd up, then try again")
    lacking = -(-facts.lacking // MEBIBYTE)
    return bad_if(
        facts.lacking,
        "etcd",
        f"the volume of pod {facts.etcd_pod} lacks {lacking} MiB of room" if lacking else f"{facts.etcd_pod} has room",
        "etcd would stop when its disk is full",
        "remove what others left in that volume, or enlarge its PersistentVolumeClaim",
    )


def plan(facts: Facts) -> Decision:
    if facts.probe_there:
        seen = {"key": facts.probe_key, "fetched": facts.fetched}
        return Do((Remember("preflight.probe", seen), DeleteObject(facts.probe_key)))
    if not facts.probed:
        return Do((PutObject(facts.probe_key, b"probe"),))
    return verdict(checks(facts))


def afterwards(facts: Facts, decision: Decision) -> Facts:
    return replace(facts, probed=facts.probe_there, probe_there=not facts.probe_there)


STEP = Step(name="preflight.online", documented="-", observe=observe, plan=plan, afterwards=afterwards)
