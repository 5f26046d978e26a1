"""Change batches are taken and refused as Route53 does, and a refused one changes nothing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hcp_dr_lab.ground.record_sets import (
    Change,
    InvalidChangeBatchError,
    RecordSet,
    all_of,
    changed,
    escaped,
    full_name,
    listed,
    parse_change,
    zone_of,
)

ZONE = "hosted.rehearsal.example"
API = "api-demo.hosted.rehearsal.example."
APEX = (
    RecordSet(ZONE + ".", "SOA", 900, ("ns. hostmaster. 1 7200 900 1209600 86400",)),
    RecordSet(ZONE + ".", "NS", 172800, ("ns.",)),
)
CNAME = RecordSet(API, "CNAME", 300, ("router.mgmt-1.",))
TXT = RecordSet("cname-" + API, "TXT", 300, ('"owner=a"',))


def after(*changes: Change) -> set[RecordSet]:
    return set(all_of(changed(ZONE, zone_of((*APEX, CNAME, TXT)), changes)))


def refusal(*changes: Change) -> str:
    with pytest.raises(InvalidChangeBatchError) as caught:
        after(*changes)
    return str(caught.value)


def request(action: str, name: str, kind: str, *values: str) -> dict[str, Any]:
    body = {"Name": name, "Type": kind, "TTL": 300, "ResourceRecords": [{"Value": value} for value in values]}
    return {"Action": action, "ResourceRecordSet": body}


def test_names_are_one_whatever_their_case_and_last_dot() -> None:
    parsed = parse_change(request("DELETE", "API-demo.hosted.rehearsal.example", "CNAME", "router.mgmt-1."))
    assert parsed.record_set == CNAME
    assert after(parsed) == {*APEX, TXT}


def test_create_upsert_delete() -> None:
    other = RecordSet(API, "CNAME", 60, ("router.mgmt-2.",))
    assert after(Change("UPSERT", other)) == {*APEX, TXT, other}
    assert after(Change("DELETE", CNAME), Change("CREATE", other)) == {*APEX, TXT, other}


def test_create_of_what_is_there_is_refused() -> None:
    assert "already exists" in refusal(Change("CREATE", CNAME))


def test_delete_wants_the_present_values() -> None:
    assert "do not match the current values" in refusal(Change("DELETE", RecordSet(API, "CNAME", 300, ("x.",))))
    assert "do not match the current values" in refusal(Change("DELETE", RecordSet(API, "CNAME", 60, CNAME.values)))
    assert "was not found" in refusal(Change("DELETE", CNAME), Change("DELETE", CNAME))


def test_a_cname_stands_alone() -> None:
    assert "conflicts with other records" in refusal(Change("CREATE", RecordSet(API, "A", 60, ("10.0.0.1",))))
    assert "conflicts with other records" in refusal(Change("UPSERT", RecordSet(TXT.name, "CNAME", 60, ("x.",))))
    assert "at apex" in refusal(Change("UPSERT", RecordSet(ZONE + ".", "CNAME", 60, ("x.",))))


def test_foreign_names_and_the_zone_s_own_records_are_refused() -> None:
    assert "not permitted in zone" in refusal(Change("CREATE", RecordSet("a.example.", "A", 60, ("10.0.0.1",))))
    assert "not permitted in zone" in refusal(Change("CREATE", RecordSet("x" + ZONE + ".", "A", 60, ("10.0.0.1",))))
    assert "must contain its SOA" in refusal(Change("DELETE", APEX[0]))


def test_every_problem_of_a_batch_is_told() -> None:
    gone = RecordSet("gone." + ZONE + ".", "A", 60, ("10.0.0.1",))
    told = refusal(Change("CREATE", CNAME), Change("DELETE", gone))
    assert "already exists" in told
    assert "was not found" in told


def test_alias_records_differ_by_their_target() -> None:
    def change(action: str, target: str) -> Change:
        alias = {"HostedZoneId": "Z1", "DNSName": target, "EvaluateTargetHealth": False}
        body = {"Name": "a." + ZONE, "Type": "A", "AliasTarget": alias}
        return parse_change({"Action": action, "ResourceRecordSet": body})

    records = changed(ZONE, zone_of(APEX), [change("CREATE", "lb.example.")])
    with pytest.raises(InvalidChangeBatchError, match="do not match"):
        changed(ZONE, records, [change("DELETE", "other.example.")])
    assert changed(ZONE, records, [change("DELETE", "LB.example")]) == zone_of(APEX)


def test_a_wildcard_is_one_name_escaped_or_not() -> None:
    assert full_name(r"\052.Apps.example") == "*.apps.example."
    assert escaped("*.apps.example.") == r"\052.apps.example."
    created = after(parse_change(request("CREATE", f"*.{ZONE}", "A", "10.0.0.1")))
    deleted = (request(action, rf"\052.{ZONE}", "A", "10.0.0.1") for action in ("CREATE", "DELETE"))
    assert len(created) == 5
    assert after(*map(parse_change, deleted)) == {*APEX, CNAME, TXT}


def test_a_listing_goes_by_reversed_labels_with_their_dots() -> None:
    names = [ZONE + ".", "b-1." + ZONE + ".", "b." + ZONE + ".", "a.b." + ZONE + ".", "*.b." + ZONE + "."]
    zone = zone_of(RecordSet(name, "A", 60, ("10.0.0.1",)) for name in reversed(names))
    assert [record.name for record in listed(zone)] == [names[0], names[1], names[2], names[4], names[3]]


def test_a_batch_has_its_limits() -> None:
    many = [RecordSet(f"n{number}.{ZONE}.", "A", 60, ("10.0.0.1",)) for number in range(1001)]
    assert len(after(*(Change("CREATE", record) for record in many[:1000]))) == 1004
    assert refusal(*(Change("CREATE", record) for record in many)) == "[Number of records limit of 1000 exceeded.]"
    assert len(after(*(Change("UPSERT", record) for record in many[:500]))) == 504
    assert "limit of 1000" in refusal(*(Change("UPSERT", record) for record in many[:501]))
    texts = [RecordSet(f"n{number}.{ZONE}.", "TXT", 60, ('"' + "x" * 253 + '"',)) for number in range(126)]
    assert len(after(*(Change("CREATE", record) for record in texts[:125]))) == 129
    assert refusal(*(Change("CREATE", record) for record in texts)) == "[RDATA character limit of 32000 exceeded.]"


@given(
    st.lists(
        st.builds(
            Change,
            st.sampled_from(["CREATE", "UPSERT", "DELETE"]),
            st.builds(
                RecordSet,
                st.sampled_from([API, TXT.name, "other." + ZONE + "."]),
                st.sampled_from(["A", "CNAME", "TXT"]),
                st.just(300),
                st.sampled_from([("one.",), ("two.",)]),
            ),
        ),
        max_size=6,
    )
)
def test_a_name_never_has_a_cname_and_something_else(changes: list[Change]) -> None:
    try:
        records = after(*changes)
    except InvalidChangeBatchError:
        return
    for name in {record.name for record in records}:
        types = [record.type for record in records if record.name == name]
        assert len(types) == len(set(types))
        assert "CNAME" not in types or types == ["CNAME"]
    assert set(APEX) <= records
