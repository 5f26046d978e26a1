"""What stands for etcd: snapshots, clones, history. What the API server makes of it is in tests/contract."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hcp_dr_lab.tabletop.kubernetes import CorruptSnapshot, Key, Store, summary

A, B = Key("secrets", "n", "a"), Key("secrets", "n", "b")
NODE = Key("nodes", "", "a")


def filled() -> Store:
    store = Store()
    store.put(A, {"data": {"key": b"\x00\xff", "list": [1, 2.5, None, True, "ä"]}})
    store.put(NODE, {"spec": {}})
    store.put(A, {"data": {"key": "2"}})
    return store


def values(store: Store) -> dict[Key, object]:
    return {entry.key: entry.object for kind in store.kinds() for entry in store.list(kind)}


def test_every_change_is_a_revision_and_a_key_knows_its_first_and_its_last() -> None:
    store = filled()
    entry = store.get(A)
    assert entry is not None
    assert (store.revision, entry.created, entry.revision) == (4, 2, 4)
    assert store.delete(B) is None
    assert store.revision == 4
    store.delete(A)
    assert store.revision == 5
    assert store.get(A) is None
    assert len(store) == 1


def test_what_is_put_is_kept_as_it_was() -> None:
    store, value = Store(), {"list": [1]}
    store.put(A, value)
    value["list"].append(2)
    entry = store.get(A)
    assert entry is not None
    assert entry.object == {"list": [1]}
    entry.copy()["list"].append(3)
    assert entry.copy() == {"list": [1]}


def test_who_changes_what_was_lent_is_found() -> None:
    store = Store()
    kept, changed = (Key("secrets", "a", name) for name in ("kept", "changed"))
    for key in (kept, changed):
        store.put(key, {"data": {"word": "one"}})
    assert store.tampered() == []
    entry = store.get(changed)
    assert entry is not None
    entry.object["data"]["word"] = "two"
    assert store.tampered() == [changed]


def test_a_moment_is_shown_until_it_is_compacted() -> None:
    store = filled()
    store.delete(NODE)
    assert [entry.object for entry in store.list_at(2, "secrets")] == [
        {"data": {"key": b"\x00\xff", "list": [1, 2.5, None, True, "ä"]}}
    ]
    assert [entry.key for entry in store.list_at(3, "nodes")] == [NODE]
    assert store.list_at(5, "nodes") == []
    store.compact(4)
    assert store.compacted == 4
    assert [change.revision for change in store.since(0)] == [5]
    store.compact(2)
    assert store.compacted == 4


def test_a_clone_goes_its_own_way() -> None:
    store = filled()
    before = values(store)
    other = store.clone()
    other.put(B, {})
    other.delete(A)
    other.compact()
    assert values(store) == before
    assert (store.revision, store.compacted) == (4, 0)
    store.put(A, {"mine": True})
    assert other.get(A) is None
    assert other.revision == 6
    assert [change.revision for change in store.since(3)] == [4, 5]


def test_a_snapshot_holds_everything_but_the_history() -> None:
    store = filled()
    told = store.summary()
    restored = Store.restored(store.snapshot())
    assert values(restored) == values(store)
    assert (restored.revision, restored.compacted) == (4, 4)
    assert (told.revision, told.keys, told.size) == (4, 2, len(store.snapshot()))
    assert restored.summary().hash == told.hash
    entry = restored.get(A)
    assert entry is not None
    assert (entry.created, entry.revision) == (2, 4)
    store.put(B, {})
    assert store.summary().hash != told.hash


def test_a_restored_store_may_leap_ahead() -> None:
    """As fixed releases restore (rule C4): nobody who watched the old one can take the new one for it."""
    restored = Store.restored(filled().snapshot(), bump_revision=10**9)
    assert restored.revision == restored.compacted == 10**9 + 4
    assert restored.put(B, {}).revision == 10**9 + 5


@given(st.data())
def test_no_byte_of_a_snapshot_can_change_or_be_missing(data: st.DataObject) -> None:
    whole = filled().snapshot()
    place = data.draw(st.integers(0, len(whole) - 1))
    other = data.draw(st.integers(1, 255))
    for broken in (whole[:place], whole[:place] + bytes([whole[place] ^ other]) + whole[place + 1 :], whole + b"x"):
        with pytest.raises(CorruptSnapshot):
            Store.restored(broken)
        with pytest.raises(CorruptSnapshot):
            summary(broken)


def test_whoever_waits_is_woken_by_a_change() -> None:
    store = Store()
    assert not store.wait(store.revision, 0.001)
    later = threading.Timer(0.02, store.put, (A, {}))
    later.start()
    assert store.wait(store.revision, 30)
    later.join()
    assert store.wait(1, 0)
