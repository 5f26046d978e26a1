"""A destination that would roll the NodePools says so while they are held, and is believed (rule A9)."""

from __future__ import annotations

from hcp_dr.errors import MachineUnsafe
from hcp_dr.kube import resources as r
from hcp_dr.objects.reading import annotations_of, name_of
from hcp_dr.upstream import PAUSED_ANNOTATION
from hcp_dr_lab.hosted.shapes import Shape
from tests.tabletop.scene import scene
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

    just_before(here, "restore.start_control_plane", edit)
    ending = here.operator.relocate()
    assert isinstance(ending.error, MachineUnsafe)
    assert f"that differ from the backup: ConfigMap clusters/{referred[0]}: data.config." in ending.error.what
    assert "edited by somebody" not in str(ending.error)
    assert here.verdict(after=600.0).instances_terminated == ()
