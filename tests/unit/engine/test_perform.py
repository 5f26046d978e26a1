"""Each action asks exactly one thing of its port, and no secret is in what is told of it."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from hcp_dr.aws.port import Record, RecordChange, StoredObject
from hcp_dr.engine.perform import SHORT_GRACE, perform
from hcp_dr.engine.step import (
    Action,
    ChangeRecords,
    CopyObject,
    Create,
    Delete,
    DeleteObject,
    Hurry,
    Patch,
    Protect,
    PutObject,
    Remember,
    SaveSnapshot,
    UploadSnapshot,
    WriteFile,
    fingerprint,
)
from hcp_dr.errors import ClusterUnreachable, CommandFailed
from hcp_dr.kube.port import Completed
from hcp_dr.kube.resources import CONFIG_MAP, POD, SECRET
from tests.cases.building import an_object
from tests.ports import World

HIDDEN = "do-not-tell"
SECRET_BODY = an_object({"Secret n/s": {"data": {"key": HIDDEN}}})
CHANGE = RecordChange("DELETE", Record("api.example", "A", 60, ("10.0.0.1",)))
SAVE = SaveSnapshot("source", "n", "etcd-0", "/var/lib/data/snapshot.db")
UPLOAD = UploadSnapshot("source", "n", "etcd-0", "/var/lib/data/snapshot.db", "key", "5ad10e", {"fence": "f"})
HURRY = Hurry("source", "n", "kas", "u", "kube-apiserver")


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.parametrize("side", ["source", "destination", "hosted"])
def test_an_object_is_made_on_its_side(world: World, side: Any) -> None:
    perform(Create(side, SECRET, SECRET_BODY), world.ports)
    assert getattr(world, side).asked == [("create", "Secret", "n", "s")]
    assert len(world.written) == 1


@pytest.mark.parametrize("subresource", [None, "status"])
def test_an_object_is_patched(world: World, subresource: str | None) -> None:
    world.source.put("ConfigMap n/c")
    perform(Patch("source", CONFIG_MAP, "c", "n", {"data": {"a": "b"}}, subresource), world.ports)
    assert world.written == [("patch", "ConfigMap", "n", "c", {"data": {"a": "b"}}, subresource)]


def test_exactly_the_object_with_the_uid_is_deleted(world: World) -> None:
    world.source.put("Pod n/p")
    perform(Delete("source", POD, "p", "n", "uid-of-p", 1, "Foreground"), world.ports)
    assert world.written == [("delete", "Pod", "n", "p", "uid-of-p", 1, "Foreground")]


def test_a_pod_is_hurried_by_a_signal_and_a_short_grace(world: World) -> None:
    world.source.put({"Pod n/kas": {"uid": "u"}})
    perform(HURRY, world.ports)
    assert world.written == [
        ("execute", "n", "kas", "kube-apiserver", ("/bin/sh", "-c", "kill -TERM 1"), None),
        ("delete", "Pod", "n", "kas", "u", SHORT_GRACE, "Background"),
    ]
    assert SHORT_GRACE > 0, "0 drops the object without the kubelet's proof"


def test_a_pod_without_a_shell_is_hurried_by_a_short_grace_alone(world: World) -> None:
    def before(verb: str) -> None:
        if verb == "execute":
            raise ClusterUnreachable(cluster="source", verb="run", object="sh", reason="no shell")

    world.source.put({"Pod n/kas": {"uid": "u"}})
    world.source.before = before
    perform(HURRY, world.ports)
    assert [call[0] for call in world.written] == ["delete"]


def test_a_file_is_written(world: World) -> None:
    perform(WriteFile("namespaces/n/secret-s.yaml", "text"), world.ports)
    assert world.archive.files == {"namespaces/n/secret-s.yaml": "text"}
    assert world.written == []


def test_an_object_of_the_bucket_is_put_and_deleted(world: World) -> None:
    perform(PutObject("key", b"body", {"fence": "f"}), world.ports)
    perform(DeleteObject("key"), world.ports)
    assert world.written == [("put", "key", b"body", {"fence": "f"}), ("delete", "key")]


def test_an_object_is_copied_within_the_bucket(world: World) -> None:
    world.bucket.objects["source"] = StoredObject("source", 4, {}, "etag")
    perform(CopyObject("source", "key", {"fence": "f"}, "etag"), world.ports)
    assert world.written == [("copy", "source", "key", {"fence": "f"}, "etag")]


def test_records_change_in_one_batch(world: World) -> None:
    perform(ChangeRecords((CHANGE, CHANGE)), world.ports)
    assert world.written == [(CHANGE, CHANGE)]


@pytest.mark.parametrize("on", [True, False])
def test_an_instance_is_protected(world: World, *, on: bool) -> None:
    perform(Protect("i-1", on=on), world.ports)
    assert world.written == [("i-1", on)]


def test_remembering_is_the_journals(world: World) -> None:
    with pytest.raises(AssertionError):
        perform(Remember("key", "value"), world.ports)


def test_a_snapshot_gets_its_name_only_when_it_is_whole(world: World) -> None:
    perform(SAVE, world.ports)
    [(verb, namespace, pod, container, command, stdin)] = world.written
    assert (verb, namespace, pod, container, stdin) == ("execute", "n", "etcd-0", "etcd", None)
    assert command[:2] == ("/bin/bash", "-c")
    words = command[2].split("; ")
    assert words[0] == "set -e"
    assert "snapshot save /var/lib/data/snapshot.db.part" in words[2]
    assert words[-1] == "mv /var/lib/data/snapshot.db.part /var/lib/data/snapshot.db"


def test_a_path_is_quoted_in_the_pods_shell(world: World) -> None:
    perform(SaveSnapshot("source", "n", "etcd-0", "/tmp/a b; rm -rf x"), world.ports)  # noqa: S108
    assert "mv '/tmp/a b; rm -rf x.part' '/tmp/a b; rm -rf x'" in world.written[0][4][2]


def test_the_presigned_url_goes_in_by_stdin_and_is_in_no_process_list(world: World) -> None:
    perform(UPLOAD, world.ports)
    assert world.bucket.asked == [("presign_put", "key", 3600, "5ad10e", {"fence": "f"})]
    [(_, _, _, _, command, stdin)] = world.source.asked
    assert "signature" not in " ".join(command)
    assert stdin.decode().splitlines() == [
        'url = "https://backups.example/key?signature=secret"',
        'upload-file = "/var/lib/data/snapshot.db"',
        'header = "x-amz-meta-sha256: 5ad10e"',
    ]
    assert f"head -c {len(stdin)} |" in command[2], "older API servers cannot close stdin"
    assert "--fail" in command[2], "a refusal by S3 is a failure"


@pytest.mark.parametrize("action", [SAVE, UPLOAD], ids=["save", "upload"])
@pytest.mark.parametrize(("stderr", "said"), [(b" no space\xff \n", "no space\ufffd"), (b"", "it said nothing")])
def test_a_command_that_fails_is_an_error_without_the_url(
    world: World, action: SaveSnapshot | UploadSnapshot, stderr: bytes, said: str
) -> None:
    world.source.script = lambda *_: Completed(7, b"", stderr)
    with pytest.raises(CommandFailed) as caught:
        perform(action, world.ports)
    assert caught.value.what.endswith(f"in Pod n/etcd-0 on the source cluster ended with exit code 7: {said}.")
    assert "signature" not in caught.value.paragraph()


ACTIONS: dict[type[Any], Action] = {
    type(action): action
    for action in (
        Create("source", SECRET, SECRET_BODY),
        Patch("source", CONFIG_MAP, "c", "n", {"data": {"a": "b"}}, "status"),
        Delete("source", POD, "p", "n", HIDDEN, 1),
        HURRY,
        WriteFile("path", HIDDEN),
        PutObject("key", HIDDEN.encode(), {"m": HIDDEN}),
        DeleteObject("key"),
        CopyObject("source", "key", {"m": HIDDEN}, "etag"),
        ChangeRecords((CHANGE,)),
        Protect("i-1", on=True),
        SAVE,
        UPLOAD,
        Remember("key", HIDDEN),
    )
}


def test_the_closed_set_is_covered_here() -> None:
    assert set(ACTIONS) == set(get_args(Action))


@pytest.mark.parametrize("kind", ACTIONS, ids=lambda kind: kind.__name__)
def test_no_secret_is_in_what_is_told_of_an_action(kind: type[Any]) -> None:
    action = ACTIONS[kind]
    assert action.describe()
    assert HIDDEN not in action.describe() + fingerprint(action)


def test_how_each_action_is_told() -> None:
    assert [action.describe() for action in ACTIONS.values()] == [
        "create on source Secret n/s",
        'patch on source ConfigMap n/c (status): {"data": {"a": "b"}}',
        "delete on source Pod n/p (grace 1 s)",
        HURRY.describe(),
        "write file path",
        "put object key",
        "delete object key",
        "copy object source to key",
        "change DNS DELETE A api.example",
        "set termination protection of instance i-1",
        "save etcd snapshot in pod n/etcd-0 as /var/lib/data/snapshot.db",
        "upload /var/lib/data/snapshot.db of pod n/etcd-0 to key",
        "remember key",
    ]
    assert Protect("i-1", on=False).describe() == "clear termination protection of instance i-1"


def test_actions_on_different_objects_differ() -> None:
    others = [
        Create("destination", SECRET, SECRET_BODY),
        Create("source", SECRET, an_object("Secret m/s")),
        Create("source", CONFIG_MAP, an_object("ConfigMap n/s")),
        Delete("source", POD, "p", "m", HIDDEN, 1),
        Delete("source", POD, "p", "n", HIDDEN),
        Patch("source", CONFIG_MAP, "c", "n", {"data": {"a": "c"}}, "status"),
        Patch("source", CONFIG_MAP, "c", "n", {"data": {"a": "b"}}),
        WriteFile("path", "other"),
        *ACTIONS.values(),
    ]
    assert len({fingerprint(action) for action in others}) == len(others)
