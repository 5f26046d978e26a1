"""Which records of a zone are whose: by external-dns's TXT ownership in its old and its new form, never by count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hcp_dr.aws.port import Record
from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import ChangeRecords, Decision, Do, Done, Refuse
from hcp_dr.hypershift.dns.records import names_kept_by, orphaned_owners, owned, ownerships
from hcp_dr.hypershift.state import DNS
from hcp_dr.model import TAKEOVER
from hcp_dr.procedure.backup import release_dns
from tests.world import CASE, relocatable

DOMAIN = "hosted.example"


@pytest.mark.parametrize(
    ("txt", "names"),
    [
        ("api-one-external-dns.hosted.example", ["api-one"]),
        ("a-api-one-external-dns.hosted.example", ["api-one", "a-api-one"]),
        ("aaaa-api-one-external-dns.hosted.example", ["api-one", "aaaa-api-one"]),
        ("cname-api-one-external-dns.hosted.example", ["api-one", "cname-api-one"]),
        ("ns-api-one-external-dns.hosted.example", ["ns-api-one"]),
        ("a-external-dns.hosted.example", ["a"]),
        ("api-one.hosted.example", []),
        ("external-dns.hosted.example", []),
        ("api-one-external-dns", []),
        ("api.one-external-dns.example", []),
    ],
)
def test_a_txt_name_says_what_it_is_about(txt: str, names: list[str]) -> None:
    assert names_kept_by(txt) == tuple(f"{name}.{DOMAIN}" for name in names)


def txt(name: str, text: str) -> Record:
    return Record(name, "TXT", 300, (f'"{text}"',))


def text(owner: str, resource: str) -> str:
    return f"heritage=external-dns,external-dns/owner={owner},external-dns/resource={resource}"


def test_an_ownership_is_read_from_its_text() -> None:
    record = txt(f"api-external-dns.{DOMAIN}", text("one", "route/clusters-one/kube-apiserver"))
    [found] = ownerships([record, Record(f"api.{DOMAIN}", "A"), txt(f"api-external-dns.{DOMAIN}", "something else")])
    assert (found.names, found.owner, found.resource, found.namespace, found.txt) == (
        (f"api.{DOMAIN}",),
        "one",
        "route/clusters-one/kube-apiserver",
        "clusters-one",
        record,
    )


@pytest.mark.parametrize("resource", ["", "route/kube-apiserver", "route/a/b/c"])
def test_a_resource_of_another_form_is_of_no_namespace(resource: str) -> None:
    [found] = ownerships([txt(f"api-external-dns.{DOMAIN}", text("one", resource))])
    assert found.namespace == ""


def test_what_is_not_of_external_dns_is_nobodys() -> None:
    assert ownerships([txt(f"api-external-dns.{DOMAIN}", "external-dns/owner=one")]) == ()


@dataclass(frozen=True)
class Kept:
    """A name that one external-dns keeps, as it writes it into the zone."""

    label: str
    type: str
    owner: str
    namespace: str
    forms: tuple[str, ...]

    @property
    def records(self) -> tuple[Record, ...]:
        said = text(self.owner, f"route/{self.namespace}/{self.label}")
        names = {"old": self.label, "new": f"{self.type.lower()}-{self.label}"}
        texts = (txt(f"{names[form]}-external-dns.{DOMAIN}", said) for form in self.forms)
        return (Record(f"{self.label}.{DOMAIN}", self.type, 60, ("x",)), *texts)


LABELS = ("api", "a-api", "cname-api", "a-a-api", "api-one", "api-one2", "a", "oauth")
KEPT = st.builds(
    Kept,
    st.sampled_from(LABELS),
    st.sampled_from(("A", "AAAA", "CNAME")),
    st.sampled_from(("mgmt-1", "mgmt-2", "mgmt-10")),
    st.sampled_from(("clusters-one", "clusters-one2", "clusters-on")),
    st.sampled_from((("old",), ("new",), ("old", "new"))),
)


@given(st.lists(KEPT, min_size=2, max_size=6, unique_by=lambda kept: kept.label))
def test_no_record_of_another_owner_or_namespace_is_ever_owned(zone: list[Kept]) -> None:
    """I5. A name that begins like a type reads in the old form like another name in the new one."""
    records = [record for kept in zone for record in kept.records]
    places = [(record.name, record.type) for record in records]
    assume(len(set(places)) == len(places))
    for me in zone:
        mine = {r for kept in zone if (kept.owner, kept.namespace) == (me.owner, me.namespace) for r in kept.records}
        assert set(owned(records, {me.owner}, me.namespace)) <= mine


@given(st.lists(KEPT, max_size=6, unique_by=lambda kept: kept.label))
def test_every_record_that_is_owned_is_found(zone: list[Kept]) -> None:
    zone = [kept for kept in zone if kept.label.partition("-")[0] not in ("a", "cname")]
    records = [record for kept in zone for record in kept.records]
    for me in zone:
        assert set(me.records) <= set(owned(records, {me.owner}, me.namespace))


def test_a_record_that_nobody_keeps_is_nobodys() -> None:
    records = [*Kept("api", "A", "mgmt-1", "clusters-one", ("old", "new")).records, Record(f"oauth.{DOMAIN}", "A")]
    assert Record(f"oauth.{DOMAIN}", "A") not in owned(records, {"mgmt-1"}, "clusters-one")


def test_other_types_of_a_name_that_is_kept_are_not_its_records() -> None:
    kept = Kept("api", "A", "mgmt-1", "clusters-one", ("new",))
    other = Record(f"api.{DOMAIN}", "MX")
    assert set(owned([*kept.records, other], {"mgmt-1"}, "clusters-one")) == set(kept.records)


# What a takeover takes

ADDRESSES = ("A", "AAAA", "CNAME")


@dataclass(frozen=True)
class Loose:
    """A record that nobody keeps."""

    label: str
    type: str

    @property
    def records(self) -> tuple[Record, ...]:
        return (Record(f"{self.label}.{DOMAIN}", self.type, 60, ("nobody's",)),)


def taken(zone: Sequence[Kept | Loose], published: frozenset[str]) -> tuple[list[Record], Decision]:
    """The zone, and what is planned over it where `source` keeps names for clusters-one."""
    records = [record for each in zone for record in each.records]
    places = [(record.name, record.type) for record in records]
    assume(len(set(places)) == len(places))
    claimed = {each.label for each in zone if isinstance(each, Kept) and each.forms}
    unclaimed = {each.label for each in zone if each.type in ADDRESSES and not (isinstance(each, Kept) and each.forms)}
    assume(not claimed & unclaimed)  # external-dns claims a name, not a type: nobody could tell them apart
    world = relocatable()
    world.zone.kept = tuple(records)
    hosts = {label: {"spec": {"host": f"{label.upper()}.{DOMAIN}."}} for label in sorted(published)}
    memory = RunState().with_value(DNS.name, TAKEOVER).with_value("routes", hosts)
    facts = release_dns.observe(world.ports, CASE, memory)
    return records, release_dns.plan(replace(facts, fence=facts.fence.made(), published=()))


SOURCE_KEPT = st.builds(
    Kept,
    st.sampled_from(LABELS),
    st.sampled_from(("A", "AAAA", "CNAME")),
    st.sampled_from(("source", "source", "destination", "source2")),
    st.sampled_from(("clusters-one", "clusters-one", "clusters-one2", "clusters-on")),
    st.sampled_from((("old",), ("new",), ("old", "new"), ())),
)
LOOSE = st.builds(
    Loose, st.sampled_from((*LABELS, "one", "cname-api-one")), st.sampled_from(("A", "CNAME", "MX", "TXT"))
)
ZONES = st.lists(st.one_of(SOURCE_KEPT, LOOSE), max_size=8)
PUBLISHED = st.frozensets(st.sampled_from(LABELS), max_size=4)


@settings(max_examples=400, deadline=None)
@given(ZONES, PUBLISHED)
def test_a_takeover_takes_what_is_owned_and_leaves_every_other_byte(
    zone: list[Kept | Loose], published: frozenset[str]
) -> None:
    """I5. Other owners, the neighbour, look-alikes, nobody's records, names that can be read in both forms."""
    records, decision = taken(zone, published)
    names = {f"{label}.{DOMAIN}" for label in (*published, "api-one")}
    owners = {"source"} | orphaned_owners(records, "clusters-one", names, {"source", "destination"})
    assert owners <= {"source", "source2"}
    mine = {
        record
        for kept in zone
        if isinstance(kept, Kept) and kept.forms and kept.owner in owners and kept.namespace == "clusters-one"
        for record in kept.records
    }
    if isinstance(decision, Do):
        [_, change] = decision.actions
        assert isinstance(change, ChangeRecords)
        assert {each.action for each in change.changes} == {"DELETE"}
        gone = {each.record for each in change.changes}
        hosts = {f"route/clusters-one/{label}": frozenset({f"{label}.{DOMAIN}"}) for label in published}
        assert gone == set(owned(records, owners, "clusters-one", hosts))
        assert gone <= mine
        left = [record for record in records if record not in gone]
        assert {record for record in left if record.name in names and record.type in ADDRESSES} == set()
        assert len(left) == len(records) - len(gone)
    else:
        assert isinstance(decision, (Done, Refuse))


API, OAUTH = f"api.{DOMAIN}", f"oauth.{DOMAIN}"
LIVING = {"source", "destination"}


@pytest.mark.parametrize(
    ("kept", "found"),
    [
        ([Kept("api", "A", "older", "clusters-one", ("old", "new"))], {"older"}),
        ([Kept("oauth", "A", "older", "clusters-one", ("new",))], {"older"}),
        ([Kept("api", "A", "source", "clusters-one", ("new",))], set()),
        ([Kept("api", "A", "destination", "clusters-one", ("new",))], set()),
        ([Kept("api", "A", "hcp-dr-b1", "clusters-one", ("new",))], set()),
        ([Kept("api", "A", "older", "clusters-one2", ("new",))], set()),
        ([Kept("other", "A", "older", "clusters-one", ("new",))], set()),
        (
            [Kept("api", "A", owner, "clusters-one", (form,)) for owner, form in (("older", "old"), ("source", "new"))],
            set(),
        ),
        (
            [
                Kept("api", "A", "older", "clusters-one", ("old",)),
                Kept("oauth", "A", "first", "clusters-one", ("old",)),
            ],
            {"older", "first"},
        ),
    ],
)
def test_an_owner_that_no_external_dns_has(kept: list[Kept], found: set[str]) -> None:
    records = [record for each in kept for record in each.records]
    assert orphaned_owners(records, "clusters-one", {API, OAUTH}, LIVING) == found


@settings(max_examples=200, deadline=None)
@given(st.lists(SOURCE_KEPT, min_size=1, max_size=5, unique_by=lambda kept: kept.label))
def test_a_takeover_takes_all_that_this_cluster_has_at_its_names(zone: list[Kept]) -> None:
    zone = [replace(each, owner="source", namespace="clusters-one", forms=each.forms or ("old",)) for each in zone]
    records, decision = taken(zone, frozenset(each.label for each in zone))
    assert isinstance(decision, Do)
    [_, change] = decision.actions
    assert isinstance(change, ChangeRecords)
    assert {each.record for each in change.changes} == set(records)
