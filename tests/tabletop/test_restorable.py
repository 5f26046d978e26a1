"""Whose etcd cannot be restored by a URL is refused by every command that leads past the point of no return, whatever
its release says, and before anything is touched."""

from __future__ import annotations

from typing import Any, cast

import pytest

from hcp_dr.engine.journal import fold
from hcp_dr.engine.step import Check
from hcp_dr.errors import CannotMigrate, HcpDrError, NotRestorable, SettingsError
from hcp_dr.hypershift.etcd import restorable
from hcp_dr.hypershift.state import ETCD_RESTORE, RestoreProbe
from hcp_dr.hypershift.steps import POINT_OF_NO_RETURN
from hcp_dr.kube import resources as r
from hcp_dr.model import Case
from hcp_dr.objects.reading import dig
from hcp_dr_lab.hosted.shapes import REFUSED, Shape
from hcp_dr_lab.tabletop.gate import Request
from hcp_dr_lab.tabletop.operator import Ending
from tests.tabletop.by_hand import Hands
from tests.tabletop.scene import Scene, forget_the_key, scene, unchecked, unguarded
from tests.tabletop.test_dangers import Killed, just_before, kill
from tests.tabletop.test_source_lost import die

OWN, JUDGE = "clusters-shop", "backup.judge_etcd"
every_refused = pytest.mark.parametrize("shape", sorted(REFUSED))
WORD = dict.fromkeys(REFUSED, "etcd_members") | {Shape.ETCDCTL_ON_36: "etcd_restore"}


def writes(here: Scene) -> list[str]:
    """Whatever is written from now on, but for reading commands in pods."""
    found: list[str] = []

    def listen(moment: str, request: Request) -> None:
        if moment == "before" and request.writes and request.verb != "execute":
            found.append(f"{request.port} {request.verb} {request.arguments[:1]}")

    here.world.hooks.append(listen)
    return found


def checks_of(ending: Ending) -> dict[str, Check]:
    return {check.name: check for check in ending.checks}


def assert_served_by_the_source(here: Scene) -> None:
    names = here.world.residents["shop"].names
    assert {side.name for side, _ in here.world.apis(names)} == {"mgmt-1"}
    destination = here.world.sides[1].client()
    assert destination.find(r.HOSTED_CLUSTER, "shop", "clusters") is None
    verdict = here.verdict()
    assert (verdict.lost, verdict.instances_terminated, verdict.split_brain) == ((), (), False)


@every_refused
@pytest.mark.parametrize("command", ["relocate", "backup"])
def test_a_relocation_and_a_backup_are_refused_before_anything_is_written(shape: Shape, command: str) -> None:
    here = scene(shape)
    seen = writes(here)
    ending = getattr(here.operator, command)()
    assert isinstance(ending.error, CannotMigrate)
    found = checks_of(ending)[WORD[shape]]
    assert found.verdict == "blocked"
    assert "docs/by-hand.md" in found.todo
    assert [each for each in seen if not each.startswith("bucket")] == []
    assert here.verdict().reasons == here.verdict().reasons
    assert_served_by_the_source(here)


@every_refused
def test_nobody_can_accept_it(shape: Shape) -> None:
    here = scene(shape)
    ending = here.operator.relocate(reasons={WORD[shape]: "I know better"})
    assert isinstance(ending.error, SettingsError)
    assert ending.story.lines == ()


@every_refused
def test_where_preflight_is_passed_over_it_ends_before_the_destination_and_the_fence(
    shape: Shape, monkeypatch: pytest.MonkeyPatch
) -> None:
    unchecked(monkeypatch)
    here = scene(shape)
    ending = here.operator.relocate()
    assert isinstance(ending.error, NotRestorable)
    assert ending.story.current == "backup.judge_etcd"
    assert_served_by_the_source(here)
    assert here.operator.abort().error is None
    assert_served_by_the_source(here)


@every_refused
def test_an_online_backup_says_so_on_the_day_and_a_lost_source_is_refused_before_anything_is_done(
    shape: Shape,
) -> None:
    here = scene(shape)
    ending = here.operator.back_up_online()
    assert ending.error is None
    assert ending.exit_code == 1
    found = checks_of(ending)[WORD[shape]]
    assert found.verdict == "warning"
    assert "hcp-dr cannot restore this backup" in found.why
    die(here)
    before, seen = here.operator.story(), writes(here)
    lost = here.operator.restore_lost()
    assert isinstance(lost.error, NotRestorable)
    assert "docs/by-hand.md" in lost.error.next
    assert here.operator.story() == before
    assert seen == []
    destination = here.world.sides[1].client()
    assert destination.find(r.NAMESPACE, OWN) is None


@every_refused
def test_a_backup_that_was_made_by_hand_is_refused_before_anything_is_written(shape: Shape) -> None:
    """Its control-plane-operator is gone: what is in its image is seen in another component's pod."""
    here = scene(shape)
    hands = Hands(here.world)
    hands.backup()
    seen = writes(here)
    here.operator.take_over(here.operator.story(), hands.files)
    ending = here.operator.restore_by_hand()
    assert isinstance(ending.error, CannotMigrate)
    assert checks_of(ending)[WORD[shape]].verdict == "blocked"
    assert [each for each in seen if not each.startswith("bucket")] == []


def made_unguarded(shape: Shape, monkeypatch: pytest.MonkeyPatch, command: str = "backup") -> Scene:
    """As a version that did not look has left it: fenced, and nothing is remembered of etcd."""
    here = scene(shape)
    with monkeypatch.context() as patch:
        unguarded(patch)
        if command == "backup":
            assert getattr(here.operator, command)().error is None
        else:
            just_before(here, "restore.hosted_cluster", kill)
            with pytest.raises(Killed):
                here.operator.relocate()
            here.world.hooks.clear()
    forget(here)
    return here


def forget(here: Scene) -> None:
    """All that this version wrote of it, here and in the bucket."""
    story = here.operator.story()
    kept = [line for line in story.lines if JUDGE not in line.values() and line.get("key") != ETCD_RESTORE.name]
    here.operator.take_over(fold(kept), here.operator.files)
    bucket = here.operator.ports().bucket
    for item in bucket.list(Case.from_json(dict(story.case or {})).key_prefix):
        if item.key.endswith("journal.jsonl"):
            bucket.delete(item.key)
    forget_the_key(here.world)


@every_refused
def test_the_restore_of_a_backup_of_an_older_version_is_refused(shape: Shape, monkeypatch: pytest.MonkeyPatch) -> None:
    here = made_unguarded(shape, monkeypatch)
    ending = here.operator.go_on("restore")
    assert isinstance(ending.error, NotRestorable)
    destination = here.world.sides[1].client()
    assert destination.find(r.HOSTED_CLUSTER, "shop", "clusters") is None
    assert here.operator.abort().error is None
    assert here.verdict().lost == ()
    assert_served_by_the_source(here)


@every_refused
def test_what_an_older_version_began_is_refused_before_the_point_of_no_return(
    shape: Shape, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = made_unguarded(shape, monkeypatch, "relocate")
    ending = here.operator.resume()
    assert isinstance(ending.error, NotRestorable)
    assert not ending.story.acted_in(POINT_OF_NO_RETURN)
    assert here.operator.abort().error is None
    assert_served_by_the_source(here)


@every_refused
def test_what_an_older_version_fenced_is_not_restored_when_its_source_is_lost(
    shape: Shape, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = made_unguarded(shape, monkeypatch)
    die(here)
    seen = writes(here)
    assert isinstance(here.operator.restore_lost().error, NotRestorable)
    assert seen == []


def test_a_backup_that_remembers_nothing_is_not_restored_when_its_source_is_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One member, and nobody looked whether its etcd-init ends."""
    here = made_unguarded(Shape.ENCRYPTED, monkeypatch)
    die(here)
    error = here.operator.restore_lost().error
    assert isinstance(error, NotRestorable)
    assert "it is not known which tool etcd-init calls" in error.what


def test_what_was_begun_by_an_older_version_and_is_past_the_point_of_no_return_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = scene()
    with monkeypatch.context() as patch:
        unguarded(patch)
        just_before(here, "verify.publish_api", kill)
        with pytest.raises(Killed):
            here.operator.relocate()
        here.world.hooks.clear()
    forget(here)
    assert here.operator.resume().error is None
    assert here.verdict().reasons == ()


@pytest.mark.parametrize(
    ("before", "stops"),
    [("backup.delete_routes", "restore.hosted_cluster"), ("restore.node_pools", "restore.start_control_plane")],
)
def test_another_release_than_was_looked_at_stops_before_it_starts(before: str, stops: str) -> None:
    here = scene()

    def upgrade() -> None:
        here.operator.pretend("none", **{ETCD_RESTORE.name: {**seen(here), "release": "r:of-another-day"}})

    just_before(here, before, upgrade)
    ending = here.operator.relocate()
    assert isinstance(ending.error, NotRestorable)
    assert "r:of-another-day" in ending.error.what
    assert ending.story.current == stops
    found = here.world.sides[1].client().find(r.HOSTED_CLUSTER, "shop", "clusters")
    assert found is None or dig(found, "spec", "pausedUntil") == "true"
    here.world.hooks.clear()
    assert here.operator.abort().error is None
    assert_served_by_the_source(here)


def seen(here: Scene) -> dict[str, Any]:
    return cast("dict[str, Any]", here.operator.story().memory.values.get(ETCD_RESTORE.name) or {})


def test_shards_that_only_the_api_server_tells_of_are_refused() -> None:
    here = scene()
    source = here.world.sides[0].client()
    config = '{"apiServerArguments": {"etcd-servers-overrides": ["/events#https://etcd-events:2379"]}}'
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kas-config", "namespace": OWN}}
    source.create(r.CONFIG_MAP, {**body, "data": {"config.json": config}})
    ending = here.operator.relocate()
    assert isinstance(ending.error, HcpDrError)
    assert "/events#https://etcd-events:2379" in checks_of(ending)["etcd_shards"].seen


def test_more_members_than_the_spec_asks_for_are_refused() -> None:
    here = scene()
    source = here.world.sides[0].client()
    just = source.get(r.STATEFUL_SET, "etcd", OWN)
    assert just["spec"]["replicas"] == 1
    looked = RestoreProbe("", 3, (), None, None)
    assert {c.name: c.verdict for c in restorable.checks(source.get(r.HOSTED_CLUSTER, "shop", "clusters"), looked)}[
        "etcd_members"
    ] == "blocked"
