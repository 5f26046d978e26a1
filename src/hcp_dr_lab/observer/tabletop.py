"""The observer in the region in memory: it writes, probes and reads as in the real region, in simulated time. Writes,
readings, sentinels and rules are the same.

The observer has its own namespace in the hosted cluster, its own ConfigMaps and sentinels. No part of the region
depends on the observer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from hcp_dr import errors
from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Kubernetes
from hcp_dr.kube.stored import as_stored
from hcp_dr_lab.ground.layout import OIDC_BUCKET
from hcp_dr_lab.ground.record_sets import Change, RecordSet
from hcp_dr_lab.observer.api import Answer
from hcp_dr_lab.observer.belongings import digest
from hcp_dr_lab.observer.evidence import (
    Belongings,
    Closing,
    Evidence,
    Owner,
    Probe,
    Readiness,
    Replicas,
    Seen,
    Sight,
    Write,
)
from hcp_dr_lab.observer.judge import Verdict, judge
from hcp_dr_lab.observer.look import Reader, targets
from hcp_dr_lab.observer.source import Record
from hcp_dr_lab.observer.writer import LABEL, NAMESPACE, Ask, Place, Writer, sequences
from hcp_dr_lab.standin.shape import body
from hcp_dr_lab.tabletop.aws.refusal import Refusal as AwsRefusal
from hcp_dr_lab.tabletop.clock import NEVER
from hcp_dr_lab.tabletop.hosted_api import HostedApi
from hcp_dr_lab.tabletop.kubernetes import ApiServer
from hcp_dr_lab.tabletop.kubernetes.refusal import Refusal
from hcp_dr_lab.tabletop.twin import shared, sharing

if TYPE_CHECKING:
    from hcp_dr_lab.tabletop.world import World

FIRST_WRITES = 120
_Read = TypeVar("_Read")


@shared
@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds between two actions of the same kind."""

    write: float = 0.25
    write_beside: float = 1.0  # at an API server's own address
    ready: float = 0.25
    probe: float = 0.5
    look: float = 1.0
    belongings: float = 4.0


BRISK = Pace()
EASY = Pace(write=0.5, write_beside=2.0, ready=0.5, probe=2.0, look=2.0, belongings=NEVER)
"""For tests with many relocations: belongings are read only before and after."""


class MemoryCloud:
    """Implements source.Cloud."""

    def __init__(self, world: World) -> None:
        self._world = world

    def instances(self, infra_id: str) -> dict[str, str]:
        every = self._world.cloud.machines.instances().values()
        return {machine.instance_id: machine.state for machine in every if _owned(machine.tags, infra_id)}

    def is_protected(self, instance_id: str) -> bool:
        return self._world.cloud.machines.machine(instance_id).protected

    def security_groups(self, infra_id: str) -> Iterator[tuple[str, Sequence[Any]]]:
        for group in self._world.cloud.fabric.security_groups.values():
            if _owned(group.tags, infra_id):
                yield group.group_id, group.rules

    def objects(self, bucket: str, prefix: str = "") -> Iterator[tuple[str, str]]:
        if bucket == OIDC_BUCKET:
            documents = self._world.cloud.fabric.documents
            yield from ((f"{bucket}/{key}", digest(text)) for key, text in documents.items() if key.startswith(prefix))
            return
        storage = self._world.cloud.storage
        for key in storage.keys_of(bucket, prefix):
            yield f"{bucket}/{key}", storage.get(bucket, key).etag

    def put_object(self, bucket: str, key: str, body: bytes) -> None:
        if bucket == OIDC_BUCKET:
            self._world.cloud.fabric.documents[key] = body.decode()
        else:
            self._world.cloud.storage.put(bucket, key, body)

    def delete_object(self, bucket: str, key: str) -> None:
        if bucket == OIDC_BUCKET:
            self._world.cloud.fabric.documents.pop(key, None)
        else:
            self._world.cloud.storage.delete(bucket, key)

    def records(self) -> Iterator[tuple[str, str, tuple[str, ...]]]:
        zones = self._world.cloud.records.zones()
        listing = next(zone.listing for zone in zones if zone.zone_id == self._world.cloud.zone_id)
        return ((record.name, record.type, record.values) for record in listing)

    def change(self, action: Literal["UPSERT", "DELETE"], records: Sequence[Record]) -> None:
        changes = [Change(action, RecordSet(one.full_name, one.kind, 60, (one.value,))) for one in records]
        if changes:
            self._world.cloud.records.change(self._world.cloud.zone_id, changes)


class MemorySource:
    """Implements source.Source. Clients are created for every request, so that a copy of the world uses its own."""

    def __init__(self, world: World, name: str, neighbour: str | None) -> None:
        self._world = world
        self._name = name
        self._neighbour = neighbour
        self.cloud = MemoryCloud(world)

    @property
    def sides(self) -> Sequence[Kubernetes]:
        return tuple(as_stored(side.client()) for side in self._world.sides)

    @property
    def hosted(self) -> Kubernetes:
        return self._world.hosted_client(self._name)

    @property
    def neighbour(self) -> Kubernetes | None:
        return self._world.hosted_client(self._neighbour) if self._neighbour is not None else None

    def now(self) -> float:
        return self._world.clock.epoch()

    def boot_ids(self, infra_id: str) -> Mapping[str, str]:
        living = [each for each in self._world.hypervisor.workers.values() if each.infra_id == infra_id]
        return {worker.name: worker.boot_id for worker in living}


@dataclass(slots=True)
class Recording:
    """The values recorded so far. Copies of a world share the values recorded before the copy."""

    values: tuple[Seen, ...] = ()
    fresh: list[Seen] = field(default_factory=list)

    def __deepcopy__(self, memo: dict[int, Any]) -> Recording:
        """No value is ever changed."""
        made = memo[id(self)] = Recording(self.all())
        return made

    def add(self, value: Seen) -> None:
        self.fresh.append(value)

    def all(self) -> tuple[Seen, ...]:
        self.values += tuple(self.fresh)
        self.fresh.clear()
        return self.values


@dataclass(slots=True)
class DirectServer:
    """An API server discovered on a side, and contacted at its own address from then on."""

    side: str
    address: str
    api: HostedApi
    writers: list[Writer] = field(default_factory=list)  # on new connections, and on a persistent connection


@dataclass(slots=True)
class HostedRequests:
    """Implements writer.Ask: requests by the hosted API's name, or at the address of one API server."""

    observation: Observation
    server: DirectServer | None = None
    kept: bool = False

    def __call__(self, method: str, path: str, body: Any = None) -> tuple[Answer, bool]:
        try:
            self._do(self._server(), method, path, body)
        except errors.HcpDrError as error:
            return Answer(0, b"", str(error)), self.kept
        except Refusal as error:
            return Answer(error.code, b"", str(error)), self.kept
        return Answer(200, b""), self.kept

    def _server(self) -> ApiServer:
        return self.observation.by_name() if self.server is None else self.observation.at(self.server)

    @staticmethod
    def _do(server: ApiServer, method: str, path: str, body: Any) -> None:
        name = path.rpartition("/")[2]
        match method:
            case "POST":
                server.create(r.CONFIG_MAP, NAMESPACE, body, manager="observer")
            case "PATCH":
                server.patch(r.CONFIG_MAP, NAMESPACE, name, body, manager="observer")
            case "DELETE":
                server.delete(r.CONFIG_MAP, NAMESPACE, name)


@sharing("names", "neighbour", "pace")
class Observation:
    """An observation from `begin` to `conclude`. `run` distinguishes observations in the same world."""

    def __init__(self, world: World, name: str, *, source: int, pace: Pace = BRISK, run: str = "seen") -> None:
        self.world = world
        self.run = run
        self.name = name
        self.pace = pace
        self.names = world.residents[name].names
        self.neighbour = next((each.names for key, each in world.residents.items() if key != name), None)
        here, there = world.sides if source == 1 else world.sides[::-1]
        self.source, self.destination = here.name, there.name
        self._recording = Recording()
        self._source = MemorySource(world, name, self.neighbour.name if self.neighbour is not None else None)
        self._reader = Reader(self._source, self.names, self._recording.add, run=run, neighbour=self.neighbour)
        self._writer = self._make_writer(0, HostedRequests(self), Place())
        self._beside: dict[str, DirectServer] = {}
        self._due: dict[str, float] = {}  # time of the next action, by name of the action
        self._running = False
        self._targets: dict[tuple[Owner, str], str] = {}  # addresses of the workload's pods

    # From the beginning to the end

    def begin(self) -> None:
        """Start the observation. Raises the product's errors if the hosted API does not answer."""
        hosted = self._source.hosted
        if hosted.find(r.NAMESPACE, NAMESPACE) is None:
            hosted.create(r.NAMESPACE, body(r.NAMESPACE, NAMESPACE))
        self._targets = {("workload", name): address for name, address in targets(hosted).items()}
        if (server := self._source.neighbour) is not None:
            self._targets |= {("neighbour", name): address for name, address in targets(server).items()}
        self._reader.sentinels.place()
        self._running = True
        self.world.clock.parts.append(self)
        for _ in range(FIRST_WRITES):
            self._writer.write()
            self.world.clock.spend(0.02)
        self._read_everything()

    def conclude(self) -> Evidence:
        """Stop writing, and read everything once more."""
        self._running = False
        stopped = self._source.now()
        self._read_everything()
        values = self._recording.all()
        closing = Closing(
            source=self.source,
            destination=self.destination,
            stopped=stopped,
            neighbour=self.neighbour.name if self.neighbour else "",
            read_back=_try_read(self._read_back),
            source_left=_try_read(self._left),
        )
        return Evidence(
            closing=closing,
            writes=_of(values, Write),
            readiness=_of(values, Readiness),
            probes=_of(values, Probe),
            sights=_of(values, Sight),
            belongings=_of(values, Belongings),
            replicas=_of(values, Replicas),
        )

    def verdict(self) -> Verdict:
        return judge(self.conclude())

    # Turns

    def due(self) -> float:
        return min(self._due.values(), default=self.world.clock.now()) if self._running else NEVER

    def turn(self) -> None:
        pace, now = self.pace, self.world.clock.now()
        for name, period, act in (
            ("write", pace.write, self._writer.write),
            ("beside", pace.write_beside, self._write_beside),
            ("ready", pace.ready, self._ask_ready),
            ("probe", pace.probe, self._probe),
            ("look", pace.look, self._read_sights),
            ("belongings", pace.belongings, self._read_belongings),
        ):
            if self._due.get(name, now) <= now:
                self._due[name] = now + period
                act()

    # Writing

    def by_name(self) -> ApiServer:
        """Return the hosted API by its public name. Raises the product's errors."""
        resident = self.world.residents[self.name]
        return self.world.connect(*resident.server, resident.client)

    def at(self, server: DirectServer) -> ApiServer:
        """Return the hosted API at the address of one server. Raises the product's errors."""
        where = {"cluster": "hosted", "verb": "reach", "object": server.address}
        if not self._alive(server):
            raise errors.ClusterUnreachable(**where, reason="connection refused")
        api = server.api.server()
        if api is None or not server.api.is_trusted_by(self.world.residents[self.name].client):
            raise errors.ClusterUnreachable(**where, reason="no trusted answer")
        return api

    def _make_writer(self, number: int, ask: Ask, place: Place) -> Writer:
        return Writer(ask, self._recording.add, self.run, number, place, now=self._source.now)

    def _write_beside(self) -> None:
        self._discover()
        for server in self._beside.values():
            for writer in server.writers:
                writer.write()

    def _ask_ready(self) -> None:
        self._discover()
        now = self._source.now()
        for server in self._beside.values():
            alive = self._alive(server)
            ready = alive and server.api.ready
            detail = "" if ready else "not ready" if alive else "connection refused"
            self._recording.add(Readiness(server.side, server.address, now, now, ready=ready, detail=detail))

    def _discover(self) -> None:
        for side, api in self.world.apis(self.names):
            if api.address not in self._beside:
                server = DirectServer(side.name, api.address, api)
                number, place = 1 + 2 * len(self._beside), Place(side.name, api.address)
                server.writers += [
                    self._make_writer(number + kept, HostedRequests(self, server, bool(kept)), place)
                    for kept in (False, True)
                ]
                self._beside[api.address] = server

    def _alive(self, server: DirectServer) -> bool:
        return any(api is server.api for _, api in self.world.apis(self.names))

    # Probing

    def _probe(self) -> None:
        now = self._source.now()
        for (of, target), address in self._targets.items():
            workers = self.world.hypervisor.workers.values()
            answered = any(worker.kubelet.at(address) is not None for worker in workers)
            self._recording.add(Probe(target, now, now, answered, "" if answered else "connection refused", of))
        if self.neighbour is not None:
            resident = self.world.residents[self.neighbour.name]
            detail = ""
            try:
                self.world.connect(*resident.server, resident.client)
            except errors.HcpDrError as error:
                detail = str(error)
            target = f"the API of {self.neighbour.name}"
            self._recording.add(Probe(target, now, now, not detail, detail, of="neighbour"))

    # Reading

    def _read_sights(self) -> None:
        _try_read(self._reader.instances)
        _try_read(self._reader.nodes)
        for side in self._source.sides:
            _try_read(partial(self._reader.replicas, side))

    def _read_belongings(self) -> None:
        for topic in self._reader.watched():
            _try_read(partial(self._reader.belongings, topic, unless_same=True))

    def _read_everything(self) -> None:
        for part in self._reader.everything():
            _try_read(part)

    # At the end

    def _read_back(self) -> dict[str, int]:
        return sequences(self._source.hosted.list(r.CONFIG_MAP, NAMESPACE, labels=f"{LABEL}={self.run}").items)

    def _left(self) -> tuple[str, ...]:
        side = self.world.side(self.source)
        return self._reader.left(as_stored(side.client()), side.cluster.external_dns_owner)


def of(world: World) -> Observation:
    """Return the latest observation of a world, such as a copy's."""
    return [part for part in world.clock.parts if isinstance(part, Observation)][-1]


def _try_read(read: Callable[[], _Read]) -> _Read | None:
    """Return None if reading fails."""
    try:
        return read()
    except (errors.HcpDrError, Refusal, AwsRefusal):
        return None


def _of(values: Sequence[Seen], kind: type) -> tuple[Any, ...]:
    return tuple(value for value in values if isinstance(value, kind))


def _owned(tags: Mapping[str, str], infra_id: str) -> bool:
    return tags.get(f"kubernetes.io/cluster/{infra_id}") == "owned"
