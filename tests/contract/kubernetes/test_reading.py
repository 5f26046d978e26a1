"""Lists, pages, selectors and watches."""

from __future__ import annotations

import threading

import pytest

from hcp_dr import errors
from hcp_dr.kube import client
from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Event
from tests.contract.kubernetes.sides import Side, an_object, new_namespace

LAST = "last-after-"


def make(side: Side, namespace: str, name: str, labels: dict[str, str] | None = None) -> None:
    side.admin.create(r.SECRET, an_object(r.SECRET, name, namespace, metadata={"labels": labels} if labels else {}))


def names(side: Side, namespace: str, labels: str | None = None, fields: str | None = None) -> list[str]:
    return [
        item["metadata"]["name"] for item in side.admin.list(r.SECRET, namespace, labels=labels, fields=fields).items
    ]


def test_a_list_has_all_objects_in_order_with_their_kind(
    side: Side, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "PAGE", 2)
    for name in ("c", "a", "e", "b", "d"):
        make(side, namespace, name)
    listing = side.admin.list(r.SECRET, namespace)
    assert [item["metadata"]["name"] for item in listing.items] == ["a", "b", "c", "d", "e"]
    assert {(item["apiVersion"], item["kind"]) for item in listing.items} == {("v1", "Secret")}
    newest = max(int(item["metadata"]["resourceVersion"]) for item in listing.items)
    assert int(listing.resource_version) >= newest


def test_a_list_of_every_namespace_is_in_the_order_of_namespaces(side: Side) -> None:
    spaces = sorted(new_namespace(side) for _ in range(2))
    for space in reversed(spaces):
        make(side, space, "a", {"test": spaces[0]})
    found = side.admin.list(r.SECRET, labels=f"test={spaces[0]}").items
    assert [item["metadata"]["namespace"] for item in found] == spaces
    assert side.admin.list(r.SECRET, "no-such-namespace").items == ()


def test_the_pages_of_a_list_show_one_moment(side: Side, namespace: str) -> None:
    for name in ("a", "c", "e"):
        make(side, namespace, name)
    first, token = side.page(r.SECRET, namespace, 2)
    make(side, namespace, "d")
    side.admin.delete(r.SECRET, "e", namespace)
    second, end = side.page(r.SECRET, namespace, 2, token)
    assert (first, second, end) == (["a", "c"], ["e"], "")


def test_a_page_whose_moment_is_forgotten_has_expired(side: Side, namespace: str) -> None:
    for name in ("a", "b", "c"):
        make(side, namespace, name)
    _, token = side.page(r.SECRET, namespace, 2)
    make(side, namespace, "d")
    side.compact()
    with pytest.raises(errors.Expired):
        side.eventually(lambda: side.page(r.SECRET, namespace, 2, token) and False, "the page expires")


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ("app=one", ["a", "b"]),
        ("app==one,tier=front", ["a"]),
        ("app!=one", ["c", "d"]),
        ("app in (one, two)", ["a", "b", "c"]),
        ("app notin (one)", ["c", "d"]),
        ("app", ["a", "b", "c"]),
        ("!app", ["d"]),
        ("app,tier notin (front)", ["b", "c"]),
        ("tier=", []),
        ("example.org/name=x", ["d"]),
    ],
)
def test_label_selectors(side: Side, namespace: str, labels: str, expected: list[str]) -> None:
    make(side, namespace, "a", {"app": "one", "tier": "front"})
    make(side, namespace, "b", {"app": "one"})
    make(side, namespace, "c", {"app": "two"})
    make(side, namespace, "d", {"example.org/name": "x"})
    assert names(side, namespace, labels) == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("metadata.name=a", ["a"]),
        ("metadata.name=-", []),
        ("metadata.name!=a", ["b"]),
        ("type=Opaque", ["b"]),
        ("type=kubernetes.io/basic-auth,metadata.name=a", ["a"]),
        ("type!=Opaque", ["a"]),
    ],
)
def test_field_selectors(side: Side, namespace: str, fields: str, expected: list[str]) -> None:
    body = an_object(r.SECRET, "a", namespace, type="kubernetes.io/basic-auth", data={"username": "YQ=="})
    side.admin.create(r.SECRET, body)
    make(side, namespace, "b")
    assert names(side, namespace, fields=fields) == expected


@pytest.mark.parametrize(
    ("labels", "fields"), [("app in one", None), ("a b", None), (None, "data.a=b"), (None, "nothing")]
)
def test_a_selector_that_is_none_is_invalid(side: Side, namespace: str, labels: str | None, fields: str | None) -> None:
    with pytest.raises(errors.Invalid):
        side.admin.list(r.SECRET, namespace, labels=labels, fields=fields)


# Watches


def watched(side: Side, namespace: str, version: str, number: int, labels: str | None = None) -> list[Event]:
    """So many changes, and whatever else comes before the next one, which is made here after them."""
    found: list[Event] = []
    for event in side.admin.watch(r.SECRET, namespace, resource_version=version, seconds=30, labels=labels):
        if event.type == "BOOKMARK":
            continue
        if event.object["metadata"]["name"].startswith(LAST):
            break
        found.append(event)
        if len(found) == number:
            make(side, namespace, f"{LAST}{version}", {"app": "one"})
    return found


def told(events: list[Event]) -> list[tuple[str, str]]:
    return [(event.type, event.object["metadata"]["name"]) for event in events]


def test_a_watch_tells_what_came_after_a_list(side: Side, namespace: str) -> None:
    make(side, namespace, "before")
    version = side.admin.list(r.SECRET, namespace).resource_version
    make(side, namespace, "a")
    changed = side.admin.patch(r.SECRET, "a", namespace, {"data": {"a": "Yg=="}})
    side.admin.delete(r.SECRET, "a", namespace)
    make(side, new_namespace(side), "elsewhere")
    events = watched(side, namespace, version, 3)
    assert told(events) == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]
    assert events[1].object == changed
    last = events[2].object
    assert int(last["metadata"]["resourceVersion"]) > int(changed["metadata"]["resourceVersion"])
    last["metadata"]["resourceVersion"] = changed["metadata"]["resourceVersion"]
    assert last == changed
    again = watched(side, namespace, events[0].object["metadata"]["resourceVersion"], 2)
    assert told(again) == [("MODIFIED", "a"), ("DELETED", "a")]


def test_a_watch_with_labels_sees_objects_come_and_go(side: Side, namespace: str) -> None:
    version = side.admin.list(r.SECRET, namespace).resource_version
    make(side, namespace, "a")
    side.admin.patch(r.SECRET, "a", namespace, {"metadata": {"labels": {"app": "one"}}})
    inside = side.admin.patch(r.SECRET, "a", namespace, {"metadata": {"labels": {"x": "y"}}})
    outside = side.admin.patch(r.SECRET, "a", namespace, {"metadata": {"labels": {"app": "two"}}})
    events = watched(side, namespace, version, 3, "app=one")
    assert told(events) == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]
    last = events[2].object["metadata"]
    assert last["labels"] == inside["metadata"]["labels"]
    assert last["resourceVersion"] == outside["metadata"]["resourceVersion"]


def test_a_watch_from_nowhere_begins_with_what_is_there(side: Side, namespace: str) -> None:
    make(side, namespace, "a")
    make(side, namespace, "b")
    assert sorted(told(watched(side, namespace, "0", 2))) == [("ADDED", "a"), ("ADDED", "b")]


def test_a_deletion_that_waits_for_finalizers_is_a_change_first(side: Side, namespace: str) -> None:
    metadata = {"finalizers": ["a.example/held"]}
    made = side.admin.create(r.SECRET, an_object(r.SECRET, "a", namespace, metadata=metadata))
    side.admin.delete(r.SECRET, "a", namespace)
    side.admin.patch(r.SECRET, "a", namespace, {"metadata": {"finalizers": None}})
    events = watched(side, namespace, made["metadata"]["resourceVersion"], 2)
    assert told(events) == [("MODIFIED", "a"), ("DELETED", "a")]
    assert all("deletionTimestamp" in event.object["metadata"] for event in events)


def test_a_watch_hears_what_happens_while_it_waits(side: Side, namespace: str) -> None:
    version = side.admin.list(r.SECRET, namespace).resource_version
    events = side.admin.watch(r.SECRET, namespace, resource_version=version, seconds=30)
    later = threading.Timer(0.1, make, (side, namespace, "a"))
    later.start()
    try:
        assert next(events).object["metadata"]["name"] == "a"
    finally:
        later.join()


def test_a_watch_from_before_all_that_is_remembered_has_expired(side: Side, namespace: str) -> None:
    """A custom kind, since its memory begins with its definition."""
    with pytest.raises(errors.Expired, match="too old resource version"):
        list(side.admin.watch(r.ROUTE, namespace, resource_version="1", seconds=1))
    with pytest.raises(errors.ServerBusy, match="not-a-version"):
        watched(side, namespace, "not-a-version", 0)
