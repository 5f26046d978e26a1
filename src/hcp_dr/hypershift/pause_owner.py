"""The author of the pause of a HostedCluster or NodePool."""

from __future__ import annotations

from hcp_dr.kube.port import Object
from hcp_dr.objects.field_owners import writers
from hcp_dr.objects.reading import annotations_of
from hcp_dr.upstream import PAUSED_BY


def describe_pause_owner(item: Object) -> str:
    """For display: the author and time of the current pause; "" if unknown."""
    named = annotations_of(item).get(PAUSED_BY)
    authors = [*([named] if named else []), *(str(writer) for writer in writers(item, "spec", "pausedUntil"))]
    return f" (by {', '.join(authors)})" if authors else ""
