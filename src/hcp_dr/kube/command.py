"""Runs a command in a container over a WebSocket (v5.channel.k8s.io, else v4).

One thread sends stdin and then reads to the end, with one deadline for the command. API servers before Kubernetes 1.30
support only v4, and v4 cannot close stdin: the command must know how many bytes to read.
"""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import Mapping
from typing import Any, Protocol

import httpcore2
from wsproto import ConnectionType
from wsproto.connection import Connection
from wsproto.events import BytesMessage, CloseConnection, Event, Message, Ping, TextMessage

from hcp_dr.kube.mapping import AnswerError, StatusError, details_of
from hcp_dr.kube.port import Completed
from hcp_dr.kube.transport import Call, Transport, parse
from hcp_dr.limits import MAX_BYTES

PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
STDIN, STDOUT, STDERR, STATUS, CLOSE = 0, 1, 2, 3, 255
CHUNK = 32 * 1024
PING_SECONDS = 20.0  # idle time before a ping: load balancers drop connections after a minute of silence


class Stream(Protocol):
    """The connection after the upgrade to WebSocket."""

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes: ...

    def write(self, buffer: bytes, timeout: float | None = None) -> None: ...


def run(
    transport: Transport, path: str, parameters: list[tuple[str, str]], stdin: bytes | None, seconds: float
) -> Completed:
    """Raises the errors that hcp_dr.kube.mapping translates."""
    headers = {
        "Accept": "*/*",  # the API server refuses exec when only JSON is accepted
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(secrets.token_bytes(16)).decode(),
        "Sec-WebSocket-Protocol": ", ".join(PROTOCOLS),
    }
    deadline = time.monotonic() + seconds
    with transport.stream(Call("GET", path, parameters, headers=headers, seconds=seconds)) as response:
        protocol = response.headers.get("Sec-WebSocket-Protocol")
        if response.status_code != 101 or protocol not in PROTOCOLS:
            raise AnswerError(f"exec over WebSocket is not supported (HTTP {response.status_code}, {protocol})")
        session = _Session(response.extensions["network_stream"], deadline)
        can_close = protocol == PROTOCOLS[0]
        try:
            if stdin is not None:
                session.send(stdin, close=can_close)
            return session.receive()
        except (TimeoutError, httpcore2.TimeoutException) as error:
            hint = "; this API server cannot close stdin" if stdin is not None and not can_close else ""
            raise AnswerError(f"the command did not end within {seconds:g} s{hint}") from error


class _Session:
    def __init__(self, stream: Stream, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline
        self._frames = Connection(ConnectionType.CLIENT)

    def send(self, stdin: bytes, *, close: bool) -> None:
        for start in range(0, len(stdin), CHUNK):
            self._write(BytesMessage(bytes([STDIN]) + stdin[start : start + CHUNK]))
        if close:
            self._write(BytesMessage(bytes([CLOSE, STDIN])))

    def receive(self) -> Completed:
        channels = {STDOUT: bytearray(), STDERR: bytearray(), STATUS: bytearray()}
        channel: int | None = None
        while True:
            try:
                data = self._stream.read(64 * 1024, timeout=min(self._remaining(), PING_SECONDS))
            except httpcore2.ReadTimeout:
                self._write(Ping())
                continue
            self._frames.receive_data(data or None)
            for event in self._frames.events():
                if isinstance(event, Message):
                    content = _bytes(event)
                    if channel is None and content:
                        channel, content = content[0], content[1:]
                    if channel in channels:
                        channels[channel] += content
                        if len(channels[channel]) > MAX_BYTES:
                            raise AnswerError(f"the command printed more than {MAX_BYTES // 1024**2} MiB")
                    if event.message_finished:
                        channel = None
                        if channels[STATUS]:
                            return _completed(channels)
                elif isinstance(event, Ping):
                    self._write(event.response())
                elif isinstance(event, CloseConnection):
                    raise AnswerError(
                        f"the connection was closed before the command ended ({event.reason or event.code})"
                    )

    def _write(self, event: Event) -> None:
        self._stream.write(self._frames.send(event), timeout=self._remaining())

    def _remaining(self) -> float:
        remaining = self._deadline - time.monotonic()
        if remaining <= 0:
            raise TimeoutError
        return remaining


def _bytes(event: Message[Any]) -> bytes:
    return event.data.encode() if isinstance(event, TextMessage) else bytes(event.data)


def _completed(channels: Mapping[int, bytearray]) -> Completed:
    status = parse(channels[STATUS])
    return Completed(_exit_code(status), bytes(channels[STDOUT]), bytes(channels[STDERR]))


def _exit_code(status: Mapping[str, Any]) -> int:
    if status.get("status") == "Success":
        return 0
    if status.get("reason") == "NonZeroExitCode":
        for cause in details_of(status)[1]:
            if cause.get("reason") == "ExitCode" and str(cause.get("message")).isdecimal():
                return int(str(cause["message"]))
    raise StatusError(status, 0)
