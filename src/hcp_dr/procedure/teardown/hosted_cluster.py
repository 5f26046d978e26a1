"""Removes the HostedCluster. The finalizer that would delete the live cluster's OIDC documents is removed first."""

from __future__ import annotations

from hcp_dr.hypershift import steps
from hcp_dr.hypershift.deletion.protocol import removing_step
from hcp_dr.kube.port import Object
from hcp_dr.kube.resources import HOSTED_CLUSTER
from hcp_dr.model import Case
from hcp_dr.objects.reading import name_of
from hcp_dr.upstream import OIDC_FINALIZER


def mine(case: Case, items: tuple[Object, ...]) -> tuple[Object, ...]:
    return tuple(item for item in items if name_of(item) == case.name)


STEP = removing_step(
    steps.TEARDOWN_HOSTED_CLUSTER, "8.6.4-7", (HOSTED_CLUSTER,), mine=mine, dangerous=(OIDC_FINALIZER,)
)
