"""All parts of the region in order of dependency."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from hcp_dr_lab.ground.layout import MANAGEMENT_CLUSTERS, Layout, ManagementCluster
from hcp_dr_lab.ground.part import Part
from hcp_dr_lab.region.cloud import aws, storage
from hcp_dr_lab.region.machines import hypervisor
from hcp_dr_lab.region.management import control_plane, install
from hcp_dr_lab.region.network import balancer, names, proxy
from hcp_dr_lab.standin import part as standin


def assemble(layout: Layout) -> tuple[Part, ...]:
    """Return the parts in a possible sequential order; `after` has the real dependencies."""
    return (
        *(part for cluster in MANAGEMENT_CLUSTERS for part in control_plane.parts(layout, cluster)),
        aws.part(layout),
        storage.part(layout),
        names.part(layout),
        proxy.part(layout),
        *(part for cluster in MANAGEMENT_CLUSTERS for part in _operations(layout, cluster)),
        _after(hypervisor.part(layout), *(f"{cluster.name}/install" for cluster in MANAGEMENT_CLUSTERS)),
    )


def _operations(layout: Layout, cluster: ManagementCluster) -> Iterator[Part]:
    """Return the parts that use the cluster's objects, and therefore need the CRDs."""
    yield install.part(layout, cluster)
    yield _after(standin.part(layout, cluster), f"{cluster.name}/install")
    yield _after(balancer.part(layout, cluster), f"{cluster.name}/install")


def _after(part: Part, *names_of_parts: str) -> Part:
    return replace(part, after=(*part.after, *names_of_parts))
