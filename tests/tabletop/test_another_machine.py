"""Killed on one machine and resumed on another, with nothing but the settings: the world has the rest. And two people
who want the same at the same time."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

from hcp_dr.engine.journal import FILE_NAME
from hcp_dr.engine.journal_lines import Line
from hcp_dr.engine.lease_status import stamp
from hcp_dr.errors import (
    ArchiveError,
    AwsUnreachable,
    ClusterUnreachable,
    JournalError,
    LeaseHeld,
    LeaseLost,
    NothingToResume,
    NotProven,
)
from hcp_dr.kube import resources as r
from hcp_dr_lab.observer import tabletop as observation
from hcp_dr_lab.tabletop.gate import Request
from hcp_dr_lab.tabletop.operator import Operator
from hcp_dr_lab.tabletop.world import World
from tests.tabletop.scene import SETTLE, Scene, keys_of, put, scene, unchecked
from tests.tabletop.test_dangers import Killed, just_before, kill, sides, stop_before, stopped
from tests.tabletop.test_interruption import some_kills

LEASE = "hcp-dr-clusters-shop"


def elsewhere(world: World) -> Operator:
    return Operator(world, machine="laptop")


def assert_whole(world: World, words: str = "") -> None:
    world.clock.spend(SETTLE)
    assert observation.of(world).verdict().reasons == (), words
    assert world.sides[0].client().find(r.HOSTED_CLUSTER, "shop", "clusters") is None, words


def test_killed_at_every_action_and_resumed_on_another_machine() -> None:
    for left in some_kills()[::2]:
        operator = elsewhere(left.world)
        try:
            ending = operator.resume()
        except NothingToResume:
            assert left.story.memory.values == {}, "nothing was done yet"
            ending = operator.relocate()
        assert ending.error is None, left.words
        assert_whole(left.world, left.words)


def test_the_first_machine_takes_what_the_second_did_and_goes_on() -> None:
    here = scene()
    first = here.operator
    stop_before(here, "backup.export_again")
    second = elsewhere(here.world)
    kill_in(here, second, "restore.start_control_plane")
    assert first.story().memory.values.get("fence")
    ending = first.resume()
    assert ending.error is None
    assert ending.story.runs == {run for run in ending.story.runs if "engineer@" in run}
    assert len(ending.story.runs) == 3
    assert_whole(here.world)


def kill_in(here: Scene, operator: Operator, step: str) -> None:
    def kill(moment: Literal["before", "after"], request: Request) -> None:
        if moment == "before" and request.writes and operator.story().current == step and request.port != "archive":
            raise Killed

    here.world.hooks.append(kill)
    with pytest.raises(Killed):
        operator.resume()
    here.world.hooks.clear()


def test_a_torn_mirror_is_read_as_far_as_it_is_whole() -> None:
    here = stopped("restore.hosted_cluster")
    bucket = here.operator.ports().bucket
    [key] = [item.key for item in bucket.list("hcp-dr/clusters/shop/") if item.key.endswith(f"/{FILE_NAME}")]
    put(here, key, bucket.get(key) + b'{"line": "remember", "ke', keys=keys_of(here))
    assert elsewhere(here.world).resume().error is None
    assert_whole(here.world)


def without_bucket(moment: str, request: Request) -> None:
    del moment
    if request.port == "bucket" and FILE_NAME in str(request.arguments[0]):
        raise AwsUnreachable(service="S3", operation=request.verb, object="bucket", reason="timed out")


def test_a_dead_bucket_stops_nobody_and_what_it_missed_cannot_be_gone_on_with_elsewhere() -> None:
    here = scene()
    stop_before(here, "backup.export_objects")
    here.world.hooks.append(without_bucket)
    just_before(here, "backup.export_again", kill)
    with pytest.raises(Killed):
        here.operator.resume()
    assert sum("no current copy of the journal" in progress.text for progress in here.operator.told) == 1
    here.world.hooks.clear()
    ending = elsewhere(here.world).resume()
    assert isinstance(ending.error, JournalError)
    assert "another machine continued this relocation (engineer@bastion pid 2" in ending.error.what
    assert here.operator.resume().error is None, "its own journal has it"
    assert_whole(here.world)


def test_what_a_bucket_that_died_on_the_way_missed_is_missed_elsewhere_until_it_has_it() -> None:
    here = scene()
    just_before(here, "backup.fence", lambda: here.world.hooks.append(without_bucket))
    just_before(here, "backup.delete_routes", kill)
    with pytest.raises(Killed):
        here.operator.relocate()
    here.world.hooks.clear()
    ending = elsewhere(here.world).resume()
    assert isinstance(ending.error, JournalError)
    assert "not mirrored since line" in ending.error.what
    just_before(here, "restore.hosted_cluster", kill)
    with pytest.raises(Killed):
        here.operator.resume()
    assert elsewhere(here.world).resume().error is None
    assert_whole(here.world)


def test_the_point_of_no_return_is_known_elsewhere_before_it_is_passed() -> None:
    here = scene()

    def stop(moment: str, request: Request) -> None:
        at_it = here.operator.story().current == "restore.start_control_plane"
        of_it = request.port == "destination" and request.verb == "patch" and request.arguments[0] == r.HOSTED_CLUSTER
        if moment == "before" and at_it and of_it:
            raise Killed

    here.world.hooks.append(stop)
    with pytest.raises(Killed):
        here.operator.relocate()
    here.world.hooks.clear()
    assert elsewhere(here.world).around().journal("").story.acted_in("restore.start_control_plane")


def test_journals_that_forked_are_refused() -> None:
    here = stopped("backup.pause")
    twin = Operator(here.world, machine="bastion")
    twin.take_over(here.operator.story(), here.operator.files)
    here.world.hooks.append(without_bucket)
    just_before(here, "backup.export_objects", kill)
    with pytest.raises(Killed):
        here.operator.resume()
    here.world.hooks.clear()
    story = twin.story()
    for line in (Line(line="remember", key="a", value=1), Line(line="intent", step="backup.pause")):
        story = story.after(line)
    twin.take_over(story, twin.files)
    bucket = here.operator.ports().bucket
    [key] = [item.key for item in bucket.list("hcp-dr/clusters/shop/") if item.key.endswith(f"/{FILE_NAME}")]
    put(here, key, twin.journal_data(), keys=keys_of(here))
    ending = here.operator.resume()
    assert isinstance(ending.error, JournalError)
    assert "differ after line" in ending.error.what


def test_what_only_the_first_folder_has_is_asked_for_by_name() -> None:
    here = stopped("restore.control_plane_secrets")
    source, _ = sides(here)
    source.patch(r.SECRET, "root-ca", "clusters-shop", {"data": {"more": "bW9yZQ=="}})
    ending = elsewhere(here.world).resume()
    assert isinstance(ending.error, ArchiveError)
    assert "namespaces/clusters-shop/secret-root-ca.yaml is missing" in ending.error.what
    assert "--backup" in ending.error.next


def test_a_pools_status_that_moves_on_is_no_matter() -> None:
    here = stopped("restore.node_pools")
    source, _ = sides(here)
    condition = {"type": "Odd", "status": "True", "reason": "New", "message": "", "observedGeneration": 1}
    condition |= {"lastTransitionTime": "2026-01-01T00:00:00Z"}
    pool = source.get(r.NODE_POOL, "shop-workers", "clusters")
    conditions = [*pool["status"].get("conditions", ()), condition]
    source.patch(r.NODE_POOL, "shop-workers", "clusters", {"status": {"conditions": conditions}}, subresource="status")
    assert elsewhere(here.world).resume().error is None
    assert_whole(here.world)


def test_with_folders_on_disk(tmp_path: Path) -> None:
    here = scene()
    here.operator = Operator(here.world, folder=tmp_path / "first")
    stop_before(here, "backup.snapshot_etcd")
    second = Operator(here.world, folder=tmp_path / "second", machine="laptop")
    assert second.resume().error is None
    kept = {path.name for path in (tmp_path / "second").iterdir()}
    assert kept == {"journal.jsonl", "manifest.json", "mirror.key", "namespaces"}
    assert (tmp_path / "second" / "mirror.key").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "second" / "journal.jsonl").stat().st_mode & 0o777 == 0o600
    with pytest.raises(NothingToResume):
        Operator(here.world, folder=tmp_path / "third", machine="desk").resume()
    assert_whole(here.world)
    with pytest.raises(NothingToResume, match="is finished"):
        here.operator.resume()
    assert (tmp_path / "first" / "journal.jsonl.before").exists()


# Two at once


def test_whoever_begins_while_another_is_at_work_is_refused_and_harms_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    unchecked(monkeypatch)
    here = scene()
    late: list[object] = []

    def second() -> None:
        hooks, here.world.hooks = here.world.hooks, []
        other = elsewhere(here.world)
        here.world.hooks.append(lambda _moment, request: touch(here) if request.verb == "find" else None)
        late.append(other.relocate().error)
        here.world.hooks = hooks

    just_before(here, "backup.export_objects", second)
    ending = here.operator.relocate()
    [error] = late
    assert isinstance(error, LeaseHeld)
    assert "engineer@bastion pid 1" in error.what
    assert ending.error is None
    assert_whole(here.world)


def touch(here: Scene) -> None:
    """As the first one, which stands still on the tabletop while the second is asking, would renew it."""
    source = here.world.sides[0].client()
    source.patch(r.LEASE, LEASE, "default", {"spec": {"renewTime": stamp(here.world.clock.epoch())}})


def test_whoever_lost_his_lease_stops_before_his_next_action() -> None:
    here = scene()
    after: list[str] = []

    def steal() -> None:
        source, _ = sides(here)
        source.patch(r.LEASE, LEASE, "default", {"spec": {"holderIdentity": "a thief"}})
        here.world.clock.spend(25)
        here.world.hooks.append(note)

    def note(moment: str, request: Request) -> None:
        if moment == "before" and request.writes and "Lease" not in str(request) and request.port != "archive":
            after.append(str(request))

    just_before(here, "backup.fence", steal)
    ending = here.operator.relocate()
    assert isinstance(ending.error, LeaseLost)
    assert "a thief holds it" in ending.error.what
    assert [text for text in after if "execute" not in text] == []


def test_a_source_that_dies_after_the_point_of_no_return_does_not_cost_the_lease() -> None:
    """Whatever else then stops it, the run has not lost the right to bring the API back."""
    here = scene()

    def die() -> None:
        here.world.sides[0].stopped = True
        here.world.clock.spend(100)

    just_before(here, "verify.publish_api", die)
    ending = here.operator.relocate()
    assert not isinstance(ending.error, LeaseLost)
    assert "verify.publish_api" in ending.story.memory.done
    if ending.error is not None:
        assert isinstance(ending.error, ClusterUnreachable | NotProven)  # people went on for 100 s
    assert any("without the Lease of the source" in progress.text for progress in here.operator.told)


def test_the_lease_is_free_at_the_end_and_after_an_error() -> None:
    here = scene()
    assert here.operator.relocate().error is None
    for cluster in sides(here):
        lease = cluster.get(r.LEASE, LEASE, "default")
        assert lease["spec"]["holderIdentity"] == ""


def test_few_puts_fall_into_the_time_without_an_api() -> None:
    here = scene()
    puts: list[str] = []

    def count(moment: str, request: Request) -> None:
        done = here.operator.story().memory.done
        away = here.operator.story().acted_in("backup.fence") and "verify.publish_api" not in done
        if moment == "before" and request.port == "bucket" and request.verb == "put" and away:
            puts.append(str(request))

    here.world.hooks.append(count)
    assert here.operator.relocate().error is None
    assert len(puts) <= 13, puts
