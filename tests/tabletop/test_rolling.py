"""A destination that would roll the NodePools says so while they are held, and is believed (rule A9)."""

from __future__ import annotations

from hcp_dr.errors import MachineUnsafe
from hcp_dr.kube import resources as r
from hcp_dr.objects.reading import annotations_of
from hcp_dr.procedure.machinery import PAUSED
from tests.tabletop.scene import scene


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
    held = [item for kind in (r.AWS_MACHINE, r.MACHINE) for item in destination.list(kind).items]
    assert held
    assert all(PAUSED in annotations_of(item) for item in held)
    assert here.verdict(after=600.0).instances_terminated == ()
