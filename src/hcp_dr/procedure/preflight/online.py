"""What an online backup needs: the rights to read what is carried, the bucket, and etcd with room for its snapshot."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Check, Decision, Step
from hcp_dr.engine.transfer import MEBIBYTE
from hcp_dr.errors import Forbidden
from hcp_dr.hypershift.access import tls
from hcp_dr.hypershift.access.permissions import SIDES, denied, of_online
from hcp_dr.hypershift.access.tls import Server
from hcp_dr.hypershift.bucket_probe import Probe, read_probe
from hcp_dr.hypershift.checks import bad_if, verdict
from hcp_dr.hypershift.etcd import members as etcd_members
from hcp_dr.hypershift.etcd import restorable
from hcp_dr.hypershift.etcd.restorable import Etcd
from hcp_dr.hypershift.etcd.snapshot_file import glance, path_of
from hcp_dr.model import Case, Ports, Side


@dataclass(frozen=True, slots=True)
class Facts:
    servers: tuple[Server, ...]
    probe: Probe
    denied: tuple[tuple[Side, tuple[str, ...]], ...]
    etcd_pod: str | None
    lacking: int  # bytes of room in its volume
    restored: Etcd = restorable.NOT_LOOKED  # whether what is backed up could be


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    namespace = case.control_plane_namespace
    refused = tuple((side, denied(ports.cluster(side), side, case.namespace, case.name, of_online)) for side in SIDES)
    pod, lacking = None, 0
    found = restorable.NOT_LOOKED
    try:
        pod = etcd_members.truth(ports.source, case)
        lacking = glance(ports.source, namespace, pod, path_of("online")).lacking if pod else 0
        found = Etcd(*restorable.probe_restore(ports.source, case))
    except Forbidden:
        pass  # that is among what is denied
    return Facts(
        servers=tls.read_servers(ports),
        probe=read_probe(ports, case, memory),
        denied=refused,
        etcd_pod=pod,
        lacking=lacking,
        restored=found,
    )


def checks(facts: Facts) -> tuple[Check, ...]:
    return (
        *tls.checks(facts.servers, acceptable=False),
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
        *facts.probe.checks(),
        _etcd(facts),
        *map(_as_warning, facts.restored.checks),
    )


def _as_warning(check: Check) -> Check:
    """The backup is taken all the same: by hand it can be restored, and it is better than none."""
    if not check.stops:
        return check
    why = f"hcp-dr cannot restore this backup: {check.why}"
    return replace(check, verdict="warning", why=why)


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
    return facts.probe.next() or verdict(checks(facts))


def afterwards(facts: Facts, decision: Decision) -> Facts:
    return replace(facts, probe=facts.probe.after())


STEP = Step(name="preflight.online", documented="-", observe=observe, plan=plan, afterwards=afterwards)
