"""Who paused a HostedCluster or NodePool."""

from __future__ import annotations

from hcp_dr.kube.port import Object
from hcp_dr.objects.field_owners import writers
from hcp_dr.objects.reading import annotations_of
from hcp_dr.upstream import PAUSED_BY


def who_paused(item: Object) -> str:
    """For people: who set the pause that stands, and since when; "" where nobody can be named."""
    named = annotations_of(item).get(PAUSED_BY)
    told = [*([named] if named else []), *(str(writer) for writer in writers(item, "spec", "pausedUntil"))]
    return f" (by {', '.join(told)})" if told else ""
