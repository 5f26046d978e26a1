"""The journal's mirror: what is written when, what a dead bucket costs, and which of two journals goes on."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from hcp_dr.engine.authenticity import Keys, MacKey
from hcp_dr.engine.journal import JournalState, fold, parse
from hcp_dr.engine.journal_lines import Line
from hcp_dr.engine.mirror import RETRY_INTERVAL, SEND_INTERVAL, Mirror, fetch, find_newest, list_mirrors, reconcile
from hcp_dr.errors import ArchiveError, AwsUnreachable, JournalError, NotAuthentic
from hcp_dr.folder import BackupFolder
from hcp_dr.objects.archive import MANIFEST, Archive, Manifest, Snapshot, page, read_manifest, read_objects, sha256_of
from hcp_dr.objects.scrub import scrub
from tests.cases.building import an_object
from tests.ports import MemoryArchive, MemoryBucket
from tests.unit.engine.toys import JumpingClock

PREFIX = "hcp-dr/clusters/one/backup-1"
KEY = f"{PREFIX}/journal.jsonl"
KEYS = Keys((MacKey(f"hcp-dr-key:{'1' * 64}"),))
DEAD = AwsUnreachable(service="S3", operation="PutObject", object=KEY, reason="timed out")


@dataclass
class Lines:
    """A journal of nothing but bytes."""

    text: bytes = b'{"line": "begin"}\n'

    @property
    def story(self) -> JournalState:
        return fold(parse(self.text))

    def data(self) -> bytes:
        return self.text

    def add(self, line: str, **values: str) -> None:
        self.text += json.dumps({"line": line, **values}).encode() + b"\n"


@dataclass
class Desk:
    bucket: MemoryBucket = field(default_factory=MemoryBucket)
    journal: Lines = field(default_factory=Lines)
    archive: MemoryArchive = field(default_factory=MemoryArchive)
    clock: JumpingClock = field(default_factory=JumpingClock)
    told: list[str] = field(default_factory=list)

    def mirror(self) -> Mirror:
        return self.mirror_of(self.archive)

    def mirror_of(self, archive: Archive) -> Mirror:
        tell = lambda progress: self.told.append(progress.text)  # noqa: E731
        return Mirror(self.bucket, PREFIX, self.journal, archive, self.clock, tell, keys=KEYS)

    def put(self, text: bytes) -> None:
        """As another machine with the key."""
        self.bucket.put(KEY, text, metadata=KEYS.sign(KEY, text))

    @property
    def puts(self) -> list[str]:
        return [call[1].removeprefix(f"{PREFIX}/") for call in self.bucket.asked]


def test_it_is_written_whole_and_only_where_it_is_new() -> None:
    desk = Desk()
    mirror = desk.mirror()
    mirror.send()
    mirror.send()
    assert desk.puts == ["journal.jsonl"]
    desk.journal.add("step")
    mirror.send()
    assert desk.bucket.bodies[KEY] == desk.journal.text
    found = fetch(desk.bucket, PREFIX, KEYS)
    assert found is not None
    assert [line["line"] for line in found.story.lines] == ["begin", "step"]


def test_short_steps_are_mirrored_together_but_a_new_manifest_at_once() -> None:
    desk = Desk()
    mirror = desk.mirror()
    mirror.send()
    desk.journal.add("step")
    mirror.send_if_due()
    assert desk.puts == ["journal.jsonl"]
    manifest = '{"format": 1, "case": {}, "made_at": 0, "fence": null, "entries": [], "snapshot": null}'
    digest = sha256_of(manifest.encode())
    desk.archive.write(MANIFEST, manifest)
    desk.journal.add("manifest", sha256=digest)
    mirror.send_if_due()
    assert desk.puts == ["journal.jsonl", f"files/{digest}", "journal.jsonl"]
    desk.journal.add("done")
    desk.clock.seconds += SEND_INTERVAL
    mirror.send_if_due()
    assert desk.puts[3:] == ["journal.jsonl"]


def test_a_dead_bucket_is_told_once_and_asked_again_later() -> None:
    desk = Desk()
    mirror, asked = desk.mirror(), []

    def dead(verb: str) -> None:
        asked.append(verb)
        raise DEAD

    desk.bucket.before = dead
    for _ in range(100):
        desk.journal.add("step")
        mirror.send()
        desk.clock.seconds += 1
    assert len(asked) == 100 // RETRY_INTERVAL + 1
    assert len(desk.told) == 1
    desk.bucket.before = asked.append
    desk.clock.seconds += RETRY_INTERVAL
    mirror.send()
    assert desk.bucket.bodies[KEY] == desk.journal.text
    assert desk.told[1:] == ["the bucket has a copy of the journal again"]


def test_an_answer_that_was_lost_is_no_other_machine() -> None:
    desk = Desk()
    mirror = desk.mirror()
    mirror.send()
    desk.put(desk.journal.text)  # as if the first answer had not come
    desk.journal.add("step")
    mirror.send()
    assert desk.bucket.bodies[KEY] == desk.journal.text


def test_what_another_machine_wrote_is_not_written_over() -> None:
    desk = Desk()
    mirror = desk.mirror()
    mirror.send()
    theirs = desk.journal.text + b'{"line": "resumed"}\n'
    desk.put(theirs)
    desk.journal.add("step")
    with pytest.raises(JournalError) as caught:
        mirror.send()
    assert "another machine continued" in caught.value.what
    assert desk.bucket.bodies[KEY] == theirs


def test_what_a_client_without_the_key_wrote_is_told_and_written_over() -> None:
    desk = Desk()
    mirror = desk.mirror()
    mirror.send()
    desk.bucket.put(KEY, desk.journal.text + b'{"line": "resumed"}\n', metadata={})
    desk.journal.add("step")
    mirror.send()
    assert desk.bucket.bodies[KEY] == desk.journal.text
    [told] = desk.told
    assert f"The journal s3://backups/{KEY} does not allow this command: it has no authentication code" in told
    found = fetch(desk.bucket, PREFIX, KEYS)
    assert found is not None
    assert found.data == desk.journal.text


POOL = an_object({"NodePool clusters/workers": {"spec": {"clusterName": "one"}}})


def mirrored(desk: Desk, text: str, **changes: Any) -> None:
    """A manifest in the bucket with one line, and the file that the line names."""
    case = {"namespace": "clusters", "name": "one", "backup_id": "backup-1"}
    entry = replace(page(POOL).entry, sha256=sha256_of(text.encode(errors="surrogateescape")))
    names = {each: changes.pop(each) for each in ("file", "name", "namespace") if each in changes}
    entry = replace(entry, **names)
    manifest = Manifest({**case, **changes.pop("case", {})}, 1.0, None, (entry,), changes.pop("snapshot", None))
    for body in (manifest.to_text().encode(), text.encode(errors="surrogateescape")):
        desk.bucket.put(f"{PREFIX}/files/{sha256_of(body)}", body, metadata={})
    desk.journal.add("manifest", sha256=sha256_of(manifest.to_text().encode()))


def test_another_machine_gets_the_manifest_and_what_is_mirrored_of_its_files(tmp_path: Path) -> None:
    desk = Desk()
    mirrored(desk, page(POOL).text)
    folder = BackupFolder(tmp_path / "backup")
    folder.make()
    desk.mirror_of(folder).fetch_folder()
    assert {path.name for path in folder.path.rglob("*.*")} == {MANIFEST, "np-workers.yaml"}
    assert (manifest := read_manifest(folder)) is not None
    assert list(read_objects(folder, manifest.entries).values()) == [scrub(POOL)]


SNAPSHOT = Snapshot("backups", "another.db", 1, "0", "0", 1, 1, "f")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"file": "../../home/.ssh/authorized_keys", "name": "evil"}, "'NodePool' 'clusters'/'evil' in '../../home/"),
        ({"file": "/etc/x"}, "in '/etc/x', but this is not the object's file"),
        ({"file": "journal.jsonl"}, "in 'journal.jsonl', but this is not the object's file"),
        ({"namespace": "kube-system", "file": "namespaces/kube-system/np-workers.yaml"}, "'kube-system'/'workers'"),
        ({"case": {"backup_id": "backup-2"}}, "belongs to the backup 'hcp-dr/clusters/one/backup-2'"),
        ({"case": {"namespace": "x"}}, "this hosted cluster's namespaces are x and x-one"),
        ({"snapshot": SNAPSHOT}, "names the snapshot 'another.db'"),
        ({"text": "\udcff"}, "is not text"),
    ],
)
def test_what_does_not_belong_to_the_backup_is_not_fetched_and_nothing_is_written(
    tmp_path: Path, changes: dict[str, Any], told: str
) -> None:
    desk = Desk()
    mirrored(desk, **{"text": "text", **changes})
    folder = BackupFolder(tmp_path / "state" / "backup")
    folder.make()
    with pytest.raises(ArchiveError) as caught:
        desk.mirror_of(folder).fetch_folder()
    assert told in caught.value.what
    where = f"s3://backups/{PREFIX}/files/{desk.journal.story.manifest}"
    assert caught.value.what.startswith(f"The backup folder {where} cannot be used: ")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("number", [0, 1], ids=["manifest", "NodePool"])
def test_a_file_with_another_content_than_its_name_says_is_refused_and_nothing_is_written(number: int) -> None:
    desk = Desk()
    mirrored(desk, page(POOL).text)
    key = list(desk.bucket.bodies)[number]
    desk.bucket.put(key, page(POOL).text.replace("one", "two").encode(), metadata={})
    with pytest.raises(NotAuthentic) as caught:
        desk.mirror().fetch_folder()
    assert f"s3://backups/{key} does not allow this command: its content was replaced" in caught.value.what
    assert desk.archive.files == {}


def test_a_file_that_is_missing_is_told_unless_an_older_one_would_be_used_in_its_place() -> None:
    desk = Desk()
    mirrored(desk, page(POOL).text)
    desk.bucket.objects.clear()
    desk.mirror().fetch_folder()
    assert f"files/{desk.journal.story.manifest} is missing" in desk.told[0]
    desk.archive.write(MANIFEST, "older")
    with pytest.raises(ArchiveError, match="is outdated, and s3://"):
        desk.mirror().fetch_folder()


def test_the_last_one_written_is_found() -> None:
    bucket = MemoryBucket()
    for name in ("a/journal.jsonl", "b/journal.jsonl", "b/folder/journal.jsonl", "c/snapshot.db"):
        bucket.put(f"hcp-dr/clusters/one/{name}", b'{"line": "begin"}\n', metadata={})
    bucket.put("hcp-dr/clusters/one2/z/journal.jsonl", b"", metadata={})
    found = find_newest(bucket, list_mirrors(bucket, "clusters", "one"), KEYS)
    assert found is not None
    assert (found.prefix, found.modified) == ("hcp-dr/clusters/one/b", 1000.0)
    named = find_newest(bucket, list_mirrors(bucket, "clusters", "one"), KEYS, {"a", "gone"})
    assert named is not None
    assert named.prefix == "hcp-dr/clusters/one/a"
    assert find_newest(bucket, list_mirrors(bucket, "clusters", "one"), KEYS, {"gone"}) is None
    assert find_newest(bucket, list_mirrors(bucket, "clusters", "two"), KEYS) is None


def lines(*words: str) -> list[Line]:
    """`a=1` is remembered, another word is a line of that kind."""
    found: list[Line] = []
    for word in words:
        key, equals, value = word.partition("=")
        found.append(Line(line="remember", key=key, value=value) if equals else Line(line=word))
    return found


BEGUN = ("begin", "step", "a=1", "intent")


@pytest.mark.parametrize(
    ("ours", "theirs", "which"),
    [
        pytest.param((), BEGUN, "theirs", id="nothing-here"),
        pytest.param(BEGUN, (), "ours", id="nothing-there"),
        pytest.param(BEGUN, BEGUN, "ours", id="the-same"),
        pytest.param(BEGUN, (*BEGUN, "outcome", "resumed", "b=2", "step"), "theirs", id="another-machine-went-on"),
        pytest.param((*BEGUN, "outcome", "b=2", "done"), BEGUN, "ours", id="the-bucket-was-dead"),
        pytest.param(
            (*BEGUN, "outcome", "done"), (*BEGUN, "resumed", "b=2", "step"), "theirs", id="killed-between-two-mirrors"
        ),
        pytest.param(
            (*BEGUN, "outcome", "b=1"), (*BEGUN, "resumed", "b=2", "step"), "theirs", id="killed-before-it-acted"
        ),
        pytest.param(
            (*BEGUN, "outcome", "b=1", "intent"), (*BEGUN, "resumed", "stopped"), "ours", id="they-only-looked"
        ),
        pytest.param((*BEGUN, "outcome", "b=1", "intent"), (*BEGUN, "resumed", "b=2", "intent"), None, id="forked"),
    ],
)
def test_which_journal_goes_on(ours: tuple[str, ...], theirs: tuple[str, ...], which: str | None) -> None:
    here, there = lines(*ours), lines(*theirs)
    if which is None:
        with pytest.raises(JournalError, match="differ after line"):
            reconcile(here, there, "journal")
    else:
        assert reconcile(here, there, "journal") is {"ours": here, "theirs": there}[which]


@pytest.mark.parametrize("torn", [b'{"line": "st', b"\xff\x00", b"\n\n"])
def test_a_torn_line_in_either_is_passed_over(torn: bytes) -> None:
    whole = b'{"line": "begin"}\n'
    for ours, theirs in ((whole + torn, whole), (whole, whole + torn)):
        assert list(reconcile(parse(ours), parse(theirs), "journal")) == parse(whole)


def test_a_file_that_may_hold_a_secret_stays_in_the_folder() -> None:
    pools = [
        page(an_object({f"NodePool clusters/{name}": {"spec": {"clusterName": "one"}, "annotations": {"a": text}}}))
        for name, text in (("quiet", "public"), ("loud", "password: pa55word"))
    ]
    desk = Desk()
    for pool in pools:
        desk.archive.write(pool.entry.file, pool.text)
    manifest = Manifest({"namespace": "clusters", "name": "one"}, 0.0, None, tuple(pool.entry for pool in pools))
    desk.archive.write(MANIFEST, manifest.to_text())
    desk.journal.add("manifest", sha256=sha256_of(manifest.to_text().encode()))
    desk.mirror().send()
    assert f"files/{pools[0].entry.sha256}" in desk.puts
    assert "pa55word" not in str(desk.bucket.bodies)
