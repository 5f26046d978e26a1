"""Every shape with every command: whatever is asked of whatever hosted cluster, no command passes the point of no
return into a world that the observer condemns, and one that is refused or called off has harmed nobody.

A shape that may not be relocated is no exception: it has to be refused everywhere.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Literal

import pytest

from hcp_dr.engine.journal import JournalState
from hcp_dr.errors import CannotMigrate, HcpDrError, NothingToResume, NotRestorable
from hcp_dr.kube import resources as r
from hcp_dr.model import Dns
from hcp_dr.objects.reading import dig
from hcp_dr_lab.hosted.shapes import Shape
from hcp_dr_lab.tabletop.gate import Request
from hcp_dr_lab.tabletop.operator import Ending
from hcp_dr_lab.tabletop.world import NAME
from tests.tabletop.by_hand import Hands
from tests.tabletop.scene import SETTLE, Scene, scene, twin
from tests.tabletop.test_abort import harm
from tests.tabletop.test_dangers import Killed, just_before, kill

OWN = "clusters-shop"
Way = Callable[[Scene], Ending]
SHAPES: tuple[tuple[Shape, ...], ...] = ((), *((shape,) for shape in Shape))


@dataclass(frozen=True, slots=True)
class Course:
    """A relocation: as it was when the first request of some steps was on its way, and as it ended."""

    stops: Mapping[str, Scene]
    end: Scene
    ending: Ending


STOPS = ("backup.fence", "backup.snapshot_etcd", "restore.hosted_cluster", "restore.start_control_plane")


@cache
def course(shapes: tuple[Shape, ...]) -> Course:
    """Nobody's own: it is relocated once in a process, and each way goes on with a twin."""
    here = scene(*shapes)
    stops: dict[str, Scene] = {}

    def keep(moment: Literal["before", "after"], request: Request) -> None:
        del request
        step = here.operator.story().current
        if moment == "before" and step in STOPS and step not in stops:
            stops[step] = twin(here)

    here.world.hooks.append(keep)
    ending = here.operator.relocate()
    here.world.hooks.clear()
    return Course(stops, here, ending)


def go_on_from(here: Scene, kept: Scene) -> None:
    other = twin(kept)
    here.world, here.operator = other.world, other.operator


def killed_in(here: Scene, step: str) -> None:
    """The relocation's process is killed in this step, where it comes so far."""
    found = course(here.shapes)
    go_on_from(here, found.stops.get(step, found.end))


def killed(here: Scene, step: str, act: Callable[[], Ending]) -> None:
    """The command is begun, and its process killed in this step, where it comes so far."""
    just_before(here, step, kill)
    with suppress(Killed):
        act()
    here.world.hooks.clear()


def gone_on(here: Scene) -> Ending:
    try:
        return here.operator.resume()
    except NothingToResume as error:
        return Ending(here.operator.story(), error=error)


def called_off(here: Scene) -> Ending:
    try:
        return here.operator.abort()
    except HcpDrError as error:
        return Ending(here.operator.story(), error=error)


def relocated(dns: Dns) -> Way:
    return lambda here: here.operator.relocate(dns=dns)


def relocated_plainly(here: Scene) -> Ending:
    found = course(here.shapes)
    go_on_from(here, found.end)
    return found.ending


def with_phases(here: Scene, ending: Ending, *phases: str) -> Ending:
    for phase in phases:
        if ending.error is None:
            ending = here.operator.go_on(phase)
    return ending


def phase_by_phase(here: Scene) -> Ending:
    return with_phases(here, here.operator.backup(), "restore", "verify", "teardown", "finish")


def resumed_after(step: str) -> Way:
    def way(here: Scene) -> Ending:
        killed_in(here, step)
        return gone_on(here)

    return way


def aborted_after(step: str) -> Way:
    def way(here: Scene) -> Ending:
        killed_in(here, step)
        return called_off(here)

    return way


def lost(here: Scene) -> Ending:
    ending = here.operator.back_up_online()
    here.world.clock.spend(60)
    here.world.die(here.world.sides[0])
    here.world.clock.spend(5)
    try:
        return here.operator.restore_lost() if ending.error is None else ending
    except HcpDrError as error:
        return Ending(here.operator.story(), error=error)


def lost_and_resumed(here: Scene) -> Ending:
    assert here.operator.back_up_online().error is None
    here.world.clock.spend(60)
    here.world.die(here.world.sides[0])
    here.world.clock.spend(5)
    killed(here, "restore.start_control_plane", here.operator.restore_lost)
    return gone_on(here)


def lost_after_its_fence(here: Scene) -> Ending:
    killed_in(here, "restore.hosted_cluster")
    here.world.die(here.world.sides[0])
    here.world.clock.spend(5)
    return here.operator.restore_lost()


def by_hand(here: Scene) -> Ending:
    hands = Hands(here.world)
    hands.backup()
    here.operator.take_over(JournalState(), hands.files)
    return with_phases(here, here.operator.restore_by_hand(), "verify", "teardown", "finish")


WAYS: dict[str, Way] = {
    "relocate": relocated_plainly,
    "relocate --dns takeover": relocated("takeover"),
    "relocate --dns handover": relocated("handover"),
    "phase by phase": phase_by_phase,
    "resume at the fence": resumed_after("backup.fence"),
    "resume at the HostedCluster": resumed_after("restore.hosted_cluster"),
    "resume at the point of no return": resumed_after("restore.start_control_plane"),
    "abort at the point of no return": aborted_after("restore.start_control_plane"),
    "abort at the fence": aborted_after("backup.snapshot_etcd"),
    "restore --source-lost": lost,
    "restore --source-lost, resumed": lost_and_resumed,
    "restore --source-lost after a fence": lost_after_its_fence,
    "restore by hand": by_hand,
}
LOSSY = frozenset(way for way in WAYS if "lost" in way)
"""What was written after the backup is lost, and told before."""
CALLED_OFF = frozenset(way for way in WAYS if way.startswith("abort"))
FENCED_BY_HAND = frozenset({"restore by hand"})

LOSING = ("lost", "protection", "split brain", "neighbour")
"""Told before; until the source is removed they stay protected, and nobody can see whether it serves, or what died with
it."""
UNSEEN = ("nodes", "content", "containers", "rebooted")
"""What nobody can read while no API serves."""


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: "+".join(shape) or "plain")
@pytest.mark.parametrize("way", WAYS)
def test_no_command_passes_the_point_of_no_return_into_a_world_that_is_condemned(
    way: str, shape: tuple[Shape, ...]
) -> None:
    here = scene(*shape)
    ending = WAYS[way](here)
    here.world.hooks.clear()
    here.world.clock.spend(SETTLE)
    done = ending.error is None
    assert not passed(here) or (done and way not in CALLED_OFF), ending.error
    names = here.world.residents[NAME].names
    assert len(list(here.world.apis(names))) <= 1, "two could take writes"
    seen = harm(here.world)
    excused: tuple[str, ...] = LOSING if way in LOSSY else ()
    if not done and (way in LOSSY or way in FENCED_BY_HAND):
        excused += (*LOSING, *UNSEEN)
    assert {what: names for what, names in seen.items() if what not in excused} == {}, ending.error


def asked_for(here: Scene) -> None:
    """By a field that the rehearsal's releases lack."""
    for side in here.world.sides:
        client = side.client()
        versions = copy.deepcopy(client.get(r.CUSTOM_RESOURCE_DEFINITION, str(r.HOSTED_CLUSTER))["spec"]["versions"])
        for version in versions:
            spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
            managed = spec["properties"]["etcd"]["properties"]["managed"]
            managed["properties"]["shards"] = {"x-kubernetes-preserve-unknown-fields": True}
        client.patch(r.CUSTOM_RESOURCE_DEFINITION, str(r.HOSTED_CLUSTER), None, {"spec": {"versions": versions}})
    shards = {"etcd": {"managed": {"shards": [{"name": "events"}]}}}
    here.world.sides[0].client().patch(r.HOSTED_CLUSTER, NAME, "clusters", {"spec": shards})


def beside(here: Scene) -> None:
    source = here.world.sides[0].client()
    etcd = source.get(r.STATEFUL_SET, "etcd", OWN)
    metadata = {"name": "etcd-events", "namespace": OWN, "ownerReferences": etcd["metadata"]["ownerReferences"]}
    body = {key: etcd[key] for key in ("apiVersion", "kind")}
    source.create(r.STATEFUL_SET, {**body, "metadata": metadata, "spec": {**etcd["spec"], "replicas": 0}})


def overridden(here: Scene) -> None:
    source = here.world.sides[0].client()
    found = source.find(r.CONFIG_MAP, "kas-config", OWN)
    arguments = {"apiServerArguments": {"etcd-servers-overrides": ["/events#https://etcd-events:2379"]}}
    data = {"data": {"config.json": json.dumps(arguments)}}
    if found is not None:
        source.patch(r.CONFIG_MAP, "kas-config", OWN, data)
        return
    owner = source.get(r.STATEFUL_SET, "etcd", OWN)["metadata"]["ownerReferences"]
    metadata = {"name": "kas-config", "namespace": OWN, "ownerReferences": owner}
    source.create(r.CONFIG_MAP, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, **data})


@pytest.mark.parametrize("shards", [asked_for, beside, overridden], ids=lambda act: act.__name__)
@pytest.mark.parametrize(
    "way", ["relocate --dns takeover", "phase by phase", "restore --source-lost", "restore by hand"]
)
def test_no_command_leaves_the_data_of_a_shard_behind(way: str, shards: Callable[[Scene], None]) -> None:
    """Accepted or not: nobody has its data in a snapshot."""
    here = scene()
    shards(here)
    ending = WAYS[way](here)
    assert not passed(here)
    assert isinstance(ending.error, (CannotMigrate, NotRestorable)), ending.error
    assert way.startswith("restore") or "etcd_shards" in {check.name for check in ending.checks if check.stops}


def passed(here: Scene) -> bool:
    """The destination's HostedCluster was let go, so that its API may take writes."""
    names = here.world.residents[NAME].names
    destination = here.world.sides[1].client()
    found = destination.find(r.HOSTED_CLUSTER, names.name, names.namespace)
    plane = destination.find(r.HOSTED_CONTROL_PLANE, names.name, names.control_plane_namespace)
    return plane is not None or (found is not None and dig(found, "spec", "pausedUntil") is None)
