"""The CONNECT proxy understands a request, and is no way out of the region."""

from __future__ import annotations

from pathlib import Path

import pytest

from hcp_dr_lab.ground.layout import Layout
from hcp_dr_lab.region.network.proxy import RefusedError, Target, is_inside, parse_request

LAYOUT = Layout("test", 7, Path("/nowhere"))
API = "api.mgmt-1.region.rehearsal.example"


@pytest.mark.parametrize(
    ("line", "target"),
    [
        (f"CONNECT {API}:6443 HTTP/1.1", Target(API, 6443)),
        ("CONNECT 10.78.0.11:443 HTTP/1.0", Target("10.78.0.11", 443)),
        ("CONNECT [::1]:443 HTTP/1.1", Target("::1", 443)),
    ],
)
def test_targets(line: str, target: Target) -> None:
    assert parse_request(f"{line}\r\nHost: x\r\n\r\n".encode()) == target


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("GET http://10.78.0.11/ HTTP/1.1", "405"),
        ("CONNECT 10.78.0.11 HTTP/1.1", "400"),
        ("CONNECT :443 HTTP/1.1", "400"),
        ("CONNECT a:0 HTTP/1.1", "400"),
        ("CONNECT a:65536 HTTP/1.1", "400"),
        ("CONNECT a:² HTTP/1.1", "400"),
        ("CONNECT", "400"),
        ("", "405"),
    ],
)
def test_what_is_no_request(line: str, status: str) -> None:
    with pytest.raises(RefusedError) as caught:
        parse_request(f"{line}\r\n\r\n".encode("latin-1"))
    assert caught.value.status.startswith(status)


@pytest.mark.parametrize("address", ["10.78.0.11", "10.78.2.4", "10.88.1.5", "10.89.3.7", "10.77.7.2"])
def test_inside(address: str) -> None:
    assert is_inside(address, LAYOUT)


@pytest.mark.parametrize(
    "address",
    ["10.77.7.1", "10.77.8.2", "127.0.0.1", "169.254.169.254", "192.168.1.1", "8.8.8.8", "::1", "not one"],
)
def test_outside(address: str) -> None:
    assert not is_inside(address, LAYOUT)
