"""What of Route53 in memory the contract cannot show: the pace at which it refuses, and clones."""

from __future__ import annotations

import pytest

from hcp_dr_lab.ground.network.zones import parse_zones
from hcp_dr_lab.ground.record_sets import Change, RecordSet
from hcp_dr_lab.tabletop.aws import REQUESTS_PER_SECOND, Records, Refusal

API = RecordSet("api.hosted.example.", "CNAME", 60, ("router.example",))


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> float:
        return self.seconds


def taken(records: Records, zone_id: str) -> int:
    """How many requests are answered until one is refused."""
    for count in range(1000):
        try:
            records.zone(zone_id)
        except Refusal:
            return count
    pytest.fail("nothing was refused")


def test_five_requests_a_second_are_taken_from_all_together() -> None:
    clock = Clock()
    records = Records(now=clock.now, per_second=REQUESTS_PER_SECOND)
    zone_id = records.create_zone("hosted.example")
    assert taken(records, zone_id) == 5
    with pytest.raises(Refusal, match="Throttling: Rate exceeded"):
        records.change(zone_id, [Change("CREATE", API)])
    assert records.find(zone_id, "api.hosted.example", "CNAME") is None, "a name server's look costs nothing"
    clock.seconds += 0.5
    assert taken(records, zone_id) == 2
    clock.seconds += 3600
    assert taken(records, zone_id) == 5


def test_clones_begin_alike_and_go_their_own_ways() -> None:
    records = Records(now=lambda: 0.0)
    zone_id = records.create_zone("hosted.example")
    other = records.clone()
    records.change(zone_id, [Change("CREATE", API)])
    assert other.find(zone_id, API.name, "CNAME") is None
    assert records.find(zone_id, API.name, "CNAME") == API
    assert other.create_zone("next.example") == records.create_zone("next.example"), "the same randomness"
    other.change(zone_id, [Change("CREATE", API), Change("DELETE", API)])
    assert len(other.list(zone_id).records) == 2


def test_an_empty_batch_is_refused() -> None:
    records = Records(now=lambda: 0.0)
    with pytest.raises(Refusal, match="InvalidInput"):
        records.change(records.create_zone("hosted.example"), [])


def test_a_name_server_can_answer_from_it() -> None:
    records = Records(now=lambda: 0.0)
    zone_id = records.create_zone("hosted.example")
    alias = RecordSet("alias.hosted.example.", "A", alias=("Z1", "lb.example.", False))
    text = RecordSet("text.hosted.example.", "TXT", 60, ('"owner=one"',))
    records.change(zone_id, [Change("CREATE", record) for record in (API, alias, text)])
    (published,) = records.published()
    told = {(record["name"], record["type"]) for record in published["records"]}
    assert {(API.name, "CNAME"), (text.name, "TXT"), ("hosted.example.", "SOA")} <= told
    assert parse_zones([published])
