"""The sign of life of a HyperShift operator."""

from __future__ import annotations

from hcp_dr.errors import Forbidden
from hcp_dr.hypershift.operator_lease import sign_of_operator
from tests.ports import CASE, World


def test_the_lease_of_the_leader_is_read_on_that_side() -> None:
    world = World()
    spec = {"holderIdentity": "operator-a", "renewTime": "2026-01-01T00:00:00.000000Z"}
    world.destination.put({"Lease hypershift/hypershift-operator-leader-elect": {"spec": spec}})
    said = "the HyperShift operator of the destination renewed its Lease at 2026-01-01T00:00:00.000000Z"
    assert sign_of_operator("destination")(world.ports, CASE) == said
    assert sign_of_operator("source")(world.ports, CASE) == ""


def test_a_lease_that_may_not_be_read_is_no_sign() -> None:
    world = World()

    def refuse(*_: object) -> None:
        raise Forbidden(cluster="source", verb="get", object="Lease", reason="no role")

    world.source.before = refuse
    assert sign_of_operator("source")(world.ports, CASE) == ""
