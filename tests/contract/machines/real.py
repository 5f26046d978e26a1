"""The real side: an API server, the region's simulator of EC2, Cluster API and its AWS provider, all on loopback."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from hcp_dr.kube.resources import CUSTOM_RESOURCE_DEFINITION
from hcp_dr_lab.ground.names import CAPI_PROVIDER, CLUSTER_API
from hcp_dr_lab.ground.pki import CertificateAuthority
from hcp_dr_lab.region import probe
from hcp_dr_lab.standin.install import watched
from hcp_dr_lab.tools import binaries
from tests.contract.aws.real import simulator
from tests.contract.kubernetes.real import ControlPlane, running

_LIMIT = 60.0  # seconds until one is ready
_NO_PROXY = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"))


def programs() -> dict[str, Path]:
    """Skips the test unless real controllers are asked for."""
    if os.environ.get("HCP_DR_LAB_CONTROLLERS") != "real":
        pytest.skip("the real Cluster API and AWS provider are tested by `make test-real-controllers`")
    say = partial(print, flush=True)  # progress, for `pytest -s`
    return binaries.find(say, programs=binaries.CONTROLLERS)


@dataclass(slots=True)
class Controllers:
    """Processes with an administrator's kubeconfig. `aws` is the endpoint of the simulator."""

    control_plane: ControlPlane
    aws: str
    folder: Path
    programs: Mapping[str, Path]
    _running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str) -> None:
        """Does nothing if it runs."""
        if name in self._running:
            return
        address = self.control_plane.cluster.api_address
        ports = {CLUSTER_API: 9440, CAPI_PROVIDER: 9441}
        command = [
            str(self.programs[name]),
            f"--kubeconfig={self.control_plane.kubeconfig()}",
            f"--health-addr={address}:{ports[name]}",
            f"--webhook-port={ports[name] + 10}",
            f"--webhook-cert-dir={self.folder / 'webhook'}",
            "--diagnostics-address=0",
            "--v=4",
            *ARGUMENTS[name],
        ]
        environment = {key: value for key, value in os.environ.items() if key not in _NO_PROXY} | {
            "AWS_ENDPOINT_URL": self.aws,
            "AWS_ACCESS_KEY_ID": "contract",
            "AWS_SECRET_ACCESS_KEY": "contract",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        with self._log(name).open("ab") as log:
            self._running[name] = process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
            )
        deadline = time.monotonic() + _LIMIT
        while (why_not := probe.accepts(address, ports[name])) is not None:
            assert process.poll() is None, f"{name} ended with {process.returncode}: {self.told()}"
            assert time.monotonic() < deadline, f"{name}: {why_not}: {self.told()}"
            time.sleep(0.05)

    def stop(self, name: str) -> None:
        process = self._running.pop(name, None)
        if process is not None:
            process.kill()
            process.wait()

    def told(self) -> str:
        """The ends of the logs."""
        logs = {name: self._log(name) for name in ARGUMENTS}
        return "\n".join(
            f"{name}: {log.read_text('utf-8', 'replace')[-3000:]}" for name, log in logs.items() if log.exists()
        )

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}.log"


ARGUMENTS: Mapping[str, tuple[str, ...]] = {
    CLUSTER_API: (
        "--feature-gates=MachineSetPreflightChecks=false",
        "--skip-crd-migration-phases=StorageVersionMigration,CleanupManagedFields",
    ),
    CAPI_PROVIDER: ("--feature-gates=EKS=false",),
}
"""As HyperShift starts them (v2/capi_manager/deployment.go, platform/aws/aws.go)."""


@contextmanager
def controllers(folder: Path) -> Iterator[Controllers]:
    """Up for the time of the block."""
    found = programs()
    without = ["node-lifecycle-controller"]  # nobody renews the Nodes' Leases
    with running(folder, without=without) as control_plane, simulator(folder) as aws:
        certificate = CertificateAuthority.create("contract").issue("localhost", dns=("localhost",), server=True)
        (folder / "webhook").mkdir()
        (folder / "webhook" / "tls.crt").write_bytes(certificate.cert_pem)
        (folder / "webhook" / "tls.key").write_bytes(certificate.key_pem)
        with closing(control_plane.connect()) as cluster:
            for definition in watched():
                cluster.create(CUSTOM_RESOURCE_DEFINITION, definition)
        made = Controllers(control_plane, aws.plain, folder, found)
        try:
            yield made
        finally:
            for name in ARGUMENTS:
                made.stop(name)
