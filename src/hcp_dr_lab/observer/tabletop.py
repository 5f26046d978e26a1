"""The observer of the tabletop: it writes, asks and looks as the region's does, in the world's time, and gives the same
evidence to the same judge.

Its namespace in the hosted cluster, its ConfigMaps, and what it lays down under other owners are its own; nothing in
the region knows of it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from hcp_dr import errors
from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Object
from hcp_dr_lab.ground.layout import BUCKET, HOSTED_DOMAIN, HostedClusterNames
from hcp_dr_lab.ground.names import OPERATOR_NAMESPACE
from hcp_dr_lab.ground.record_sets import Change, RecordSet
from hcp_dr_lab.hosted.content import WORKLOAD_NAMESPACE
from hcp_dr_lab.observer import belongings, leftovers
from hcp_dr_lab.observer.belongings import Things, digest, fingerprint
from hcp_dr_lab.observer.evidence import (
    Belongings,
    Closing,
    Evidence,
    Probe,
    Readiness,
    Replicas,
    Seen,
    Sight,
    Topic,
    Verb,
    Write,
)
from hcp_dr_lab.observer.judge import Verdict, judge
from hcp_dr_lab.observer.writer import LABEL, NAMESPACE, content, sequence_of
from hcp_dr_lab.standin.pki_operator import SIGNERS
from hcp_dr_lab.standin.shape import body
from hcp_dr_lab.standin.view import is_ready
from hcp_dr_lab.tabletop.clock import NEVER
from hcp_dr_lab.tabletop.hosted_api import HostedApi
from hcp_dr_lab.tabletop.kubernetes import ApiServer
from hcp_dr_lab.tabletop.kubernetes.refusal import Refusal
from hcp_dr_lab.tabletop.twin import shared, sharing

if TYPE_CHECKING:
    from hcp_dr_lab.tabletop.world import World

STRANGER = "a-stranger"
FIRST_WRITES = 120
_TURNS: tuple[Verb, ...] = ("create", "update", "create", "delete")
_DEPLOYMENTS = ("operator", "external-dns")
_ROTATING = ("token-", "user-data-", *SIGNERS)
_RESTLESS = frozenset(map(str, (r.ENDPOINT_SLICE, r.LEASE)))


@shared
@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds between two of the same kind."""

    write: float = 0.25
    write_beside: float = 1.0  # at an API server's own address
    ready: float = 0.25
    probe: float = 0.5
    look: float = 1.0


BRISK = Pace()
EASY = Pace(write=0.5, write_beside=2.0, ready=0.5, probe=2.0, look=2.0)
"""For tests, which have many relocations to judge."""


@sharing("values")
@dataclass(slots=True)
class Seeing:
    """What was seen so far. Copies of a world share what was seen before they parted."""

    values: tuple[Seen, ...] = ()
    fresh: list[Seen] = field(default_factory=list)

    def add(self, value: Seen) -> None:
        self.fresh.append(value)

    def all(self) -> tuple[Seen, ...]:
        self.values += tuple(self.fresh)
        self.fresh.clear()
        return self.values


@dataclass(slots=True)
class Writer:
    """It creates, updates and deletes ConfigMaps of its own in turn. A name whose write was not acknowledged is never
    written again: that write may still arrive."""

    run: str
    prefix: str
    turn: int = 0
    answered: bool = True
    kept: deque[tuple[str, int]] = field(default_factory=deque)

    def write(self, ask: Callable[[], ApiServer], now: float, **place: Any) -> Write:
        self.turn += 1
        verb = _TURNS[self.turn % len(_TURNS)] if self.answered and self.kept else "create"
        name, sequence = (f"{self.prefix}-{self.turn}", 0) if verb == "create" else self.kept.popleft()
        sequence += 1
        detail, refused = "", False
        try:
            _write(ask(), verb, name, sequence, self.run)
        except errors.HcpDrError as error:
            detail = str(error)
        except Refusal as error:
            detail, refused = str(error), error.code < 500
        self.answered = not detail
        if self.answered and verb != "delete":
            self.kept.append((name, sequence))
        return Write(
            name, sequence, now, now, acknowledged=self.answered, detail=detail, verb=verb, refused=refused, **place
        )


def _write(server: ApiServer, verb: Verb, name: str, sequence: int, run: str) -> None:
    data = content(name, sequence)
    match verb:
        case "create":
            wanted = body(r.CONFIG_MAP, name, NAMESPACE, labels={LABEL: run}, data=data)
            server.create(r.CONFIG_MAP, NAMESPACE, wanted, manager="observer")
        case "update":
            server.patch(r.CONFIG_MAP, NAMESPACE, name, {"data": data}, manager="observer")
        case "delete":
            server.delete(r.CONFIG_MAP, NAMESPACE, name)


@dataclass(slots=True)
class Beside:
    """An API server that was ever found on a side, asked at its own address from then on."""

    side: str
    address: str
    api: HostedApi
    writers: tuple[Writer, Writer]  # on new connections, on one that is kept


@sharing("names", "neighbour", "pace")
class Observation:
    """From `begin` to `conclude`. `run` tells what is its own from another's in the same world."""

    def __init__(self, world: World, name: str, *, source: int, pace: Pace = BRISK, run: str = "seen") -> None:
        self.world = world
        self.run = run
        self.name = name
        self.pace = pace
        self.names = world.residents[name].names
        self.neighbour = next((each.names for key, each in world.residents.items() if key != name), None)
        here, there = world.sides if source == 1 else world.sides[::-1]
        self.source, self.destination = here.name, there.name
        self._seeing = Seeing()
        self._writer = Writer(run, f"{run}-name")
        self._beside: dict[str, Beside] = {}
        self._due: dict[str, float] = {}  # when, by what is done then
        self._running = False
        self._targets: dict[str, tuple[str, str]] = {}  # instance and pod UID, by the pod's name
        self._last: dict[str, Any] = {}

    # From the beginning to the end

    def begin(self) -> None:
        """Raises the errors of the product where the hosted API does not answer."""
        hosted = self.world.hosted_client(self.name)
        if hosted.find(r.NAMESPACE, NAMESPACE) is None:
            hosted.create(r.NAMESPACE, body(r.NAMESPACE, NAMESPACE))
        for instance_id, worker in self.world.hypervisor.workers.items():
            for uid, pod in worker.kubelet.pods.items():
                if pod.namespace == WORKLOAD_NAMESPACE and worker.infra_id == self.names.infra_id:
                    self._targets[pod.name] = (instance_id, uid)
        self._lay_down()
        self._running = True
        self.world.clock.parts.append(self)
        for _ in range(FIRST_WRITES):
            self._write()
            self.world.clock.spend(0.02)
        self._look_at_everything()

    def conclude(self) -> Evidence:
        """Nothing is written any more, and all is read once more."""
        self._running = False
        stopped = self._now()
        self._look_at_everything()
        values = self._seeing.all()
        closing = Closing(
            source=self.source,
            destination=self.destination,
            stopped=stopped,
            neighbour=self.neighbour.name if self.neighbour else "",
            read_back=self._quietly(self._read_back),
            source_left=self._quietly(self._left),
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

    # Its turns

    def due(self) -> float:
        return min(self._due.values(), default=self.world.clock.now()) if self._running else NEVER

    def turn(self) -> None:
        pace, now = self.pace, self.world.clock.now()
        for name, period, act in (
            ("write", pace.write, self._write),
            ("beside", pace.write_beside, self._write_beside),
            ("ready", pace.ready, self._ask_ready),
            ("probe", pace.probe, self._probe),
            ("look", pace.look, self._look),
        ):
            if self._due.get(name, now) <= now:
                self._due[name] = now + period
                act()

    def _now(self) -> float:
        return self.world.clock.epoch()

    def _write(self) -> None:
        resident = self.world.residents[self.name]
        ask = lambda: self.world.connect(*resident.server, resident.client)  # noqa: E731
        self._seeing.add(self._writer.write(ask, self._now()))

    def _write_beside(self) -> None:
        self._discover()
        for found in self._beside.values():
            for kept, writer in enumerate(found.writers):
                place = {"side": found.side, "address": found.address, "kept": bool(kept)}
                self._seeing.add(writer.write(lambda found=found: self._at(found), self._now(), **place))  # type: ignore[misc]

    def _ask_ready(self) -> None:
        self._discover()
        now = self._now()
        for found in self._beside.values():
            alive = self._alive(found)
            ready = alive and found.api.ready
            detail = "" if ready else "not ready" if alive else "connection refused"
            self._seeing.add(Readiness(found.side, found.address, now, now, ready=ready, detail=detail))

    def _discover(self) -> None:
        for side, api in self.world.apis(self.names):
            if api.address not in self._beside:
                prefix = f"{self.run}-{api.address.replace('.', '-')}"
                writers = (Writer(self.run, f"{prefix}-new"), Writer(self.run, f"{prefix}-kept"))
                self._beside[api.address] = Beside(side.name, api.address, api, writers)

    def _alive(self, found: Beside) -> bool:
        return any(api is found.api for _, api in self.world.apis(self.names))

    def _at(self, found: Beside) -> ApiServer:
        where = {"cluster": "hosted", "verb": "reach", "object": found.address}
        if not self._alive(found):
            raise errors.ClusterUnreachable(**where, reason="connection refused")
        server = found.api.server()
        if server is None or not found.api.is_trusted_by(self.world.residents[self.name].client):
            raise errors.ClusterUnreachable(**where, reason="no answer that can be trusted")
        return server

    def _probe(self) -> None:
        now = self._now()
        for target, (instance_id, uid) in self._targets.items():
            worker = self.world.hypervisor.workers.get(instance_id)
            pod = worker.kubelet.pods.get(uid) if worker is not None else None
            answered = pod is not None and pod.lives
            self._seeing.add(Probe(target, now, now, answered, "" if answered else "connection refused"))
        if self.neighbour is not None:
            resident = self.world.residents[self.neighbour.name]
            detail = ""
            try:
                self.world.connect(*resident.server, resident.client)
            except errors.HcpDrError as error:
                detail = str(error)
            target = f"the API of {self.neighbour.name}"
            self._seeing.add(Probe(target, now, now, not detail, detail, of="neighbour"))

    # Looking

    def _look(self) -> None:
        self._see("cloud", self._instances())
        inside = self._quietly(self._inside)
        if inside is not None:
            self._see("inside", inside)
        for value in self._replicas():
            self._see(f"{value.side} {value.deployment}", value)

    def _see(self, topic: str, value: Any) -> None:
        """What is new, and at least every ten seconds that it is still so."""
        last = self._last.get(topic)
        if last is None or replace(last, at=value.at) != value or value.at - last.at >= 10:
            self._last[topic] = value
            self._seeing.add(value)

    def _look_at_everything(self) -> None:
        for value in (self._instances(), self._quietly(self._inside), *self._replicas()):
            if value is not None:
                self._seeing.add(value)
        topics: list[tuple[Topic, Callable[[], Things]]] = [
            ("content", lambda: belongings.content(self.world.hosted_client(self.name))),
            ("volumes", lambda: belongings.volumes(self.world.hosted_client(self.name))),
            ("cloud", lambda: self._cloud(self.names)),
            ("foreign", self._foreign),
        ]
        if self.neighbour is not None:
            topics.append(("neighbour", self._neighbour))
        for topic, read in topics:
            things = self._quietly(read)
            if things is not None:
                self._seeing.add(Belongings(self._now(), topic, things))

    def _quietly(self, read: Callable[[], Any]) -> Any:
        """None where it cannot be read now."""
        try:
            return read()
        except (errors.HcpDrError, Refusal):
            return None

    def _instances(self) -> Sight:
        machines = self.world.cloud.machines
        mine = [machine for machine in machines.instances().values() if _owned(machine.tags, self.names)]
        protection = {
            one.instance_id: machines.machine(one.instance_id).protected for one in mine if one.state == "running"
        }
        living = [each for each in self.world.hypervisor.workers.values() if each.infra_id == self.names.infra_id]
        return Sight(
            self._now(),
            instances={machine.instance_id: machine.state for machine in mine},
            protection=protection,
            worker_boot_ids={worker.name: worker.boot_id for worker in living},
        )

    def _inside(self) -> Sight:
        hosted = self.world.hosted_client(self.name)
        nodes, pods = hosted.list(r.NODE).items, hosted.list(r.POD).items
        containers = {key: status for pod in pods for key, status in _containers(pod)}
        return Sight(
            self._now(),
            node_uids={node["metadata"]["name"]: node["metadata"]["uid"] for node in nodes},
            node_boot_ids={node["metadata"]["name"]: node["status"]["nodeInfo"]["bootID"] for node in nodes},
            containers={key: status.get("containerID", "") for key, status in containers.items()},
            restarts={key: status.get("restartCount", 0) for key, status in containers.items()},
        )

    def _replicas(self) -> Iterator[Replicas]:
        for side in (side for side in self.world.sides if not side.stopped):
            for name in _DEPLOYMENTS:
                found = side.client().find(r.DEPLOYMENT, name, OPERATOR_NAMESPACE)
                if found is not None:
                    pods = side.store.list(str(r.POD), OPERATOR_NAMESPACE)
                    chosen = (found["spec"]["selector"].get("matchLabels") or {}).items()
                    ready = sum(
                        is_ready(entry.object) and chosen <= (entry.object["metadata"].get("labels") or {}).items()
                        for entry in pods
                    )
                    yield Replicas(self._now(), side.name, name, found["spec"].get("replicas", 1), ready)

    def _cloud(self, names: HostedClusterNames) -> Things:
        fabric = self.world.cloud.fabric
        mine = f"{names.infra_id}/"
        things = {f"s3 {key}": digest(text) for key, text in fabric.documents.items() if key.startswith(mine)}
        for group in fabric.security_groups.values():
            if _owned(group.tags, names):
                things[f"security group {group.group_id}"] = digest(sorted(group.rules))
        return things

    def _neighbour(self) -> Things:
        assert self.neighbour is not None  # noqa: S101 - asked only where there is one
        names = self.neighbour
        things = self._cloud(names)
        for machine in self.world.cloud.machines.instances().values():
            if _owned(machine.tags, names):
                things[f"instance {machine.instance_id}"] = machine.state
        for record in self._records():
            label = record.name.partition(".")[0].removesuffix("-external-dns")
            if label.endswith(f"-{names.name}"):
                things[f"record {record.name} {record.type}"] = digest(record.values)
        for side in self.world.sides:
            for kind in side.store.kinds():
                for entry in side.store.list(kind):
                    if kind not in _RESTLESS and _of_cluster(entry.object, names):
                        place = f"{side.name} {kind} {entry.key.namespace}/{entry.key.name}"
                        things[place] = fingerprint(entry.object)
        for node in self.world.hosted_client(names.name).list(r.NODE).items:
            boot_id = node["status"]["nodeInfo"]["bootID"]
            things[f"node {node['metadata']['name']}"] = f"{node['metadata']['uid']} {boot_id}"
        return things

    # What is not the hosted cluster's

    @property
    def _mark(self) -> str:
        return f"beside-{self.run}"

    def _lay_down(self) -> None:
        """Things of others, named so that a careless tool takes them along."""
        cloud, names = self.world.cloud, self.names
        beside = f"{names.control_plane_namespace}-{self._mark}"
        for side in self.world.sides:
            client = side.client()
            client.create(r.NAMESPACE, body(r.NAMESPACE, beside, labels={LABEL: self.run}))
            for place in (beside, OPERATOR_NAMESPACE):
                text = {"text": f"of {STRANGER}"}
                client.create(
                    r.CONFIG_MAP,
                    body(r.CONFIG_MAP, f"{names.name}-{self._mark}", place, labels={LABEL: self.run}, data=text),
                )
                client.create(
                    r.SECRET,
                    body(r.SECRET, f"{names.name}-{self._mark}", place, labels={LABEL: self.run}, stringData=text),
                )
            for resource in (r.CLUSTER_ROLE,):
                name = f"control-plane-operator-{names.control_plane_namespace}-{self._mark}"
                client.create(resource, body(resource, name, labels={LABEL: self.run}, rules=[]))
        for key in self._keys():
            cloud.storage.put(BUCKET, key, b"of a stranger")
        host = f"api-{names.name}-{self._mark}.{HOSTED_DOMAIN}."
        claim = f"external-dns/resource=route/{names.control_plane_namespace}/kube-apiserver"
        text_value = f'"heritage=external-dns,external-dns/owner={STRANGER},{claim}"'
        records = (
            RecordSet(host, "CNAME", 60, ("elsewhere.example.",)),
            RecordSet(f"cname-api-{names.name}-{self._mark}-external-dns.{HOSTED_DOMAIN}.", "TXT", 60, (text_value,)),
            RecordSet(f"{names.name}-{self._mark}.{HOSTED_DOMAIN}.", "CNAME", 60, ("elsewhere.example.",)),
        )
        cloud.records.change(cloud.zone_id, [Change("CREATE", record) for record in records])

    def _keys(self) -> Sequence[str]:
        names = self.names
        return (
            f"hcp-dr/{names.namespace}/{names.name}-{self._mark}/1/snapshot.db",
            f"{names.name}-{self._mark}-etcd-0-snapshot.db",
        )

    def _foreign(self) -> Things:
        things: Things = {}
        for side in self.world.sides:
            for kind in (r.NAMESPACE, r.CONFIG_MAP, r.SECRET, r.CLUSTER_ROLE):
                for entry in side.store.list(str(kind)):
                    if (entry.object["metadata"].get("labels") or {}).get(LABEL) == self.run:
                        things[f"{side.name} {kind} {entry.key.namespace}/{entry.key.name}"] = fingerprint(entry.object)
        storage = self.world.cloud.storage
        for key in storage.keys_of(BUCKET):
            if key in self._keys():
                things[f"s3 {key}"] = storage.get(BUCKET, key).etag
        for record in self._records():
            if f"-{self._mark}" in record.name:
                things[f"record {record.name} {record.type}"] = digest(record.values)
        return things

    def _records(self) -> Sequence[RecordSet]:
        zones = self.world.cloud.records.zones()
        return next(zone.listing for zone in zones if zone.zone_id == self.world.cloud.zone_id)

    # At the end

    def _read_back(self) -> dict[str, int]:
        hosted = self.world.hosted_client(self.name)
        found = hosted.list(r.CONFIG_MAP, NAMESPACE, labels=f"{LABEL}={self.run}").items
        return {item["metadata"]["name"]: sequence_of(item["metadata"]["name"], item["data"]) for item in found}

    def _left(self) -> tuple[str, ...]:
        side = self.world.side(self.source)
        records = ((record.name, record.type, record.values) for record in self._records())
        owner = side.cluster.external_dns_owner
        there = () if side.stopped else leftovers.on_cluster(side.client(), self.names)
        return (*there, *leftovers.in_zone(records, owner, self.names))


def of(world: World) -> Observation:
    """The latest one of a world, such as a copy's."""
    return [part for part in world.clock.parts if isinstance(part, Observation)][-1]


def _of(values: Sequence[Seen], kind: type) -> tuple[Any, ...]:
    return tuple(value for value in values if isinstance(value, kind))


def _owned(tags: Any, names: HostedClusterNames) -> bool:
    return bool(tags.get(f"kubernetes.io/cluster/{names.infra_id}") == "owned")


def _of_cluster(item: Object, names: HostedClusterNames) -> bool:
    metadata = item["metadata"]
    if metadata.get("namespace") == names.control_plane_namespace:
        return not (item["kind"] == "Secret" and metadata["name"].startswith(_ROTATING))
    mine = names.name in (metadata["name"], (item.get("spec") or {}).get("clusterName"))
    return item["kind"] in ("HostedCluster", "NodePool") and mine


def _containers(pod: Object) -> Iterator[tuple[str, Object]]:
    metadata = pod["metadata"]
    for status in (pod.get("status") or {}).get("containerStatuses") or ():
        yield f"{metadata['namespace']}/{metadata['name']}/{status['name']}", status
