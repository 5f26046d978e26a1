"""A relocation after which another one was at work on the same hosted cluster does not go on: what its journal
remembers is older, and the hosted cluster may serve elsewhere by now."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hcp_dr.engine.journal import JournalState
from hcp_dr.errors import HcpDrError, JournalError, NothingToResume, NotOurs, PastNoReturn, Unfinished
from hcp_dr.kube import resources as r
from hcp_dr_lab.tabletop.operator import Ending, Operator
from tests.tabletop.by_hand import Hands
from tests.tabletop.scene import Scene, scene, twin
from tests.tabletop.test_dangers import Killed, just_before, kill
from tests.tabletop.test_peers_exchanged import written
from tests.tabletop.test_source_lost import assert_alive, backed_up, die

GO_ON: dict[str, Callable[[Operator], Ending]] = {
    "resume": lambda operator: operator.resume(),
    "abort": lambda operator: operator.abort(),
}


def with_another_folder(here: Scene, machine: str = "laptop") -> Operator:
    operator = Operator(here.world, machine=machine)
    operator.folder_name = machine
    return operator


def killed_in(here: Scene, operator: Operator, step: str, begin: Callable[[Operator], Ending]) -> None:
    just_before(Scene(here.world, operator), step, kill)
    with pytest.raises(Killed):
        begin(operator)
    here.world.hooks.clear()
    here.world.clock.spend(75)


def error_of(act: Callable[[Operator], Ending], operator: Operator) -> HcpDrError | None:
    try:
        return act(operator).error
    except HcpDrError as error:
        return error


@pytest.mark.parametrize("command", GO_ON)
def test_a_relocation_before_the_restore_of_a_lost_source(command: str) -> None:
    here = backed_up()
    relocating = with_another_folder(here)
    killed_in(here, relocating, "backup.pause", Operator.relocate)
    die(here, after=0)
    assert here.operator.restore_lost().error is None
    here.world.revive(here.world.sides[0])
    here.world.clock.spend(75)
    seen = written(here)
    error = error_of(GO_ON[command], relocating)
    assert isinstance(error, JournalError | PastNoReturn)
    assert "BACKUP_DIR" in error.next
    assert [each for each in seen if "Lease" not in each] == []


@pytest.mark.parametrize("command", GO_ON)
def test_an_online_backup_before_a_relocation(command: str) -> None:
    here = scene()
    backing_up = with_another_folder(here)
    killed_in(here, backing_up, "backup.export_objects", Operator.back_up_online)
    killed_in(here, here.operator, "backup.release_dns", Operator.relocate)
    seen = written(here)
    assert "began after this one" in str(error_of(GO_ON[command], backing_up))
    assert [each for each in seen if "Lease" not in each] == []
    here.world.clock.spend(75)
    assert here.operator.resume().error is None
    assert here.verdict().reasons == ()


def test_the_rest_of_a_relocation_before_the_next_one() -> None:
    """The rest would take the protection off the instances in the middle of the next one."""
    here = scene()
    assert here.operator.backup().error is None
    for phase in ("restore", "verify", "teardown"):
        assert here.operator.go_on(phase).error is None
    back = Operator(here.world, source=2, machine="laptop")
    back.folder_name = "back"
    killed_in(here, back, "backup.fence", Operator.relocate)
    seen = written(here)
    assert "began after this one" in str(error_of(lambda operator: operator.go_on("finish"), here.operator))
    assert [each for each in seen if "Lease" not in each] == []


def test_a_finished_online_backup_is_not_aborted() -> None:
    here = backed_up()
    seen = written(here)
    assert isinstance(error_of(GO_ON["abort"], here.operator), NothingToResume)
    assert seen == []
    die(here)
    assert here.operator.restore_lost().error is None


@pytest.mark.parametrize("step", ["backup.pause", "restore.hosted_cluster"])
def test_a_backup_made_by_hand_is_not_restored_beside_a_relocation(step: str) -> None:
    here = scene()
    made = twin(here)
    hands = Hands(made.world)
    hands.backup()
    killed_in(here, here.operator, step, Operator.relocate)
    by_hand = with_another_folder(here)
    by_hand.take_over(JournalState(), hands.files)
    seen = written(here)
    assert isinstance(error_of(Operator.restore_by_hand, by_hand), Unfinished)
    assert seen == []


def test_no_older_backup_is_restored_once_a_control_plane_was_started() -> None:
    """Its etcd has newer writes, and its API does not answer yet."""
    here = backed_up()
    relocating = with_another_folder(here)
    killed_in(here, relocating, "verify.publish_api", Operator.relocate)
    die(here, after=0)
    seen = written(here)
    error = error_of(Operator.restore_lost, here.operator)
    assert isinstance(error, Unfinished)
    assert "`hcp-dr resume`" in error.next
    assert seen == []
    assert relocating.resume().error is not None or here.verdict().lost == ()


def remove_by_hand(here: Scene) -> None:
    """As the error says, with kubectl."""
    there = here.world.sides[1].client(manager="somebody")
    operator = (r.DEPLOYMENT, "operator", "hypershift")
    objects = [(kind, each) for kind in (r.NODE_POOL, r.HOSTED_CLUSTER) for each in there.list(kind, "clusters").items]
    if objects:
        there.patch(*operator, {"spec": {"replicas": 0}})
        here.world.clock.spend(20)
    for kind, each in objects:
        there.delete(kind, each["metadata"]["name"], "clusters")
        if there.find(kind, each["metadata"]["name"], "clusters"):
            there.patch(kind, each["metadata"]["name"], "clusters", {"metadata": {"finalizers": None}})
    there.delete(r.NAMESPACE, "clusters-shop")
    here.world.clock.spend(20)
    if objects:
        there.patch(*operator, {"spec": {"replicas": 1}})


@pytest.mark.parametrize("step", ["backup.fence", "restore.start_control_plane"])
def test_what_a_relocation_off_a_lost_source_left_is_removed_as_the_error_says(step: str) -> None:
    here = backed_up()
    relocating = with_another_folder(here)
    killed_in(here, relocating, step, Operator.relocate)
    die(here, after=0)
    error = error_of(Operator.restore_lost, here.operator)
    assert isinstance(error, NotOurs)
    assert "delete namespace clusters-shop`" in error.next
    remove_by_hand(here)
    ending = here.operator.resume()
    assert_alive(here.world, ending)
