"""The in-place upgrader of a hosted cluster, a part of hosted-cluster-config-operator: changes the configuration of an
InPlace pool's running nodes, and reboots them. It ignores pauses: a started upgrade continues (rule G;
control-plane-operator/hostedclusterconfigoperator/controllers/inplaceupgrader/inplaceupgrader.go).
"""

from __future__ import annotations

from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Object
from hcp_dr_lab.standin import machine
from hcp_dr_lab.standin.change import Change, RebootNode
from hcp_dr_lab.standin.machines import owned
from hcp_dr_lab.standin.shape import annotation, body, deleting, ensure
from hcp_dr_lab.standin.view import View, is_ready

NAME = "hosted-cluster-config-operator"
TARGET = "hypershift.openshift.io/nodePoolTargetConfigVersion"  # annotation of an InPlace pool's MachineSet
CURRENT = "hypershift.openshift.io/nodePoolCurrentConfigVersion"
MAX_UNAVAILABLE = "hypershift.openshift.io/nodePoolMaxUnavailable"
NODE_CURRENT = "machineconfiguration.openshift.io/currentConfig"  # annotation of a Node


def reconcile(view: View) -> list[Change]:
    changes: list[Change] = []
    for machine_set in view.all(r.MACHINE_SET):
        wanted = annotation(machine_set, TARGET)
        apart = wanted is not None and annotation(machine_set, CURRENT) != wanted
        if (
            wanted is not None
            and apart
            and not deleting(machine_set)
            and view.active(machine_set["metadata"]["namespace"], NAME)
        ):
            changes += _upgrade(view, machine_set, wanted)
    return changes


def _upgrade(view: View, machine_set: Object, wanted: str) -> list[Change]:
    """Upgrade some nodes at a time as soon as the target has a token; the set is upgraded when all nodes are."""
    if (
        view.find(r.SECRET, f"token-{machine_set['metadata']['name']}-{wanted}", machine_set["metadata"]["namespace"])
        is None
    ):
        return []
    machines = list(owned(view, r.MACHINE, machine_set))
    nodes = [(item, node) for item in machines if (node := machine.node_of(view, item)) is not None]
    if len(nodes) < len(machines):
        return []
    old = [(item, node) for item, node in nodes if annotation(node, NODE_CURRENT) != wanted]
    name, namespace = machine_set["metadata"]["name"], machine_set["metadata"]["namespace"]
    if not old:
        return ensure(view, r.MACHINE_SET, body(r.MACHINE_SET, name, namespace, annotations={CURRENT: wanted}))
    unready = sum(not is_ready(node) for _, node in nodes)
    room = max(int(annotation(machine_set, MAX_UNAVAILABLE) or 1) - unready, 0)
    return [
        RebootNode(
            namespace,
            node["metadata"]["name"],
            item["spec"]["providerID"].rsplit("/", 1)[-1],
            {NODE_CURRENT: wanted},
            f"MachineSet {name} is upgraded in place to {wanted}",
        )
        for item, node in old[:room]
    ]
