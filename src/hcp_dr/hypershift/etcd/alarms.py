"""The alarms of etcd. With NOSPACE etcd refuses every write, so that hcp-dr could not mark the hosted cluster; CORRUPT
means that the members differ."""

from __future__ import annotations

from contextlib import suppress

from hcp_dr.engine.step import Check
from hcp_dr.errors import CommandFailed, Forbidden, NotFound
from hcp_dr.hypershift.etcd import members as etcd_members
from hcp_dr.kube.port import Kubernetes
from hcp_dr.model import Case


def read_alarms(cluster: Kubernetes, case: Case) -> tuple[str, ...]:
    """The errors that etcd's Ready pods report of themselves; none from a pod that cannot be asked."""
    errors: list[str] = []
    for pod in etcd_members.ready_pods(cluster, case):
        with suppress(CommandFailed, Forbidden, NotFound):
            errors += etcd_members.errors(cluster, case, pod)
    return tuple(dict.fromkeys(errors))


def check_alarms(alarms: tuple[str, ...], namespace: str) -> tuple[Check, ...]:
    if not alarms:
        return ()
    command = "etcdctl compact REVISION, etcdctl defrag and etcdctl alarm disarm"
    return (
        Check(
            "etcd_alarms",
            "blocked",
            f"etcd reports: {'; '.join(each.strip() for each in alarms)}",
            "an etcd with an alarm refuses writes, and a relocation first writes into the hosted cluster",
            f"free space in etcd (in its pods in namespace {namespace}: {command}), or repair the member; then repeat "
            "this command",
        ),
    )
