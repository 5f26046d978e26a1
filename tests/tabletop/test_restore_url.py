"""The restore URL reads all of etcd, and whoever reads a HostedCluster has it: it opens nothing any more when it is not
needed, and the snapshot is never lost on the way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import pytest

from hcp_dr.aws.presigned import ends_at
from hcp_dr.errors import BucketRefused, HcpDrError
from hcp_dr.hypershift.etcd.restore_url import NEEDED, URL_SECONDS
from hcp_dr.kube import resources as r
from hcp_dr.objects.archive import Manifest
from hcp_dr_lab.ground.layout import BUCKET
from hcp_dr_lab.tabletop.aws import ports, storage
from hcp_dr_lab.tabletop.aws.storage import Stored, Wanted
from hcp_dr_lab.tabletop.gate import Request
from hcp_dr_lab.tabletop.operator import Ending
from tests.tabletop.scene import Scene, scene, twin
from tests.tabletop.test_dangers import just_before
from tests.tabletop.test_source_lost import assert_alive, backed_up, die

STEP = "finish.expire_url"


def url_of(here: Scene) -> str:
    found = here.world.sides[1].client().get(r.HOSTED_CLUSTER, "shop", "clusters")
    [url] = found["spec"]["etcd"]["managed"]["storage"]["restoreSnapshotURL"]
    return str(url)


def opens(here: Scene, url: str) -> int:
    return here.world.cloud.storage.request("GET", url).status


def manifest_of(here: Scene) -> Manifest:
    return Manifest.from_text(here.operator.files["manifest.json"])


def snapshots(here: Scene) -> dict[str, Stored]:
    """All objects with the snapshot's content, by the end of their key."""
    known = manifest_of(here).snapshot
    assert known is not None
    keys = here.world.cloud.storage.keys_of(BUCKET, known.key.rpartition("/")[0])
    found = {key: here.world.cloud.storage.get(BUCKET, key) for key in keys}
    return {key.rpartition("/")[2]: each for key, each in found.items() if each.metadata.get("sha256") == known.sha256}


def in_step(here: Scene, act: Callable[[Literal["before", "after"], Request], None]) -> None:
    def listen(moment: Literal["before", "after"], request: Request) -> None:
        if here.operator.story().current == STEP:
            act(moment, request)

    here.world.hooks.append(listen)


def fail_in(here: Scene, step: str) -> None:
    def stop() -> None:
        raise HcpDrError(what=step)

    just_before(here, step, stop)
    assert here.operator.relocate().error is not None
    here.world.hooks.clear()


def test_it_is_no_key_to_etcd_after_a_relocation() -> None:
    here = scene()
    tried: list[int] = []
    just_before(here, "verify.identity", lambda: tried.append(opens(here, url_of(here))))
    ending = here.operator.relocate()
    assert ending.error is None
    assert (tried, opens(here, url_of(here))) == ([200], 404)
    [(name, stored)] = snapshots(here).items()
    known = manifest_of(here).snapshot
    assert known is not None
    assert (name, len(stored.body), stored.metadata["fence"]) == ("snapshot-1.db", known.size, known.fence)
    assert here.verdict().reasons == ()


def test_it_lives_as_long_as_it_is_needed_and_it_is_told_until_when() -> None:
    here = scene()
    created: list[float] = []
    just_before(here, "restore.node_pools", lambda: created.append(here.world.clock.epoch()))
    fail_in(here, "restore.start_control_plane")
    ends = ends_at(url_of(here))
    assert ends is not None
    assert ends - created[0] == pytest.approx(URL_SECONDS, abs=30)
    assert NEEDED < URL_SECONDS <= 3 * 3600
    [done] = [
        each
        for each in here.operator.story().lines
        if each.get("step") == "restore.hosted_cluster" and "checks" in each
    ]
    assert "reads all of etcd until 20" in str(done["checks"])


@pytest.mark.parametrize("phase", ["restore", "finish"])
def test_it_ends_with_the_restore_and_each_later_phase_looks_again(phase: str) -> None:
    here = scene()
    assert here.operator.backup().error is None
    assert list(snapshots(here)) == ["snapshot.db"]
    assert here.operator.go_on("restore").error is None
    url = url_of(here)
    if phase == "finish":  # as an older version left it
        stored = snapshots(here)["snapshot-1.db"]
        known = manifest_of(here).snapshot
        assert known is not None
        here.world.cloud.storage.put(BUCKET, known.key, stored.body, Wanted(stored.metadata))
        assert opens(here, url) == 200
        for later in ("verify", "teardown", "finish"):
            assert here.operator.go_on(later).error is None
    assert opens(here, url) == 404
    assert list(snapshots(here)) == ["snapshot-1.db"]


def test_it_ends_with_an_abort() -> None:
    here = scene()
    fail_in(here, "restore.start_control_plane")
    url = url_of(here)
    assert opens(here, url) == 200
    ending = here.operator.abort()
    assert ending.error is None
    assert opens(here, url) == 404
    assert list(snapshots(here)) == ["snapshot-1.db"]


def planned(here: Scene, command: str) -> tuple[str, ...]:
    [step] = [step for step in here.operator.plan(command) if step.name == STEP]
    return step.actions or (step.text,)


def test_a_plan_says_what_will_be_done() -> None:
    here = scene()
    assert [action.split()[0] for action in planned(here, "relocate")] == ["remember", "copy", "delete"]
    fail_in(here, "restore.start_control_plane")
    objects = list(snapshots(here))
    assert planned(here, "abort")[0].startswith("remember")
    assert planned(here, "resume")[0].startswith("remember")
    assert list(snapshots(here)) == objects
    assert here.operator.resume().error is None
    assert planned(here, "finish") == ("done: by the journal",) or "opens nothing" in planned(here, "finish")[0]


def test_where_none_was_created_nothing_is_moved() -> None:
    here = scene()
    fail_in(here, "restore.hosted_cluster")
    assert planned(here, "abort") == ("no restore URL was created",)
    assert here.operator.abort().error is None
    assert list(snapshots(here)) == ["snapshot.db"]


def killed_at_each(here: Scene) -> list[Scene]:
    """What is left by a kill at each request of the step; at none of them the bucket lacks the snapshot."""
    left: list[Scene] = []

    def keep(moment: Literal["before", "after"], request: Request) -> None:
        del moment
        assert snapshots(here)
        if request.writes:
            left.append(twin(here))

    in_step(here, keep)
    assert here.operator.relocate().error is None
    here.world.hooks.clear()
    return left


def test_killed_at_any_moment_it_is_moved_once_and_never_lost() -> None:
    left = killed_at_each(scene())
    assert len(left) == 10, "before and after the mirror, its mark in both Leases, the copy and the deletion"
    for each in left:
        url = url_of(each)
        assert each.operator.resume().error is None
        assert list(snapshots(each)) == ["snapshot-1.db"]
        assert opens(each, url) == 404


def test_a_large_snapshot_is_moved_too(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (ports, storage):
        monkeypatch.setattr(module, "MAX_PART_BYTES", 1000)
    here = scene()
    ending = here.operator.relocate()
    assert ending.error is None
    [(name, stored)] = snapshots(here).items()
    assert (name, stored.etag[-2:]) == ("snapshot-1.db", "-1")
    assert opens(here, url_of(here)) == 404


def refuse_copies(here: Scene) -> None:
    def refuse(moment: Literal["before", "after"], request: Request) -> None:
        if moment == "before" and (request.port, request.verb) == ("bucket", "copy"):
            raise BucketRefused(service="S3", operation="CopyObject", object=BUCKET, reason="AccessDenied")

    in_step(here, refuse)


def test_a_bucket_that_refuses_a_copy_holds_nothing_else_up_and_time_ends_it() -> None:
    here = scene()
    refuse_copies(here)
    ending = here.operator.relocate()
    assert isinstance(ending.error, BucketRefused)
    assert "Everything else is done: the restore URL expires by itself" in ending.error.next
    assert here.world.sides[0].client().find(r.HOSTED_CLUSTER, "shop", "clusters") is None
    assert list(snapshots(here)) == ["snapshot.db"], "the only copy is never deleted"
    url = url_of(here)
    assert opens(here, url) == 200
    here.operator.memory.journal.write("remember", key="restore_url_ends", value=here.world.clock.epoch() - 3600)
    assert here.operator.resume().error is None
    assert list(snapshots(here)) == ["snapshot.db"]


def test_a_bucket_that_deletes_nothing_has_no_rival() -> None:
    here = scene()
    there = here.world.cloud.storage
    delete = there.delete

    def forget(bucket: str, key: str) -> None:
        if here.operator.story().current != STEP:
            delete(bucket, key)

    there.delete = forget  # type: ignore[method-assign]
    ending = here.operator.relocate()
    assert isinstance(ending.error, BucketRefused)
    assert "the bucket confirmed this twice, but it is still there" in ending.error.what
    there.delete = delete  # type: ignore[method-assign]
    assert here.operator.resume().error is None
    assert list(snapshots(here)) == ["snapshot-1.db"]


def test_another_object_in_its_place_is_not_touched() -> None:
    here = scene()

    def replace() -> None:
        known = manifest_of(here).snapshot
        assert known is not None
        there = here.world.cloud.storage
        there.put(BUCKET, known.key, b"another", Wanted(there.get(BUCKET, known.key).metadata))

    just_before(here, STEP, replace)
    ending = here.operator.relocate()
    assert ending.error is None
    [check] = [check for check in ending.checks if check.name == "snapshot"]
    assert check.verdict == "warning"
    assert snapshots(here)["snapshot.db"].body == b"another"


def test_another_object_under_the_next_key_is_not_overwritten() -> None:
    here = scene()

    def occupy() -> None:
        known = manifest_of(here).snapshot
        assert known is not None
        key = known.key.replace("snapshot.db", "snapshot-1.db")
        here.world.cloud.storage.put(BUCKET, key, b"another", Wanted({"sha256": known.sha256}))

    just_before(here, STEP, occupy)
    assert here.operator.relocate().error is None
    found = snapshots(here)
    assert found["snapshot-1.db"].body == b"another"
    assert set(found) == {"snapshot-1.db", "snapshot-2.db"}
    assert opens(here, url_of(here)) == 404


def moved(here: Scene) -> None:
    """By a restore in another folder, or by hand."""
    known, there = manifest_of(here).snapshot, here.world.cloud.storage
    assert known is not None
    stored = there.get(BUCKET, known.key)
    there.put(BUCKET, known.key.replace("snapshot.db", "snapshot-1.db"), stored.body, Wanted(stored.metadata))
    there.delete(BUCKET, known.key)


def test_a_backup_is_restored_from_a_snapshot_that_was_moved() -> None:
    here = backed_up()
    moved(here)
    die(here)
    ending = here.operator.restore_lost()
    assert_alive(here.world, ending)
    assert opens(here, url_of(here)) == 404
    assert list(snapshots(here)) == ["snapshot-2.db"], "the URL of the first restore may still be alive"


def test_a_fenced_backup_too() -> None:
    here = scene()
    assert here.operator.backup(documented_key=True).error is None
    moved(here)
    ending: Ending = here.operator.go_on("restore")
    assert ending.error is None
    assert list(snapshots(here)) == ["snapshot-2.db"]
