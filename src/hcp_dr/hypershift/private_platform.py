"""The argument --private-platform of HyperShift operators. Only an operator with the value AWS creates the VPC endpoint
service through which the workers of a PublicAndPrivate or Private hosted cluster reach their API."""

from __future__ import annotations

from collections.abc import Iterable

from hcp_dr.engine.step import Check
from hcp_dr.errors import RESUME, Refused
from hcp_dr.hypershift.machines.operator_build import pods_of_operator
from hcp_dr.kube.port import Kubernetes, Object
from hcp_dr.kube.resources import DEPLOYMENT
from hcp_dr.model import Side
from hcp_dr.objects.reading import dig, first_container, flags_of, is_ready_pod
from hcp_dr.upstream import OPERATOR, OPERATOR_NAMESPACE

_AWS = "AWS"
_SET = "run `hypershift install` there with --private-platform=AWS and credentials for it"


def endpoint_access(hosted_cluster: Object) -> str:
    return str(dig(hosted_cluster, "spec", "platform", "aws", "endpointAccess") or "Public")


def is_private(hosted_cluster: Object | None) -> bool:
    return hosted_cluster is not None and endpoint_access(hosted_cluster) != "Public"


def read_platform(cluster: Kubernetes) -> str:
    """The value with which the operator runs: AWS only if its Deployment and all its Ready pods have it."""
    operator = cluster.find(DEPLOYMENT, OPERATOR, OPERATOR_NAMESPACE) or {}
    return platform_of(operator, pods_of_operator(cluster, operator))


def platform_of(operator: Object, pods: Iterable[Object]) -> str:
    """`operator` is its Deployment, empty if there is none."""
    running = ({"spec": {"template": pod}} for pod in pods if is_ready_pod(pod))
    values = {_value(each) for each in (operator, *running)}
    return next(iter(sorted(values - {_AWS})), _AWS)


def _value(workload: Object) -> str:
    return next(iter(flags_of(first_container(workload)).get("private-platform", ())), "") or "None"


def check_platform(side: Side, platform: str) -> Check:
    """For a hosted cluster with a private endpoint."""
    name = f"private_platform.{side}"
    if platform == _AWS:
        return Check(name, "ok", f"the HyperShift operator of the {side} runs with --private-platform=AWS")
    seen = f"the HyperShift operator of the {side} runs with --private-platform={platform}"
    if side == "source":
        return Check(name, "warning", seen, "after an abort it would not maintain the VPC endpoint service", _SET)
    return Check(
        name,
        "blocked",
        seen,
        "it would create no VPC endpoint service: the workers would not reach their API, and not come back",
        _SET,
    )


def refusal_of(platform: str | None, left: str) -> Refused | None:
    """`platform` is the destination's, None if the hosted cluster needs none."""
    if platform in (None, _AWS):
        return None
    return Refused(
        what=f"The HyperShift operator of the destination runs with --private-platform={platform}: it would create no "
        "VPC endpoint service, and the workers would not reach their API.",
        left=left,
        todo=f"{_SET[0].upper()}{_SET[1:]}; then run {RESUME}.",
    )
