"""Names on their way: whatever else is in the zone, no address goes, no byte of others changes, and all can go back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hcp_dr.aws.port import Record, RecordChange
from hcp_dr.procedure.handing import SHORT_LIFE, give, give_back, hold, names_held, nobody, remembered
from hcp_dr.procedure.records import owned, ownerships
from tests.unit.procedure.test_records import DOMAIN, LABELS, LOOSE, PUBLISHED, SOURCE_KEPT, Kept, Loose

OURS = "backup-1"
ALL = frozenset(f"{label}.{DOMAIN}" for label in LABELS)


def after(records: Sequence[Record], changes: Sequence[RecordChange]) -> list[Record]:
    """As Route53 carries out a batch: all or nothing, and only over what is exactly so."""
    zone = {(record.name, record.type): record for record in records}
    for change in changes:
        place = (change.record.name, change.record.type)
        if change.action == "DELETE":
            assert zone.pop(place) == change.record
        else:
            assert change.action == "CREATE"
            assert place not in zone
            zone[place] = change.record
    return sorted(zone.values(), key=lambda record: (record.name, record.type))


def addresses(records: Sequence[Record]) -> list[Record]:
    return [replace(record, ttl=None) for record in records if record.type != "TXT"]


def a_zone(kept: Sequence[Kept | Loose]) -> list[Record]:
    records = [replace(record, ttl=300) for each in kept for record in each.records]
    places = [(record.name, record.type) for record in records]
    assume(len(set(places)) == len(places))
    return after([], [RecordChange("CREATE", record) for record in records])


@settings(max_examples=400, deadline=None)
@given(st.lists(st.one_of(SOURCE_KEPT, LOOSE), max_size=8), PUBLISHED, PUBLISHED)
def test_what_is_held_can_be_given_away_and_given_back(
    kept: list[Kept | Loose], fixed: frozenset[str], published: frozenset[str]
) -> None:
    """I5. Other owners, the neighbour, look-alikes, nobody's records, names that can be read in both forms."""
    zone = a_zone(kept)
    names = frozenset(f"{label}.{DOMAIN}" for label in fixed)
    claims = {claim.resource: names for claim in ownerships(zone)}
    mine = owned(zone, "source", "clusters-one", claims)
    others = [record for record in zone if record not in mine]

    held = remembered("source", mine, None, 0.0)
    on_the_way = after(zone, hold(mine, "source", OURS))
    assert addresses(on_the_way) == addresses(zone)
    assert [record for record in zone if record in on_the_way] == others
    assert owned(on_the_way, "source", "clusters-one", claims) == ()
    assert {record.ttl for record in on_the_way if record not in others and record.type != "TXT"} <= {SHORT_LIFE}

    assert after(on_the_way, give_back(on_the_way, OURS, held)) == zone
    assert give_back(zone, OURS, held) == ()

    some = frozenset(f"{label}.{DOMAIN}" for label in published)
    given_away = after(on_the_way, give(on_the_way, OURS, held, "destination", some))
    assert addresses(given_away) == addresses(on_the_way)
    assert set(others) <= set(given_away)
    assert names_held(given_away, OURS, held).isdisjoint(some)
    whole = after(given_away, give(given_away, OURS, held, "destination", ALL))
    assert names_held(whole, OURS, held) == frozenset()
    assert addresses(whole) == addresses(zone)


NAME = f"api.{DOMAIN}"


def held_zone() -> tuple[list[Record], dict[str, object]]:
    before = [replace(record, ttl=300) for record in Kept("api", "A", "source", "clusters-one", ("old", "new")).records]
    return after(before, hold(before, "source", OURS)), remembered("source", before, None, 0.0)


def test_both_forms_of_a_claim_go_together() -> None:
    zone, held = held_zone()
    assert {claim.owner for claim in ownerships(zone)} == {nobody(OURS)}
    given_away = after(zone, give(zone, OURS, held, "destination", [NAME]))
    assert {(claim.owner, claim.resource) for claim in ownerships(given_away)} == {
        ("destination", "route/clusters-one/api")
    }


def test_a_claim_without_its_address_goes_since_external_dns_makes_nothing_beside_it() -> None:
    zone, held = held_zone()
    zone = [record for record in zone if record.type == "TXT"]
    assert after(zone, give(zone, OURS, held, "destination", [NAME])) == []
    assert after(zone, give_back(zone, OURS, held)) == []


def test_an_address_that_somebody_changed_is_not_given_its_old_life() -> None:
    zone, held = held_zone()
    zone = [replace(record, values=("y",)) if record.type == "A" else record for record in zone]
    [address] = [record for record in after(zone, give_back(zone, OURS, held)) if record.type == "A"]
    assert (address.ttl, address.values) == (SHORT_LIFE, ("y",))


def test_an_alias_stays_as_it_is() -> None:
    alias = Record(NAME, "A", alias=("Z1", "lb.example", True))
    assert hold([alias], "source", OURS) == ()


def test_what_lives_shorter_already_is_not_made_to_live_longer() -> None:
    assert hold([Record(NAME, "A", 5, ("x",))], "source", OURS) == ()
