"""The Lease of the leader among the pods of a HyperShift operator: its sign of life. An operator that was restarted
takes a minute to become the leader, and reconciles dozens of hosted clusters one after another."""

from __future__ import annotations

from collections.abc import Callable

from hcp_dr.hypershift.checks import read_one
from hcp_dr.kube.resources import LEASE
from hcp_dr.model import Case, Ports, Side
from hcp_dr.objects.reading import dig
from hcp_dr.upstream import OPERATOR_LEASE, OPERATOR_NAMESPACE


def sign_of_operator(side: Side) -> Callable[[Ports, Case], str]:
    """For steps that wait for the operator of this side. "" if the Lease cannot be read."""

    def read(ports: Ports, case: Case) -> str:
        lease = read_one(ports.cluster(side), LEASE, OPERATOR_LEASE, OPERATOR_NAMESPACE)
        renewed = dig(lease, "spec", "renewTime")
        return f"the HyperShift operator of the {side} renewed its Lease at {renewed}" if renewed else ""

    return read
