"""The Lease in the bucket is held as one on a cluster is: one holder, and whoever stops is followed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hcp_dr.engine.bucket_lease import BucketLease
from hcp_dr.engine.lease import Lease
from hcp_dr.engine.lease_status import DURATION, read_lease_status
from hcp_dr.errors import AlreadyExists, Conflict, LeaseHeld, LeaseLost, NotFound
from hcp_dr.kube.resources import LEASE
from tests.ports import CASE
from tests.ports import World as Others
from tests.unit.engine.leasing import Clusters


class Region(Clusters):
    """Two management clusters, of which the source is silent, and a bucket."""

    def __init__(self) -> None:
        super().__init__()
        self.silent = {"source"}
        self.bucket = Others().bucket

    def held_by(self, word: str) -> Lease:
        stand_in = BucketLease(self.bucket, CASE.namespace, CASE.name)
        return self.lease(word, ports=replace(self.ports(word), bucket=self.bucket), in_place_of_source=stand_in)

    def holder(self) -> str:
        seen = read_lease_status(BucketLease(self.bucket, CASE.namespace, CASE.name), CASE.namespace, CASE.name)
        return "" if seen is None else seen.holder.partition(" run ")[2].partition(" ")[0]


def test_it_is_taken_kept_and_given_back_without_the_source() -> None:
    region = Region()
    lease = region.held_by("mine")
    with lease.acquire():
        assert region.holder() == "mine"
        before = read_lease_status(BucketLease(region.bucket, CASE.namespace, CASE.name), CASE.namespace, CASE.name)
        region.clock.pause(DURATION / 2)
        lease.renew()
        after = read_lease_status(BucketLease(region.bucket, CASE.namespace, CASE.name), CASE.namespace, CASE.name)
        assert before is not None
        assert after is not None
        assert before.version != after.version
    assert region.holder() == ""


def test_whoever_renews_it_is_not_followed_and_whoever_stops_is() -> None:
    region = Region()
    first = region.held_by("first")
    region.clock.pause(1)
    with first.acquire():
        second = region.held_by("second")
        pause = region.clock.pause

        def renewing(seconds: float) -> None:
            pause(seconds)
            first.renew()

        region.clock.pause = renewing  # type: ignore[method-assign]
        with pytest.raises(LeaseHeld, match="bucket, for the lost source"), second.acquire():
            pass
        region.clock.pause = pause  # type: ignore[method-assign]
    third = region.held_by("third")
    with third.acquire():
        assert region.holder() == "third"


def test_one_that_was_taken_away_is_lost() -> None:
    region = Region()
    lease = region.held_by("mine")
    with lease.acquire():
        region.bucket.delete(f"hcp-dr/{CASE.namespace}/{CASE.name}/lease.json")
        stand_in = BucketLease(region.bucket, CASE.namespace, CASE.name)
        stand_in.create(LEASE, {"metadata": {"name": "x"}, "spec": {"holderIdentity": "a thief"}})
        region.clock.pause(DURATION / 2)
        with pytest.raises(LeaseLost):
            lease.renew()


def test_every_change_is_conditional() -> None:
    stand_in = BucketLease(Others().bucket, "clusters", "one")
    with pytest.raises(NotFound):
        stand_in.patch(LEASE, "x", None, {"metadata": {"resourceVersion": "1"}})
    made = stand_in.create(LEASE, {"metadata": {"name": "x"}, "spec": {}})
    with pytest.raises(AlreadyExists):
        stand_in.create(LEASE, {"metadata": {"name": "x"}, "spec": {}})
    version = made["metadata"]["resourceVersion"]
    change = {"metadata": {"resourceVersion": version, "annotations": {"a": "b", "c": None}}}
    changed = stand_in.patch(LEASE, "x", None, change)
    assert changed["metadata"]["annotations"] == {"a": "b"}
    with pytest.raises(Conflict):
        stand_in.patch(LEASE, "x", None, change)
