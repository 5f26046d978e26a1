"""cluster-autoscaler of a hosted cluster, as far as it affects a relocation: it keeps a group at its minimum size, and
removes machines with nodes that are not Ready for long. It writes replicas and ignores pauses (rule G)."""

from __future__ import annotations

from collections.abc import Sequence

from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Object, Resource
from hcp_dr_lab.standin import machine
from hcp_dr_lab.standin.change import Change, Patch
from hcp_dr_lab.standin.health_check import unready_seconds
from hcp_dr_lab.standin.shape import annotation, body, deleting, ensure, identity
from hcp_dr_lab.standin.view import View

NAME = "cluster-autoscaler"
MIN_SIZE = "cluster.x-k8s.io/cluster-api-autoscaler-node-group-min-size"
MAX_SIZE = "cluster.x-k8s.io/cluster-api-autoscaler-node-group-max-size"
DELETE_FIRST = "cluster.x-k8s.io/delete-machine"


def reconcile(view: View) -> list[Change]:
    changes: list[Change] = []
    for resource in (r.MACHINE_DEPLOYMENT, r.MACHINE_SET):
        for group in view.all(resource):
            least = annotation(group, MIN_SIZE)
            if least is not None and not deleting(group) and view.active(group["metadata"]["namespace"], NAME):
                changes += _group(view, resource, group, int(least))
    return changes


def _group(view: View, resource: Resource, group: Object, least: int) -> list[Change]:
    replicas = group["spec"].get("replicas", 0)
    if replicas < least:
        return [_scaled(resource, group, least, "below its minimum size")]
    unready = _unready(view, group)
    if not unready or replicas <= least:
        return []
    name, namespace = identity(unready[0])
    mark = ensure(view, r.MACHINE, body(r.MACHINE, name, namespace, annotations={DELETE_FIRST: "true"}))
    return mark or [_scaled(resource, group, replicas - 1, f"the node of Machine {name} is not Ready for long")]


def _unready(view: View, group: Object) -> Sequence[Object]:
    wanted = (group["spec"]["selector"].get("matchLabels") or {}).items()
    limit = view.paced.scale_down_unready
    return [
        item
        for item in view.all(r.MACHINE, group["metadata"]["namespace"])
        if wanted <= (item["metadata"].get("labels") or {}).items()
        and not deleting(item)
        and (node := machine.node_of(view, item)) is not None
        and unready_seconds(view, node) >= limit
    ]


def _scaled(resource: Resource, group: Object, replicas: int, why: str) -> Patch:
    return Patch(resource, *identity(group), {"spec": {"replicas": replicas}}, why=f"scale to {replicas}: {why}")
