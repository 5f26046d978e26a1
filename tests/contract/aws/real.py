"""The real side: versitygw for S3, the region's simulator for Route53, EC2 and STS; both as processes on loopback."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from hcp_dr_lab.tools import binaries

REQUIRED = "HCP_DR_LAB_REGION_REQUIRED"
REGION = "us-east-1"
KEY, SECRET = "AKIACONTRACT", "contract-secret"
_LIMIT = 20.0  # seconds until one serves


@dataclass(frozen=True, slots=True)
class Simulator:
    """`throttled` is the same one behind Route53's limit of requests."""

    plain: str
    throttled: str


@contextmanager
def simulator(folder: Path) -> Iterator[Simulator]:
    command = [sys.executable, "-m", "tests.contract.aws.simulator", str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        line = process.stdout.readline()
        assert line, "the simulator ended"
        plain, throttled = (f"http://127.0.0.1:{port}" for port in json.loads(line))
        yield Simulator(plain, throttled)
        process.stdin.close()


@contextmanager
def gateway(folder: Path) -> Iterator[str]:
    """The endpoint of a versitygw over `folder`."""
    port = _free_port()
    log = folder / "log"
    data = folder / "data"
    data.mkdir()
    command = [str(_program()), "--region", REGION, "--quiet", "--port", f"127.0.0.1:{port}", "posix", str(data)]
    environment = {**os.environ, "ROOT_ACCESS_KEY": KEY, "ROOT_SECRET_KEY": SECRET}
    with log.open("wb") as output, subprocess.Popen(command, env=environment, stdout=output, stderr=output) as process:
        try:
            deadline = time.monotonic() + _LIMIT
            while not _answers(port):
                assert process.poll() is None, log.read_text("utf-8", "replace")
                assert time.monotonic() < deadline, log.read_text("utf-8", "replace")
                time.sleep(0.02)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()


def _program() -> Path:
    """Skips the test where it would have to be built first and nobody insists on it."""
    if os.environ.get(REQUIRED):
        return binaries.find(lambda text: print(text, flush=True))["versitygw"]  # noqa: T201 - for `pytest -s`
    found = binaries.built(["versitygw"]) if sys.platform == "linux" else {}
    if not found:
        pytest.skip("versitygw is not built: `make test-region` builds it")
    return found["versitygw"]


def _free_port() -> int:
    with closing(socket.socket()) as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


def _answers(port: int) -> bool:
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
