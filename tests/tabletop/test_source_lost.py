"""The source dies, and the hosted cluster comes back from its last backup. No step asks the source."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from hcp_dr.aws.port import Record, RecordChange
from hcp_dr.errors import (
    AwsConflict,
    ClusterUnreachable,
    FenceBroken,
    JournalError,
    LeaseHeld,
    LeaseLost,
    NoBackup,
    NotOurs,
    SourceAnswers,
    Unfinished,
)
from hcp_dr.hypershift.deletion import protocol as deletion_protocol
from hcp_dr.hypershift.fence.state import IGNORE_PAUSE, RECONCILERS, WRITERS
from hcp_dr.kube import resources as r
from hcp_dr.model import Case
from hcp_dr_lab.hosted.shapes import Shape
from hcp_dr_lab.observer import tabletop as observation
from hcp_dr_lab.tabletop.gate import Request
from hcp_dr_lab.tabletop.operator import Ending, Operator
from hcp_dr_lab.tabletop.world import World
from tests.tabletop.scene import Scene, scene
from tests.tabletop.test_dangers import Killed, just_before, kill
from tests.tabletop.test_interruption import Left, some
from tests.tabletop.test_takeover import of_shop, zone


def backed_up(*shapes: Shape) -> Scene:
    here = scene(*shapes)
    ending = here.operator.back_up_online()
    assert ending.error is None, ending.error
    return here


def die(here: Scene, *, after: float = 90.0) -> None:
    """Writes go on until then."""
    here.world.clock.spend(after)
    here.world.die(here.world.sides[0])
    here.world.clock.spend(5)


def assert_alive(world: World, ending: Ending) -> None:
    """I1, and what came back is this cluster."""
    assert ending.error is None, ending.error
    world.clock.spend(60)
    verdict = observation.of(world).verdict()
    assert verdict.instances_terminated == ()
    assert verdict.instances_new == ()
    assert verdict.boot_ids_changed == ()
    assert verdict.container_restarts == ()
    assert verdict.nodes_after == verdict.nodes_before
    names = world.residents["shop"].names
    assert {side.name for side, _ in world.apis(names)} == {"mgmt-2"}


@pytest.mark.parametrize(
    "shapes",
    [(), (Shape.LOAD_BALANCER,), (Shape.NEIGHBOUR,)],
    ids=["plain", "balancer", "neighbour"],
)
def test_it_comes_back_from_an_online_backup_and_the_loss_is_told(shapes: tuple[Shape, ...]) -> None:
    here = backed_up(*shapes)
    before = zone(here)
    die(here)
    asked: list[Request] = []
    here.world.hooks.append(lambda _moment, request: asked.append(request) if request.port == "source" else None)
    ending = here.operator.restore_lost()
    here.world.hooks.clear()
    assert_alive(here.world, ending)
    assert {(each.verb, each.arguments[:2]) for each in asked} == {("find", (r.NAMESPACE, "kube-system"))}
    told = {check.name: check for check in ending.checks}
    assert "writes of the last 2 minutes are lost" in told["data_loss"].seen
    assert "capi-provider" in told["source_fence"].todo
    assert told["etcd_revision"].verdict == "warning"
    assert told["nonce"].verdict == "ok"
    verdict = observation.of(here.world).verdict()
    assert verdict.lost, "what was written after the backup"
    after = zone(here)
    assert after - of_shop(after) == before - of_shop(before)
    names = {record.name for record in of_shop(before)}
    assert names == {record.name for record in of_shop(after)}
    assert of_shop(after) != of_shop(before)
    assert ending.exit_code == 1


def test_it_comes_back_from_a_fenced_backup_too() -> None:
    here = scene()
    assert here.operator.backup().error is None
    die(here, after=1)
    assert_alive(here.world, here.operator.restore_lost())


def test_a_relocation_whose_source_dies_after_the_snapshot_goes_on_from_it() -> None:
    here = scene()
    just_before(here, "restore.hosted_cluster", lambda: here.world.die(here.world.sides[0]))
    ending = here.operator.relocate()
    assert isinstance(ending.error, ClusterUnreachable | LeaseLost)
    here.world.hooks.clear()
    assert_alive(here.world, here.operator.restore_lost())


def test_a_source_that_answers_is_refused_whatever_it_says() -> None:
    here = backed_up()
    [first, _] = here.world.sides
    ending = here.operator.restore_lost()
    assert isinstance(ending.error, SourceAnswers)
    assert "hcp-dr relocate" in ending.error.next
    assert ending.story.command == "backup --online"
    first.stopped = True
    here.world.clock.spend(5)
    ending = here.operator.restore_lost()
    assert isinstance(ending.error, SourceAnswers), "its control plane still takes writes"
    assert "a control plane on mgmt-1 still takes writes" in ending.error.what
    assert "Power off the nodes of mgmt-1" in ending.error.next


def test_one_that_comes_back_before_the_point_of_no_return_stops_it_and_an_abort_gives_all_back() -> None:
    here = backed_up()
    before = zone(here)
    die(here)
    just_before(here, "restore.refresh_external_dns", lambda: here.world.revive(here.world.sides[0]))
    ending = here.operator.restore_lost()
    here.world.hooks.clear()
    assert isinstance(ending.error, SourceAnswers)
    assert "hcp-dr abort" in ending.error.next
    assert not ending.story.acted_in("restore.start_control_plane")
    assert isinstance(here.operator.resume().error, SourceAnswers)
    here.world.clock.spend(60)
    undone = here.operator.abort()
    assert undone.error is None, undone.error
    here.world.clock.spend(60)
    assert zone(here) == before
    assert here.world.sides[1].client().find(r.HOSTED_CLUSTER, "shop", "clusters") is None
    assert observation.of(here.world).verdict().instances_terminated == ()


def test_a_snapshot_that_the_bucket_does_not_prove_is_none() -> None:
    here = backed_up()
    die(here)
    bucket = here.operator.ports().bucket
    case = Case.from_json(dict(here.operator.story().case or {}))
    bucket.put(case.snapshot_key, b"other", metadata={"sha256": "0"})
    ending = here.operator.restore_lost()
    assert isinstance(ending.error, NoBackup)
    assert "in size or sha256" in ending.error.what


def test_a_record_that_somebody_else_keeps_stops_it_before_anything_serves() -> None:
    here = backed_up()
    die(here)
    name = here.world.residents["shop"].server[0]
    label, _, rest = name.partition(".")
    said = '"heritage=external-dns,external-dns/owner=third,external-dns/resource=route/elsewhere/other"'
    stranger = Record(f"{label}-external-dns.{rest}", "TXT", 300, (said,))
    here.operator.ports().zone.change((RecordChange("UPSERT", stranger),))
    before = zone(here)
    ending = here.operator.restore_lost()
    assert isinstance(ending.error, NotOurs)
    assert zone(here) == before


@pytest.mark.usefixtures("nested")
def test_of_two_machines_one_does_it() -> None:
    here = backed_up()
    die(here)
    files, story = dict(here.operator.files), here.operator.story()
    late: list[Ending] = []

    def second() -> None:
        hooks, here.world.hooks = here.world.hooks, []
        here.world.hooks.append(lambda _moment, request: touch(here) if request.verb == "head" else None)
        other = Operator(here.world, machine="laptop")
        other.take_over(story, files)
        late.append(other.restore_lost())
        here.world.hooks = hooks

    just_before(here, "restore.control_plane_secrets", second)
    assert_alive(here.world, here.operator.restore_lost())
    assert [type(each.error) for each in late] == [LeaseHeld]
    assert "bucket, for the lost source" in str(late[0].error)


def touch(here: Scene) -> None:
    """As the first one, which stands still while the second is asking, would renew it."""
    hooks, here.world.hooks = here.world.hooks, []
    bucket = here.operator.ports().bucket
    key = "hcp-dr/clusters/shop/lease.json"
    try:
        if (head := bucket.head(key)) is not None:
            bucket.put(key, bucket.get(key) + b" ", metadata={}, if_etag=head.etag)
    except AwsConflict:
        pass
    here.world.hooks = hooks


def test_killed_and_resumed() -> None:
    here = backed_up()
    die(here)
    left: list[Left] = []

    def remember(moment: str, request: Request) -> None:
        story = here.operator.story()
        if request.writes and story.command == "restore --source-lost" and not story.ended:
            hooks, here.world.hooks = here.world.hooks, []
            world = here.world.clone()
            here.world.hooks = hooks
            left.append(Left(f"{moment} {request}", world, story, dict(here.operator.files)))

    here.world.hooks.append(remember)
    assert here.operator.restore_lost().error is None
    assert len(left) > 50
    for each in every_nth(some(left)):
        operator = Operator(each.world)
        operator.take_over(each.story, each.files)
        begun = each.story.memory.values.get("source_lost") is not None
        ending = operator.resume() if begun else operator.restore_lost()
        assert ending.error is None, (each.words, ending.error)
        assert_alive(each.world, ending)


def every_nth(found: list[Left]) -> Iterable[Left]:
    return found[::2]


def test_it_is_done_once_and_protection_stays_on_until_the_source_is_removed() -> None:
    here = backed_up()
    die(here)
    assert_alive(here.world, here.operator.restore_lost())
    assert isinstance(here.operator.restore_lost().error, NoBackup)
    ending = here.operator.go_on("finish")
    assert ending.error is None, ending.error
    assert "termination_protection" in {check.name for check in ending.checks if check.verdict == "warning"}
    machines = here.world.cloud.machines
    assert all(machines.protected(name) for name in machines.instances())
    assert isinstance(here.operator.go_on("teardown").error, ClusterUnreachable)


def test_without_a_backup_there_is_none() -> None:
    here = scene()
    here.world.die(here.world.sides[0])
    assert isinstance(here.operator.restore_lost().error, NoBackup)


def test_one_that_passed_the_point_of_no_return_is_resumed_and_not_restored_again() -> None:
    here = backed_up()
    die(here)
    just_before(here, "verify.publish_api", kill)
    with pytest.raises(Killed):
        here.operator.restore_lost()
    here.world.hooks.clear()
    assert isinstance(here.operator.restore_lost().error, Unfinished)
    assert_alive(here.world, here.operator.resume())


def test_a_relocation_past_its_point_of_no_return_is_not_restored_over() -> None:
    here = scene()
    just_before(here, "verify.publish_api", kill)
    with pytest.raises(Killed):
        here.operator.relocate()
    here.world.hooks.clear()
    here.world.die(here.world.sides[0])
    assert isinstance(here.operator.restore_lost().error, JournalError)
    resumed = here.operator.resume()
    assert isinstance(resumed.error, ClusterUnreachable), "teardown has to ask it"
    assert {"verify.identity", "restore.adopt_machines", "verify.hosted_api"} <= resumed.story.memory.done


def test_when_the_source_is_back_and_fenced_by_hand_it_is_removed_there() -> None:
    """By the pause, and by what the warning names."""
    here = backed_up()
    die(here)
    assert_alive(here.world, here.operator.restore_lost())
    first = here.world.sides[0]
    here.world.revive(first)
    source = first.client()
    for resource, name in ((r.HOSTED_CLUSTER, "shop"), (r.NODE_POOL, "shop-workers")):
        source.patch(resource, name, "clusters", {"spec": {"pausedUntil": "true"}})
    here.world.clock.spend(10)
    for name in (*RECONCILERS, *IGNORE_PAUSE, *WRITERS, *deletion_protocol.CAN_TERMINATE_INSTANCES):
        if source.find(r.DEPLOYMENT, name, "clusters-shop") is not None:
            source.patch(r.DEPLOYMENT, name, "clusters-shop", {"spec": {"replicas": 0}})
    here.world.clock.spend(150)
    ending = here.operator.go_on("teardown")
    assert ending.error is None, ending.error
    assert source.find(r.HOSTED_CLUSTER, "shop", "clusters") is None
    ending = here.operator.go_on("finish")
    assert ending.error is None
    machines = here.world.cloud.machines
    assert not any(machines.protected(name) for name in machines.instances())
    here.world.clock.spend(30)
    assert_alive(here.world, ending)


def test_a_source_that_is_back_and_not_fenced_is_not_removed() -> None:
    here = backed_up()
    die(here)
    assert_alive(here.world, here.operator.restore_lost())
    here.world.revive(here.world.sides[0])
    here.world.clock.spend(10)
    assert isinstance(here.operator.go_on("teardown").error, FenceBroken)
    assert observation.of(here.world).verdict().instances_terminated == ()
