"""What a writer writes, what it says of it, and connections that are kept."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from hcp_dr_lab.observer.api import Answer, Line
from hcp_dr_lab.observer.evidence import Write
from hcp_dr_lab.observer.writer import Place, Writer, content, sequence_of
from hcp_dr_lab.observer.writes import lost_writes


class Api:
    """ConfigMaps in memory; `serving` says whether it answers, `deaf` that it acts and loses its answers."""

    def __init__(self) -> None:
        self.maps: dict[str, dict[str, str]] = {}
        self.serving = True
        self.deaf = False

    def __call__(self, method: str, path: str, body: Any = None) -> tuple[Answer, bool]:
        name = path.rpartition("/")[2] if method != "POST" else body["metadata"]["name"]
        if not self.serving:
            return Answer(0, b"", "ConnectionRefusedError"), False
        if method == "DELETE":
            del self.maps[name]
        else:
            self.maps[name] = body["data"]
        return (Answer(0, b"", "TimeoutError") if self.deaf else Answer(200, b"")), True

    def read_back(self) -> dict[str, int]:
        return {name: sequence_of(name, data) for name, data in self.maps.items()}


def written(api: Api, turns: int, writer: Writer | None = None) -> list[Write]:
    seen: list[Write] = []
    writer = writer or Writer(api, seen.append, "run", 3, Place("mgmt-1", "10.0.0.1"))
    for _ in range(turns):
        writer.write()
    return seen


def test_all_three_verbs_are_written_and_nothing_is_lost() -> None:
    api = Api()
    seen = written(api, 40)
    assert {write.verb for write in seen} == {"create", "update", "delete"}
    assert all((write.side, write.address, write.kept) == ("mgmt-1", "10.0.0.1", True) for write in seen)
    assert len({(write.name, write.sequence) for write in seen}) == len(seen)
    assert len(api.maps) > 5
    assert list(lost_writes(seen, api.read_back())) == []


def test_an_outage_uses_up_nothing_that_was_acknowledged() -> None:
    api, seen = Api(), list[Write]()
    writer = Writer(api, seen.append, "run", 0, Place())
    written(api, 20, writer)
    before, api.serving = len(seen), False
    written(api, 50, writer)
    api.serving = True
    outage = seen[before:]
    assert sum(write.verb != "create" for write in outage) <= 1
    written(api, 20, writer)
    assert {write.verb for write in seen[-10:]} == {"create", "update", "delete"}
    assert list(lost_writes(seen, api.read_back())) == []


def test_a_name_whose_write_was_not_acknowledged_is_left_alone() -> None:
    api, seen = Api(), list[Write]()
    writer = Writer(api, seen.append, "run", 0, Place())
    for turn in range(60):
        api.deaf = turn % 7 == 3
        writer.write()
    doubtful = {write.name: write.sequence for write in seen if not write.acknowledged}
    assert doubtful
    assert all(write.sequence <= doubtful.get(write.name, write.sequence) for write in seen)
    assert list(lost_writes(seen, api.read_back())) == []


@pytest.mark.parametrize(
    "data", [{}, {"sequence": "x"}, {"sequence": "2"}, content("a", 2) | {"more": "1"}, content("b", 2)]
)
def test_content_that_no_write_made_is_recognized(data: dict[str, str]) -> None:
    assert sequence_of("a", content("a", 2)) == 2
    assert sequence_of("a", data) == 0


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        if self.path == "/last":
            self.send_header("Connection", "close")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def line() -> Iterator[Line]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        line = Line(lambda: http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=5))
        yield line
        line.close()
        server.shutdown()


def test_a_kept_connection_says_so_until_the_server_ends_it(line: Line) -> None:
    asked = [line.ask("GET", path) for path in ("/", "/", "/last", "/", "/")]
    assert [answer.status for answer, _ in asked] == [200] * 5
    assert [kept for _, kept in asked] == [False, True, True, False, True]


def test_a_connection_that_nobody_takes_is_no_answer() -> None:
    line = Line(lambda: http.client.HTTPConnection("127.0.0.1", 1, timeout=1))
    assert [(line.ask("GET", "/")[0].status, line.ask("GET", "/")[1])] == [(0, False)]
