"""A destination that would roll the NodePools says so while they are held, and is believed (rule A9)."""

from __future__ import annotations

from hcp_dr.errors import MachineUnsafe
from hcp_dr.kube import resources as r
from tests.tabletop.scene import scene


def test_an_operator_with_other_overrides_would_roll_and_gets_no_machine() -> None:
    here = scene()
    destination = here.world.sides[1].client()
    operator = destination.get(r.DEPLOYMENT, "operator", "hypershift")
    [container] = operator["spec"]["template"]["spec"]["containers"]
    other = {**container, "args": ["operator", "--registry-overrides=quay.io=somewhere.example"]}
    template = {"spec": {"template": {"spec": {"containers": [other]}}}}
    destination.patch(r.DEPLOYMENT, "operator", "hypershift", template)

    warned = {check.name for check in here.operator.preflight() if check.verdict == "warning"}
    assert warned == {"operator_build"}
    ending = here.operator.relocate()
    assert isinstance(ending.error, MachineUnsafe)
    assert "would roll (UpdatingConfig)" in ending.error.what
    verdict = here.verdict()
    assert verdict.instances_terminated == 0
