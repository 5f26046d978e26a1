"""The number of etcd's members."""

from __future__ import annotations

from hcp_dr.kube.port import Object


def member_count(plane: Object) -> int:
    return 1 if plane["spec"].get("controllerAvailabilityPolicy") == "SingleReplica" else 3
