"""A client that can write to the bucket but has no key gains nothing: what it forges, replays or exchanges there is
refused on every other machine before anything is written, and is overwritten by the machine that has the folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest

from hcp_dr.engine import journal
from hcp_dr.engine.authenticity import FILE_NAME as KEY_FILE
from hcp_dr.engine.authenticity import METADATA, Keys, keep_on_cluster, new_key, read_keys
from hcp_dr.engine.lease_status import MIRRORED_ANNOTATION
from hcp_dr.errors import ClusterUnreachable, Forbidden, HcpDrError, JournalError, NotAuthentic, Unfinished
from hcp_dr.kube import resources as r
from hcp_dr.procedure import RESTORE_LOST
from hcp_dr_lab.ground.layout import BUCKET
from hcp_dr_lab.tabletop.aws.storage import Stored, Wanted
from hcp_dr_lab.tabletop.gate import Request
from hcp_dr_lab.tabletop.operator import PHASES, Operator
from tests.ports import MemoryArchive
from tests.tabletop.scene import Scene, forget_the_key, keys_of, mirror_key, put, scene
from tests.tabletop.test_abort import counted
from tests.tabletop.test_another_machine import assert_whole, elsewhere
from tests.tabletop.test_dangers import Killed, just_before, kill, sides, stop_before, stopped
from tests.tabletop.test_source_lost import assert_alive, backed_up, die

SECRET = "hcp-dr-clusters-shop"
STEP = "restore.hosted_cluster"


def stored(here: Scene) -> Stored:
    return here.world.cloud.storage.get(BUCKET, mirror_key(here))


def replay(here: Scene, old: Stored, key: str = "") -> None:
    """A genuine object with its metadata, again or in another place."""
    here.world.cloud.storage.put(BUCKET, key or mirror_key(here), old.body, Wanted(metadata=old.metadata))


def sealed(lines: list[dict[str, Any]]) -> bytes:
    """Lines with a right running digest."""
    story = journal.JournalState()
    for line in lines:
        story = story.after(story.seal({key: value for key, value in line.items() if key != "sum"}))
    return b"".join(json.dumps(line, sort_keys=True).encode() + b"\n" for line in story.lines)


def edited(here: Scene, change: Callable[[list[dict[str, Any]]], None]) -> bytes:
    lines = [dict(line) for line in journal.parse(stored(here).body)]
    change(lines)
    return sealed(lines)


def append(here: Scene) -> None:
    """A value that this hosted cluster may have: no other guard refuses it."""
    line = {"at": 1, "line": "remember", "key": "replicas_before", "value": {"kube-apiserver": 0}}
    put(here, mirror_key(here), edited(here, lambda lines: lines.append(line)))


def edit_and_keep_the_code(here: Scene) -> None:
    def change(lines: list[dict[str, Any]]) -> None:
        [line] = [line for line in lines if line.get("key") == "protection"]
        line["value"] = dict.fromkeys(line["value"], True)

    old = stored(here)
    here.world.cloud.storage.put(BUCKET, mirror_key(here), edited(here, change), Wanted(metadata=old.metadata))


def strip_the_code(here: Scene) -> None:
    put(here, mirror_key(here), stored(here).body)


def sign_with_another_key(here: Scene) -> None:
    put(here, mirror_key(here), stored(here).body, keys=Keys((new_key(),)))


def cut(here: Scene) -> None:
    """A beginning of the journal, with the code of the whole."""
    old = stored(here)
    body = b"".join(old.body.splitlines(keepends=True)[:60])
    here.world.cloud.storage.put(BUCKET, mirror_key(here), body, Wanted(metadata=old.metadata))


ATTACKS = (append, edit_and_keep_the_code, strip_the_code, sign_with_another_key, cut)
every_attack = pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)


def assert_refused(here: Scene, operator: Operator, verb: str, words: str) -> HcpDrError:
    """Before anything was written anywhere, with the name of the object and the way on."""
    written = counted(here.world)
    error = getattr(operator, verb)().error
    here.world.hooks.clear()
    assert isinstance(error, NotAuthentic), error
    assert f"s3://{BUCKET}/{mirror_key(here)}" in error.what
    assert words in error.what
    assert "--backup" in error.next
    assert written == []
    assert operator.files == {}
    return error


@every_attack
@pytest.mark.parametrize("verb", ["resume", "abort"])
def test_elsewhere_it_is_refused_before_anything_is_written(verb: str, attack: Callable[[Scene], None]) -> None:
    here = stopped(STEP)
    attack(here)
    assert_refused(here, elsewhere(here.world), verb, "authentication code")
    seen = elsewhere(here.world).around()
    assert isinstance(seen.unread["bucket"], NotAuthentic), "status tells it"


@every_attack
def test_where_the_folder_is_it_is_told_and_written_over(attack: Callable[[Scene], None]) -> None:
    here = stopped(STEP)
    attack(here)
    assert here.operator.resume().error is None
    told = [progress.text for progress in here.operator.told if "authentication code" in progress.text]
    assert len(told) == 1
    assert "The run continues with the journal in memory" in told[0]
    assert keys_of(here).find_fault(mirror_key(here), stored(here).body, stored(here).metadata) == ""
    assert_whole(here.world)


def test_every_phase_goes_on_in_its_folder_and_refuses_an_older_one() -> None:
    here = scene()
    assert here.operator.backup().error is None
    for phase in PHASES:
        stale, old = elsewhere(here.world), stored(here)
        stale.take_over(here.operator.story(), here.operator.files)
        append(here)
        assert here.operator.go_on(phase).error is None, phase
        replay(here, old)
        assert isinstance(stale.go_on(phase).error, JournalError), phase
    assert_whole(here.world)


def test_written_over_in_the_middle_of_a_run_it_is_written_again() -> None:
    here = scene()
    just_before(here, "restore.node_pools", lambda: append(here))
    assert here.operator.relocate().error is None
    assert [progress for progress in here.operator.told if "It is overwritten" in progress.text]
    assert keys_of(here).find_fault(mirror_key(here), stored(here).body, stored(here).metadata) == ""
    assert_whole(here.world)


# Older, and of others


def older(until: str, then: str) -> tuple[Scene, Stored]:
    """A relocation, and what the bucket had of it when a step began."""
    here, kept = scene(), list[Stored]()
    just_before(here, until, lambda: kept.append(stored(here)))
    stop_before(here, then)
    return here, kept[0]


@pytest.mark.parametrize("verb", ["resume", "abort"])
@pytest.mark.parametrize(
    ("until", "then"),
    [
        ("backup.pause", "backup.export_objects"),
        ("backup.export_objects", "restore.hosted_cluster"),
        ("backup.delete_routes", "restore.node_pools"),
        ("restore.start_control_plane", "verify.await_nodes"),
    ],
)
def test_an_older_journal_is_refused_although_it_is_authentic(until: str, then: str, verb: str) -> None:
    here, old = older(until, then)
    replay(here, old)
    assert_refused(here, elsewhere(here.world), verb, "it ends before lines that the bucket had, as the Leases record")
    assert isinstance(elsewhere(here.world).around().mirror, NotAuthentic)
    assert here.operator.resume().error is None
    assert_whole(here.world)


@pytest.mark.parametrize("attack", ["deleted", "replayed"])
def test_an_older_folder_does_not_go_on_when_the_newest_journal_is_gone(attack: str) -> None:
    here, old = older("backup.export_objects", "backup.delete_routes")
    stale = elsewhere(here.world)
    stale.take_over(journal.fold(journal.parse(old.body)), here.operator.files)
    if attack == "deleted":
        here.world.cloud.storage.delete(BUCKET, mirror_key(here))
    else:
        replay(here, old)
    before = {key: value for key, value in stale.files.items() if key != KEY_FILE}
    error = stale.resume().error
    assert isinstance(error, NotAuthentic)
    assert "it ends before lines" in error.what
    assert {key: value for key, value in stale.files.items() if key != KEY_FILE} == before
    assert here.operator.resume().error is None
    assert_whole(here.world)


def test_the_journal_of_another_backup_is_not_taken_in_its_place() -> None:
    here = scene()
    online = Operator(here.world, machine="cron")
    assert online.back_up_online().error is None
    first = stored(here)
    stop_before(here, STEP)
    [key] = [key for key in journals(here) if here.world.cloud.storage.get(BUCKET, key).body != first.body]
    replay(here, first, key)
    error = elsewhere(here.world).abort().error
    assert isinstance(error, NotAuthentic)
    assert f"s3://{BUCKET}/{key} does not allow this command: its authentication code is not of a key" in error.what


def journals(here: Scene) -> list[str]:
    return [key for key in here.world.cloud.storage.keys_of(BUCKET, "hcp-dr/") if key.endswith("/journal.jsonl")]


@pytest.mark.parametrize("kind", ["manifest", "NodePool"])
def test_a_file_of_the_mirror_that_was_replaced_is_refused(kind: str) -> None:
    here = stopped("restore.node_pools")
    story, files = here.operator.story(), mirror_key(here).removesuffix("journal.jsonl") + "files/"
    manifest = json.loads(here.operator.files["manifest.json"])
    [pool, *_] = [entry for entry in manifest["entries"] if entry["kind"] == "NodePool"]
    key = files + (story.manifest if kind == "manifest" else pool["sha256"])
    data = here.world.cloud.storage.get(BUCKET, key).body
    put(here, key, data.replace(b"shop-workers", b"evil-workers"), keys=keys_of(here))
    second = elsewhere(here.world)
    error = second.resume().error
    assert isinstance(error, NotAuthentic)
    assert f"s3://{BUCKET}/{key} does not allow this command: its content was replaced" in error.what
    assert set(second.files) <= {KEY_FILE}
    assert here.operator.resume().error is None
    assert_whole(here.world)


def test_an_online_backup_does_not_believe_it_either() -> None:
    """It would overwrite the nonce of the relocation that a forged journal hides."""
    here = stopped(STEP)
    end = {"at": 1, "line": "end"}
    put(here, mirror_key(here), edited(here, lambda lines: lines.append(end)))
    assert isinstance(Operator(here.world, machine="cron").back_up_online().error, NotAuthentic)


def test_an_online_backup_is_not_made_beside_what_an_older_version_began() -> None:
    here = stopped(STEP)
    strip_the_code(here)
    forget_the_key(here.world)
    assert isinstance(Operator(here.world, machine="cron").back_up_online().error, Unfinished)
    assert isinstance(elsewhere(here.world).resume().error, NotAuthentic)


# The key


def secrets_of(here: Scene) -> list[Any]:
    found = [cluster.find(r.SECRET, SECRET, "default") for cluster in sides(here)]
    return [item["data"] if item else None for item in found]


def test_both_clusters_and_the_folder_have_one_key_and_nobody_else_has_it(tmp_path: Path) -> None:
    here = scene()
    here.operator = Operator(here.world, folder=tmp_path / "backup")
    ending = here.operator.relocate()
    assert ending.error is None
    [key] = keys_of(here).known
    assert secrets_of(here)[0] == secrets_of(here)[1]
    file = tmp_path / "backup" / KEY_FILE
    assert file.read_text() == f"{key.text}\n"
    assert file.stat().st_mode & 0o777 == 0o600
    kept = [path.read_bytes() for path in file.parent.rglob("*") if path.is_file() and path != file]
    storage = here.world.cloud.storage
    kept += [storage.get(BUCKET, each).body for each in storage.keys_of(BUCKET, "")]
    kept += [str(storage.get(BUCKET, each).metadata).encode() for each in storage.keys_of(BUCKET, "")]
    kept += [str(progress).encode() for progress in here.operator.told]
    kept += [json.dumps(here.operator.document(ending)).encode()]
    words = [key.text.removeprefix("hcp-dr-key:").encode(), secrets_of(here)[0]["key"].encode()]
    assert not [data for data in kept if any(word in data for word in words)]
    assert key.text not in repr(key)
    assert METADATA in stored(here).metadata


@pytest.mark.parametrize("gone", [(0,), (1,)], ids=["of the source", "of the destination"])
def test_one_secret_is_enough_and_the_other_is_made_again(gone: tuple[int, ...]) -> None:
    here = stopped(STEP)
    before = secrets_of(here)
    for place in gone:
        sides(here)[place].delete(r.SECRET, SECRET, "default")
    assert elsewhere(here.world).resume().error is None
    assert secrets_of(here) == before
    assert_whole(here.world)


def remake(here: Scene, *places: int) -> None:
    """Another key in the place of the first one."""
    for place in places:
        sides(here)[place].delete(r.SECRET, SECRET, "default")
        keep_on_cluster(sides(here)[place], Keys((new_key(),)), "clusters", "shop")


def test_another_key_on_one_cluster_hinders_nobody() -> None:
    here = stopped(STEP)
    remake(here, 0)
    assert elsewhere(here.world).resume().error is None
    assert len(keys_of(here).known) == 2
    for side in here.world.sides:
        [own] = read_keys(MemoryArchive(), [side.client], "clusters", "shop").known
        old = stored(here)
        assert Keys((own,)).find_fault(mirror_key(here), old.body, old.metadata) == "", "each of them proves it"
    assert_whole(here.world)


@pytest.mark.parametrize("way", ["deleted", "another key"])
def test_without_the_key_only_the_folder_goes_on_and_makes_it_good(way: str) -> None:
    here = stopped(STEP)
    if way == "deleted":
        for cluster in sides(here):
            cluster.delete(r.SECRET, SECRET, "default")
        words = "it cannot be verified: neither management cluster has the Secret with the key"
    else:
        remake(here, 0, 1)
        words = "its authentication code is not of a key of this hosted cluster"
    assert_refused(here, elsewhere(here.world), "resume", words)
    stop_again(here, "restore.node_pools")
    assert elsewhere(here.world).resume().error is None
    assert_whole(here.world)


def stop_again(here: Scene, step: str) -> None:
    just_before(here, step, kill)
    with pytest.raises(Killed):
        here.operator.resume()
    here.world.hooks.clear()


def test_a_secret_without_a_key_is_told_and_left_as_it_is() -> None:
    here = stopped(STEP)
    source, _ = sides(here)
    source.delete(r.SECRET, SECRET, "default")
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": SECRET, "namespace": "default"}}
    source.create(r.SECRET, {**body, "data": {"key": "YWJj"}})
    second = elsewhere(here.world)
    assert second.resume().error is None
    told = [progress.text for progress in second.told if "has no key of hcp-dr" in progress.text]
    assert len(told) == 1
    assert secrets_of(here)[0] == {"key": "YWJj"}


def test_a_lost_journal_key_can_be_done_without_by_whoever_copies_the_journal() -> None:
    """docs/resume.md, for a folder that is lost: only the journal, the rest is named by it."""
    here = stopped("restore.control_plane_secrets")
    for cluster in sides(here):
        cluster.delete(r.SECRET, SECRET, "default")
    second = elsewhere(here.world)
    second.take_over(journal.fold(journal.parse(stored(here).body)), {})
    assert second.resume().error is None
    assert "manifest.json" in second.files
    assert_whole(here.world)


@pytest.mark.parametrize("side", ["source", "destination"])
def test_killed_after_a_secret_was_made_and_before_the_first_line(side: str) -> None:
    here = scene()

    def kill_then(moment: Literal["before", "after"], request: Request) -> None:
        made = request.verb == "create" and request.arguments[0] == r.SECRET and request.port == side
        if made and moment == "after":
            raise Killed

    here.world.hooks.append(kill_then)
    with pytest.raises(Killed):
        here.operator.relocate()
    here.world.hooks.clear()
    assert here.operator.story().lines == ()
    before = secrets_of(here)[0]
    assert elsewhere(here.world).relocate().error is None
    assert secrets_of(here) == [before, before]
    assert_whole(here.world)


def test_an_answer_that_was_lost_when_a_secret_was_made_leaves_one_key() -> None:
    here = scene()
    lost: list[str] = []

    def lose(moment: Literal["before", "after"], request: Request) -> None:
        made = request.verb == "create" and request.arguments[0] == r.SECRET
        if made and moment == "after" and request.port not in lost:
            lost.append(request.port)
            raise ClusterUnreachable(cluster=request.port, verb="create", object="it", reason="timed out")

    here.world.hooks.append(lose)
    assert here.operator.relocate().error is None
    assert lost == ["source", "destination"]
    assert len(keys_of(here).known) == 1
    assert_whole(here.world)


def test_who_may_make_no_secret_is_told_and_goes_on_but_not_elsewhere() -> None:
    here = scene()

    def forbid(moment: Literal["before", "after"], request: Request) -> None:
        made = request.verb == "create" and request.arguments[0] == r.SECRET
        if made and moment == "before" and request.arguments[1]["metadata"]["namespace"] == "default":
            raise Forbidden(cluster=request.port, verb="create", object=f"Secret {SECRET}", reason="no")

    here.world.hooks.append(forbid)
    just_before(here, STEP, kill)
    with pytest.raises(Killed):
        here.operator.relocate()
    here.world.hooks.clear()
    told = [each.text for each in here.operator.told if "the key of the journal is in no Secret on the" in each.text]
    assert len(told) == 2
    assert isinstance(elsewhere(here.world).resume().error, NotAuthentic)
    stop_again(here, "restore.node_pools")
    assert elsewhere(here.world).resume().error is None


# A lost source


def test_a_restore_of_a_lost_source_goes_on_elsewhere_by_the_key_of_the_destination() -> None:
    here = backed_up()
    die(here)
    just_before(here, "restore.node_pools", kill)
    with pytest.raises(Killed):
        here.operator.restore_lost()
    here.world.hooks.clear()
    second = elsewhere(here.world)
    assert second.around().journal("").story.command == RESTORE_LOST


def test_a_destination_without_the_key_gets_it_from_the_folder() -> None:
    here = backed_up()
    die(here)
    sides(here)[1].delete(r.SECRET, SECRET, "default")
    assert_alive(here.world, here.operator.restore_lost())
    [own] = read_keys(MemoryArchive(), [here.world.sides[1].client], "clusters", "shop").known
    assert here.operator.files[KEY_FILE] == f"{own.text}\n".encode()


def test_a_forged_journal_beside_an_online_backup_is_not_restored_from() -> None:
    here = backed_up()
    die(here)
    append(here)
    assert_alive(here.world, here.operator.restore_lost())
    assert "replicas_before" not in here.operator.story().memory.values


def test_a_snapshot_of_the_same_size_and_metadata_is_not_restored() -> None:
    here = backed_up()
    die(here)
    [key] = [key for key in here.world.cloud.storage.keys_of(BUCKET, "hcp-dr/clusters/shop/") if "snapshot" in key]
    old = here.world.cloud.storage.get(BUCKET, key)
    forged = bytes(len(old.body))
    here.world.cloud.storage.put(BUCKET, key, forged, Wanted(metadata=old.metadata))
    error = here.operator.restore_lost().error
    assert error is not None
    assert "snapshot" in error.what
    assert [side.name for side, _ in here.world.apis(here.world.residents["shop"].names)] == []


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"spec": {"leaseDurationSeconds": "x"}, "metadata": {}}'])
def test_a_lease_in_the_bucket_that_is_none_is_named(content: bytes) -> None:
    here = backed_up()
    die(here)
    put(here, "hcp-dr/clusters/shop/lease.json", content)
    error = here.operator.restore_lost().error
    assert isinstance(error, JournalError)
    assert f"s3://{BUCKET}/hcp-dr/clusters/shop/lease.json" in error.what
    assert "delete the object" in error.next


def test_what_the_lease_in_the_bucket_says_of_the_journal_does_not_count() -> None:
    """It is an object of the bucket too."""
    here = backed_up()
    die(here)
    just_before(here, "restore.node_pools", kill)
    with pytest.raises(Killed):
        here.operator.restore_lost()
    here.world.hooks.clear()
    key = "hcp-dr/clusters/shop/lease.json"
    lease = json.loads(here.world.cloud.storage.get(BUCKET, key).body)
    assert MIRRORED_ANNOTATION in lease["metadata"]["annotations"]
    lease["metadata"]["annotations"][MIRRORED_ANNOTATION] = "1:0"
    put(here, key, json.dumps(lease).encode())
    assert_alive(here.world, here.operator.resume())
