"""What the product and external-dns rely on of Route53."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from hcp_dr import errors
from hcp_dr.aws.port import Record, RecordChange
from tests.contract.aws.sides import Naming

API = Record("api-one.contract.example", "CNAME", 60, ("router.mgmt-1.example",))
MOVED = Record("api-one.contract.example", "CNAME", 60, ("router.mgmt-2.example",))
ADDRESS = Record("ignition.contract.example", "A", 30, ("10.0.0.1", "10.0.0.2"))
TEXT = Record(
    "cname-api-one.contract.example", "TXT", 300, ('"heritage=external-dns,external-dns/owner=one" "second\\"part"',)
)
WILDCARD = Record("*.apps.contract.example", "CNAME", 60, ("router.mgmt-1.example",))
ALIAS = Record("oauth.contract.example", "A", alias=("Z35SXDOTRQ7X7K", "lb.example", False))
ALL = (API, ADDRESS, TEXT, WILDCARD, ALIAS)


def create(*records: Record) -> list[RecordChange]:
    return [RecordChange("CREATE", record) for record in records]


def delete(*records: Record) -> list[RecordChange]:
    return [RecordChange("DELETE", record) for record in records]


def upsert(*records: Record) -> list[RecordChange]:
    return [RecordChange("UPSERT", record) for record in records]


def seen(naming: Naming) -> set[Record]:
    """All but the zone's own."""
    return {record for record in naming.zone.records() if record.type not in ("NS", "SOA")}


def request(action: str, name: str, kind: str, value: str) -> Mapping[str, Any]:
    body = {"Name": name, "Type": kind, "TTL": 60, "ResourceRecords": [{"Value": value}]}
    return {"Action": action, "ResourceRecordSet": body}


def test_a_zone_begins_with_its_own_records(naming: Naming) -> None:
    assert naming.zone.domain() == "contract.example"
    own = naming.zone.records()
    assert [(record.name, record.type) for record in own] == [
        ("contract.example", "NS"),
        ("contract.example", "SOA"),
    ]
    assert all(record.values for record in own)


def test_records_are_read_as_they_were_written(naming: Naming) -> None:
    naming.zone.change(create(*ALL))
    assert seen(naming) == set(ALL)
    naming.zone.change(delete(*ALL))
    assert seen(naming) == set()


def test_upsert_makes_and_replaces(naming: Naming) -> None:
    naming.zone.change(upsert(API, ALIAS))
    naming.zone.change(upsert(MOVED, Record(ALIAS.name, "A", 30, ("10.0.0.1",))))
    assert seen(naming) == {MOVED, Record(ALIAS.name, "A", 30, ("10.0.0.1",))}


def test_a_name_goes_over_in_one_batch(naming: Naming) -> None:
    naming.zone.change(create(API, TEXT))
    naming.zone.change([*delete(API), *create(MOVED), *upsert(Record(TEXT.name, "TXT", 300, ('"owner=two"',)))])
    assert seen(naming) == {MOVED, Record(TEXT.name, "TXT", 300, ('"owner=two"',))}


def test_create_of_what_is_there_is_a_conflict(naming: Naming) -> None:
    naming.zone.change(create(API))
    for record in (API, MOVED):
        with pytest.raises(errors.AwsConflict, match=r"api-one.contract.example.*already exists"):
            naming.zone.change(create(record))
    assert seen(naming) == {API}


@pytest.mark.parametrize(
    "other",
    [
        MOVED,
        Record(API.name, "CNAME", 61, API.values),
        Record(API.name, "CNAME", alias=("Z35SXDOTRQ7X7K", "lb.example", False)),
    ],
    ids=["value", "ttl", "alias"],
)
def test_delete_wants_the_record_as_it_is(naming: Naming, other: Record) -> None:
    naming.zone.change(create(API))
    with pytest.raises(errors.AwsConflict, match="do not match the current values"):
        naming.zone.change(delete(other))
    assert seen(naming) == {API}


def test_delete_of_an_alias_wants_its_target(naming: Naming) -> None:
    naming.zone.change(create(ALIAS))
    for alias in (("Z35SXDOTRQ7X7K", "other.example", False), ("Z35SXDOTRQ7X7K", "lb.example", True)):
        with pytest.raises(errors.AwsConflict, match="do not match the current values"):
            naming.zone.change(delete(Record(ALIAS.name, "A", alias=alias)))
    assert seen(naming) == {ALIAS}


def test_delete_of_what_is_not_there_is_a_conflict(naming: Naming) -> None:
    with pytest.raises(errors.AwsConflict, match="was not found"):
        naming.zone.change(delete(API))


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        (create(API), errors.AwsConflict),
        (delete(MOVED), errors.AwsConflict),
        (delete(TEXT), errors.AwsConflict),
        (create(Record("api.elsewhere.example", "A", 30, ("10.0.0.1",))), errors.AwsError),
        (create(Record(API.name, "A", 30, ("10.0.0.1",))), errors.AwsError),
        (upsert(Record("contract.example", "CNAME", 30, ("x.example",))), errors.AwsError),
    ],
    ids=["create", "delete-other", "delete-absent", "foreign", "beside-cname", "apex"],
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_bad_change_leaves_all_untouched(
    naming: Naming, bad: list[RecordChange], error: type[errors.AwsError], place: int
) -> None:
    naming.zone.change(create(API, ALIAS))
    before = naming.zone.records()
    good = [*create(ADDRESS), *delete(ALIAS)]
    with pytest.raises(errors.AwsError) as refused:
        naming.zone.change([*good[:place], *bad, *good[place:]])
    assert type(refused.value) is error
    assert naming.zone.records() == before
    naming.zone.change(good)
    assert seen(naming) == {API, ADDRESS}


def test_every_problem_is_told(naming: Naming) -> None:
    naming.zone.change(create(API))
    with pytest.raises(errors.AwsConflict) as refused:
        naming.zone.change([*create(API), *delete(ADDRESS)])
    assert "already exists" in str(refused.value)
    assert "was not found" in str(refused.value)


def test_names_are_one_whatever_their_case_dot_and_escapes(naming: Naming) -> None:
    assert naming.change_raw(request("CREATE", "*.Apps.Contract.Example", "CNAME", "router.mgmt-1.example")) == ""
    assert seen(naming) == {WILDCARD}
    assert naming.raw("apps") == [r"\052.apps.contract.example."]
    again = request("CREATE", r"\052.apps.contract.example.", "CNAME", "router.mgmt-1.example")
    assert naming.change_raw(again) == "InvalidChangeBatch"
    assert naming.change_raw({**again, "Action": "DELETE"}) == ""
    odd = Record("a b.contract.example", "A", 30, ("10.0.0.1",))
    naming.zone.change(create(odd))
    assert seen(naming) == {odd}
    assert naming.raw("a") == ["contract.example."] * 2 + [r"a\040b.contract.example."]


def test_all_pages_come_in_order(naming: Naming) -> None:
    records = [Record(f"n{number:04}.contract.example", "A", 30, ("10.0.0.1",)) for number in range(620)]
    naming.zone.change(create(*records[310:]))
    naming.zone.change(create(*records[:310]))
    assert naming.zone.records()[2:] == tuple(records)


def test_a_batch_that_does_not_fit_is_not_sent(naming: Naming) -> None:
    many = [Record(f"n{number:04}.contract.example", "A", 30, ("10.0.0.1",)) for number in range(1001)]
    with pytest.raises(errors.AwsError, match="the batch has 1001 values") as refused:
        naming.zone.change(create(*many))
    assert "No record was changed" in refused.value.paragraph()
    naming.zone.change(create(*many[:1000]))
    with pytest.raises(errors.AwsError, match="the batch has 1002 values"):
        naming.zone.change(upsert(*many[:501]))
    assert len(seen(naming)) == 1000


@pytest.mark.parametrize(("count", "size"), [(1001, 10), (126, 255)], ids=["values", "characters"])
def test_route53_itself_refuses_a_batch_that_does_not_fit(naming: Naming, count: int, size: int) -> None:
    text = f'"{"x" * (size - 2)}"'
    changes = [request("CREATE", f"n{number}.contract.example", "TXT", text) for number in range(count)]
    assert naming.change_raw(*changes) == "InvalidChangeBatch"
    assert seen(naming) == set()
    assert naming.change_raw(*changes[: count - 1]) == ""


def test_a_zone_that_is_not_there(naming: Naming) -> None:
    for ask in (naming.absent.domain, naming.absent.records, lambda: naming.absent.change(create(API))):
        with pytest.raises(errors.AwsError, match=r"NoSuchHostedZone|No hosted zone") as refused:
            ask()
        assert type(refused.value) is errors.AwsError
        assert "ZABSENT" in str(refused.value)


def test_throttling_passes(naming: Naming) -> None:
    zone = naming.throttled()
    with pytest.raises(errors.AwsBusy, match="Rate exceeded") as refused:
        all(zone.domain() for _ in range(50))
    assert refused.value.passing


def test_a_long_listing_comes_to_its_end_although_it_is_throttled(naming: Naming) -> None:
    """Eight pages, where five requests a second are taken: each attempt goes on from where the last one stopped."""
    records = [Record(f"n{number:04}.contract.example", "A", 30, ("10.0.0.1",)) for number in range(2200)]
    for start in range(0, len(records), 1000):
        naming.zone.change(create(*records[start : start + 1000]))
    zone, busy = naming.throttled(), 0
    for _ in range(200):
        try:
            found = zone.records()
        except errors.AwsBusy:
            busy += 1
        else:
            break
    else:
        pytest.fail(f"it was refused {busy} times and never came to its end")
    assert busy
    assert found[2:] == tuple(records)
