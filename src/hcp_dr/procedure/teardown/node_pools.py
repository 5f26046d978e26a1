"""Removes the NodePools of this hosted cluster, by their spec; NodePools of neighbours stay."""

from __future__ import annotations

from hcp_dr.hypershift import steps
from hcp_dr.hypershift.deletion.protocol import removing_step
from hcp_dr.kube.port import Object
from hcp_dr.kube.resources import NODE_POOL
from hcp_dr.model import Case
from hcp_dr.objects.select import node_pools_of


def mine(case: Case, items: tuple[Object, ...]) -> tuple[Object, ...]:
    return node_pools_of({"metadata": {"name": case.name}}, items)


STEP = removing_step(steps.TEARDOWN_NODE_POOLS, "8.6.4-2", (NODE_POOL,), mine=mine)
