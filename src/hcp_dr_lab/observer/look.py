"""Single readings of everything that the observer watches, through any source. Raises if reading fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from hcp_dr.kube.port import Kubernetes, Object
from hcp_dr.kube.resources import DEPLOYMENT, NODE, POD
from hcp_dr_lab.ground.layout import HostedClusterNames
from hcp_dr_lab.ground.names import OPERATOR_NAMESPACE
from hcp_dr_lab.hosted.content import WORKLOAD_LABEL, WORKLOAD_NAMESPACE
from hcp_dr_lab.observer import belongings, leftovers
from hcp_dr_lab.observer.belongings import Things
from hcp_dr_lab.observer.evidence import Belongings, Replicas, Seen, Sight, Topic
from hcp_dr_lab.observer.foreign import Sentinels
from hcp_dr_lab.observer.measured import EXTERNAL_DNS, OPERATOR
from hcp_dr_lab.observer.source import Source

MAX_PROTECTION_READS = 100  # instances whose termination protection is read, with one request each
MAX_SILENCE_SECONDS = 10.0  # an unchanged reading is recorded again after this time
_ONLY_AT_THE_ENDS: tuple[Topic, ...] = ("content", "volumes")


class Reader:
    """One observation's readings of a hosted cluster and its surroundings. `run` identifies this observation, `add`
    records the readings."""

    def __init__(
        self,
        source: Source,
        names: HostedClusterNames,
        add: Callable[[Seen], None],
        *,
        run: str,
        neighbour: HostedClusterNames | None,
    ) -> None:
        self._source = source
        self._names = names
        self._add = add
        self._neighbour = neighbour
        self._last: dict[str, Sight | Belongings] = {}
        self.sentinels = Sentinels(source, names, run)

    def everything(self) -> Iterator[Callable[[], None]]:
        """Return all readings as functions that record their results. Readings through the hosted API are last, so that
        an unavailable hosted API does not prevent the other readings."""
        yield self._instances_with_protection
        for side in self._source.sides:
            yield partial(self.replicas, side)
        for topic in self._readers():
            yield partial(self.belongings, topic)
        yield self._add_nodes

    def watched(self) -> tuple[Topic, ...]:
        """Return the topics that are read periodically."""
        return tuple(topic for topic in self._readers() if topic not in _ONLY_AT_THE_ENDS)

    def instances(self) -> None:
        self._add_unless_same("instances", self._instances())

    def nodes(self) -> None:
        self._add_unless_same("nodes", self._nodes())

    def replicas(self, side: Kubernetes) -> None:
        for name in (OPERATOR, EXTERNAL_DNS):
            deployment = side.find(DEPLOYMENT, name, OPERATOR_NAMESPACE) or {}
            requested = (deployment.get("spec") or {}).get("replicas", 0)
            ready = (deployment.get("status") or {}).get("readyReplicas", 0)
            self._add(Replicas(self._source.now(), side.name, name, requested, ready))

    def belongings(self, topic: Topic, *, unless_same: bool = False) -> None:
        things = self._readers()[topic]()
        reading = Belongings(self._source.now(), topic, things)
        if unless_same:
            self._add_unless_same(topic, reading)
        else:
            self._add(reading)

    def left(self, side: Kubernetes, owner: str) -> tuple[str, ...]:
        """Read the hosted cluster's leftovers on a management cluster, and in the zone under the cluster's owner ID."""
        objects = leftovers.on_cluster(side, self._names)
        return (*objects, *leftovers.in_zone(self._source.cloud.records(), owner, self._names))

    def _readers(self) -> dict[Topic, Callable[[], Things]]:
        source = self._source
        readers: dict[Topic, Callable[[], Things]] = {
            "cloud": lambda: belongings.cloud(source.cloud, self._names),
            "foreign": self.sentinels.look,
        }
        if (neighbour := self._neighbour) is not None:
            readers["neighbour"] = lambda: belongings.neighbour(source, neighbour)
        inside: dict[Topic, Callable[[], Things]] = {
            "content": lambda: belongings.content(source.hosted),
            "volumes": lambda: belongings.volumes(source.hosted),
        }
        return readers | inside

    def _add_unless_same(self, topic: str, reading: Sight | Belongings) -> None:
        last = self._last.get(topic)
        if last is None or reading.at - last.at > MAX_SILENCE_SECONDS or replace(last, at=reading.at) != reading:
            self._last[topic] = reading
            self._add(reading)

    def _instances_with_protection(self) -> None:
        reading = self._instances()
        chosen = sorted(reading.instances or {})[:MAX_PROTECTION_READS]
        protection = {instance: self._source.cloud.is_protected(instance) for instance in chosen}
        self._add(replace(reading, protection=protection))

    def _instances(self) -> Sight:
        infra_id = self._names.infra_id
        instances = self._source.cloud.instances(infra_id)
        return Sight(self._source.now(), instances=instances, worker_boot_ids=self._source.boot_ids(infra_id))

    def _add_nodes(self) -> None:
        self._add(self._nodes())

    def _nodes(self) -> Sight:
        at, hosted = self._source.now(), self._source.hosted
        nodes = hosted.list(NODE).items
        containers = list(_containers(hosted.list(POD).items))
        return Sight(
            at,
            node_uids={node["metadata"]["name"]: node["metadata"]["uid"] for node in nodes},
            node_boot_ids={node["metadata"]["name"]: node["status"]["nodeInfo"]["bootID"] for node in nodes},
            containers={name: status.get("containerID", "") for name, status in containers},
            restarts={name: status.get("restartCount", 0) for name, status in containers},
        )


def targets(hosted: Kubernetes) -> dict[str, str]:
    """Return the addresses of the workload's running pods, by pod name."""
    pods = hosted.list(POD, WORKLOAD_NAMESPACE, labels=WORKLOAD_LABEL).items
    running = [pod for pod in pods if pod["status"].get("phase") == "Running" and pod["status"].get("podIP")]
    return {pod["metadata"]["name"]: pod["status"]["podIP"] for pod in running}


def _containers(pods: Sequence[Object]) -> Iterator[tuple[str, Any]]:
    for pod in pods:
        metadata = pod["metadata"]
        for status in (pod.get("status") or {}).get("containerStatuses") or ():
            yield f"{metadata['namespace']}/{metadata['name']}/{status['name']}", status
