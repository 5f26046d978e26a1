"""Whole relocations on the tabletop, of every shape, judged by the observer's rules."""

from __future__ import annotations

from pathlib import Path

import pytest

from hcp_dr.errors import NotProven
from hcp_dr.kube import resources as r
from hcp_dr.upstream import OIDC_FINALIZER
from hcp_dr_lab.hosted import manifest, shapes
from hcp_dr_lab.hosted.shapes import Shape
from hcp_dr_lab.observer.tabletop import EASY, Observation
from hcp_dr_lab.tabletop.operator import Operator
from hcp_dr_lab.tabletop.world import NAME, World
from tests.tabletop.scene import Scene, scene, unguarded

ALL_AT_ONCE = (
    Shape.THREE_POOLS,
    Shape.LOAD_BALANCER,
    Shape.ENCRYPTED,
    Shape.REFERENCES,
    Shape.NEIGHBOUR,
)


in_every_shape = pytest.mark.parametrize(
    "asked",
    [(), *((shape,) for shape in Shape if shape not in shapes.REFUSED), ALL_AT_ONCE],
    ids=lambda asked: "+".join(asked) or "plain",
)


@in_every_shape
def test_every_shape_moves_and_nobody_is_harmed(asked: tuple[Shape, ...]) -> None:
    here = scene(*asked)
    ending = here.operator.relocate()
    assert ending.error is None
    assert here.verdict().reasons == ()
    assert_it_lives_on(here, second=True)
    assert_what_was_lent_is_untouched(here)


def assert_it_lives_on(here: Scene, *, second: bool) -> None:
    first, other = (side.client() for side in here.world.sides)
    holder, left = (other, first) if second else (first, other)
    names = here.world.residents[NAME].names
    assert holder.find(r.HOSTED_CLUSTER, names.name, names.namespace) is not None
    assert left.find(r.HOSTED_CLUSTER, names.name, names.namespace) is None
    assert left.find(r.NAMESPACE, names.control_plane_namespace) is None


def assert_what_was_lent_is_untouched(here: Scene) -> None:
    """The API servers of the tabletop lend their objects instead of copying them."""
    stores = [side.store for side in here.world.sides]
    servers = [api.server() for _, api in here.world.apis(here.world.residents[NAME].names)]
    stores += [server.store for server in servers if server is not None]
    assert len(stores) == 3
    assert [key for store in stores for key in store.tampered()] == []


@in_every_shape
def test_there_and_back(asked: tuple[Shape, ...]) -> None:
    here = scene(*asked)
    assert here.operator.relocate().error is None
    there = here.verdict()
    assert there.reasons == ()
    back = Observation(here.world, NAME, source=2, pace=EASY, run="again")
    back.begin()
    ending = Operator(here.world, source=2).relocate()
    assert ending.error is None
    again = here.verdict()
    assert again.reasons == ()
    assert again.nodes_before == there.nodes_after
    assert_it_lives_on(here, second=False)


@in_every_shape
def test_each_phase_by_itself(asked: tuple[Shape, ...]) -> None:
    here = scene(*asked)
    assert here.operator.backup().error is None
    for phase in ("restore", "verify", "teardown", "finish"):
        ending = here.operator.go_on(phase)
        assert ending.error is None, phase
    assert here.verdict().reasons == ()


def test_a_node_pool_that_is_scaled_after_the_restore_stops_nothing() -> None:
    here = scene()
    assert here.operator.backup().error is None
    assert here.operator.go_on("restore").error is None
    destination = here.world.sides[1].client()
    [pool] = destination.list(r.NODE_POOL).items
    replicas = {"spec": {"replicas": pool["spec"]["replicas"] + 1}}
    destination.patch(r.NODE_POOL, pool["metadata"]["name"], pool["metadata"]["namespace"], replicas)
    here.world.clock.spend(120.0)

    verified = here.operator.go_on("verify")
    assert verified.error is None
    [told] = [check for check in verified.checks if check.name == "nodes" and check.verdict == "warning"]
    assert told.seen.startswith("new nodes since the relocation: ")
    for phase in ("teardown", "finish"):
        assert here.operator.go_on(phase).error is None, phase
    assert here.verdict().instances_terminated == ()


def test_documents_that_went_with_the_source_are_told_at_the_end_and_come_back() -> None:
    """Rule F2: the operator wiped them; its finalizer away, that of the destination publishes them again."""
    here = scene()
    assert here.operator.backup().error is None
    for phase in ("restore", "verify", "teardown"):
        assert here.operator.go_on(phase).error is None, phase
    own = f"{here.world.residents[NAME].names.infra_id}/"
    published = {key: text for key, text in here.world.cloud.fabric.documents.items() if key.startswith(own)}
    here.world.cloud.fabric.documents.clear()
    ending = here.operator.go_on("finish")
    assert isinstance(ending.error, NotProven)
    assert "no key set of this hosted cluster is published" in ending.error.what

    destination = here.world.sides[1].client()
    [hosted_cluster] = destination.list(r.HOSTED_CLUSTER).items
    kept = [name for name in hosted_cluster["metadata"]["finalizers"] if name != OIDC_FINALIZER]
    place = (hosted_cluster["metadata"]["name"], hosted_cluster["metadata"]["namespace"])
    destination.patch(r.HOSTED_CLUSTER, *place, {"metadata": {"finalizers": kept}})
    assert here.operator.resume().error is None
    assert here.world.cloud.fabric.documents == published


def test_three_members_that_are_one_cluster_would_move(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the guard switched off: all else that members take is there, such as the leader's snapshot and the rolls."""
    unguarded(monkeypatch)
    here = scene(Shape.FIXED_MEMBERS, *ALL_AT_ONCE)
    assert here.operator.backup().error is None
    for phase in ("restore", "verify", "teardown", "finish"):
        assert here.operator.go_on(phase).error is None, phase
    assert here.verdict().reasons == ()


def test_with_a_backup_folder_and_a_journal_on_disk(tmp_path: Path) -> None:
    here = scene()
    operator = Operator(here.world, folder=tmp_path / "backup")
    assert operator.relocate().error is None
    assert operator.story().ended
    assert here.verdict().reasons == ()
    assert (tmp_path / "backup" / "manifest.json").stat().st_mode & 0o777 == 0o600


def test_preflight_and_plan_change_nothing() -> None:
    """Preflight alone puts one probe into the bucket and takes it away again."""
    here = scene()
    changed: list[str] = []

    def listen(moment: str, request: object) -> None:
        if moment == "before" and getattr(request, "writes", False):
            changed.append(str(request))

    here.world.hooks.append(listen)
    assert not [check for check in here.operator.preflight() if check.stops]
    assert {text.split()[0] for text in changed if "execute" not in text} == {"bucket"}
    changed.clear()
    assert len(here.operator.plan()) > 30
    assert not [text for text in changed if "execute" not in text]


def test_what_happens_is_the_same_each_time() -> None:
    lines = []
    for _ in range(2):
        here = scene()
        story = here.operator.relocate().story
        lines.append([(line["line"], line.get("step")) for line in story.lines])
    assert lines[0] == lines[1]


def test_a_users_own_manifest_moves() -> None:
    brought = manifest.read(Path(__file__).parents[2] / "docs" / "hosted-cluster.example.yaml")
    world = World()
    world.populate(shapes.options((), brought=brought))
    name = next(iter(world.residents))
    Observation(world, name, source=1, pace=EASY).begin()
    here = Scene(world, Operator(world, name))
    ending = here.operator.relocate()
    assert ending.error is None
    assert here.verdict().reasons == ()


def test_realistic_delays_only_take_longer() -> None:
    world = World.prepared(realistic=True)
    Observation(world, NAME, source=1, pace=EASY).begin()
    here = Scene(world, Operator(world))
    ending = here.operator.relocate()
    assert ending.error is None
    verdict = here.verdict()
    assert verdict.reasons == ()
    assert verdict.api_downtime_s > 60
