"""A server that answers without end is given up, in the time of the whole response."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from hcp_dr import errors, limits
from hcp_dr.kube import client, kubeconfig
from hcp_dr.kube.client import Cluster
from hcp_dr.kube.port import Event
from hcp_dr.kube.resources import CONFIG_MAP
from hcp_dr.kube.transport import Seconds, Transport
from tests.unit.endless_server import Give, answering, slowly
from tests.unit.kube.api_server import Answer, Seen, Server

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
LIMIT = 0.5


@contextmanager
def sending(send: Callable[[Give], None]) -> Iterator[Cluster]:
    """A cluster of such a server."""
    with answering(send) as port:
        access = kubeconfig.Access(f"http://127.0.0.1:{port}", None, None, False, None, kubeconfig.User())  # noqa: FBT003
        cluster = Cluster("source", Transport(access, Seconds(connect=1, response=LIMIT, grace=-0.5)))
        try:
            yield cluster
        finally:
            cluster.close()


@pytest.mark.parametrize(
    "send",
    [
        slowly(HEAD + b"Content-Length: 1000000\r\n\r\n", b" "),
        slowly(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        slowly(HEAD, b"X: y\r\n"),
        slowly(b"", b"H"),
        slowly(b"HTTP/1.1 403 Forbidden\r\nAudit-Id: 1\r\nContent-Length: 1000000\r\n\r\n", b" "),
    ],
    ids=["a body", "chunks", "headers", "a status line", "an error"],
)
def test_a_server_that_sends_a_byte_now_and_then(send: Callable[[Give], None]) -> None:
    with sending(send) as cluster:
        with pytest.raises(errors.KubernetesError):
            cluster.get(CONFIG_MAP, "a", "n")
        with pytest.raises(errors.KubernetesError):
            list(cluster.watch(CONFIG_MAP, "n", resource_version="1", seconds=1))


def test_a_body_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_BYTES", 1024**2)
    monkeypatch.setattr(limits.Limit.__init__, "__defaults__", (1024**2,))

    def send(give: Give) -> None:
        give(HEAD + b"Content-Length: 2147483648\r\n\r\n")
        while True:
            give(b" " * 65536)

    with sending(send) as cluster, pytest.raises(errors.ClusterUnreachable, match="larger than 1 MiB"):
        cluster.get(CONFIG_MAP, "a", "n")


def test_a_body_that_is_small_only_on_the_way(
    cluster: Cluster, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits.Limit.__init__, "__defaults__", (1024**2,))
    packed = gzip.compress(b'{"metadata": {"name": "' + b"a" * 1024**2 + b'"}}')
    server.answer = lambda _: Answer(200, packed, {"Content-Encoding": "gzip"})
    with pytest.raises(errors.ClusterUnreachable, match="larger than 1 MiB"):
        cluster.get(CONFIG_MAP, "a", "n")


def item(name: str) -> dict[str, object]:
    return {"metadata": {"name": name}}


@pytest.mark.parametrize(
    "answer",
    [
        lambda _: {"items": [item("a")], "metadata": {"continue": "same"}},
        lambda seen: {"items": [], "metadata": {"continue": f"{len(seen.query)}x"}},
        lambda seen: {"items": [item("a")], "metadata": {"continue": dict(seen.query).get("continue", "") + "x"}},
    ],
    ids=["the same page", "no items", "always another page"],
)
def test_a_list_without_end(
    cluster: Cluster, server: Server, monkeypatch: pytest.MonkeyPatch, answer: Callable[[Seen], object]
) -> None:
    monkeypatch.setattr(client, "MAX_PAGES", 20)
    server.answer = lambda seen: Answer(200, answer(seen))
    with pytest.raises(errors.ClusterUnreachable, match="the list has no end"):
        cluster.list(CONFIG_MAP)
    assert len(server.seen) <= 20


def test_an_event_without_end(cluster: Cluster, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "MAX_BYTES", 1000)
    server.answer = lambda _: Answer(200, b'{"type": "' + b"x" * 100_000)
    with pytest.raises(errors.ClusterUnreachable, match="an event without end"):
        list(cluster.watch(CONFIG_MAP, resource_version="1", seconds=1))


def test_a_large_response_has_the_time_that_its_size_needs() -> None:
    limit = limits.Limit(0.0)
    limit.received(limits.MIN_BYTES_PER_SECOND * 10)
    assert limit.remaining > 9


MALFORMED: list[object] = [
    [],
    {},
    {"metadata": None},
    {"metadata": []},
    {"metadata": {}},
    {"metadata": {"name": {}}},
    {"metadata": {"name": "a", "uid": [1]}},
    {"metadata": {"name": "a", "labels": {"a": 1}}},
    {"metadata": {"name": "a", "ownerReferences": ["x"]}},
    {"metadata": {"name": "a"}, "spec": "x"},
    {"kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"a": []}},
]


@pytest.mark.parametrize("body", MALFORMED, ids=str)
def test_what_is_no_object(cluster: Cluster, server: Server, body: object) -> None:
    server.answer = lambda _: Answer(200, body)
    with pytest.raises(errors.ClusterUnreachable):
        cluster.get(CONFIG_MAP, "a", "n")
    server.answer = lambda _: Answer(200, {"items": [body]})
    with pytest.raises(errors.ClusterUnreachable):
        cluster.list(CONFIG_MAP, "n")
    server.answer = lambda _: Answer(200, json.dumps({"type": "ADDED", "object": body}).encode() + b"\n")
    with pytest.raises(errors.ClusterUnreachable):
        list(cluster.watch(CONFIG_MAP, "n", resource_version="1", seconds=1))


@pytest.mark.parametrize("answer", [{"items": "x"}, {"items": ["x"]}, {"metadata": "x"}, {"metadata": {"continue": 5}}])
def test_what_is_no_list(cluster: Cluster, server: Server, answer: object) -> None:
    server.answer = lambda _: Answer(200, answer)
    with pytest.raises(errors.ClusterUnreachable):
        cluster.list(CONFIG_MAP, "n")


@pytest.mark.parametrize("answer", [{"versions": "x"}, {"versions": [5]}, {"versions": [{}]}, {"preferredVersion": 5}])
def test_what_is_no_group(cluster: Cluster, server: Server, answer: object) -> None:
    server.answer = lambda _: Answer(200, answer)
    with pytest.raises(errors.ClusterUnreachable):
        cluster.versions("apps")


@pytest.mark.parametrize("field", ["details", "message", "reason", "code", "causes"])
@pytest.mark.parametrize("value", [5, "x", [], ["x"], {"causes": "x"}, {"causes": [5]}, {"retryAfterSeconds": []}])
@pytest.mark.parametrize("code", [401, 403, 409, 429])
def test_a_status_of_other_types(cluster: Cluster, server: Server, *, field: str, value: object, code: int) -> None:
    status = {"kind": "Status", "reason": "R", "message": "m", field: value}
    server.answer = lambda _: Answer(code, status)
    with pytest.raises(errors.KubernetesError):
        cluster.get(CONFIG_MAP, "a", "n")
    event = {"type": "ERROR", "object": {**status, "metadata": {}}}
    server.answer = lambda _: Answer(200, json.dumps(event).encode() + b"\n")
    with pytest.raises(errors.KubernetesError):
        list(cluster.watch(CONFIG_MAP, "n", resource_version="1", seconds=1))


def test_the_message_of_a_401_is_not_quoted(cluster: Cluster, server: Server) -> None:
    server.answer = lambda _: Answer(401, {"kind": "Status", "message": "token h1dden is wrong", "reason": "h1dden"})
    with pytest.raises(errors.Unauthorized) as caught:
        cluster.get(CONFIG_MAP, "a", "n")
    assert "h1dden" not in caught.value.paragraph()


def test_an_event_is_read(cluster: Cluster, server: Server) -> None:
    server.answer = lambda _: Answer(200, json.dumps({"type": "BOOKMARK", "object": {"metadata": {}}}).encode() + b"\n")
    assert list(cluster.watch(CONFIG_MAP, resource_version="1", seconds=1)) == [Event("BOOKMARK", {"metadata": {}})]
