"""What tests of the tabletop begin with: a world of a shape in service, observed, and somebody who relocates."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import pytest

from hcp_dr.commands import begin, later_phase, restore_by_hand
from hcp_dr.engine.authenticity import Keys, read_keys
from hcp_dr.engine.journal import FILE_NAME
from hcp_dr.engine.lease_status import MIRRORED_ANNOTATION
from hcp_dr.hypershift.etcd import restorable
from hcp_dr.kube import resources as r
from hcp_dr_lab.ground.layout import BUCKET
from hcp_dr_lab.ground.releases import NEWEST, Releases
from hcp_dr_lab.hosted import shapes
from hcp_dr_lab.hosted.cluster import Options
from hcp_dr_lab.hosted.shapes import Shape
from hcp_dr_lab.observer import tabletop as observation
from hcp_dr_lab.observer.judge import Verdict
from hcp_dr_lab.observer.tabletop import EASY, Observation
from hcp_dr_lab.tabletop.aws.storage import Wanted
from hcp_dr_lab.tabletop.operator import Operator
from hcp_dr_lab.tabletop.world import NAME, World

SETTLE = 12.0
NEWEST_ON_BOTH: Releases = (NEWEST, NEWEST)


@dataclass(slots=True)
class Scene:
    """A world of a test's own. `observed` has judged nothing yet."""

    world: World
    operator: Operator
    shapes: tuple[Shape, ...] = ()

    @property
    def observed(self) -> Observation:
        return observation.of(self.world)

    def verdict(self, *, after: float = SETTLE) -> Verdict:
        """After so many seconds more."""
        self.world.clock.spend(after)
        return self.observed.verdict()


def scene(*asked: Shape, releases: Releases = NEWEST_ON_BOTH) -> Scene:
    options = shapes.at_release(shapes.options(frozenset(asked)), releases)
    world = observed(options, releases).clone()
    return Scene(world, Operator(world), asked)


def twin(here: Scene) -> Scene:
    """Another scene in the same state, with nobody's hooks: what a process leaves that is killed at this moment."""
    hooks, here.world.hooks = here.world.hooks, []
    try:
        world = here.world.clone()
    finally:
        here.world.hooks = hooks
    operator = Operator(world)
    operator.take_over(here.operator.story(), here.operator.files)
    return Scene(world, operator, here.shapes)


def mirror_key(here: Scene) -> str:
    """The key of the journal in the bucket."""
    [key] = [key for key in here.world.cloud.storage.keys_of(BUCKET, "hcp-dr/") if key.endswith(f"/{FILE_NAME}")]
    return key


def keys_of(here: Scene) -> Keys:
    """The keys of the journal in the bucket, as whoever may read the Secrets has them."""
    return read_keys(here.operator.memory, [side.client for side in here.world.sides], "clusters", NAME)


def put(here: Scene, key: str, body: bytes, *, keys: Keys | None = None) -> None:
    """As another client of the bucket, which has these keys."""
    metadata = keys.sign(key, body) if keys else {}
    here.world.cloud.storage.put(BUCKET, key, body, Wanted(metadata=metadata))


def forget_marks(world: World) -> None:
    """What somebody does who decides to continue without lines of the journal that are lost."""
    for side in world.sides:
        unmarked = {"metadata": {"annotations": {MIRRORED_ANNOTATION: None}}}
        side.client().patch(r.LEASE, "hcp-dr-clusters-shop", "default", unmarked)


def forget_the_key(world: World) -> None:
    """As after an older version of hcp-dr: no key, and no marks."""
    forget_marks(world)
    for side in world.sides:
        side.client().delete(r.SECRET, "hcp-dr-clusters-shop", "default")


def unguarded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks whether etcd can be restored, so that what comes of it can be shown, or what else there is to it."""
    monkeypatch.setattr(restorable, "checks", lambda *_: ())


def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever preflight would find is passed over, and that a relocation is begun, to see what comes of it."""
    monkeypatch.setattr(begin, "PREFLIGHT", ())
    monkeypatch.setattr(begin, "check_nothing_begun", lambda _context: None)


def unwatched(monkeypatch: pytest.MonkeyPatch) -> None:
    """No command looks after anything while it carries out its steps."""
    for module in (begin, later_phase, restore_by_hand):
        monkeypatch.setattr(module, "WATCHES", ())


@cache
def observed(options: Options, releases: Releases = NEWEST_ON_BOTH) -> World:
    """Nobody's own: clone it."""
    world = World.prepared(options, releases=releases)
    Observation(world, NAME, source=1, pace=EASY).begin()
    return world
