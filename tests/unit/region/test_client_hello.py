"""The server name is read from what real clients send, in any pieces; rubbish is told apart from what is unfinished."""

from __future__ import annotations

import ssl

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hcp_dr_lab.region.network.client_hello import MAX_HELLO_BYTES, IncompleteError, NotClientHelloError, server_name

HOST = "api-demo.hosted.rehearsal.example"


def hello(host: str | None, protocols: tuple[str, ...] = ()) -> bytes:
    """What this Python's TLS library sends first."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    if protocols:
        context.set_alpn_protocols(list(protocols))
    outgoing = ssl.MemoryBIO()
    connection = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=host)
    with pytest.raises(ssl.SSLWantReadError):
        connection.do_handshake()
    return outgoing.read()


def in_records(data: bytes, size: int) -> bytes:
    """The same handshake message spread over records of at most so many bytes."""
    message = data[5:]
    pieces = [message[start : start + size] for start in range(0, len(message), size)]
    return b"".join(data[:3] + len(piece).to_bytes(2) + piece for piece in pieces)


def test_the_name_is_read_in_lower_case() -> None:
    assert server_name(hello(HOST)) == HOST
    assert server_name(hello(HOST.upper(), ("h2", "http/1.1"))) == HOST


def test_a_client_may_name_nobody() -> None:
    assert server_name(hello(None)) is None


def test_every_beginning_is_unfinished() -> None:
    whole = hello(HOST)
    for length in range(len(whole)):
        with pytest.raises(IncompleteError):
            server_name(whole[:length])


def test_what_comes_after_the_hello_is_left_alone() -> None:
    assert server_name(hello(HOST) + b"\x14\x03\x03\x00\x01\x01") == HOST


@pytest.mark.parametrize("size", [1, 3, 4, 100])
def test_a_hello_may_be_spread_over_records(size: int) -> None:
    spread = in_records(hello(HOST), size)
    assert server_name(spread) == HOST
    with pytest.raises(IncompleteError):
        server_name(spread[:-1])


@pytest.mark.parametrize(
    "rubbish",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"\x16\x02\x01\x00\x05hello",
        b"\x16\x03\x01\x00\x00",
        b"\x16\x03\x01\x00\x04\x02\x00\x00\x00",
        b"\x16\x03\x01\x00\x04\x01" + (MAX_HELLO_BYTES + 1).to_bytes(3),
        b"\x16\x03\x01\x00\x06\x01\x00\x00\x02\x03\x03",
    ],
    ids=["http", "ssh", "old", "empty record", "server hello", "too long", "cut inside"],
)
def test_rubbish_is_refused(rubbish: bytes) -> None:
    with pytest.raises(NotClientHelloError):
        server_name(rubbish)


def test_a_name_that_is_not_ascii_is_refused() -> None:
    with pytest.raises(NotClientHelloError):
        server_name(hello(HOST).replace(b"api-demo", b"api\xff\xfeemo"))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=80), st.integers(0, 200))
def test_no_bytes_do_more_than_be_refused(noise: bytes, at: int) -> None:
    whole = hello(HOST)
    for data in (noise, whole[:at] + noise + whole[at + len(noise) :]):
        try:
            name = server_name(data)
        except (IncompleteError, NotClientHelloError):
            continue
        assert name is None or name == name.lower()
