"""A NodePool is scaled while it is paused: its un-pausing would create or delete machines amid the adoption. It is
refused before anything is un-paused, with the command that undoes it. Once the NodePools are un-paused, Cluster API
scales as they ask for, and the relocation goes on."""

from __future__ import annotations

import json
import re
from typing import Literal

import pytest

from hcp_dr.errors import MachineUnsafe
from hcp_dr.kube import resources as r
from hcp_dr_lab.hosted.shapes import Shape
from hcp_dr_lab.tabletop.gate import Request
from tests.tabletop.scene import Scene
from tests.tabletop.test_dangers import just_before, sides, stopped
from tests.tabletop.test_fence_watch import Killed

POOL = "shop-workers"


def scale(here: Scene, side: int, replicas: int) -> None:
    sides(here)[side].patch(r.NODE_POOL, POOL, "clusters", {"spec": {"replicas": replicas}})


def instances(here: Scene) -> set[str]:
    return set(here.world.cloud.machines.instances())


@pytest.mark.parametrize("replicas", [1, 3])
def test_scaled_on_the_destination_nothing_is_unpaused_and_the_command_is_told(replicas: int) -> None:
    here = stopped("restore.unpause_node_pools")
    before = instances(here)
    scale(here, 1, replicas)
    for _ in range(2):
        ending = here.operator.resume()
        assert isinstance(ending.error, MachineUnsafe)
        assert f"NodePool {POOL} asks for {replicas} machines and has 2" in ending.error.what
        assert (
            f'oc patch nodepool -n clusters {POOL} --type merge -p \'{{"spec":{{"replicas":2}}}}\'' in ending.error.next
        )
        here.world.clock.spend(600)
    assert instances(here) == before
    scale(here, 1, 2)
    assert here.operator.resume().error is None
    verdict = here.verdict()
    assert (verdict.reasons, verdict.lost, verdict.split_brain) == ((), (), False)


@pytest.mark.parametrize("step", ["backup.fence", "backup.export_again"])
def test_scaled_on_the_paused_source_it_is_the_same(step: str) -> None:
    here = stopped(step)
    before = instances(here)
    scale(here, 0, 3)
    ending = here.operator.resume()
    assert isinstance(ending.error, MachineUnsafe)
    assert f"NodePool {POOL} asks for 3 machines and has 2" in ending.error.what
    assert instances(here) == before
    scale(here, 1, 2)
    assert here.operator.resume().error is None
    assert here.verdict().lost == ()


def killed_when_the_cluster_is_unpaused(here: Scene) -> None:
    def listen(moment: Literal["before", "after"], request: Request) -> None:
        mine = here.operator.story().current == "restore.adopt_machines" and request.writes
        if moment == "after" and mine and request.verb == "patch" and request.arguments[0] == r.HOSTED_CLUSTER:
            raise Killed

    here.world.hooks.append(listen)
    with pytest.raises(Killed):
        here.operator.resume()
    here.world.hooks.clear()


@pytest.mark.parametrize("shapes", [(), (Shape.THREE_POOLS,)])
def test_scaled_in_the_middle_of_the_adoption_it_goes_on(shapes: tuple[Shape, ...]) -> None:
    here = stopped("restore.unpause_node_pools", *shapes)
    killed_when_the_cluster_is_unpaused(here)
    destination = sides(here)[1]
    pools = destination.list(r.NODE_POOL, "clusters").items
    pool = next(item for item in pools if not item["spec"].get("pausedUntil"))
    more = {"spec": {"replicas": pool["spec"]["replicas"] + 1}}
    destination.patch(r.NODE_POOL, pool["metadata"]["name"], "clusters", more)
    here.world.clock.spend(300)
    ending = here.operator.resume()
    assert ending.error is None, ending.error
    verdict = here.verdict()
    assert (verdict.lost, verdict.split_brain, verdict.instances_terminated) == ((), False, ())


def run_printed(here: Scene, text: str) -> int:
    """The printed `oc patch` commands, on the destination."""
    kinds = {"nodepool": r.NODE_POOL}
    kinds |= {f"{each.plural}.{each.group}": each for each in (r.MACHINE_DEPLOYMENT, r.MACHINE_SET)}
    commands = re.findall(r"`oc patch (\S+) -n (\S+) (\S+) --type merge -p '([^']+)'`", text)
    for kind, namespace, name, patch in commands:
        sides(here)[1].patch(kinds[kind], name, namespace, json.loads(patch))
    here.world.clock.spend(30)
    return len(commands)


def test_scaled_between_the_un_pause_and_the_adoption_the_command_is_told() -> None:
    here = stopped("restore.adopt_machines")
    before = instances(here)
    scale(here, 1, 3)
    here.world.clock.spend(30)
    ending = here.operator.resume()
    assert isinstance(ending.error, MachineUnsafe)
    assert run_printed(here, ending.error.next) == 1
    assert here.operator.resume().error is None
    assert instances(here) == before
    assert here.verdict().reasons == ()


@pytest.mark.parametrize(("seconds", "commands"), [(0.5, 3), (3, 0)])
def test_scaled_right_before_the_pause(seconds: float, commands: int) -> None:
    """The MachineSet asks for a machine that was never created: the commands are told. A machine that was just started
    joins on the destination."""
    here = stopped("backup.pause")
    scale(here, 0, 3)
    here.world.clock.spend(seconds)
    ending = here.operator.resume()
    if commands:
        assert isinstance(ending.error, MachineUnsafe)
        assert run_printed(here, ending.error.next) == commands
        ending = here.operator.resume()
    assert ending.error is None
    assert len(instances(here)) == (2 if commands else 3)
    assert here.verdict().instances_terminated == ()


@pytest.mark.parametrize("step", ["verify.placement", "teardown.stop_control_plane", "verify.source_clean"])
def test_scaled_after_the_adoption_it_goes_on(step: str) -> None:
    here = stopped("restore.unpause_node_pools")
    just_before(here, step, lambda: scale(here, 1, 3))
    ending = here.operator.resume()
    assert ending.error is None, ending.error
    assert here.verdict().instances_terminated == ()
