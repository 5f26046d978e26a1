"""Each action asks exactly one thing of its port, and no secret is in what is told of it."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from hcp_dr.aws.port import Record, RecordChange, StoredObject, UploadedPart
from hcp_dr.engine.perform import SHORT_GRACE, perform
from hcp_dr.engine.state import Remember
from hcp_dr.engine.step import (
    Action,
    ChangeRecords,
    CopyObject,
    Create,
    Delete,
    DeleteObject,
    ForceStop,
    Invalidate,
    Patch,
    Protect,
    PutObject,
    WriteFile,
    fingerprint,
)
from hcp_dr.engine.transfer import (
    AbortUpload,
    BeginUpload,
    CompleteUpload,
    RemoveSnapshot,
    SaveSnapshot,
    UploadPart,
    UploadSnapshot,
)
from hcp_dr.errors import (
    AwsBusy,
    AwsConflict,
    AwsUnreachable,
    BucketRefused,
    ClusterUnreachable,
    CommandFailed,
    HcpDrError,
    Refused,
)
from hcp_dr.kube.port import Completed
from hcp_dr.kube.resources import CONFIG_MAP, POD, SECRET
from tests.cases.building import an_object
from tests.ports import World

HIDDEN = "do-not-tell"
SECRET_BODY = an_object({"Secret n/s": {"data": {"key": HIDDEN}}})
CHANGE = RecordChange("DELETE", Record("api.example", "A", 60, ("10.0.0.1",)))
SAVE = SaveSnapshot("source", "n", "etcd-0", "/var/lib/data/snapshot.db")
UPLOAD = UploadSnapshot("source", "n", "etcd-0", "/var/lib/data/snapshot.db", "key", "5ad10e", {"fence": "f"})
PATH = "/var/lib/data/snapshot.db"
PART = UploadPart("source", "n", "etcd-0", PATH, "key", "up", 3, offset=10, size=3 * 1024**2 - 7, sha256="5ad10e")
PARTS = (UploadedPart(1, 7, "etag", "5ad10e"),)
HURRY = ForceStop("source", "n", "kas", "u", "kube-apiserver")


def answered(status: int, body: bytes = b"", location: str = "") -> Completed:
    """As a pod's curl tells it, which ends well whatever the status is."""
    return Completed(0, body + f"\n{status} {location}".encode(), b"")


@pytest.fixture
def world() -> World:
    made = World()
    made.source.script = lambda command, _: answered(200) if "curl" in command[-1] else Completed(0, b"", b"")
    return made


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
    remove, save, move, otherwise, end, _ = command[2].split("; ")
    assert remove == "rm -f /var/lib/data/snapshot.db.part"
    assert "snapshot save /var/lib/data/snapshot.db.part" in save
    assert move == "then mv /var/lib/data/snapshot.db.part /var/lib/data/snapshot.db"
    assert (otherwise, end) == ("else rm -f /var/lib/data/snapshot.db.part", "exit 1"), "etcd needs the room"


def test_a_path_is_quoted_in_the_pods_shell(world: World) -> None:
    perform(SaveSnapshot("source", "n", "etcd-0", "/tmp/a b; rm -rf x"), world.ports)  # noqa: S108
    assert "mv '/tmp/a b; rm -rf x.part' '/tmp/a b; rm -rf x'" in world.written[0][4][2]
    perform(RemoveSnapshot("source", "n", "etcd-0", "/tmp/a b; rm -rf x"), world.ports)  # noqa: S108
    assert world.written[1][4][2] == "rm -f '/tmp/a b; rm -rf x'"


def test_the_presigned_url_goes_in_by_stdin_and_is_in_no_process_list(world: World) -> None:
    perform(UPLOAD, world.ports)
    assert world.bucket.asked == [("presign_put", "key", 900, "5ad10e", {"fence": "f"})]
    [(_, _, _, _, command, stdin)] = world.source.asked
    assert "signature" not in " ".join(command)
    assert stdin.decode().splitlines() == [
        'url = "https://backups.example/key?signature=secret"',
        'upload-file = "/var/lib/data/snapshot.db"',
        'header = "x-amz-meta-sha256: 5ad10e"',
    ]
    assert f"head -c {len(stdin)} |" in command[2], "older API servers cannot close stdin"
    assert "%{http_code}" in command[2], "a redirect by S3 is no success, and curl ends well with it"


def test_a_part_is_cut_on_its_way_out(world: World) -> None:
    perform(PART, world.ports)
    assert world.bucket.asked == [("presign_part", "key", "up", 3, 900, "5ad10e")]
    [(_, _, _, _, command, stdin)] = world.source.asked
    assert "signature" not in " ".join(command)
    assert stdin.decode().splitlines() == [
        'url = "https://backups.example/key?part=3&signature=secret"',
        'header = "Transfer-Encoding:"',
        'header = "Content-Length: 3145721"',
        'header = "x-amz-checksum-sha256: c2hh"',
    ]
    assert "--upload-file <(dd if=/var/lib/data/snapshot.db bs=1048576 skip=10 count=3 status=none)" in command[2]


def test_an_upload_in_parts_is_begun_completed_and_aborted(world: World) -> None:
    for action in (BeginUpload("key", {"fence": "f"}), CompleteUpload("key", "up", PARTS), AbortUpload("key", "up")):
        perform(action, world.ports)
    assert world.bucket.asked == [
        ("begin_upload", "key", {"fence": "f"}),
        ("complete_upload", "key", "up", PARTS, True),
        ("abort_upload", "key", "up"),
    ]


PAGE = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
MOVED = b"<Error><Code>PermanentRedirect</Code><Endpoint>backups.s3.eu-west-2.amazonaws.com</Endpoint></Error>"
NO_ANSWER = b"\n000 "


@pytest.mark.parametrize("action", [UPLOAD, PART], ids=["whole", "part"])
@pytest.mark.parametrize(
    ("completed", "kind", "words"),
    [
        (answered(503), AwsBusy, "503"),
        (answered(429), AwsBusy, "429"),
        (answered(412), AwsConflict, "412"),
        (answered(403, PAGE), BucketRefused, "403 AccessDenied: Access Denied"),
        (answered(400), BucketRefused, "400"),
        (
            answered(301, MOVED),
            BucketRefused,
            "301 PermanentRedirect, a redirect to backups.s3.eu-west-2.amazonaws.com",
        ),
        (
            answered(307, b"", "https://user:pw@Elsewhere.example:8443/k?X-Amz-Signature=secret"),
            BucketRefused,
            "307, a redirect to elsewhere.example.",
        ),
        (answered(302), BucketRefused, "302, a redirect to an unknown host"),
        (answered(304), BucketRefused, "304"),
        (Completed(55, PAGE + b"\n403 ", b"curl: (55) Send failure"), BucketRefused, "403 AccessDenied"),
        (Completed(18, b"\n200 ", b"curl: (18) transfer closed"), AwsUnreachable, "transfer closed"),
        (Completed(6, NO_ANSWER, b"curl: (6) Could not resolve host"), AwsUnreachable, "resolve host"),
        (Completed(28, NO_ANSWER, b"curl: (28) Operation too slow"), AwsUnreachable, "too slow"),
        (Completed(26, NO_ANSWER, b"curl: (26) Failed to open"), CommandFailed, "Failed to open"),
        (Completed(1, b"", b""), CommandFailed, "printed no error"),
        (Completed(0, b"", b""), CommandFailed, "printed no error"),
        (answered(100), CommandFailed, "printed no error"),
        (Completed(127, b"", b"bash: curl: command not found"), CommandFailed, "not found"),
    ],
)
def test_what_the_bucket_answers_the_pod_is_an_error_of_its_kind(
    world: World, action: UploadSnapshot | UploadPart, completed: Completed, kind: type[HcpDrError], words: str
) -> None:
    world.source.script = lambda *_: completed
    with pytest.raises(kind) as caught:
        perform(action, world.ports)
    assert type(caught.value) is kind
    assert words in caught.value.what
    assert not any(secret in caught.value.paragraph().lower() for secret in ("signature", "secret", "pw@"))


@pytest.mark.parametrize("action", [UPLOAD, PART], ids=["whole", "part"])
@pytest.mark.parametrize("status", [200, 201, 204])
def test_what_is_answered_with_success_has_gone_well(
    world: World, action: UploadSnapshot | UploadPart, status: int
) -> None:
    world.source.script = lambda *_: answered(status)
    perform(action, world.ports)


@pytest.mark.parametrize("action", [SAVE, UPLOAD], ids=["save", "upload"])
@pytest.mark.parametrize(("stderr", "said"), [(b" no space\xff \n", "no space\ufffd"), (b"", "printed no error")])
def test_a_command_that_fails_is_an_error_without_the_url(
    world: World, action: SaveSnapshot | UploadSnapshot, stderr: bytes, said: str
) -> None:
    world.source.script = lambda *_: Completed(2, b"", stderr)
    with pytest.raises(CommandFailed) as caught:
        perform(action, world.ports)
    assert "in Pod n/etcd-0 on the source cluster ended with exit code 2: " in caught.value.what
    assert caught.value.what.endswith(f"{said}.")
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
        RemoveSnapshot("source", "n", "etcd-0", PATH),
        UPLOAD,
        BeginUpload("key", {"m": "f"}),
        PART,
        CompleteUpload("key", "up", PARTS),
        AbortUpload("key", "up"),
        Remember("key", HIDDEN),
        Invalidate(("a.b", "a.c"), ("key",), Refused(what=HIDDEN)),
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
        'patch on source ConfigMap n/c (status): {"data": {"a": "(hidden)"}}',
        "delete on source Pod n/p (grace 1 s)",
        HURRY.describe(),
        "write file path",
        "put object key",
        "delete object key",
        "copy object source to key",
        "change DNS DELETE A api.example",
        "set termination protection of instance i-1",
        "save etcd snapshot in pod n/etcd-0 as /var/lib/data/snapshot.db",
        "remove /var/lib/data/snapshot.db from pod n/etcd-0",
        "upload /var/lib/data/snapshot.db of pod n/etcd-0 to key",
        "begin to upload key in parts",
        "upload part 3 of /var/lib/data/snapshot.db of pod n/etcd-0 to key",
        "complete the upload of key from 1 parts",
        "abort the unfinished upload up of key",
        "remember key",
        "mark as not done: a.b, a.c",
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
