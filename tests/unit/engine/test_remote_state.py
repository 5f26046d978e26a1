"""Whoever looks from anywhere asks all at once: each peer that is dead takes all the time of a request."""

from __future__ import annotations

import threading
from typing import NoReturn

from hcp_dr.engine.remote_state import read_remote_state
from hcp_dr.errors import AwsUnreachable, ClusterUnreachable
from tests.ports import MemoryArchive


def test_dead_peers_are_asked_side_by_side() -> None:
    together = threading.Barrier(3)

    def die(error: Exception) -> NoReturn:
        together.wait(timeout=30)
        raise error

    def silent(side: str) -> ClusterUnreachable:
        return ClusterUnreachable(cluster=side, verb="reach", object="its API", reason="timed out")

    remote = read_remote_state(
        lambda: die(silent("source")),
        lambda: die(silent("destination")),
        lambda: die(AwsUnreachable(service="S3", operation="list", object="bucket", reason="timed out")),
        MemoryArchive(),
        namespace="clusters",
        name="one",
    )
    assert {place: type(error) for place, error in remote.unread.items()} == {
        "source": ClusterUnreachable,
        "destination": ClusterUnreachable,
        "bucket": AwsUnreachable,
    }
