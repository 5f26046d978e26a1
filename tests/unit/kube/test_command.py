"""Commands in containers: bytes, exit codes, stdin, and the ways in which they do not come to an end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from hcp_dr import errors
from hcp_dr.kube import command
from hcp_dr.kube.client import Cluster
from hcp_dr.kube.port import Completed
from tests.unit.kube.api_server import Answer, Server, Shell, proxy, status
from tests.unit.kube.conftest import Write

SEVEN = {
    "status": "Failure",
    "reason": "NonZeroExitCode",
    "details": {"causes": [{"reason": "ExitCode", "message": "7"}]},
}


def run(cluster: Cluster, stdin: bytes | None = None, seconds: float = 5) -> Completed:
    return cluster.execute("n", "etcd-0", "etcd", ["cat", "-"], stdin=stdin, seconds=seconds)


@pytest.mark.parametrize("protocol", ["v5.channel.k8s.io", "v4.channel.k8s.io"])
def test_output_is_bytes_and_the_exit_code_a_result(cluster: Cluster, server: Server, protocol: str) -> None:
    server.shell = Shell(protocol, (b"\1one \xff", b"\1", b"\2two", b"\1three" * 20_000), SEVEN)
    assert run(cluster) == Completed(7, b"one \xff" + b"three" + b"\1three" * 19_999, b"two")
    assert server.seen[0].path == "/api/v1/namespaces/n/pods/etcd-0/exec"
    assert server.seen[0].headers["accept"] == "*/*", "the API server refuses exec to whoever wants JSON only"
    assert server.seen[0].query == (
        ("container", "etcd"),
        ("stdout", "true"),
        ("stderr", "true"),
        ("command", "cat"),
        ("command", "-"),
    )


def test_stdin_is_sent_and_closed(cluster: Cluster, server: Server) -> None:
    text = bytes(range(256)) * 400
    server.shell = Shell()
    assert run(cluster, text) == Completed(0, b"", b"")
    assert bytes(server.shell.read) == text
    assert server.shell.closed


def test_through_a_proxy(server: Server, write: Write, open_cluster: Callable[[Path], Cluster]) -> None:
    server.shell = Shell(output=(b"\1out",))
    with proxy(server.port) as between:
        cluster = open_cluster(
            write(server="https://api.example:6443", proxy_url=f"http://127.0.0.1:{between.server_address[1]}")
        )
        assert run(cluster, b"in") == Completed(0, b"out", b"")
        assert between.asked == ["api.example:6443"]
        cluster.close()
    assert bytes(server.shell.read) == b"in"


@pytest.mark.parametrize(
    ("shell", "stdin", "told"),
    [
        (Shell(status=None), None, "did not end within 0.2 s)"),
        (Shell("v4.channel.k8s.io", status=None), b"x", "this API server cannot close stdin"),
    ],
)
def test_a_command_that_does_not_end_is_left(
    cluster: Cluster, server: Server, shell: Shell, stdin: bytes | None, told: str
) -> None:
    server.shell = shell
    with pytest.raises(errors.ClusterUnreachable) as caught:
        run(cluster, stdin, seconds=0.2)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    "failure",
    [
        {"status": "Failure", "reason": "InternalError", "message": "no such file: cat", "code": 500},
        {"status": "Failure", "reason": "NonZeroExitCode"},
    ],
)
def test_a_command_that_cannot_begin_is_an_error(cluster: Cluster, server: Server, failure: Mapping[str, Any]) -> None:
    server.shell = Shell(status=failure)
    with pytest.raises(errors.KubernetesError) as caught:
        run(cluster)
    assert not caught.value.passing
    assert str(caught.value).startswith("The source cluster refused to run cat in Pod n/etcd-0 (etcd)")


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (status(404, "NotFound"), errors.NotFound),
        (status(403, "Forbidden"), errors.Forbidden),
        (Answer(), errors.ClusterUnreachable),
        (Answer(reset=True), errors.ClusterUnreachable),
    ],
)
def test_a_refused_connection_has_its_error(
    cluster: Cluster, server: Server, answer: Answer, error: type[errors.KubernetesError]
) -> None:
    server.answers(answer)
    with pytest.raises(error):
        run(cluster)


def test_a_long_silence_is_broken_by_a_ping(cluster: Cluster, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "PING_SECONDS", 0.01)
    server.shell = Shell(awaits_ping=True)
    assert run(cluster).exit_code == 0
    assert not server.shell.awaits_ping


def test_a_lost_connection_is_an_error(cluster: Cluster, server: Server) -> None:
    server.shell = Shell(status=None)
    server.end.set()
    with pytest.raises(errors.ClusterUnreachable):
        run(cluster)
