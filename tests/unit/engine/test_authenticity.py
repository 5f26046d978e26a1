"""Which journal in the bucket counts: what a code proves, where the keys are, and what a mark says of a journal."""

from __future__ import annotations

import base64
from dataclasses import replace
from functools import partial

import pytest

from hcp_dr.engine.authenticity import (
    FILE_NAME,
    METADATA,
    Keys,
    MacKey,
    keep_in_folder,
    keep_on_cluster,
    new_key,
    read_keys,
)
from hcp_dr.engine.journal import JournalState, fold
from hcp_dr.engine.journal_lines import Line
from hcp_dr.engine.mirror import fetch
from hcp_dr.errors import ArchiveError, ClusterUnreachable, Invalid, NotOurs
from tests.ports import MemoryArchive, MemoryBucket, MemoryKubernetes

KEY = "hcp-dr/clusters/one/backup-1/journal.jsonl"
FIRST, SECOND = MacKey(f"hcp-dr-key:{'1' * 64}"), MacKey(f"hcp-dr-key:{'2' * 64}")
DATA = b'{"line": "begin"}\n'


def fault_of(keys: Keys, *, key: str = KEY, data: bytes = DATA, code: str | None = None) -> str:
    signed = Keys((FIRST,)).sign(KEY, DATA)
    return keys.find_fault(key, data, signed if code is None else {METADATA: code})


def test_a_code_proves_one_content_in_one_place_by_one_key() -> None:
    keys = Keys((FIRST,))
    assert fault_of(keys) == ""
    assert "it was edited, or copied from elsewhere" in fault_of(keys, data=DATA + b"\n")
    assert "it was edited, or copied from elsewhere" in fault_of(keys, key=KEY.replace("backup-1", "backup-2"))
    assert "it was edited, or copied from elsewhere" in fault_of(keys, key=KEY.replace("one", "two"))
    assert "it was edited, or copied from elsewhere" in fault_of(Keys((SECOND,)))
    assert "it was edited, or copied from elsewhere" in fault_of(keys, code="0 \u00e9 " + "f" * 64)
    assert "it has no authentication code" in fault_of(keys, code="")
    assert "it has no authentication code" in keys.find_fault(KEY, DATA, {})


def test_without_a_key_nothing_is_proven() -> None:
    assert fault_of(Keys()) == "it cannot be verified: neither management cluster has the Secret with the key"
    assert fault_of(Keys((), ("no answer",))) == "it cannot be verified: no answer"
    assert Keys().sign(KEY, DATA) == {}
    assert fault_of(Keys(), code="") != ""


def test_every_key_signs_and_any_proves() -> None:
    both = Keys((FIRST, SECOND))
    for one in (FIRST, SECOND):
        assert Keys((one,)).find_fault(KEY, DATA, both.sign(KEY, DATA)) == ""
        assert both.find_fault(KEY, DATA, Keys((one,)).sign(KEY, DATA)) == ""


@pytest.mark.parametrize("text", ["", "x", "hcp-dr-key:1", f"hcp-dr-key:{'G' * 64}", f"hcp-dr-key:{'1' * 65}"])
def test_a_weak_key_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="is not a key of hcp-dr"):
        MacKey(text)
    archive = MemoryArchive()
    archive.write(FILE_NAME, f"{text or '-'}\n")
    with pytest.raises(ArchiveError, match="has a line that is not a key of hcp-dr"):
        read_keys(archive, (), "clusters", "one")


def test_a_key_is_random_and_is_not_printed() -> None:
    key = new_key()
    assert key != new_key()
    assert key.text not in f"{key} {Keys((key,))!r}"
    words = [key.text, base64.b64encode(key.text.encode()).decode()]
    error = Invalid(cluster="source", verb="create", object="Secret x", reason=f"{words} is refused")
    assert not [word for word in words if word in error.what]


def read(archive: MemoryArchive, *clusters: MemoryKubernetes) -> Keys:
    return read_keys(archive, [partial(lambda each: each, cluster) for cluster in clusters], "clusters", "one")


def test_the_keys_of_the_folder_and_of_both_clusters_are_known() -> None:
    archive, source, destination = MemoryArchive(), MemoryKubernetes("source"), MemoryKubernetes("destination")
    assert read(archive, source, destination) == Keys()
    keys = keep_on_cluster(source, Keys((FIRST,)), "clusters", "one")
    assert keys == Keys((FIRST,))
    keep_on_cluster(destination, Keys((SECOND,)), "clusters", "one")
    assert read(archive, source, destination).known == (FIRST, SECOND)
    assert keep_on_cluster(destination, keys, "clusters", "one").known == (FIRST, SECOND), "what is there stays"
    keep_in_folder(archive, Keys((SECOND, FIRST)))
    assert read(archive, source, destination).known == (SECOND, FIRST)
    assert [call[0] for call in (*source.asked, *destination.asked)] == ["create", "create"]


def test_of_two_that_make_it_at_once_both_use_the_first() -> None:
    source = MemoryKubernetes("source")

    def be_faster(verb: str) -> None:
        if verb == "create":
            source.before = lambda _verb: None
            keep_on_cluster(source, Keys((SECOND,)), "clusters", "one")

    source.before = be_faster
    assert keep_on_cluster(source, Keys((FIRST,)), "clusters", "one").known == (FIRST, SECOND)
    assert read(MemoryArchive(), source).known == (SECOND,)


def test_a_cluster_that_does_not_answer_and_a_secret_without_a_key_are_told() -> None:
    source, destination = MemoryKubernetes("source"), MemoryKubernetes("destination")

    def refuse(_verb: str) -> None:
        raise ClusterUnreachable(cluster="source", verb="get", object="Secret", reason="timed out")

    source.before = refuse
    destination.put({"Secret default/hcp-dr-clusters-one": {"data": {"key": "not base64"}}})
    problems = read(MemoryArchive(), source, destination).problems
    assert problems == (
        "The API server of the source cluster did not answer (get Secret: timed out)",
        "Secret default/hcp-dr-clusters-one on the destination cluster has no key of hcp-dr",
    )
    with pytest.raises(NotOurs):
        keep_on_cluster(destination, Keys((FIRST,)), "clusters", "one")


def test_one_that_is_replaced_between_two_requests_is_read_again() -> None:
    bucket, keys, newer = MemoryBucket(), Keys((FIRST,)), DATA + b'{"line": "step"}\n'
    bucket.put(KEY, DATA, metadata=keys.sign(KEY, DATA))

    def replace_it(verb: str) -> None:
        if verb == "get":
            bucket.before = lambda _verb: None
            bucket.put(KEY, newer, metadata=keys.sign(KEY, newer))

    bucket.before = replace_it
    found = fetch(bucket, KEY.rpartition("/")[0], keys)
    assert found is not None
    assert (found.fault, found.data) == ("", newer)


def test_one_that_is_larger_than_any_journal_is_not_read() -> None:
    bucket, keys = MemoryBucket(), Keys((FIRST,))
    bucket.put(KEY, DATA, metadata=keys.sign(KEY, DATA))
    bucket.objects[KEY] = replace(bucket.objects[KEY], size=2**32)
    bucket.bodies.clear()
    found = fetch(bucket, KEY.rpartition("/")[0], keys)
    assert found is not None
    assert found.fault


def test_one_that_changes_all_the_time_ends_the_reading() -> None:
    bucket, count = MemoryBucket(), 0

    def change(verb: str) -> None:
        nonlocal count
        if verb == "head":
            count += 1
            before, bucket.before = bucket.before, lambda _verb: None
            bucket.put(KEY, b"%d" % count, metadata={})
            bucket.before = before

    bucket.before = change
    found = fetch(bucket, KEY.rpartition("/")[0], Keys((FIRST,)))
    assert found is not None
    assert found.fault
    assert count < 10


# Marks


def of(*words: str) -> JournalState:
    state = JournalState()
    for word in words:
        state = state.after(state.seal({"line": word}))
    return state


def test_a_journal_contains_the_marks_of_its_beginnings_only() -> None:
    whole = of("begin", "step", "done", "step")
    for count in range(1, 5):
        assert whole.contains(of(*("begin", "step", "done", "step")[:count]).mark)
    assert not of("begin", "step").contains(whole.mark)
    assert not whole.contains(of("begin", "other").mark)
    assert not JournalState().contains(whole.mark)
    older = fold([Line(line="begin"), Line(line="step")])  # without digests in the lines
    assert older.contains(replace(older).mark)
    assert of("begin", "step").contains(older.mark)


@pytest.mark.parametrize("mark", ["", "x", ":", "0:", "-1:0", "1", "1:", "9" * 5000 + ":0", "\u00b2:0", "1:zz:1"])
def test_a_mark_of_another_form_is_contained_in_none(mark: str) -> None:
    assert not of("begin", "step").contains(mark)
