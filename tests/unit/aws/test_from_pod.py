"""What goes from a pod to the bucket, with a real bash and a real curl, against servers that answer as S3 may.

The pod is this machine; the scripts are the product's own, and so are the URLs. Where S3 itself is meant it is the
rehearsal's, behind TLS: it checks signatures, checksums and lengths."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from hcp_dr.aws.port import MIN_PART_BYTES
from hcp_dr.engine.from_pod import Fetched, fetch
from hcp_dr.engine.from_pod import Place as Container
from hcp_dr.engine.perform import perform
from hcp_dr.engine.transfer import UploadPart, UploadSnapshot
from hcp_dr.errors import AwsBusy, AwsConflict, AwsUnreachable, BucketRefused, CommandFailed, HcpDrError
from hcp_dr.hypershift.etcd import members as etcd_members
from hcp_dr.kube.port import Completed
from hcp_dr.model import Ports
from hcp_dr_lab.tabletop.aws import Keys, Storage
from tests.ports import CASE, MemoryKubernetes, World
from tests.unit.aws.conftest import KEYS
from tests.unit.aws.test_access import open_aws, server, variables
from tests.unit.kube.api_server import Answer, Seen, Server

__all__ = ["server", "variables"]

pytestmark = pytest.mark.skipif(not (shutil.which("curl") and shutil.which("bash")), reason="needs curl and bash")

SNAPSHOT = bytes(range(256)) * (MIN_PART_BYTES // 256) + b"the end"
PROBE = b"probe"
MOVED = b"<Error><Code>PermanentRedirect</Code><Endpoint>backups.s3.eu-west-2.amazonaws.com</Endpoint></Error>"


class HereAsAPod(MemoryKubernetes):
    """Commands run on this machine. As by an older API server, stdin stays open until the command has ended."""

    trusted = ""

    def execute(
        self,
        namespace: str,
        pod: str,
        container: str,
        command: Sequence[str],
        *,
        stdin: bytes | None = None,
        seconds: float = 60,
    ) -> Completed:
        del namespace, pod, container
        environment = {"PATH": os.environ["PATH"], "CURL_CA_BUNDLE": self.trusted, "LC_ALL": "C"}
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, env=environment) as running:
            assert running.stdin is not None
            assert running.stdout is not None
            assert running.stderr is not None
            running.stdin.write(stdin or b"")
            running.stdin.flush()
            out, err = running.stdout.read(), running.stderr.read()
            return Completed(running.wait(seconds), out, err)


@dataclass
class Place:
    ports: Ports
    pod: HereAsAPod
    storage: Storage
    server: Server
    path: str

    def upload(self, **changes: Any) -> UploadSnapshot:
        digest = hashlib.sha256(SNAPSHOT).hexdigest()
        whole = UploadSnapshot("source", "n", "etcd-0", self.path, "a/snapshot.db", digest, {"fence": "f"})
        return replace(whole, **changes)

    def part(self, upload_id: str, number: int, **changes: Any) -> UploadPart:
        first = (number - 1) * MIN_PART_BYTES
        piece = SNAPSHOT[first : first + MIN_PART_BYTES]
        part = UploadPart(
            side="source",
            namespace="n",
            pod="etcd-0",
            path=self.path,
            key="a/snapshot.db",
            upload_id=upload_id,
            number=number,
            offset=first // 1024**2,
            size=len(piece),
            sha256=hashlib.sha256(piece).hexdigest(),
        )
        return replace(part, **changes)

    def fetch(self, url: str | None = None) -> str | None:
        url = url or self.ports.bucket.presign_get("a/probe", seconds=60)
        return etcd_members.cannot_fetch(self.pod, CASE, "etcd-0", url, PROBE)

    def fetched(self, url: str | None = None) -> Fetched:
        url = url or self.ports.bucket.presign_get("a/probe", seconds=60)
        return fetch(self.pod, Container("n", "etcd-0", "etcd"), url, PROBE, seconds=5)


@pytest.fixture
def place(server: Server, variables: dict[str, str], tmp_path: Path) -> Place:
    """Everything on this machine: the bucket's URLs lead to the rehearsal's S3."""
    storage = Storage(
        now=time.time, keys=Keys(KEYS["AWS_ACCESS_KEY_ID"], KEYS["AWS_SECRET_ACCESS_KEY"]), region="eu-west-1"
    )
    storage.create_bucket("unit")
    storage.put("unit", "a/probe", PROBE)
    address = f"https://127.0.0.1:{server.port}"

    def answer(seen: Seen) -> Answer:
        query = "&".join(f"{name}={value.replace('/', '%2F')}" for name, value in seen.query)
        given = storage.request(seen.method, f"{address}{seen.path}?{query}", seen.headers, seen.body)
        headers = {name: value for name, value in given.headers.items() if name != "content-length"}
        return Answer(given.status, given.body, headers)

    server.answer = answer
    pod = HereAsAPod("source")
    pod.trusted = variables["AWS_CA_BUNDLE"]
    snapshot = tmp_path / "snapshot of the fence.db"
    snapshot.write_bytes(SNAPSHOT)
    ports = replace(World().ports, source=pod, bucket=open_aws(variables).bucket)
    return Place(ports, pod, storage, server, str(snapshot))


# As it should be


def test_a_snapshot_arrives_whole(place: Place) -> None:
    perform(place.upload(), place.ports)
    stored = place.storage.get("unit", "a/snapshot.db")
    assert stored.body == SNAPSHOT
    assert stored.metadata == {"fence": "f"}
    with pytest.raises(AwsConflict, match="412 PreconditionFailed"):
        perform(place.upload(), place.ports)


def test_a_snapshot_arrives_in_parts(place: Place) -> None:
    upload_id = place.storage.begin("unit", "a/snapshot.db", checksummed=True)
    for number in (2, 1):
        perform(place.part(upload_id, number), place.ports)
    kept = place.storage.upload("unit", "a/snapshot.db", upload_id).parts
    assert kept[1].body + kept[2].body == SNAPSHOT


@pytest.mark.parametrize(
    ("answer", "final"),
    [
        (Answer(403, b"<Error><Code>AccessDenied</Code></Error>"), True),
        (Answer(302, b"", {"Location": "https://login.example/"}), True),
        (Answer(200, b"<html>welcome</html>"), True),
        (Answer(503, b"<Error><Code>SlowDown</Code></Error>"), False),
    ],
    ids=["denied", "redirected", "another answer", "busy"],
)
def test_what_a_repetition_would_not_change_is_final(place: Place, answer: Answer, *, final: bool) -> None:
    place.server.answer = lambda _: answer
    found = place.fetched()
    assert found.why
    assert found.final is final


def test_an_authority_that_is_not_trusted_is_final_and_a_server_that_is_away_is_not(place: Place) -> None:
    assert place.fetched() == Fetched()
    place.pod.trusted = "/dev/null"
    assert place.fetched().final
    away = place.fetched("https://127.0.0.1:1/a")
    assert away.why.startswith("curl: (7)")
    assert not away.final


def test_the_probe_is_fetched(place: Place) -> None:
    assert place.fetch() is None


# As it may be


def test_what_the_bucket_itself_refuses(place: Place) -> None:
    with pytest.raises(BucketRefused, match="400 BadDigest: The SHA256 you specified"):
        perform(place.upload(sha256="00" * 32), place.ports)
    with pytest.raises(BucketRefused, match="404 NoSuchUpload"):
        perform(place.part("gone", 1), place.ports)
    assert place.fetch(place.ports.bucket.presign_get("a/gone", seconds=60)) == (
        "404 NoSuchKey: The specified key does not exist"
    )


ANSWERS: dict[str, tuple[Answer, type[HcpDrError], str]] = {
    "young bucket": (
        Answer(
            307,
            b"<Error><Code>TemporaryRedirect</Code></Error>",
            {"Location": "https://unit.s3.eu-west-2.amazonaws.com/k?X-Amz-Signature=secret"},
        ),
        BucketRefused,
        "307 TemporaryRedirect, a redirect to unit.s3.eu-west-2.amazonaws.com",
    ),
    "wrong region": (
        Answer(301, MOVED, {"x-amz-bucket-region": "eu-west-2"}),
        BucketRefused,
        "301 PermanentRedirect, a redirect to backups.s3.eu-west-2.amazonaws.com",
    ),
    "to sign in": (Answer(302, b"<html>\n", {"Location": "/login"}), BucketRefused, "302, a redirect to 127.0.0.1"),
    "denied": (
        Answer(403, b"<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"),
        BucketRefused,
        "403 AccessDenied: Request has expired",
    ),
    "new region": (
        Answer(400, b"<Error><Code>IllegalLocationConstraintException</Code></Error>"),
        BucketRefused,
        "400 IllegalLocationConstraintException",
    ),
    "broken": (Answer(500, b""), AwsBusy, "500"),
    "slow down": (Answer(503, b"<Error><Code>SlowDown</Code></Error>"), AwsBusy, "503 SlowDown"),
    "throttled": (Answer(429, b""), AwsBusy, "429"),
    "there already": (Answer(412, b"<Code>PreconditionFailed</Code>"), AwsConflict, "412 PreconditionFailed"),
    "cut": (Answer(200, b"<html>", cut=True), AwsUnreachable, "transfer closed"),
    "reset": (Answer(reset=True), AwsUnreachable, "curl: ("),
}


@pytest.mark.parametrize(("answer", "kind", "words"), ANSWERS.values(), ids=ANSWERS)
def test_whatever_is_answered_counts_by_its_status(
    place: Place, answer: Answer, kind: type[HcpDrError], words: str
) -> None:
    place.server.answer = lambda _: answer
    for action in (place.upload(), place.part("up", 1)):
        with pytest.raises(kind) as caught:
            perform(action, place.ports)
        assert type(caught.value) is kind
        assert words in caught.value.what
        assert not any(word in caught.value.paragraph() for word in ("X-Amz-", "secret"))
    fetched = place.fetch()
    assert fetched is not None
    assert words in fetched
    assert "X-Amz-" not in fetched
    assert {seen.path for seen in place.server.seen} == {"/unit/a/snapshot.db", "/unit/a/probe"}, "nothing is followed"


@pytest.mark.parametrize(
    "body", [b"", b"pro", b"probe\n", b"<html>\nplease sign in\n200 \n</html>\n", b"\0\xff" * 4096]
)
def test_only_the_probes_own_bytes_are_the_probe(place: Place, body: bytes) -> None:
    place.server.answer = lambda _: Answer(200, body)
    assert place.fetch() == f"the answer was 200 with {len(body)} bytes that differ from the object"


def early(answer: bytes) -> Callable[[socket.socket], None]:
    """Answers as soon as it has heard the head, and takes nothing of what was to come."""

    def speak(connection: socket.socket) -> None:
        heard = b""
        while b"\r\n\r\n" not in heard:
            heard += connection.recv(65536)
        connection.sendall(answer)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass

    return speak


@contextlib.contextmanager
def listener(speak: Callable[[socket.socket], None]) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(10)

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    with connection:
                        speak(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(10)


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (
            b"HTTP/1.1 307 Temporary Redirect\r\nLocation: https://there.example/k?X-Amz-Signature=secret",
            "307, a redirect to there.example",
        ),
        (b"HTTP/1.1 403 Forbidden", "403"),
        (b"HTTP/1.1 301 Moved", "301, a redirect to an unknown host"),
    ],
)
def test_who_answers_before_all_has_been_sent_is_heard(
    variables: dict[str, str],
    place: Place,
    head: bytes,
    words: str,
) -> None:
    """S3 redirects an upload before its content."""
    with listener(early(head + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")) as address:
        bucket = open_aws({**variables, "AWS_ENDPOINT_URL_S3": address}).bucket
        ports = replace(place.ports, bucket=bucket)
        for action in (place.upload(), place.part("up", 1)):
            with pytest.raises(BucketRefused) as caught:
                perform(action, ports)
            assert words in caught.value.what
            assert "secret" not in caught.value.paragraph()


def test_who_is_not_there_is_unreachable(variables: dict[str, str], place: Place) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    bucket = open_aws({**variables, "AWS_ENDPOINT_URL_S3": f"https://127.0.0.1:{port}"}).bucket
    with pytest.raises(AwsUnreachable, match=r"curl: \(7\)"):
        perform(place.upload(), replace(place.ports, bucket=bucket))
    assert "curl: (7)" in (place.fetch(bucket.presign_get("k", seconds=60)) or "")


def test_a_server_that_is_not_trusted_is_told_in_curls_words(place: Place) -> None:
    place.pod.trusted = ""
    fetched = place.fetch()
    assert fetched is not None
    assert "certificate" in fetched
    with pytest.raises(CommandFailed, match="certificate"):
        perform(place.upload(), place.ports)


def test_a_file_that_is_gone_is_told_in_curls_words(place: Place) -> None:
    with pytest.raises(CommandFailed, match="read"):
        perform(place.upload(path="/nowhere/snapshot.db"), place.ports)
    assert place.storage.keys_of("unit") == ("a/probe",)
