"""Called off at every boundary before the point of no return: the source is as it was, field by field, nothing of the
relocation is left on the destination, and no worker, no write and nothing of others was touched.

As for interruptions, copies of the world, the journal and the backup folder are taken while one relocation goes on, and
each is called off by itself.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from typing import Any, Literal

import pytest

from hcp_dr.engine.journal import FILE_NAME, fold
from hcp_dr.engine.lease_status import REACHED_ANNOTATION
from hcp_dr.errors import ClusterUnreachable, HcpDrError, NothingToResume, PastNoReturn
from hcp_dr.hypershift.steps import POINT_OF_NO_RETURN
from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Object
from hcp_dr.model import RELOCATION_ANNOTATION, Dns
from hcp_dr.procedure import UNDO
from hcp_dr.upstream import OIDC_FINALIZER
from hcp_dr_lab.ground.names import OPERATOR_NAMESPACE
from hcp_dr_lab.hosted.shapes import Shape
from hcp_dr_lab.observer import tabletop as observation
from hcp_dr_lab.observer.tabletop import EASY, Observation
from hcp_dr_lab.standin.shape import body
from hcp_dr_lab.tabletop.cluster import Management
from hcp_dr_lab.tabletop.gate import Request
from hcp_dr_lab.tabletop.operator import Operator
from hcp_dr_lab.tabletop.world import NAME, World
from tests.differences import Things, differences
from tests.tabletop.scene import SETTLE, forget_the_key, scene, unchecked
from tests.tabletop.test_interruption import EVERY_KILL, Left

_MOVING = frozenset(map(str, (r.POD, r.LEASE, r.ENDPOINT_SLICE)))
"""They are made anew, or renewed all the time."""
_BY_THE_SERVER = ("resourceVersion", "generation", "managedFields", "observedGeneration", "lastTransitionTime")
_MADE_ANEW = ("uid", "creationTimestamp")

_GOVERNED = (r.HOSTED_CLUSTER, r.NODE_POOL)


def things(world: World) -> Things:
    """All that there is beside pods: objects of both sides, the hosted cluster's own ConfigMaps, records, protection,
    the files on etcd's volumes."""
    found: Things = {}
    for side in world.sides:
        found |= {f"{side.name} {place}": _plain(item) for place, item in _objects(side)}
    hosted = world.hosted_client()
    marks = hosted.list(r.CONFIG_MAP, "default").items
    found |= {f"hosted {item['metadata']['name']}": _plain(item) for item in marks}
    ports = Operator(world).ports()
    found |= {f"record {record.type} {record.name}": [record.ttl, *record.values] for record in ports.zone.records()}
    machines = world.cloud.machines
    found |= {f"instance {each}": machines.machine(each).protected for each in machines.instances()}
    names = world.residents[NAME].names
    for pod in world.sides[0].client().list(r.POD, names.control_plane_namespace).items:
        name = pod["metadata"]["name"]
        if name.startswith("etcd-"):
            listed = (
                world.sides[0].client().execute(names.control_plane_namespace, name, "etcd", ["ls", "/var/lib/data"])
            )
            found[f"files of {name}"] = sorted(listed.stdout.decode().split())
    return found


def _objects(side: Management) -> Iterator[tuple[str, Object]]:
    for kind in side.store.kinds():
        for entry in side.store.list(kind):
            key_of_the_journal = kind == str(r.SECRET) and entry.key.namespace == "default"  # stays, as the Leases do
            if kind not in _MOVING and not key_of_the_journal:
                item = entry.object
                if kind == str(r.ROUTE):
                    item = {**item, "metadata": {k: v for k, v in item["metadata"].items() if k not in _MADE_ANEW}}
                yield f"{kind} {entry.key.namespace}/{entry.key.name}", item


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items() if key not in _BY_THE_SERVER}
    return [_plain(inner) for inner in value] if isinstance(value, list) else value


@cache
def boundaries(*shapes: Shape, every: int = 1, step: str = "", dns: Dns = "release") -> tuple[Left, ...]:
    """Before and after the actions of a relocation up to the intent of the point of no return: each so-manieth, or
    those of one step. Nobody's own: clone the worlds."""
    here = scene(*shapes)
    left: list[Left] = []
    count = 0

    def remember(moment: Literal["before", "after"], request: Request) -> None:
        nonlocal count
        story = here.operator.story()
        if not request.writes or not story.memory.begun & {each.name for each in UNDO}:
            return
        if POINT_OF_NO_RETURN in story.memory.acted:
            raise StoppedThereError
        if (story.current == step) if step else (count % every == 0):
            left.append(Left(f"{moment} {request}", _copy(here.world), story, dict(here.operator.files)))
        count += 1

    here.world.hooks.append(remember)
    with pytest.raises(StoppedThereError):
        here.operator.relocate(dns=dns)
    return tuple(left)


class StoppedThereError(Exception):
    pass


def _copy(world: World) -> World:
    hooks, world.hooks = world.hooks, []
    try:
        return world.clone()
    finally:
        world.hooks = hooks


def furthest(*shapes: Shape) -> Left:
    """All is made on the destination, paused."""
    return boundaries(*shapes, step="restore.node_pools")[-1]


@cache
def untouched(*shapes: Shape) -> Things:
    return things(scene(*shapes).world)


def taken_over(left: Left) -> tuple[World, Operator]:
    world = left.world.clone()
    operator = Operator(world)
    operator.take_over(left.story, left.files)
    return world, operator


def harm(world: World) -> dict[str, Any]:
    """What an abort must not do, of all that the observer judges: the rest is about a destination that serves."""
    verdict = observation.of(world).verdict()
    assert verdict.acknowledged > 0
    harms = {
        "lost": verdict.lost,
        "terminated": verdict.instances_terminated,
        "new": verdict.instances_new,
        "protection": verdict.protection_changed,
        "rebooted": verdict.boot_ids_changed,
        "workloads": verdict.failed,
        "containers": verdict.container_restarts,
        "split brain": verdict.split_brain,
        "content": verdict.content_changed,
        "cloud": verdict.cloud_changed,
        "neighbour": (*verdict.neighbour_changed, *verdict.neighbour_failed),
        "foreign": verdict.foreign_changed,
        "nodes": verdict.nodes_before != verdict.nodes_after,
    }
    return {what: seen for what, seen in harms.items() if seen}


def assert_as_before(world: World, shapes: tuple[Shape, ...], words: str = "") -> None:
    world.clock.spend(SETTLE)
    assert differences(untouched(*shapes), things(world)) == [], words
    assert harm(world) == {}, words


def counted(world: World) -> list[str]:
    """From now on, each request that writes."""
    written: list[str] = []

    def count(moment: Literal["before", "after"], request: Request) -> None:
        if request.writes and moment == "after":
            written.append(str(request))

    world.hooks.append(count)
    return written


EVERY = 1 if os.environ.get(EVERY_KILL) else None


@pytest.mark.parametrize(
    ("shapes", "every"),
    [
        ((), 23),
        ((Shape.NEIGHBOUR,), 61),
        ((Shape.THREE_POOLS,), 67),
        ((Shape.LOAD_BALANCER,), 61),
        ((Shape.ETCD_36, Shape.REFERENCES, Shape.NEIGHBOUR), 127),
    ],
    ids=lambda value: "+".join(value) or "plain" if isinstance(value, tuple) else "",
)
def test_called_off_at_every_action_the_source_is_as_it_was(shapes: tuple[Shape, ...], every: int) -> None:
    found = boundaries(*shapes, every=EVERY or every)
    assert len(found) >= 4
    assert_called_off(found, shapes)


def assert_called_off(found: tuple[Left, ...], shapes: tuple[Shape, ...] = ()) -> None:
    for left in found:
        world, operator = taken_over(left)
        ending = operator.abort()
        assert ending.error is None, (left.words, ending.error)
        assert (ending.story.ended, ending.checks) == (True, ()), left.words
        assert_as_before(world, shapes, left.words)


def test_called_off_when_the_point_of_no_return_is_announced_and_not_passed() -> None:
    """And killed on that way back, when the destination has no HostedCluster any more."""
    found = boundaries(step=POINT_OF_NO_RETURN)
    assert len(found) >= 4
    assert_called_off(found)
    world, operator = taken_over(found[-1])
    killed_while_calling_off(world, operator)
    assert operator.abort().error is None
    assert_as_before(world, ())


def test_called_off_with_everything_made_on_the_destination() -> None:
    world, operator = taken_over(furthest(Shape.NEIGHBOUR))
    assert operator.abort().error is None
    assert_as_before(world, (Shape.NEIGHBOUR,))


def test_nobody_is_there_to_finish_a_deletion_on_the_destination() -> None:
    """Rule A1: the operator would un-pause, delete machines and wipe the live cluster's OIDC documents."""
    world, operator = taken_over(furthest())
    other = world.sides[1].client()
    deleted: list[str] = []

    def look(moment: Literal["before", "after"], request: Request) -> None:
        if (request.port, request.verb, moment) != ("destination", "delete", "before"):
            return
        kind = request.arguments[0]
        if kind in _GOVERNED:
            deleted.append(kind.kind)
            pods = [pod["metadata"]["name"] for pod in other.list(r.POD, OPERATOR_NAMESPACE).items]
            assert not [name for name in pods if name.startswith("operator-")]
            hosted_cluster = other.get(r.HOSTED_CLUSTER, "shop", "clusters")
            assert kind == r.NODE_POOL or OIDC_FINALIZER not in hosted_cluster["metadata"]["finalizers"]

    assert OIDC_FINALIZER in other.get(r.HOSTED_CLUSTER, "shop", "clusters")["metadata"]["finalizers"]
    world.hooks.append(look)
    assert operator.abort().error is None
    assert deleted == ["NodePool", "HostedCluster"]


def test_killed_at_its_own_actions_and_resumed_it_ends_the_same() -> None:
    world, operator = taken_over(furthest())
    left: list[Left] = []

    def remember(moment: Literal["before", "after"], request: Request) -> None:
        if request.writes and operator.story().aborted and not operator.story().ended:
            left.append(Left(f"{moment} {request}", _copy(world), operator.story(), dict(operator.files)))

    world.hooks.append(remember)
    assert operator.abort().error is None
    assert len(left) > 100
    for killed in left[:: EVERY or 17]:
        world, operator = taken_over(killed)
        ending = operator.resume()
        assert ending.error is None, (killed.words, ending.error)
        assert ending.story.ended
        assert_as_before(world, (), killed.words)


def killed_while_calling_off(world: World, operator: Operator) -> None:
    """After some actions of its own; or it is done before."""
    count = 0

    def kill(moment: Literal["before", "after"], request: Request) -> None:
        nonlocal count
        count += moment == "after" and request.writes and operator.story().aborted
        if count == 20:
            raise StoppedThereError

    world.hooks.append(kill)
    with suppress(StoppedThereError):
        operator.abort()
    world.hooks.remove(kill)
    assert operator.story().aborted


def test_called_off_on_another_machine_which_is_killed_and_then_where_it_began() -> None:
    """With nothing but the settings; the first machine then takes the other one's journal."""
    found = boundaries(every=EVERY or 41)[1:]  # before the first, no machine but this knows of it
    for left in (*found, boundaries(step="restore.hosted_cluster")[-1]):
        world, first = taken_over(left)
        laptop = Operator(world, machine="laptop")
        killed_while_calling_off(world, laptop)
        if not laptop.story().ended:
            assert first.abort().error is None, left.words
        assert_as_before(world, (), left.words)


def test_resumed_where_it_began_what_another_machine_calls_off_is_called_off() -> None:
    """The first machine's own journal does not know of the abort: it takes the other one's."""
    world, first = taken_over(furthest())
    killed_while_calling_off(world, Operator(world, machine="laptop"))
    assert first.story().command == "relocate"
    ending = first.resume()
    assert ending.error is None
    assert (ending.story.command, ending.story.ended) == ("abort", True)
    assert_as_before(world, ())


def test_a_hosted_cluster_that_no_journal_tells_of_does_not_go_with_its_namespace() -> None:
    """The destination's operator, which lives, would finish its deletion: machines, the live cluster's documents."""
    left = furthest()
    untold = ("restore.hosted_cluster", "restore.node_pools")
    world = left.world.clone()
    operator = Operator(world)
    operator.take_over(fold(line for line in left.story.lines if line.get("step") not in untold), left.files)
    bucket, other = operator.ports().bucket, world.sides[1].client()
    [key] = [item.key for item in bucket.list("hcp-dr/clusters/shop/") if item.key.endswith(f"/{FILE_NAME}")]
    bucket.put(key, operator.journal_data(), metadata={})
    forget_the_key(world)
    backup_id = (left.story.case or {})["backup_id"]
    made = {"metadata": {"annotations": {RELOCATION_ANNOTATION: backup_id}}}
    other.patch(r.NAMESPACE, "clusters", None, made)
    # Of one that is this relocation's, or that its Lease tells of, an abort knows that its journal is too old.
    other.patch(r.HOSTED_CLUSTER, "shop", "clusters", {"metadata": {"annotations": {RELOCATION_ANNOTATION: None}}})
    unannounced = {"metadata": {"annotations": {REACHED_ANNOTATION: None}}}
    world.sides[0].client().patch(r.LEASE, "hcp-dr-clusters-shop", "default", unannounced)
    ending = operator.abort()
    assert ending.error is None
    assert [check.name for check in ending.checks] == ["namespace.clusters"]
    assert "HostedCluster shop, NodePool shop-workers" in ending.checks[0].seen
    world.clock.spend(SETTLE)
    assert other.get(r.HOSTED_CLUSTER, "shop", "clusters")["spec"]["pausedUntil"] == "true"
    assert harm(world) == {}


def test_a_relocation_after_it_passes_whole() -> None:
    world, operator = taken_over(furthest())
    assert operator.abort().error is None
    world.clock.spend(SETTLE)
    seen = Observation(world, NAME, source=1, pace=EASY, run="again")
    seen.begin()
    assert Operator(world).relocate().error is None
    world.clock.spend(SETTLE)
    assert seen.verdict().reasons == ()


def test_a_planned_move_is_called_off_after_its_backup() -> None:
    here = scene()
    assert here.operator.backup().story.ended
    assert here.operator.abort().error is None
    assert_as_before(here.world, ())
    again = here.operator.abort()
    assert isinstance(again.error, NothingToResume)
    with pytest.raises(NothingToResume):
        here.operator.resume()


def refused(world: World, operator: Operator) -> HcpDrError | None:
    """Why, where nothing was written anywhere and the journal is as it was."""
    story, written = operator.story(), counted(world)
    error = operator.abort().error
    assert written == []
    assert operator.story() == story
    return error


def test_after_the_point_of_no_return_it_says_no_and_changes_nothing() -> None:
    here = scene()
    seen: list[Left] = []

    def remember(moment: Literal["before", "after"], request: Request) -> None:
        story = here.operator.story()
        if request.writes and story.current == POINT_OF_NO_RETURN and story.acted_in(POINT_OF_NO_RETURN):
            seen.append(
                Left(f"{moment} {request}", _copy(here.world), here.operator.story(), dict(here.operator.files))
            )

    here.world.hooks.append(remember)
    assert here.operator.relocate().error is None
    assert len(seen) >= 2
    for left in seen:
        world, operator = taken_over(left)
        error = refused(world, operator)
        assert isinstance(error, PastNoReturn), left.words
        assert "hcp-dr resume" in error.next
        assert operator.resume().error is None
    error = refused(here.world, here.operator)
    assert isinstance(error, PastNoReturn)
    assert "the relocate has ended" in error.what
    assert "resume" not in error.next
    assert here.verdict().reasons == ()


def test_whoever_unpaused_the_destination_it_is_past_the_point_of_no_return() -> None:
    world, operator = taken_over(furthest())
    somebody = world.sides[1].client()
    somebody.patch(r.HOSTED_CLUSTER, "shop", "clusters", {"spec": {"pausedUntil": None}})
    error = refused(world, operator)
    assert isinstance(error, PastNoReturn)
    assert "is not paused" in error.what
    world.clock.spend(5)
    somebody.patch(r.HOSTED_CLUSTER, "shop", "clusters", {"spec": {"pausedUntil": "true"}})
    error = refused(world, operator)
    assert isinstance(error, PastNoReturn)
    assert "HostedControlPlane" in error.what


def test_what_somebody_decided_meanwhile_is_left_and_named() -> None:
    world, operator = taken_over(furthest())
    somebody = world.sides[0].client()
    until = "2030-01-01T00:00:00Z"
    somebody.patch(r.NODE_POOL, "shop-workers", "clusters", {"spec": {"pausedUntil": until}})
    somebody.patch(r.DEPLOYMENT, "cluster-autoscaler", "clusters-shop", {"spec": {"replicas": 2}})
    ending = operator.abort()
    assert ending.error is None
    assert {check.name: check.verdict for check in ending.checks} == {"replicas": "warning", "paused": "warning"}
    assert somebody.get(r.NODE_POOL, "shop-workers", "clusters")["spec"]["pausedUntil"] == until
    assert "pausedUntil" not in somebody.get(r.HOSTED_CLUSTER, "shop", "clusters")["spec"]
    told = operator.document(ending)["warnings"]
    assert len(told) == 2
    assert f"NodePool/shop-workers is {until}, was None" in told[1]


def test_what_is_foreign_on_the_destination_stays_with_its_namespace() -> None:
    world, operator = taken_over(furthest())
    somebody = world.sides[1].client()
    somebody.create(r.CONFIG_MAP, body(r.CONFIG_MAP, "mine", "clusters-shop", data={"of": "somebody"}))
    ending = operator.abort()
    assert ending.error is None
    assert [check.name for check in ending.checks] == ["namespace.clusters-shop"]
    assert "ConfigMap mine" in ending.checks[0].seen
    assert somebody.find(r.CONFIG_MAP, "mine", "clusters-shop") is not None
    assert somebody.list(r.SECRET, "clusters-shop").items == ()
    assert harm(world) == {}


def test_a_destination_that_does_not_answer_does_not_keep_the_source_away() -> None:
    left = boundaries(step="restore.carry_again") or boundaries(step="backup.delete_routes")
    world, operator = taken_over(left[-1])

    def gone(_moment: str, request: Request) -> None:
        if request.port == "destination":
            raise ClusterUnreachable(cluster="destination", verb=request.verb, object="it", reason="no route to host")

    world.hooks.append(gone)
    ending = operator.abort()
    assert isinstance(ending.error, ClusterUnreachable)
    here = world.sides[0].client()
    assert "pausedUntil" not in here.get(r.HOSTED_CLUSTER, "shop", "clusters")["spec"]
    assert world.hosted_client().get(r.NAMESPACE, "default")
    world.hooks.remove(gone)
    assert operator.resume().error is None
    assert_as_before(world, ())


def test_a_dead_operator_of_the_source_is_stood_in_for(monkeypatch: pytest.MonkeyPatch) -> None:
    unchecked(monkeypatch)
    here = scene()
    somebody = here.world.sides[0].client()
    somebody.patch(r.DEPLOYMENT, "operator", "hypershift", {"spec": {"replicas": 0}})
    here.world.clock.spend(SETTLE)
    before = things(here.world)
    assert here.operator.backup().error is None
    assert here.operator.abort().error is None
    here.world.clock.spend(SETTLE)
    assert differences(before, things(here.world)) == []
