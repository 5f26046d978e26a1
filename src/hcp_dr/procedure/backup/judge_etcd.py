"""Checks whether etcd can be restored from a URL, for the HostedCluster as exported, and remembers the result: behind
the fence the check is impossible.

A restore begins with this step too, because a backup may be older than the check, or of a hosted cluster in service.
After the point of no return the step refuses nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Decision, Do, Done, Refuse, Step
from hcp_dr.hypershift.backup_objects import hosted_cluster_to_restore, is_ours
from hcp_dr.hypershift.etcd import restorable
from hcp_dr.hypershift.etcd.restorable import Etcd
from hcp_dr.hypershift.source_loss import is_lost
from hcp_dr.hypershift.state import ETCD_RESTORE, RestoreProbe
from hcp_dr.hypershift.steps import POINT_OF_NO_RETURN
from hcp_dr.kube.resources import HOSTED_CLUSTER
from hcp_dr.model import Case, Ports
from hcp_dr.objects.reading import dig


@dataclass(frozen=True, slots=True)
class Facts:
    started: bool  # un-paused on the destination: too late to refuse
    etcd: Etcd  # according to the HostedCluster of the backup
    remembered: RestoreProbe | None


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    remembered = restorable.remembered(memory)
    if POINT_OF_NO_RETURN in memory.done or _is_started(ports, case):
        return Facts(started=True, etcd=restorable.NOT_LOOKED, remembered=remembered)
    hosted_cluster, lost = hosted_cluster_to_restore(ports, case), is_lost(memory)
    etcd = restorable.known(hosted_cluster, ports.source, case, memory, lost=lost)
    if etcd.refusal is not None and remembered is not None and not lost:
        _, probe = restorable.probe_restore(ports.source, case)
        etcd = replace(etcd, looked=probe)
    return Facts(started=False, etcd=etcd, remembered=remembered)


def _is_started(ports: Ports, case: Case) -> bool:
    hosted_cluster = ports.destination.find(HOSTED_CLUSTER, case.name, case.namespace)
    if hosted_cluster is None or not is_ours(hosted_cluster, case.backup_id):
        return False
    return dig(hosted_cluster, "spec", "pausedUntil") is None


def plan(facts: Facts) -> Decision:
    if facts.started:
        return Done("the relocation is past the point of no return")
    etcd = facts.etcd
    if etcd.refusal is not None:
        return Refuse(etcd.refusal, etcd.checks)
    if etcd.looked is not None and facts.remembered != etcd.looked:
        return Do((ETCD_RESTORE.remember(etcd.looked),))
    return Done("etcd can be restored from a URL", etcd.checks)


def afterwards(facts: Facts, decision: Decision) -> Facts:
    return replace(facts, remembered=facts.etcd.looked)


STEP = Step(name="backup.judge_etcd", documented="-", observe=observe, plan=plan, afterwards=afterwards)
