"""What the observer looks at, each thing once, whatever it sees through. What cannot be read raises."""

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

MOST_PROTECTION = 100  # instances whose termination protection is asked for, one by one
LONGEST_SILENCE = 10.0  # what looks the same as before is told again after so long
_ONLY_AT_THE_ENDS: tuple[Topic, ...] = ("content", "volumes")


class Look:
    """One observation's view of a hosted cluster and of what is beside it. `run` tells this observation from others,
    `add` takes what was seen."""

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
        """One look after the other, which record whatever they see. What only the hosted API tells comes last, so that
        without it the rest is known."""
        yield self._instances_with_protection
        for side in self._source.sides:
            yield partial(self.replicas, side)
        for topic in self._readers():
            yield partial(self.belongings, topic)
        yield self._nodes_again

    def watched(self) -> tuple[Topic, ...]:
        """Those belongings that are looked at all the time."""
        return tuple(topic for topic in self._readers() if topic not in _ONLY_AT_THE_ENDS)

    def instances(self) -> None:
        self._add_unless_same("instances", self._instances())

    def nodes(self) -> None:
        self._add_unless_same("nodes", self._nodes())

    def replicas(self, side: Kubernetes) -> None:
        for name in (OPERATOR, EXTERNAL_DNS):
            found = side.find(DEPLOYMENT, name, OPERATOR_NAMESPACE) or {}
            asked = (found.get("spec") or {}).get("replicas", 0)
            ready = (found.get("status") or {}).get("readyReplicas", 0)
            self._add(Replicas(self._source.now(), side.name, name, asked, ready))

    def belongings(self, topic: Topic, *, unless_same: bool = False) -> None:
        things = self._readers()[topic]()
        reading = Belongings(self._source.now(), topic, things)
        if unless_same:
            self._add_unless_same(topic, reading)
        else:
            self._add(reading)

    def left(self, side: Kubernetes, owner: str) -> tuple[str, ...]:
        """What the hosted cluster has left on a management cluster, and in the zone under its owner."""
        found = leftovers.on_cluster(side, self._names)
        return (*found, *leftovers.in_zone(self._source.cloud.records(), owner, self._names))

    def _readers(self) -> dict[Topic, Callable[[], Things]]:
        source = self._source
        readers: dict[Topic, Callable[[], Things]] = {
            "cloud": lambda: belongings.cloud(source.cloud, self._names),
            "foreign": self.sentinels.look,
        }
        if (beside := self._neighbour) is not None:
            readers["neighbour"] = lambda: belongings.neighbour(source, beside)
        inside: dict[Topic, Callable[[], Things]] = {
            "content": lambda: belongings.content(source.hosted),
            "volumes": lambda: belongings.volumes(source.hosted),
        }
        return readers | inside

    def _add_unless_same(self, topic: str, seen: Sight | Belongings) -> None:
        last = self._last.get(topic)
        if last is None or seen.at - last.at > LONGEST_SILENCE or replace(last, at=seen.at) != seen:
            self._last[topic] = seen
            self._add(seen)

    def _instances_with_protection(self) -> None:
        seen = self._instances()
        chosen = sorted(seen.instances or {})[:MOST_PROTECTION]
        protection = {instance: self._source.cloud.is_protected(instance) for instance in chosen}
        self._add(replace(seen, protection=protection))

    def _instances(self) -> Sight:
        infra_id = self._names.infra_id
        instances = self._source.cloud.instances(infra_id)
        return Sight(self._source.now(), instances=instances, worker_boot_ids=self._source.boot_ids(infra_id))

    def _nodes_again(self) -> None:
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
    """The workload's running pods, and their addresses."""
    pods = hosted.list(POD, WORKLOAD_NAMESPACE, labels=WORKLOAD_LABEL).items
    running = [pod for pod in pods if pod["status"].get("phase") == "Running" and pod["status"].get("podIP")]
    return {pod["metadata"]["name"]: pod["status"]["podIP"] for pod in running}


def _containers(pods: Sequence[Object]) -> Iterator[tuple[str, Any]]:
    for pod in pods:
        metadata = pod["metadata"]
        for status in (pod.get("status") or {}).get("containerStatuses") or ():
            yield f"{metadata['namespace']}/{metadata['name']}/{status['name']}", status
