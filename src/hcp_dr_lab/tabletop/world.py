"""The region in memory: two management clusters, AWS, workers, hosted clusters in service, and the jumping clock.

`World.prepared(options)` creates a region of a shape once in a process and returns copies, which take milliseconds.
Copies are independent.
"""

from __future__ import annotations

import base64
import copy
import gc
import json
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from hcp_dr import errors
from hcp_dr.aws.port import Bucket, Encryption, HostedZone, Identity, Instances
from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Kubernetes, Object
from hcp_dr.model import Ports
from hcp_dr.objects.archive import Archive
from hcp_dr_lab.ground.aws_seed import Seed
from hcp_dr_lab.ground.errors import LabError
from hcp_dr_lab.ground.layout import (
    BUCKET,
    HOSTED_DOMAIN,
    MANAGEMENT_CLUSTERS,
    OIDC_BUCKET,
    WORKER_SUBNET_CIDR,
    HostedClusterNames,
)
from hcp_dr_lab.ground.releases import NEWEST, RELEASES, Releases
from hcp_dr_lab.hosted import ballast, content, rights
from hcp_dr_lab.hosted import cluster as hosted_clusters
from hcp_dr_lab.hosted.cluster import Options
from hcp_dr_lab.standin import install
from hcp_dr_lab.standin.fabric import Fabric
from hcp_dr_lab.standin.view import condition_status
from hcp_dr_lab.tabletop.aws import (
    Machines,
    MemoryBucket,
    MemoryIdentity,
    MemoryInstances,
    MemoryZone,
    Records,
    Storage,
)
from hcp_dr_lab.tabletop.clock import Clock
from hcp_dr_lab.tabletop.cluster import FAST, REALISTIC, Cloud, Management, webhook_address
from hcp_dr_lab.tabletop.controllers import Controllers
from hcp_dr_lab.tabletop.gate import Hook, gated
from hcp_dr_lab.tabletop.hosted_api import Credentials, HostedApi
from hcp_dr_lab.tabletop.keys import CannedKeys
from hcp_dr_lab.tabletop.kubernetes import ApiServer, Client, Key
from hcp_dr_lab.tabletop.kubernetes.access import ADMINISTRATOR, Caller
from hcp_dr_lab.tabletop.names import Resolver
from hcp_dr_lab.tabletop.twin import shared
from hcp_dr_lab.tabletop.workers import Hypervisor

NAME = "shop"
AVAILABLE_SECONDS = 3600.0  # a resolver may cache a negative answer for a quarter of an hour
INSIDE_SECONDS = 0.5  # period of the controllers of a hosted cluster
ASKING_SECONDS = 0.005  # duration of one request of the product
_PLAIN = Options()
_NEWEST: Releases = (NEWEST, NEWEST)
_ID_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


class Unready(LabError):
    """A hosted cluster of the tabletop did not become ready."""

    exit_code = 7


@shared
@dataclass(frozen=True, slots=True)
class Resident:
    """A hosted cluster of the world: names, options, and the content of the administrator's kubeconfig."""

    names: HostedClusterNames
    options: Options
    server: tuple[str, int]
    client: Credentials


@dataclass(slots=True)
class Hosted:
    """The controllers of a hosted cluster, running in its control plane on one side."""

    side: Management
    namespace: str
    controllers: Controllers = field(init=False)

    def reached(self) -> ApiServer | None:
        if not self.side.runs(self.namespace, "kube-controller-manager"):
            return None
        api = self.side.api(self.namespace)
        return api.server() if api is not None else None


class World:
    """One region. `hooks` are called before and after every request of the product; `asking` is the duration of a
    request. Another `seed` results in another region with the same names."""

    def __init__(
        self, *, realistic: bool = False, crds: Path | None = None, seed: int = 7, releases: Releases = _NEWEST
    ) -> None:
        pace = REALISTIC if realistic else FAST
        self.clock = Clock()
        self.chance = random.Random(seed)  # noqa: S311 - a simulation that can be played again
        self.keys = CannedKeys(self.chance)
        self.hooks: list[Hook] = []
        self.asking = ASKING_SECONDS
        self.encryption: Encryption | None = None  # the value of BUCKET_ENCRYPTION
        records = Records(now=self.clock.epoch, chance=self.chance)
        zone_id = records.create_zone(HOSTED_DOMAIN)
        storage = Storage(now=self.clock.epoch, chance=self.chance)
        storage.create_bucket(BUCKET)
        machines = Machines(now=self.clock.epoch, subnet=WORKER_SUBNET_CIDR, chance=self.chance)
        self.cloud = Cloud(records, zone_id, storage, machines, Fabric(), "sg-workers")
        self.seed = Seed(zone_id, "vpc-1", "subnet-1", self.cloud.worker_security_group, "ami-1", "subnet-2")
        self.sides = tuple(
            Management(each, clock=self.clock, chance=self.chance, cloud=self.cloud, keys=self.keys, pace=pace)
            for each in MANAGEMENT_CLUSTERS
        )
        self.resolver = Resolver(records, self.clock, pace.longest_cached)
        self.hypervisor = Hypervisor(
            machines,
            self,
            self.keys,
            clock=self.clock,
            chance=self.chance,
            fetch=storage.request,
            api_proxy_check=pace.api_proxy_check,
        )
        self.clock.parts.append(self.hypervisor)
        self.residents: dict[str, Resident] = {}
        for side, version in zip(self.sides, releases, strict=True):
            side.furnish(_definitions(crds, side.cluster.number, version), RELEASES[version])

    # Copies

    @classmethod
    def prepared(
        cls,
        options: Options = _PLAIN,
        *,
        realistic: bool = False,
        crds: Path | None = None,
        releases: Releases = _NEWEST,
    ) -> World:
        """Return a separate copy of a world with hosted clusters of this shape in service."""
        return _prepared(options, realistic, crds, releases).clone()

    def clone(self) -> World:
        """Return another world in the same state. Read-only objects are shared."""
        memo: dict[int, Any] = {}
        clock = Clock()
        clock.seconds = self.clock.seconds
        clock.stir()
        chance = random.Random()  # noqa: S311 - a simulation
        chance.setstate(self.chance.getstate())
        memo[id(self.clock)], memo[id(self.chance)] = clock, chance
        cloud = self.cloud
        for service in (cloud.records, cloud.storage, cloud.machines):
            memo[id(service)] = service.clone(now=clock.epoch, chance=chance)
        clock.parts = copy.deepcopy(self.clock.parts, memo)
        return copy.deepcopy(self, memo)

    # Hosted clusters

    def populate(self, options: Options, name: str = NAME) -> None:
        """Create hosted clusters of this shape on the first management cluster, in service. `name` applies unless the
        user brings a hosted cluster. Raises Unready."""
        first = self.sides[0]
        management = first.client()
        population = hosted_clusters.population(name, options)
        for names, each in population:
            hosted_clusters.create(management, names, self.seed, each)
        for names, each in population:
            self._serve(first, names, each)

    def _serve(self, side: Management, names: HostedClusterNames, options: Options) -> None:
        management = side.client()
        self._await(lambda: self._is_available(side, names), f"control plane of {names.name} available")
        for wanted in hosted_clusters.counted_secrets(names, options):
            management.create(r.SECRET, wanted)
        if options.etcd_ballast:
            ballast.put(management, names, options.etcd_ballast, _say_nothing)
        self.residents[names.name] = self._resident(side, names, options)
        for each in self.sides:
            inside = Hosted(each, names.control_plane_namespace)
            inside.controllers = Controllers(self.clock, inside.reached, period=INSIDE_SECONDS)
            self.clock.parts.append(inside.controllers)
        hosted = self.hosted_client(names.name)
        self._await(lambda: self._answers(names.name), f"API of {names.name} answering by name")
        item = management.get(r.HOSTED_CLUSTER, names.name, names.namespace)
        version = item["status"]["version"]["history"][0]["version"]
        content.apply(hosted, cluster_id=item["spec"]["clusterID"], version=version)
        nodes = hosted_clusters.workers(options)
        self._await(lambda: not self._missing(names.name, nodes), f"nodes of {names.name} Ready and workload serving")
        self.clock.spend(5)

    def _is_available(self, side: Management, names: HostedClusterNames) -> bool:
        found = side.store.get(Key(str(r.HOSTED_CLUSTER), names.namespace, names.name))
        secret = Key(str(r.SECRET), names.namespace, hosted_clusters.admin_kubeconfig_name(names))
        available = found is not None and condition_status(found.object, "Available") == "True"
        return available and side.store.get(secret) is not None

    def _resident(self, side: Management, names: HostedClusterNames, options: Options) -> Resident:
        kubeconfig = json.loads(hosted_clusters.admin_kubeconfig(side.client(), names))
        cluster, user = kubeconfig["clusters"][0]["cluster"], kubeconfig["users"][0]["user"]
        server = urlsplit(cluster["server"])
        client = Credentials(
            base64.b64decode(cluster["certificate-authority-data"]), base64.b64decode(user["client-certificate-data"])
        )
        return Resident(names, options, (server.hostname or "", server.port or 443), client)

    def _answers(self, name: str) -> bool:
        try:
            self.hosted_client(name).get(r.NAMESPACE, "default")
        except errors.HcpDrError:
            return False
        return True

    def _missing(self, name: str, nodes: int) -> list[str]:
        hosted = self.hosted_client(name)
        try:
            seen = content.Seen(
                hosted.list(r.NODE).items,
                hosted.find(r.DEPLOYMENT, "hello", content.WORKLOAD_NAMESPACE),
                hosted.find(r.DAEMON_SET, "ovnkube-node", content.OVN_NAMESPACE),
                hosted.find(r.STATEFUL_SET, "prometheus-k8s", content.MONITORING_NAMESPACE),
            )
        except errors.HcpDrError as error:
            return [str(error)]
        return content.missing(seen, nodes)

    def _await(self, reached: Callable[[], bool], what: str) -> None:
        until = self.clock.now() + AVAILABLE_SECONDS
        while not reached():
            if self.clock.now() > until:
                raise Unready(f"Timed out after {AVAILABLE_SECONDS:.0f} s of simulated time, waiting for: {what}.")
            self.clock.spend(0.5)

    # The network

    def connect(self, hostname: str, port: int, client: Credentials) -> ApiServer:
        """Connect to a hosted API by its public name. Raises the product's errors."""
        return self.process(hostname, port, client)[1]

    def process(self, hostname: str, port: int, client: Credentials) -> tuple[HostedApi, ApiServer]:
        """Return the process behind the name. Raises the product's errors."""
        where = {"cluster": "hosted", "verb": "reach", "object": f"https://{hostname}:{port}"}
        address = self.address(hostname)
        if address is None:
            raise errors.ClusterUnreachable(**where, reason="its name cannot be resolved: Name or service not known")
        api = self.behind(address, hostname, port)
        if api is None:
            raise errors.ClusterUnreachable(**where, reason="Connection reset by peer")
        return api, welcomed(api, client, where)

    def address(self, hostname: str) -> str | None:
        """Implements api_proxy.Names."""
        return self.resolver.address(hostname)

    def behind(self, address: str, hostname: str, port: int) -> HostedApi | None:
        """Implements api_proxy.Names."""
        side = next((side for side in self.sides if side.router.address == address), None)
        for backend in side.router.backends(hostname, port) if side is not None else ():
            pod = side.kubelet.at(backend.address) if side is not None else None
            if pod is not None and pod.api is not None:
                return pod.api
        return None

    def control_plane(self, infra_id: str) -> tuple[Object, Mapping[str, str]] | None:
        """Implements workers.Network."""
        for side in self.sides:
            for entry in side.store.list(str(r.HOSTED_CONTROL_PLANE)):
                if entry.object["spec"].get("infraID") == infra_id:
                    secret = side.store.get(Key(str(r.SECRET), entry.key.namespace, "root-ca"))
                    if secret is not None:
                        return entry.object, secret.object["data"]
        return None

    # Ports

    def hosted_client(self, name: str = NAME) -> Client:
        """Return a client of the hosted API by name; requests take no time."""
        resident = self.residents[name]
        return self._client(lambda: self.connect(*resident.server, resident.client), "hosted", resident.server)

    def ports(self, archive: Archive, name: str = NAME, *, source: int = 1, caller: Caller = ADMINISTRATOR) -> Ports:
        """Return the product's ports, as `caller`: requests take time and pass through the hooks."""
        here, there = self.sides if source == 1 else self.sides[::-1]
        resident = self.residents[name]
        cloud = self.cloud

        def kubernetes(side: Management, word: str) -> Kubernetes:
            server = f"https://{side.cluster.api_hostname}:6443"
            client = Client(lambda: _demanded(side, word), word, server, caller=caller, rest=self._rest)
            return gated(client, word, self)

        hosted = self._client(
            lambda: self.connect(*resident.server, resident.client), "hosted", resident.server, caller
        )
        documents = {OIDC_BUCKET: cloud.fabric.documents}
        memory = MemoryBucket(cloud.storage, BUCKET, encryption=self.encryption, documents=documents)
        bucket: Bucket = gated(memory, "bucket", self)
        zone: HostedZone = gated(MemoryZone(cloud.records, cloud.zone_id), "zone", self)
        instances: Instances = gated(MemoryInstances(cloud.machines), "instances", self)
        identity: Identity = gated(MemoryIdentity(), "identity", self)
        return Ports(
            source=kubernetes(here, "source"),
            destination=kubernetes(there, "destination"),
            hosted=gated(hosted, "hosted", self),
            bucket=bucket,
            zone=zone,
            instances=instances,
            identity=identity,
            archive=gated(archive, "archive", self),
            fresh_id=lambda: "".join(self.chance.choices(_ID_LETTERS, k=12)),
            now=self.clock.epoch,
        )

    def _client(
        self, reach: Callable[[], ApiServer], name: str, server: tuple[str, int], caller: Caller = ADMINISTRATOR
    ) -> Client:
        return Client(reach, name, f"https://{server[0]}:{server[1]}", caller=caller, rest=self._rest)

    def grant(self, name: str = NAME, *, source: int = 1) -> None:
        """Grant exactly the rights for a relocation from this side to the product's user, in the role of
        administrators."""
        names = self.residents[name].names
        here, there = self.sides if source == 1 else self.sides[::-1]
        rights.grant(here.client(), "source", names.namespace, names.name)
        rights.grant(there.client(), "destination", names.namespace, names.name)
        rights.grant(self.hosted_client(name), "hosted", names.namespace, names.name)

    def _rest(self, store: Any, revision: int, seconds: float) -> bool:
        """Let time pass for a watch, until the store's revision is greater."""
        until = self.clock.now() + seconds
        return self.clock.pass_until(until, lambda: store.revision > revision)

    # Disasters

    def die(self, side: Management) -> None:
        """Power off a management cluster: its API, operators, and all processes on its node."""
        side.stopped = True
        side.kubelet.power_off()
        self.clock.parts = [part for part in self.clock.parts if part not in side.parts]

    def revive(self, side: Management) -> None:
        """Power a management cluster on again: all stored workloads start."""
        side.stopped = False
        self.clock.parts += side.parts
        self.clock.stir()

    # Access

    def side(self, name: str) -> Management:
        return next(side for side in self.sides if side.name == name)

    def apis(self, names: HostedClusterNames) -> Iterator[tuple[Management, HostedApi]]:
        """Return all running API servers of a hosted cluster, on both sides."""
        for side in self.sides:
            for api in side.kubelet.apis(names.control_plane_namespace):
                yield side, api


def welcomed(api: HostedApi, client: Credentials, where: dict[str, str]) -> ApiServer:
    """Return the API server after the TLS handshake. Raises ClusterUnreachable, Unauthorized, ServerBusy."""
    if not api.is_trusted_by(client):
        reason = "its certificate is not trusted: certificate verify failed"
        raise errors.ClusterUnreachable(**where, reason=reason, shown=True)
    if not api.trusts(client):
        raise errors.Unauthorized(**where, reason="Unauthorized")
    server = api.server()
    if server is None:
        raise errors.ServerBusy(retry_after=None, **where, reason="etcdserver: request timed out")
    return server


def _say_nothing(_text: str) -> None:
    """Ignore progress, because waits are short."""


def _demanded(side: Management, word: str) -> ApiServer:
    if side.stopped:
        raise errors.ClusterUnreachable(cluster=word, verb="reach", object="its API", reason="connection refused")
    return side.server


@cache
def _definitions(crds: Path | None, number: int, version: str) -> Mapping[str, Object]:
    """Read definitions once: parsing YAML is most of an installation's time."""
    address = webhook_address(MANAGEMENT_CLUSTERS[number - 1])
    return {name: install.converting(found, address) for name, found in _read(crds, version).items()}


@cache
def _read(crds: Path | None, version: str) -> Mapping[str, Object]:
    return install.definitions(crds, RELEASES[version])


@cache
def _prepared(
    options: Options,
    realistic: bool,  # noqa: FBT001 - a key of the cache
    crds: Path | None,
    releases: Releases,
) -> World:
    world = World(realistic=realistic, crds=crds, releases=releases)
    world.populate(options)
    gc.collect()
    gc.freeze()  # the world stays until the process ends, so the garbage collector need not scan its objects again
    return world
