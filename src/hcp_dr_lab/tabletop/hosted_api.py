"""A hosted kube-apiserver in a pod: an API server with the etcd that it reaches. Clients verify its certificate, and it
verifies clients with its own authorities."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from hcp_dr.kube.port import Completed, Object
from hcp_dr_lab.tabletop import etcd
from hcp_dr_lab.tabletop.clock import Clock
from hcp_dr_lab.tabletop.containers import Container
from hcp_dr_lab.tabletop.keys import trusts
from hcp_dr_lab.tabletop.kubernetes import ApiServer
from hcp_dr_lab.tabletop.kubernetes.refusal import internal
from hcp_dr_lab.tabletop.twin import shared


class Etcds(Protocol):
    """An API server's access to etcd."""

    def behind(self, namespace: str, host: str) -> Iterable[etcd.Process]:
        """Return the etcd processes currently behind a name."""
        ...

    def quorum(self, cluster: etcd.Cluster) -> bool: ...


@shared
@dataclass(frozen=True, slots=True)
class Credentials:
    """A client's credentials from its kubeconfig: trusted authorities, certificate and key. All PEM."""

    authority: bytes
    certificate: bytes


class HostedApi:
    """One process, with the certificates mounted at its start."""

    def __init__(
        self,
        namespace: str,
        container: Container,
        etcds: Etcds,
        *,
        clock: Clock,
        chance: random.Random,
    ) -> None:
        self.namespace = namespace
        self.address = ""
        self.stopping = False
        self._container = container
        self._etcds = etcds
        self._clock = clock
        self._chance = chance
        self._certificate = self._file("tls-cert-file")
        self._clients = self._file("client-ca-file")
        self._etcd_authority = self._file("etcd-cafile")
        self._etcd_host = container.flag("etcd-servers").partition("//")[2].partition(":")[0]
        self._server: ApiServer | None = None
        self._etcd: etcd.Process | None = None

    def _file(self, flag: str) -> bytes:
        return self._container.files.get(self._container.flag(flag), b"")

    def is_trusted_by(self, client: Credentials) -> bool:
        return trusts(client.authority, self._certificate)

    def trusts(self, client: Credentials) -> bool:
        return trusts(self._clients, client.certificate)

    @property
    def ready(self) -> bool:
        """/readyz: false after SIGTERM, and while etcd does not answer."""
        return not self.stopping and self.server() is not None

    def server(self) -> ApiServer | None:
        """Return None while no serving etcd is reachable."""
        process = self._etcd
        if process is None or not self._serves(process):
            process = next((found for found in self._known() if self._serves(found)), None)
            self._etcd = process
        if process is None:
            return None
        store = process.member.cluster.store
        if self._server is None or self._server.store is not store:
            if self._server is not None:
                self._server.stop()
            self._server = ApiServer(store, now=self._clock.date, chance=self._chance, execute=_no_exec, lends=True)
        return self._server

    def end(self) -> None:
        if self._server is not None:
            self._server.stop()

    def _known(self) -> Iterable[etcd.Process]:
        return self._etcds.behind(self.namespace, self._etcd_host)

    def _serves(self, process: etcd.Process) -> bool:
        return (
            any(found is process for found in self._known())
            and self._etcds.quorum(process.member.cluster)
            and trusts(self._etcd_authority, process.certificate)
        )


def _no_exec(pod: Object, container: str, command: Sequence[str], stdin: bytes | None, seconds: float) -> Completed:
    """Refuse exec in pods of a hosted cluster: konnectivity is not simulated."""
    del container, command, stdin, seconds
    raise internal(f"error dialing backend: no agent available for {pod['spec'].get('nodeName')}")
