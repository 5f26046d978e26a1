"""Restores the Secrets and ConfigMaps that the HostedCluster and the NodePools reference. The namespace may be shared:
an existing object with the same content is used; an existing object with other content belongs to another owner."""

from __future__ import annotations

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Step
from hcp_dr.hypershift import steps
from hcp_dr.hypershift.backup_objects import (
    DataFacts,
    after_missing,
    existing,
    inputs_to_restore,
    is_ours,
    plan_missing,
)
from hcp_dr.hypershift.deletion.protocol import removable
from hcp_dr.hypershift.deletion.rollback import Made, revert
from hcp_dr.kube.port import Object
from hcp_dr.kube.resources import CONFIG_MAP, HOSTED_CLUSTER, NODE_POOL, SECRET
from hcp_dr.model import Case, Ports
from hcp_dr.objects.reading import name_of
from hcp_dr.objects.select import inputs_of, node_pools_of, referenced_config_maps, referenced_secrets


def observe(ports: Ports, case: Case, memory: RunState) -> DataFacts:
    wanted = inputs_to_restore(ports, case)
    return DataFacts(case.backup_id, wanted, existing(ports.destination, wanted))


def look_back(ports: Ports, case: Case, memory: RunState) -> Made:
    """The namespace may be shared: another HostedCluster may use objects of this relocation by now."""
    destination, namespace = ports.destination, case.namespace
    pools = destination.list(NODE_POOL, namespace).items
    others = [item for item in destination.list(HOSTED_CLUSTER, namespace).items if name_of(item) != case.name]
    ours = {
        resource: [item for item in destination.list(resource, namespace).items if is_ours(item, case.backup_id)]
        for resource in (SECRET, CONFIG_MAP)
    }
    used: list[Object] = []
    for other in others:
        used += inputs_of(other, referenced_secrets(other), ours[SECRET])
        config_maps = referenced_config_maps(other, node_pools_of(other, pools))
        used += inputs_of(other, config_maps, ours[CONFIG_MAP])
    return Made(
        items=tuple(
            removable(resource, item, "destination")
            for resource, items in ours.items()
            for item in items
            if item not in used
        ),
        kept=tuple(sorted({f"{item['kind']} {name_of(item)}" for item in used})),
    )


STEP = Step(
    name=steps.RESTORE_HOSTED_CLUSTER_INPUTS,
    documented="8.6.3-3",
    observe=observe,
    plan=plan_missing,
    afterwards=after_missing,
    look_back=look_back,
    revert=revert,
)
