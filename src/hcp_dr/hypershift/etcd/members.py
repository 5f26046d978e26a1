"""The hosted cluster's etcd, seen through its pods: its leader, its revision, its members."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from hcp_dr.engine import from_pod
from hcp_dr.engine.transfer import ETCDCTL
from hcp_dr.kube.port import Kubernetes
from hcp_dr.kube.resources import POD, STATEFUL_SET
from hcp_dr.model import Case
from hcp_dr.objects.reading import dig, is_ready_pod, name_of, pods_of
from hcp_dr.upstream import ETCD

_STATUS = f"{ETCDCTL} endpoint status -w json"
_STILL_SECONDS = 1
_FETCH_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Member:
    """One member, as reported by its own pod. Ids are etcd's, in decimals."""

    pod: str
    cluster_id: str
    member_id: str
    leader_id: str  # "0" if it knows no leader
    revision: int
    knows: tuple[str, ...]  # names of all voting members, sorted; a member that has not started yet has the name ""

    @property
    def leads(self) -> bool:
        return self.leader_id == self.member_id


def ready_pods(cluster: Kubernetes, case: Case) -> tuple[str, ...]:
    """Names of etcd's Ready pods, sorted."""
    etcd = cluster.find(STATEFUL_SET, ETCD, case.control_plane_namespace)
    pods = pods_of(etcd, cluster.list(POD, case.control_plane_namespace).items) if etcd else ()
    return tuple(sorted(name_of(pod) for pod in pods if is_ready_pod(pod)))


def replicas(cluster: Kubernetes, case: Case) -> int:
    """The desired number of etcd members; 0 without etcd."""
    etcd = cluster.find(STATEFUL_SET, ETCD, case.control_plane_namespace)
    return int(dig(etcd, "spec", "replicas") or 0)


def members(cluster: Kubernetes, case: Case) -> tuple[Member, ...]:
    """The status of each Ready pod, one after another; a pod that does not answer is left out."""
    statuses = (_member(cluster, case, pod) for pod in ready_pods(cluster, case))
    return tuple(member for member in statuses if member is not None)


def truth(cluster: Kubernetes, case: Case) -> str | None:
    """The pod for the snapshot: the only one, or the leader's, because a member that lags may lack acknowledged writes.
    None while there is none."""
    if replicas(cluster, case) == 1:
        return next(iter(ready_pods(cluster, case)), None)
    return leader(members(cluster, case))


def leader(statuses: Iterable[Member]) -> str | None:
    """The pod of the leading member. If two claim to lead, one has not noticed its end: the higher revision wins."""
    return max(((member.revision, member.pod) for member in statuses if member.leads), default=(0, None))[1]


def still_revision(cluster: Kubernetes, case: Case, pod: str) -> tuple[int, int]:
    """etcd's revision twice, a second apart."""
    lines = _lines(cluster, case, pod, f"{_STATUS} && sleep {_STILL_SECONDS} && {_STATUS}")
    revisions = [int(line[0]["Status"]["header"]["revision"]) for line in lines]
    return (revisions[0], revisions[1]) if len(revisions) == 2 else (0, -1)


def revision(cluster: Kubernetes, case: Case, pod: str) -> int | None:
    """etcd's revision; None where the pod does not answer."""
    lines = _lines(cluster, case, pod, _STATUS)
    return int(lines[0][0]["Status"]["header"]["revision"]) if lines and lines[0] else None


def errors(cluster: Kubernetes, case: Case, pod: str) -> tuple[str, ...]:
    """The errors in the pod's status, such as alarms; none if the pod does not answer."""
    lines = _lines(cluster, case, pod, _STATUS)
    found = dig(lines[0][0], "Status", "errors") if lines and lines[0] else None
    return tuple(str(each) for each in found or ())


def size(cluster: Kubernetes, case: Case) -> int | None:
    """The size of the leading member's database, in bytes; None if unknown. A snapshot has the same size, including
    deleted data not yet freed."""
    pod = truth(cluster, case)
    lines = _lines(cluster, case, pod, _STATUS) if pod else []
    size_in_bytes = dig(lines[0][0], "Status", "dbSize") if lines and lines[0] else None
    return int(size_in_bytes) if size_in_bytes else None


def cannot_fetch(cluster: Kubernetes, case: Case, pod: str, url: str, content: bytes) -> str | None:
    """Why the pod does not get `content` from the presigned URL; None if it does. The pod stores nothing."""
    place = from_pod.Place(case.control_plane_namespace, pod, ETCD)
    return from_pod.fetch(cluster, place, url, content, seconds=_FETCH_SECONDS).why or None


def _member(cluster: Kubernetes, case: Case, pod: str) -> Member | None:
    lines = _lines(cluster, case, pod, f"{_STATUS}; {ETCDCTL} member list -w json")
    if len(lines) != 2:
        return None
    status, table = lines[0][0]["Status"], lines[1]
    return Member(
        pod=pod,
        cluster_id=str(status["header"]["cluster_id"]),
        member_id=str(status["header"]["member_id"]),
        leader_id=str(status.get("leader", 0)),
        revision=int(status["header"]["revision"]),
        knows=tuple(sorted(str(each.get("name", "")) for each in table["members"] if not each.get("isLearner"))),
    )


def _lines(cluster: Kubernetes, case: Case, pod: str, script: str) -> list[Any]:
    """The JSON documents printed by the script, one in a line; other output is ignored."""
    completed = cluster.execute(case.control_plane_namespace, pod, ETCD, ["/bin/bash", "-c", script])
    text = completed.stdout.decode(errors="replace")
    return [json.loads(line) for line in text.splitlines() if line.startswith(("[", "{"))]
