"""A worker's instance exists no more, and no controller replaces its machine: the others are not kept where they are.
The machine is carried as it is, named, and no instance is created or lost."""

from __future__ import annotations

import pytest

from hcp_dr.errors import CannotMigrate, MachineUnsafe
from hcp_dr.kube import resources as r
from hcp_dr.objects.reading import name_of
from hcp_dr_lab.hosted.shapes import Shape
from tests.tabletop.scene import Scene, scene
from tests.tabletop.test_dangers import just_before, sides

ACCEPTED = {"gone_instances": "a Spot instance was reclaimed", "nodes_ready": "its node"}


def lose(here: Scene, *, after: float = 1200) -> tuple[str, str]:
    """The instance and the Machine of one worker."""
    source, _ = sides(here)
    aws_machine = source.list(r.AWS_MACHINE, "clusters-shop").items[0]
    instance = aws_machine["spec"]["providerID"].rsplit("/", 1)[1]
    here.world.cloud.machines.terminate(instance)
    here.world.clock.spend(after)
    [machine] = [
        item
        for item in source.list(r.MACHINE, "clusters-shop").items
        if item["spec"]["providerID"] == aws_machine["spec"]["providerID"]
    ]
    return instance, name_of(machine)


def test_there_is_a_way_out() -> None:
    here = scene()
    instance, machine = lose(here)
    ending = here.operator.relocate()
    assert isinstance(ending.error, CannotMigrate)
    stopping = {check.name: check for check in ending.checks if check.stops}
    assert set(stopping) == set(ACCEPTED)
    assert all(check.acceptable for check in stopping.values())
    assert instance in stopping["gone_instances"].seen
    assert f"oc delete machines.cluster.x-k8s.io -n clusters-shop {machine}" in stopping["gone_instances"].todo


@pytest.mark.parametrize("shapes", [(), (Shape.THREE_POOLS,)])
def test_accepted_it_is_carried_as_it_is_and_told(shapes: tuple[Shape, ...]) -> None:
    here = scene(*shapes)
    instance, machine = lose(here)
    before = set(here.world.cloud.machines.instances())
    ending = here.operator.relocate(reasons=ACCEPTED)
    assert ending.error is None, ending.error
    assert any(check.name == "gone_instances" and instance in check.seen for check in ending.checks)
    assert any(check.name == "nodes.not_ready" for check in ending.checks)
    here.world.clock.spend(600)
    assert set(here.world.cloud.machines.instances()) == before, "no instance was created in its place"
    assert machine in {name_of(item) for item in sides(here)[1].list(r.MACHINE, "clusters-shop").items}
    verdict = here.verdict()
    assert (verdict.lost, verdict.split_brain, verdict.instances_new) == ((), False, ())
    assert not [each for each in verdict.instances_terminated if instance not in str(each)]


def test_it_can_be_aborted() -> None:
    here = scene()
    lose(here)

    def stop() -> None:
        raise KeyboardInterrupt

    just_before(here, "restore.hosted_cluster", stop)
    with pytest.raises(KeyboardInterrupt):
        here.operator.relocate(reasons=ACCEPTED)
    here.world.hooks.clear()
    assert here.operator.abort().error is None
    assert here.world.sides[0].api("clusters-shop") is not None


def test_an_instance_that_is_lost_on_the_way_does_not_keep_the_source_from_its_teardown() -> None:
    here = scene()
    lost: list[str] = []

    def reclaim() -> None:
        source, _ = sides(here)
        aws_machine = source.list(r.AWS_MACHINE, "clusters-shop").items[0]
        instance = aws_machine["spec"]["providerID"].rsplit("/", 1)[1]
        here.world.cloud.machines.protect(instance, on=False)
        here.world.cloud.machines.terminate(instance)
        lost.append(instance)

    just_before(here, "restore.adopt_machines", reclaim)
    here.operator.relocate()
    assert lost
    here.world.hooks.clear()
    here.world.clock.spend(300)
    ending = here.operator.resume()
    assert not isinstance(ending.error, MachineUnsafe) or "no running instance" not in ending.error.what


def test_an_instance_that_was_only_stopped_is_not_gone() -> None:
    here = scene()
    source, _ = sides(here)
    aws_machine = source.list(r.AWS_MACHINE, "clusters-shop").items[0]
    here.world.cloud.machines.stop(aws_machine["spec"]["providerID"].rsplit("/", 1)[1])
    here.world.clock.spend(300)
    ending = here.operator.relocate()
    assert {check.name for check in ending.checks if check.stops and not check.acceptable} == {"instances"}
