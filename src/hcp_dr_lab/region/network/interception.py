"""The connections that the fault proxy intercepts, and their routes.

Clients outside the region use the fault proxy: hcp-dr, kubectl and the tests. They reach the APIs of both management
clusters and of hosted clusters through the CONNECT proxy in their kubeconfigs; and S3, Route53, EC2 and STS at the
region's own address, which pods also use for presigned URLs. Parts of the region bypass the proxy with direct
addresses: operators, kubelets, external-dns, the hypervisor, and the observer, which must see the real state while the
product sees faults. Real throttling would also affect external-dns; here external-dns can be stopped as a part.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
import time
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from hcp_dr.errors import HcpDrError
from hcp_dr.kube.client import connect
from hcp_dr.kube.resources import CONFIG_MAP, SECRET
from hcp_dr_lab.ground.layout import (
    AWS_ADDRESS,
    AWS_PORT,
    MANAGEMENT_CLUSTERS,
    S3_ADDRESS,
    S3_PORT,
    HostedClusterNames,
    Layout,
    ManagementCluster,
    all_recorded,
)
from hcp_dr_lab.ground.pki import KeyPair
from hcp_dr_lab.region.faults import API_SUFFIX, SERVICES, Faults
from hcp_dr_lab.region.network.exchange import Exchanges
from hcp_dr_lab.region.network.keyring import Authorities, Identity, Keyring, presented
from hcp_dr_lab.region.network.relay import Stream, relay, reset, reset_socket, stream

CONNECT_SECONDS = 10.0
HANDSHAKE_SECONDS = 10.0
FRESH_SECONDS = 3.0  # how long a hosted cluster's authorities are cached

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Place:
    """A server inside the region."""

    address: str
    port: int


@dataclass
class Interception:
    """The interception of one proxy process."""

    layout: Layout
    _hosted: dict[tuple[str, int], tuple[float, Keyring | None]] = field(default_factory=dict)

    @cached_property
    def exchanges(self) -> Exchanges:
        return Exchanges(Faults(lambda: targets(self.layout)))

    async def from_connect(self, host: str, place: Place, client: socket.socket, behind: Stream) -> None:
        """Handle an established connection for a CONNECT to this host."""
        target, keyring = await self._api(host, place)
        if keyring is None:
            await relay(await stream(client), behind)
            return
        await self.carry(target, keyring, place, client, behind)

    async def from_outside(self, service: str, client: socket.socket) -> None:
        """Handle a connection to S3 (`s3`) or to other AWS services (empty) at the region's own address."""
        place = Place(S3_ADDRESS, S3_PORT) if service else Place(AWS_ADDRESS, AWS_PORT)
        try:
            behind = await opened(place)
        except (OSError, TimeoutError):
            reset_socket(client)
            return
        await self.carry(service, self._services[place], place, client, behind)

    async def carry(self, target: str, keyring: Keyring, place: Place, client: socket.socket, behind: Stream) -> None:
        """Perform the server's handshake first, so that the client notices an unavailable server."""
        guess = keyring.guess
        front: Stream | None = None
        try:
            try:
                await _shake_hands(behind, keyring, guess)
            except ssl.SSLCertVerificationError as error:
                log.warning("%s is passed through: %s", target, error.verify_message)
                behind[1].close()
                behind = await opened(place)
                await relay(await stream(client), behind)
                return
            front = await stream(client, keyring.server_side(), HANDSHAKE_SECONDS)
            identity = presented(front[1].get_extra_info("ssl_object"))
            if identity != guess:
                keyring.guess = identity
                behind[1].close()
                behind = await opened(place)
                await _shake_hands(behind, keyring, identity)
            await self.exchanges.carry(target, front, behind)
        except (OSError, TimeoutError):
            if front is None:
                reset_socket(client)
            else:
                reset(front[1])
            reset(behind[1])

    async def _api(self, host: str, place: Place) -> tuple[str, Keyring | None]:
        for cluster in MANAGEMENT_CLUSTERS:
            if host in {cluster.api_hostname, cluster.api_address} and place.port == cluster.api_port:
                return f"{cluster.name}{API_SUFFIX}", self._management[cluster]
        for entry in all_recorded(self.layout):
            if (host, place.port) == (entry.names.api_hostname, entry.names.api_port):
                return f"{entry.names.name}{API_SUFFIX}", await self._hosted_keyring(entry.names, place)
        return "", None

    @cached_property
    def _management(self) -> dict[ManagementCluster, Keyring]:
        made = {}
        for cluster in MANAGEMENT_CLUSTERS:
            authority = KeyPair.read(self.layout.pki / cluster.name / "ca")
            made[cluster] = Keyring(
                server_name=cluster.api_hostname,
                authorities=Authorities(authority, authority.cert_pem),
                folder=self._folder,
                names=(cluster.api_hostname,),
                addresses=(cluster.api_address,),
            )
        return made

    @cached_property
    def _services(self) -> dict[Place, Keyring]:
        authority = KeyPair.read(self.layout.ca_file.with_suffix(""))
        return {
            place: Keyring(
                server_name=place.address,
                authorities=Authorities(authority, authority.cert_pem),
                folder=self._folder,
                addresses=(self.layout.region_address, place.address),
            )
            for place in (Place(S3_ADDRESS, S3_PORT), Place(AWS_ADDRESS, AWS_PORT))
        }

    @property
    def _folder(self) -> Path:
        return self.layout.pki / "proxy"

    async def _hosted_keyring(self, names: HostedClusterNames, place: Place) -> Keyring | None:
        """Return the keyring for the management cluster behind the API's name, or None if it is not available."""
        cluster = next((one for one in MANAGEMENT_CLUSTERS if one.load_balancer_address == place.address), None)
        if cluster is None:
            return None
        key = (names.name, cluster.number)
        at, known = self._hosted.get(key, (-FRESH_SECONDS, None))
        if time.monotonic() - at < FRESH_SECONDS:
            return known
        try:
            authorities = await asyncio.to_thread(hosted_authorities, self.layout, cluster, names)
        except HcpDrError as error:
            log.warning("%s: %s", names.name, error)
            return known
        if known is None or known.authorities != authorities:
            host = names.api_hostname
            known = Keyring(host, authorities, self._folder, (host,)) if authorities is not None else None
        self._hosted[key] = (time.monotonic(), known)
        return known


def targets(layout: Layout) -> Iterator[str]:
    """Return all current targets for faults."""
    yield from (f"{cluster.name}{API_SUFFIX}" for cluster in MANAGEMENT_CLUSTERS)
    yield from (f"{entry.names.name}{API_SUFFIX}" for entry in all_recorded(layout))
    yield from SERVICES


def hosted_authorities(layout: Layout, cluster: ManagementCluster, names: HostedClusterNames) -> Authorities | None:
    """Read the authorities in the control plane namespace on this management cluster; None if they are missing."""
    namespace = names.control_plane_namespace
    with contextlib.closing(connect(layout.inside_kubeconfig(cluster), cluster.name)) as management:
        root = management.find(SECRET, "root-ca", namespace)
        clients = management.find(CONFIG_MAP, "client-ca", namespace)
    files = (root or {}).get("data") or {}
    if "ca.crt" not in files or "ca.key" not in files or clients is None:
        return None
    own = KeyPair(b64decode(files["ca.crt"]), b64decode(files["ca.key"]))
    return Authorities(own, clients["data"]["ca.crt"].encode("ascii"))


async def opened(place: Place) -> Stream:
    """Raises OSError, TimeoutError."""
    async with asyncio.timeout(CONNECT_SECONDS):
        return await asyncio.open_connection(place.address, place.port)


async def _shake_hands(behind: Stream, keyring: Keyring, identity: Identity | None) -> None:
    await behind[1].start_tls(
        keyring.client_side(identity),
        server_hostname=keyring.server_name,
        ssl_handshake_timeout=HANDSHAKE_SECONDS,
    )
