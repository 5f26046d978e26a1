"""Names on their way: whatever else is in the zone, no address goes, no byte of others changes, and all can go back."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hcp_dr.aws.port import Record, RecordChange
from hcp_dr.hypershift.dns.handover import (
    SHORT_LIFE,
    give,
    give_back,
    hold,
    holding_owner,
    names_held,
    not_as_before,
    remembered,
)
from hcp_dr.hypershift.dns.records import owned, ownerships
from hcp_dr.hypershift.state import RecordImage
from hcp_dr.objects.naming import backup_id_of
from tests.unit.hypershift.dns.test_records import DOMAIN, LABELS, LOOSE, PUBLISHED, SOURCE_KEPT, Kept, Loose

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
    mine = owned(zone, {"source"}, "clusters-one", claims)
    others = [record for record in zone if record not in mine]

    held = remembered("source", mine, None, 0.0)
    on_the_way = after(zone, hold(mine, OURS))
    assert addresses(on_the_way) == addresses(zone)
    assert [record for record in zone if record in on_the_way] == others
    assert owned(on_the_way, {"source"}, "clusters-one", claims) == ()
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


def test_names_of_several_owners_are_held_together_and_given_back_to_each() -> None:
    kept = [
        Kept(label, "A", owner, "clusters-one", ("old",)) for label, owner in (("api", "source"), ("oauth", "older"))
    ]
    before = [record for each in kept for record in each.records]
    held = remembered("source", before, None, 0.0)
    assert held.orphaned == ("older",)
    zone = after(before, hold(before, OURS))
    assert {claim.owner for claim in ownerships(zone)} == {holding_owner(OURS)}
    assert sorted(after(zone, give_back(zone, OURS, held)), key=str) == sorted(before, key=str)
    given = after(zone, give(zone, OURS, held, "destination", ALL))
    assert {claim.owner for claim in ownerships(given)} == {"destination"}


def held_zone() -> tuple[list[Record], RecordImage]:
    before = [replace(record, ttl=300) for record in Kept("api", "A", "source", "clusters-one", ("old", "new")).records]
    return after(before, hold(before, OURS)), remembered("source", before, None, 0.0)


def test_both_forms_of_a_claim_go_together() -> None:
    zone, held = held_zone()
    assert {claim.owner for claim in ownerships(zone)} == {holding_owner(OURS)}
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
    assert hold([alias], OURS) == ()


def test_what_lives_shorter_already_is_not_made_to_live_longer() -> None:
    assert hold([Record(NAME, "A", 5, ("x",))], OURS) == ()


# What the owner is called


ANY_FOLDER = st.text(st.characters(exclude_characters="/\0"), max_size=300)
ODD = st.sampled_from(
    [
        "pre-prod,eu",
        "two words",
        'with"quote',
        "Über",
        "UPPER",
        "-dash",
        "...",
        "",
        "äöü",
        "a" * 255,
        "ns=x;b",
        "\udcff",
    ]
)
OWNER = re.compile("[a-z0-9-]{1,63}")


@given(st.one_of(ANY_FOLDER, ODD))
def test_a_new_backup_is_called_by_letters_that_mean_nothing_anywhere(folder: str) -> None:
    backup_id = backup_id_of(folder, "abc123")
    assert re.fullmatch("[a-z0-9]([a-z0-9-]*[a-z0-9])?-abc123", backup_id)
    assert len(backup_id) <= 47
    assert holding_owner(backup_id) == f"hcp-dr-{backup_id}"
    assert backup_id_of(folder, "abc124") != backup_id


def test_a_folder_that_is_called_plainly_gives_its_name() -> None:
    assert backup_id_of("20261129-190055", "abc123") == "20261129-190055-abc123"
    assert backup_id_of("pre-prod,eu", "abc123") == "pre-prod-eu-abc123"


@given(st.one_of(ANY_FOLDER, ODD))
def test_names_are_held_by_an_owner_that_is_read_back_as_it_was_written(folder: str) -> None:
    """Older backups are called as their folders are."""
    backup_id = f"{folder}-abc123"
    assert OWNER.fullmatch(holding_owner(backup_id))
    before = [replace(record, ttl=300) for record in Kept("api", "A", "source", "clusters-one", ("old", "new")).records]
    held = remembered("source", before, None, 0.0)
    zone = after(before, hold(before, backup_id))
    assert {claim.owner for claim in ownerships(zone)} == {holding_owner(backup_id)}
    assert names_held(zone, backup_id, held) == {NAME}
    assert not_as_before(zone, held) == tuple(record for record in before if record.type == "TXT")
    back = after(zone, give_back(zone, backup_id, held))
    assert back == after([], [RecordChange("CREATE", record) for record in before])
    assert not_as_before(back, held) == ()


@given(st.one_of(ANY_FOLDER, ODD))
def test_what_was_held_under_an_older_name_can_be_given_back_too(folder: str) -> None:
    backup_id = f"{folder}-abc123"
    assume('"' not in backup_id)
    before = [replace(record, ttl=300) for record in Kept("api", "A", "source", "clusters-one", ("old", "new")).records]
    held = remembered("source", before, None, 0.0)
    said, says = "external-dns/owner=source", f"external-dns/owner=hcp-dr-{backup_id}"
    zone = [replace(each, values=tuple(value.replace(said, says) for value in each.values)) for each in before]
    assert names_held(zone, backup_id, held) == {NAME}
    assert not_as_before(after(zone, give_back(zone, backup_id, held)), held) == ()
    given_away = after(zone, give(zone, backup_id, held, "destination", [NAME]))
    assert {claim.owner for claim in ownerships(given_away)} == {"destination"}


def test_two_older_backups_do_not_share_an_owner() -> None:
    assert holding_owner("a,b-abc123") != holding_owner("a,c-abc123")
    assert holding_owner("a,b-abc123") != holding_owner("a-b-abc123")
