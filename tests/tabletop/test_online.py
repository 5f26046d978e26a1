"""Online backups: the hosted cluster goes on, and nothing of it is touched but its mark and what the snapshot needs."""

from __future__ import annotations

import pytest

from hcp_dr.engine.lease_status import stamp
from hcp_dr.engine.progress import Progress
from hcp_dr.errors import ClusterUnreachable, LeaseHeld, Unfinished
from hcp_dr.kube import resources as r
from hcp_dr.model import Case
from hcp_dr.objects.archive import Manifest
from hcp_dr_lab.hosted.shapes import Shape
from hcp_dr_lab.tabletop.gate import Request
from hcp_dr_lab.tabletop.operator import Ending, Operator
from tests.tabletop.scene import Scene, scene
from tests.tabletop.test_dangers import Killed, kill, scale, sides, stopped

ETCD_FOLDER = "/var/lib/data/"


def taken(here: Scene, machine: str = "bastion") -> tuple[Operator, Ending]:
    operator = Operator(here.world, machine=machine)
    return operator, operator.back_up_online()


def manifest_of(operator: Operator) -> Manifest:
    return Manifest.from_text(operator.files["manifest.json"])


@pytest.mark.parametrize(
    "shapes", [(), (Shape.THREE_MEMBERS,), (Shape.NEIGHBOUR,)], ids=["plain", "three members", "neighbour"]
)
def test_the_hosted_cluster_goes_on_and_nothing_but_its_mark_is_touched(shapes: tuple[Shape, ...]) -> None:
    here = scene(*shapes)
    written: list[Request] = []
    here.world.hooks.append(lambda moment, request: written.append(request) if moment == "before" else None)
    before = here.world.clock.epoch()
    operator, ending = taken(here)
    assert ending.error is None, ending.error
    assert ending.story.ended
    changed = {(each.port, each.verb, str(each.arguments[0])) for each in written if each.writes}
    clusters = {(port, verb, what) for port, verb, what in changed if port in ("source", "destination", "hosted")}
    assert {what for _, _, what in clusters} <= {str(r.LEASE), str(r.CONFIG_MAP), str(r.SECRET), "clusters-shop"}
    assert {port for port, _, what in clusters if what == str(r.SECRET)} == {"source", "destination"}
    assert {verb for port, verb, what in clusters if what == "clusters-shop"} == {"execute"}
    assert {port for port, _, what in clusters if what == str(r.CONFIG_MAP)} == {"hosted"}
    assert not [each for each in changed if each[0] in ("zone", "instances")]
    manifest = manifest_of(operator)
    assert manifest.fence is None
    snapshot = manifest.snapshot
    assert snapshot is not None
    assert not snapshot.fenced
    assert snapshot.at is not None
    assert before <= snapshot.at <= here.world.clock.epoch()
    case = Case.from_json(dict(ending.story.case or {}))
    stored = operator.ports().bucket.head(case.snapshot_key)
    assert stored is not None
    assert (stored.size, stored.metadata["sha256"]) == (snapshot.size, snapshot.sha256)
    verdict = here.verdict()
    assert (verdict.lost, verdict.instances_terminated) == ((), ())
    assert verdict.api_downtime_s < 1


def test_each_is_a_backup_of_its_own_and_leaves_no_file_in_etcds_volume() -> None:
    here = scene()
    first, second = taken(here)[0], taken(here)[0]
    keys = {manifest_of(operator).snapshot.key for operator in (first, second)}  # type: ignore[union-attr]
    assert len(keys) == 2
    assert files_in_etcd(here) == []
    nonces = [operator.story().memory.values.get("nonce") for operator in (first, second)]
    assert nonces[0] != nonces[1]


def files_in_etcd(here: Scene) -> list[str]:
    source = here.operator.ports().source
    completed = source.execute("clusters-shop", "etcd-0", "etcd", ["/bin/bash", "-c", f"ls {ETCD_FOLDER}"])
    return [name for name in completed.stdout.decode().split() if name.startswith("snapshot")]


def test_one_that_was_killed_goes_on_or_is_followed_by_another() -> None:
    here = scene()
    here.world.hooks.append(
        lambda moment, request: (
            kill() if (moment, request.port) == ("before", "bucket") and files_in_etcd_now(here) else None
        )
    )
    operator = Operator(here.world)
    with pytest.raises(Killed):
        operator.back_up_online()
    here.world.hooks.clear()
    assert len(files_in_etcd(here)) == 1
    twin = here.world.clone()
    other = Operator(twin, machine="bastion")
    other.take_over(operator.story(), operator.files)
    assert other.resume().error is None
    again, ending = taken(here)
    assert ending.error is None
    assert manifest_of(again).snapshot is not None
    assert files_in_etcd(here) == []


def files_in_etcd_now(here: Scene) -> bool:
    hooks, here.world.hooks = here.world.hooks, []
    found = files_in_etcd(here)
    here.world.hooks = hooks
    return bool(found)


def test_none_is_taken_while_a_relocation_is_not_finished_and_it_goes_on_after_that() -> None:
    here = stopped("backup.pause")
    _, ending = taken(here, "laptop")
    assert isinstance(ending.error, Unfinished)
    assert "is not finished: its relocate has not ended" in ending.error.what
    assert here.operator.resume().error is None
    assert here.verdict().reasons == ()


def test_none_is_taken_while_somebody_is_at_work() -> None:
    here = scene()
    late: list[object] = []

    def second() -> None:
        hooks, here.world.hooks = here.world.hooks, []
        here.world.hooks.append(lambda _moment, request: touch(here) if request.verb == "find" else None)
        late.append(taken(here, "laptop")[1].error)
        here.world.hooks = hooks

    class Heard(list[Progress]):
        """Between two requests: a hook of a request keeps other threads from asking."""

        def append(self, event: Progress) -> None:
            super().append(event)
            if (event.kind, event.step) == ("begin", "backup.export_objects"):
                second()

    first = Operator(here.world)
    here.operator = first
    first.told = Heard()
    assert first.back_up_online().error is None
    assert [type(error) for error in late] == [LeaseHeld]


def touch(here: Scene) -> None:
    source = here.world.sides[0].client()
    source.patch(r.LEASE, "hcp-dr-clusters-shop", "default", {"spec": {"renewTime": stamp(here.world.clock.epoch())}})


def test_a_relocation_follows_as_if_there_had_been_none() -> None:
    here = scene()
    assert taken(here)[1].error is None
    assert here.operator.relocate().error is None
    assert here.verdict().reasons == ()


def test_without_etcd_it_is_refused_before_anything_is_written() -> None:
    here = scene()
    source, _ = sides(here)
    scale(source, "hypershift", "operator", 0)
    here.world.clock.spend(10)
    scale(source, "clusters-shop", "control-plane-operator", 0)
    here.world.clock.spend(10)
    source.patch(r.STATEFUL_SET, "etcd", "clusters-shop", {"spec": {"replicas": 0}})
    here.world.clock.spend(20)
    _, ending = taken(here)
    assert isinstance(ending.error, ClusterUnreachable), "the hosted API is away without it"
    assert ending.story.lines == ()
