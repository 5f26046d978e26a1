"""All parts of the region, each after those that it needs."""

from __future__ import annotations

from dataclasses import replace

from hcp_dr_lab.region import aws, hypervisor, management, names, proxy, storage
from hcp_dr_lab.region.layout import MANAGEMENT_CLUSTERS, Layout
from hcp_dr_lab.region.part import Part


def assemble(layout: Layout) -> tuple[Part, ...]:
    """In an order in which they could start one by one; `after` says what may start together."""
    cloud = (aws.part(layout), storage.part(layout))
    ways_in = (names.part(layout), proxy.part(layout))
    clusters = [management.parts(layout, cluster) for cluster in MANAGEMENT_CLUSTERS]
    return (*cloud, *(part for cluster in clusters for part in cluster), *ways_in, hypervisor.part(layout))


def after(part: Part, *names_of_parts: str) -> Part:
    """The part, started only when those serve."""
    return replace(part, after=(*part.after, *names_of_parts))
