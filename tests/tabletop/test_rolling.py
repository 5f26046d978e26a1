"""A destination that would roll the NodePools says so while they are held, and is believed (rule A9)."""

from __future__ import annotations

import pytest

from hcp_dr.errors import MachineUnsafe
from hcp_dr.kube import resources as r
from hcp_dr.objects.reading import annotations_of, name_of
from hcp_dr.upstream import PAUSED_ANNOTATION
from hcp_dr_lab.ground.releases import RELEASES, Releases
from hcp_dr_lab.hosted.shapes import Shape
from hcp_dr_lab.tabletop.cluster import Management
from tests.tabletop.scene import NEWEST_ON_BOTH, Scene, scene
from tests.tabletop.test_dangers import just_before


def test_an_operator_of_another_build_would_roll_and_gets_no_machine() -> None:
    here = scene()
    destination = here.world.sides[1].client()
    operator = destination.get(r.DEPLOYMENT, "operator", "hypershift")
    [container] = operator["spec"]["template"]["spec"]["containers"]
    template = {"spec": {"containers": [{**container, "image": "quay.example/hypershift:other"}]}}
    destination.patch(r.DEPLOYMENT, "operator", "hypershift", {"spec": {"template": template}})

    stopping = [check for check in here.operator.preflight() if check.stops]
    assert [(check.name, check.acceptable) for check in stopping] == [("operator_build", True)]
    ending = here.operator.relocate(reasons={"operator_build": "to see what it does"})
    assert isinstance(ending.error, MachineUnsafe)
    assert "would roll (UpdatingConfig)" in ending.error.what
    assert "quay.example/hypershift:other with overrides" in ending.error.what
    held = [item for kind in (r.AWS_MACHINE, r.MACHINE) for item in destination.list(kind).items]
    assert held
    assert all(PAUSED_ANNOTATION in annotations_of(item) for item in held)
    assert here.verdict(after=600.0).instances_terminated == ()


def test_the_input_that_makes_a_pool_roll_is_named_and_its_content_is_not() -> None:
    here = scene(Shape.THREE_POOLS, Shape.REFERENCES)
    destination = here.world.sides[1].client()
    referred: list[str] = []

    def edit() -> None:
        pools = destination.list(r.NODE_POOL).items
        referred[:] = sorted({entry["name"] for pool in pools for entry in pool["spec"].get("config", ())})
        [config_map] = [
            item for item in destination.list(r.CONFIG_MAP, "clusters").items if name_of(item) == referred[0]
        ]
        edited = {key: f"{text}\n# edited by somebody" for key, text in config_map["data"].items()}
        destination.patch(r.CONFIG_MAP, referred[0], "clusters", {"data": edited})

    just_before(here, "restore.unpause_node_pools", edit)
    ending = here.operator.relocate()
    assert isinstance(ending.error, MachineUnsafe)
    assert f"that differ from the backup: ConfigMap clusters/{referred[0]}: data.config." in ending.error.what
    assert "edited by somebody" not in str(ending.error)
    assert here.verdict(after=600.0).instances_terminated == ()


@pytest.mark.parametrize("releases", [("4.16", "4.16"), ("5.0", "5.0")], ids=" to ".join)
def test_an_operator_that_would_roll_is_believed_in_each_release(releases: Releases) -> None:
    """An operator before 4.17 sets the condition only if the pool would roll."""
    here = scene(releases=releases)
    destination = here.world.sides[1].client()
    operator = destination.get(r.DEPLOYMENT, "operator", "hypershift")
    [container] = operator["spec"]["template"]["spec"]["containers"]

    def install(image: str) -> None:
        template = {"spec": {"containers": [{**container, "image": image}]}}
        destination.patch(r.DEPLOYMENT, "operator", "hypershift", {"spec": {"template": template}})

    just_before(here, "verify.await_nodes", lambda: install("quay.example/hypershift:other"))
    ending = here.operator.relocate()
    assert isinstance(ending.error, MachineUnsafe)
    assert "would roll (UpdatingConfig)" in ending.error.what
    install(container["image"])
    here.world.clock.spend(30)
    assert here.operator.resume().error is None
    assert here.verdict().reasons == ()


@pytest.mark.parametrize("releases", [NEWEST_ON_BOTH, ("4.17", "4.17")], ids=" to ".join)
def test_another_machine_template_is_seen_before_any_machine_is_let_go(releases: Releases) -> None:
    """The operator computes the template's name in the call that writes it, after the NodePool is un-paused."""
    here = scene(releases=releases)
    destination = here.world.sides[1]
    before = templates(here, 0, releases)
    former: list[str] = []
    just_before(here, "verify.await_nodes", lambda: former.append(change_default_group(destination, "sg-other")))
    ending = here.operator.relocate()
    assert isinstance(ending.error, MachineUnsafe)
    assert "would roll" in ending.error.what
    assert "shop-workers" in ending.error.what
    assert here.verdict(after=600.0).instances_terminated == ()
    assert templates(here, 1, releases) == before
    pools = destination.client().list(r.NODE_POOL, "clusters").items
    assert {pool["spec"]["pausedUntil"] for pool in pools} == {"true"}

    change_default_group(destination, former[0])
    assert here.operator.resume().error is None
    assert here.verdict().reasons == ()


def change_default_group(side: Management, group: str) -> str:
    """As if the control-plane-operator had found another default security group. Returns the former one."""
    plane = side.client().get(r.HOSTED_CONTROL_PLANE, "shop", "clusters-shop")
    before = plane["status"]["platform"]["aws"]
    status = {"platform": {"aws": {**before, "defaultWorkerSecurityGroupID": group}}}
    side.client().patch(r.HOSTED_CONTROL_PLANE, "shop", "clusters-shop", {"status": status}, subresource="status")
    return str(before["defaultWorkerSecurityGroupID"])


def templates(here: Scene, side: int, releases: Releases) -> dict[str, str]:
    kind = r.MACHINE_DEPLOYMENT.at(RELEASES[releases[side]].stored)
    return {
        name_of(item): item["spec"]["template"]["spec"]["infrastructureRef"]["name"]
        for item in here.world.sides[side].client().list(kind, "clusters-shop").items
    }
