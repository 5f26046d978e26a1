"""Looks whether etcd can be restored by a URL, as the HostedCluster was exported, and remembers what it saw: behind the
fence nobody can look any more.

A restore begins with it too, because a backup may be older than this look, or of a hosted cluster that goes on. After
the point of no return nothing is refused any more.
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
    started: bool  # un-paused on the destination: it is too late to refuse
    etcd: Etcd  # as the backup's HostedCluster would be restored
    remembered: RestoreProbe | None


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    remembered = restorable.remembered(memory)
    if POINT_OF_NO_RETURN in memory.done or _is_started(ports, case):
        return Facts(started=True, etcd=restorable.NOT_LOOKED, remembered=remembered)
    etcd = Etcd(hosted_cluster_to_restore(ports, case), remembered)
    if etcd.refusal is not None and not is_lost(memory):
        _, looked = restorable.probe_restore(ports.source, case)
        etcd = replace(etcd, looked=looked)
    return Facts(started=False, etcd=etcd, remembered=remembered)


def _is_started(ports: Ports, case: Case) -> bool:
    found = ports.destination.find(HOSTED_CLUSTER, case.name, case.namespace)
    return found is not None and is_ours(found, case.backup_id) and dig(found, "spec", "pausedUntil") is None


def plan(facts: Facts) -> Decision:
    if facts.started:
        return Done("the point of no return is passed")
    etcd = facts.etcd
    if etcd.refusal is not None:
        return Refuse(etcd.refusal, etcd.checks)
    if etcd.looked is not None and facts.remembered != etcd.looked:
        return Do((ETCD_RESTORE.remember(etcd.looked),))
    return Done("etcd can be restored by its URL", etcd.checks)


def afterwards(facts: Facts, decision: Decision) -> Facts:
    return replace(facts, remembered=facts.etcd.looked)


STEP = Step(name="backup.judge_etcd", documented="-", observe=observe, plan=plan, afterwards=afterwards)
