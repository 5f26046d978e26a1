"""A real control plane on a loopback address of its own: etcd, kube-apiserver, kube-controller-manager. No root."""

from __future__ import annotations

import base64
import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from hcp_dr.kube.client import connect
from hcp_dr.kube.port import Kubernetes
from hcp_dr_lab.ground.layout import Layout, ManagementCluster
from hcp_dr_lab.ground.part import Part
from hcp_dr_lab.ground.pki import CertificateAuthority, KeyPair
from hcp_dr_lab.region.management import control_plane
from hcp_dr_lab.standin.install import install
from hcp_dr_lab.tools import binaries

REQUIRED = "HCP_DR_LAB_REGION_REQUIRED"
PROGRAMS = ("etcd-3.6/etcd", "kube-apiserver", "kube-controller-manager")
_ETCD_PORT = 2379
_HELD_PORT = 2381
_ON_LOOPBACK = ("--endpoint-reconciler-type=none",)  # what Endpoints tell may not be a loopback address


@dataclass(frozen=True, slots=True)
class LoopbackCluster(ManagementCluster):
    """All of it, etcd too, listens at 127.0.1.<number>."""

    @property
    def api_address(self) -> str:
        return f"127.0.1.{self.number}"

    @property
    def service_cidr(self) -> str:
        return "10.91.0.0/16"


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """One that serves, with the rehearsal's kinds installed."""

    layout: Layout
    cluster: LoopbackCluster

    def kubeconfig(self, user: str | None = None) -> Path:
        """The administrator's, or that of a user without groups, who may do what RBAC objects say."""
        if user is None:
            return self.layout.inside_kubeconfig(self.cluster)
        folder = self.layout.pki / self.cluster.name
        pair = KeyPair.read(folder / "ca")
        identity = CertificateAuthority(pair).issue(user, client=True)
        file = folder / f"{user}.kubeconfig"
        server = f"https://{self.cluster.api_address}:{self.cluster.api_port}"
        control_plane.write_kubeconfig(file, self.cluster.name, server, pair.cert_pem, identity)
        return file

    def connect(self, user: str | None = None) -> Kubernetes:
        return connect(self.kubeconfig(user), self.cluster.name)

    def compact(self) -> None:
        """etcd forgets its history, as API servers make it do every five minutes: they tell each other by a key."""
        with closing(http.client.HTTPConnection(self.cluster.api_address, _ETCD_PORT, timeout=10)) as etcd:
            revision = self._etcd(etcd, "/v3/kv/range", {"key": "AA=="})["header"]["revision"]
            told = {"key": _base64("compact_rev_key"), "value": _base64(revision)}
            self._etcd(etcd, "/v3/kv/put", told)
            self._etcd(etcd, "/v3/kv/compaction", {"revision": revision})

    @staticmethod
    def _etcd(etcd: http.client.HTTPConnection, path: str, body: dict[str, str]) -> dict[str, dict[str, str]]:
        etcd.request("POST", path, json.dumps(body))
        response = etcd.getresponse()
        answer: dict[str, dict[str, str]] = json.loads(response.read())
        assert response.status == 200, answer
        return answer


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def programs() -> dict[str, Path]:
    """Skips the test where they would have to be built first and nobody insists on it."""
    if os.environ.get(REQUIRED):
        return binaries.find(lambda text: print(text, flush=True))  # noqa: T201 - progress, for `pytest -s`
    found = binaries.built(PROGRAMS) if sys.platform == "linux" else {}
    if len(found) < len(PROGRAMS):
        pytest.skip("kube-apiserver, kube-controller-manager and etcd are not built: `make test-region` builds them")
    return found


@contextmanager
def running(root: Path, *, without: Sequence[str] = ()) -> Iterator[ControlPlane]:
    """Up for the time of the block, without these controllers; its files are below `root`."""
    binaries.link(programs(), root / "bin")
    (root / "log").mkdir()
    with ExitStack() as stack:
        cluster = LoopbackCluster(stack.enter_context(_own_number()))
        layout = Layout("contract", 0, root)
        control_plane.prepare(layout, cluster)
        etcd, api_server, controllers = control_plane.api(layout, cluster)
        _start(stack, layout, etcd)
        _start(stack, layout, replace(api_server, command=(*api_server.command, *_ON_LOOPBACK)))
        with closing(connect(layout.inside_kubeconfig(cluster), "real")) as client:
            install(client)
        chosen = ",".join(["*", *(f"-{name}" for name in without)])
        _start(stack, layout, replace(controllers, command=(*controllers.command, f"--controllers={chosen}")))
        yield ControlPlane(layout, cluster)


@contextmanager
def _own_number() -> Iterator[int]:
    """The last byte of a loopback address that nobody else on this machine uses for this."""
    for number in range(1, 255):
        with closing(socket.socket()) as held:
            try:
                held.bind((f"127.0.1.{number}", _HELD_PORT))
            except OSError:
                continue
            yield number
            return
    pytest.fail("no loopback address is free for a control plane")


def _start(stack: ExitStack, layout: Layout, part: Part) -> None:
    """It ends with the block, or with this process."""
    log = layout.logs / f"{part.name.replace('/', '--')}.log"
    process = subprocess.Popen(
        ["setpriv", "--pdeathsig", "KILL", *part.command],
        stdin=subprocess.DEVNULL,
        stdout=stack.enter_context(log.open("wb")),
        stderr=subprocess.STDOUT,
    )
    stack.callback(_end, process)
    deadline = time.monotonic() + part.limit
    while (why_not := part.probe()) is not None:
        told = f"{part.name}: {why_not}\n{log.read_text('utf-8', 'replace')[-2000:]}"
        assert process.poll() is None, f"ended with {process.returncode}: {told}"
        assert time.monotonic() < deadline, f"does not serve after {part.limit:.0f} s: {told}"
        time.sleep(0.05)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
