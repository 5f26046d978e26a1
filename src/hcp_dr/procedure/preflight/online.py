"""Requirements of an online backup: permission to read the carried objects, the bucket, and room for a snapshot in
etcd's volume."""

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
from hcp_dr.hypershift.etcd.alarms import check_alarms, read_alarms
from hcp_dr.hypershift.etcd.restorable import Etcd
from hcp_dr.hypershift.etcd.snapshot_file import glance, path_of
from hcp_dr.hypershift.fields import find_unknown, warn_unknown
from hcp_dr.kube.resources import NODE_POOL
from hcp_dr.model import Case, Ports, Side
from hcp_dr.objects.select import node_pools_of


@dataclass(frozen=True, slots=True)
class Facts:
    servers: tuple[Server, ...]
    probe: Probe
    denied: tuple[tuple[Side, tuple[str, ...]], ...]
    etcd_pod: str | None
    lacking: int  # missing bytes of free space in the pod's volume
    unknown: tuple[str, ...] = ()  # fields of HostedCluster and NodePools
    own: str = ""  # the control plane namespace
    alarms: tuple[str, ...] = ()  # of etcd
    restored: Etcd = restorable.NOT_LOOKED  # whether the backup could be restored


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    namespace = case.control_plane_namespace
    verbs = tuple((side, denied(ports.cluster(side), side, case.namespace, case.name, of_online)) for side in SIDES)
    pod, lacking = None, 0
    etcd, unknown = restorable.NOT_LOOKED, tuple[str, ...]()
    alarms: tuple[str, ...] = ()
    try:
        pod = etcd_members.truth(ports.source, case)
        lacking = glance(ports.source, namespace, pod, path_of("online")).lacking if pod else 0
        alarms = read_alarms(ports.source, case)
        etcd = Etcd(*restorable.probe_restore(ports.source, case))
        pools = node_pools_of(etcd.hosted_cluster, ports.source.list(NODE_POOL, case.namespace).items)
        unknown = find_unknown((etcd.hosted_cluster, *pools))
    except Forbidden:
        pass  # `denied` reports the missing permission
    return Facts(
        servers=tls.read_servers(ports),
        probe=read_probe(ports, case, memory),
        denied=verbs,
        etcd_pod=pod,
        lacking=lacking,
        unknown=unknown,
        own=namespace,
        alarms=alarms,
        restored=etcd,
    )


def checks(facts: Facts) -> tuple[Check, ...]:
    return (
        *tls.checks(facts.servers, acceptable=False),
        *(
            bad_if(
                verbs,
                f"permissions.{side}",
                f"not allowed: {', '.join(verbs)}" if verbs else "every verb that an online backup uses is allowed",
                "the backup would stop half-way",
                f"give the user of the {side} kubeconfig the roles that `hcp-dr rbac {side}` prints",
            )
            for side, verbs in facts.denied
        ),
        *facts.probe.checks(),
        _check_etcd(facts),
        *check_alarms(facts.alarms, facts.own),
        *map(_as_warning, facts.restored.checks),
        warn_unknown(facts.unknown),
    )


def _as_warning(check: Check) -> Check:
    """The backup is taken nevertheless: an engineer can restore it by hand, and a backup is better than none."""
    if not check.stops:
        return check
    why = f"hcp-dr cannot restore this backup: {check.why}"
    return replace(check, verdict="warning", why=why)


def _check_etcd(facts: Facts) -> Check:
    if facts.etcd_pod is None:
        why = "the snapshot is taken from etcd's leader"
        return Check("etcd", "blocked", "etcd has no Ready leader", why, "repair etcd, then run the command again")
    lacking = -(-facts.lacking // MEBIBYTE)
    return bad_if(
        facts.lacking,
        "etcd",
        f"the volume of pod {facts.etcd_pod} lacks {lacking} MiB of free space"
        if lacking
        else f"the volume of pod {facts.etcd_pod} has enough free space",
        "etcd would stop with a full disk",
        "remove files of other programs from the volume, or enlarge the PersistentVolumeClaim",
    )


def plan(facts: Facts) -> Decision:
    return facts.probe.next() or verdict(checks(facts))


def afterwards(facts: Facts, decision: Decision) -> Facts:
    return replace(facts, probe=facts.probe.after())


STEP = Step(name="preflight.online", documented="-", observe=observe, plan=plan, afterwards=afterwards)
