"""The worker instances of a hosted cluster, as its AWSMachines name them."""

from __future__ import annotations

from collections.abc import Iterable

from hcp_dr.kube.port import Kubernetes, Object
from hcp_dr.kube.resources import AWS_MACHINE
from hcp_dr.model import Case
from hcp_dr.objects.reading import dig
from hcp_dr.objects.select import of_infrastructure


def instance_id(aws_machine: Object) -> str | None:
    """From spec.providerID, aws:///<zone>/<instance id>; None where it has none."""
    provider_id = dig(aws_machine, "spec", "providerID")
    return str(provider_id).rpartition("/")[2] if provider_id else None


def instance_ids(aws_machines: Iterable[Object]) -> tuple[str, ...]:
    return tuple(sorted(found for item in aws_machines if (found := instance_id(item))))


def aws_machines(cluster: Kubernetes, case: Case) -> tuple[Object, ...]:
    return of_infrastructure(case.infra_id, cluster.list(AWS_MACHINE, case.control_plane_namespace).items)
