"""The parts of a name or group, and frozen pods."""

from __future__ import annotations

import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hcp_dr_lab.region.roster import UnknownPart, chosen, pods
from hcp_dr_lab.region.still import Still

KNOWN = ("aws", "s3", "mgmt-1/etcd", "mgmt-1/external-dns", "mgmt-2/etcd", "worker/ip-10-78-2-4.ec2.internal")


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("aws", ("aws",)),
        ("mgmt-1/etcd", ("mgmt-1/etcd",)),
        ("mgmt-1", ("mgmt-1/etcd", "mgmt-1/external-dns")),
        ("mgmt-1/", ("mgmt-1/etcd", "mgmt-1/external-dns")),
        ("worker", ("worker/ip-10-78-2-4.ec2.internal",)),
    ],
)
def test_a_part_or_all_below_a_name(asked: str, found: tuple[str, ...]) -> None:
    assert chosen(asked, KNOWN) == found


@pytest.mark.parametrize("asked", ["", "mgmt", "mgmt-3", "etcd", "/", "mgmt-1/et"])
def test_an_unknown_name_is_told_what_there_is(asked: str) -> None:
    with pytest.raises(UnknownPart, match=r"Parts: aws, .* Groups: mgmt-1, mgmt-2, worker"):
        chosen(asked, KNOWN)


def test_external_dns_is_known_by_its_owner() -> None:
    words = ("/usr/bin/external-dns", "--provider=aws", "--txt-owner-id=mgmt-1-external-dns-owner")
    matches = pods()
    assert matches["mgmt-1/external-dns"](words)
    assert not matches["mgmt-2/external-dns"](words)
    assert not matches["mgmt-1/external-dns"](("/bin/sh", *words[1:]))


@pytest.fixture
def marked() -> Iterator[Callable[[], int]]:
    """Starts processes that carry one mark."""
    mark = f"mark-{uuid.uuid4()}"
    begun: list[subprocess.Popen[bytes]] = []

    def start() -> int:
        begun.append(subprocess.Popen((sys.executable, "-c", "import signal; signal.pause()", mark)))
        return begun[-1].pid

    start.mark = mark  # type: ignore[attr-defined]
    yield start
    for process in begun:
        process.kill()
        process.wait()


def state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def await_that(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_what_is_held_still_stays_so_and_what_takes_its_place_too(marked: Callable[[], int]) -> None:
    mark: str = marked.mark  # type: ignore[attr-defined]
    still = Still({"pod": lambda words: mark in words})
    first = marked()
    await_that(lambda: next(iter(still.rows()))["state"] == "serving")
    assert still.stop("pod")
    assert not still.stop("pod")
    await_that(lambda: state(first) == "T")
    second = marked()
    await_that(lambda: state(second) == "T")
    assert next(iter(still.rows()))["state"] == "stopped"
    assert still.start("pod")
    assert not still.start("pod")
    await_that(lambda: {state(first), state(second)} <= {"S", "R"})
    assert next(iter(still.rows()))["state"] == "serving"
