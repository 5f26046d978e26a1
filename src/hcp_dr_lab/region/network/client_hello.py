"""Read the server name in a TLS ClientHello, without a handshake (RFC 8446 4.1.2, RFC 6066 3)."""

from __future__ import annotations

from dataclasses import dataclass

MAX_HELLO_BYTES = 64 * 1024
_RECORD_HEADER = 5
_HANDSHAKE_HEADER = 4
_HANDSHAKE_RECORD = 22
_CLIENT_HELLO = 1
_SERVER_NAME_EXTENSION = 0
_HOST_NAME = 0


class IncompleteError(Exception):
    """The data may be the beginning of a ClientHello."""


class NotClientHelloError(Exception):
    """The data is not a ClientHello."""


def server_name(data: bytes) -> str | None:
    """Return the name in lower case, or None without a name. Raises IncompleteError, NotClientHelloError."""
    return _server_name(_hello(data))


def _hello(data: bytes) -> bytes:
    """Return the body of the ClientHello, possibly from several records."""
    message = b""
    while True:
        if not data:
            raise IncompleteError
        if data[0] != _HANDSHAKE_RECORD or (len(data) > 1 and data[1] != 3):
            raise NotClientHelloError("not a TLS handshake record")
        if len(data) < _RECORD_HEADER:
            raise IncompleteError
        length = int.from_bytes(data[3:_RECORD_HEADER])
        if length == 0:
            raise NotClientHelloError("an empty record")
        message += data[_RECORD_HEADER : _RECORD_HEADER + length]
        if message and message[0] != _CLIENT_HELLO:
            raise NotClientHelloError("not a ClientHello")
        if len(message) >= _HANDSHAKE_HEADER:
            end = _HANDSHAKE_HEADER + int.from_bytes(message[1:_HANDSHAKE_HEADER])
            if end > MAX_HELLO_BYTES:
                raise NotClientHelloError("longer than any ClientHello")
            if len(message) >= end:
                return message[_HANDSHAKE_HEADER:end]
        if len(data) < _RECORD_HEADER + length:
            raise IncompleteError
        data = data[_RECORD_HEADER + length :]


@dataclass(slots=True)
class _Reader:
    data: bytes

    def take(self, count: int) -> bytes:
        if len(self.data) < count:
            raise NotClientHelloError("a length that does not fit")
        taken, self.data = self.data[:count], self.data[count:]
        return taken

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size))

    def vector(self, size: int) -> _Reader:
        """Read a vector with a length field of `size` bytes."""
        return _Reader(self.take(self.number(size)))


def _server_name(hello: bytes) -> str | None:
    body = _Reader(hello)
    body.take(2 + 32)  # version, random
    body.vector(1)  # session
    body.vector(2)  # cipher suites
    body.vector(1)  # compression methods
    if not body.data:
        return None
    extensions = body.vector(2)
    while extensions.data:
        kind = extensions.number(2)
        content = extensions.vector(2)
        if kind == _SERVER_NAME_EXTENSION:
            return _host_name(content.vector(2))
    return None


def _host_name(names: _Reader) -> str | None:
    while names.data:
        kind = names.number(1)
        name = names.vector(2).data
        if kind == _HOST_NAME:
            try:
                return name.decode("ascii").lower()
            except UnicodeDecodeError as error:
                raise NotClientHelloError("a server name that is not ASCII") from error
    return None
