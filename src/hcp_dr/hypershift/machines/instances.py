"""The worker instances of a hosted cluster, by its AWSMachines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hcp_dr.aws.port import Instance
from hcp_dr.engine.step import Decision, Do, Done, Protect
from hcp_dr.hypershift import scope
from hcp_dr.kube.port import Kubernetes, Object
from hcp_dr.kube.resources import AWS_MACHINE, HOSTED_CLUSTER
from hcp_dr.model import Case, Ports
from hcp_dr.objects.archive import read_manifest, read_objects
from hcp_dr.objects.reading import dig
from hcp_dr.objects.select import of_infrastructure

_GONE = "terminated"


def instance_id(aws_machine: Object) -> str | None:
    """From spec.providerID, aws:///<zone>/<instance id>; None if it is not set."""
    provider_id = dig(aws_machine, "spec", "providerID")
    return str(provider_id).rpartition("/")[2] if provider_id else None


def instance_ids(aws_machines: Iterable[Object]) -> tuple[str, ...]:
    return tuple(sorted(found for item in aws_machines if (found := instance_id(item))))


def gone(wanted: Iterable[str], instances: Iterable[Instance]) -> frozenset[str]:
    """The wanted instances that exist no more: EC2 reports them as terminated, or does not know them while it knows
    others of the same hosted cluster. If EC2 knows none, it may have been asked in another region or account."""
    states = {each.instance_id: each.state for each in instances}
    return frozenset(each for each in wanted if states.get(each, _GONE if states else "") == _GONE)


def check_own(cluster: Kubernetes, ports: Ports, case: Case, instances: Iterable[Instance]) -> None:
    """Reads the hosted cluster's management cluster, and the backup. Raises NotOurs for an instance without an
    AWSMachine in either and without a tag of this hosted cluster."""
    instances = tuple(instances)
    hosted_cluster = cluster.find(HOSTED_CLUSTER, case.name, case.namespace) if instances else None
    aws_machines_there = cluster.list(AWS_MACHINE, case.control_plane_namespace).items if instances else ()
    machines, infra_id = set(instance_ids(aws_machines_there)), str(dig(hosted_cluster, "spec", "infraID") or "")
    if not all(each.instance_id in machines or scope.is_tagged(each, infra_id) for each in instances):
        machines |= set(instance_ids(_of_backup(ports)))
    scope.check_own_instances(instances, machines, infra_id)


def _of_backup(ports: Ports) -> Iterable[Object]:
    manifest = read_manifest(ports.archive)
    return read_objects(ports.archive, manifest.of_kind(AWS_MACHINE.kind)).values() if manifest else ()


def aws_machines(cluster: Kubernetes, case: Case) -> tuple[Object, ...]:
    return of_infrastructure(case.infra_id, cluster.list(AWS_MACHINE, case.control_plane_namespace).items)


def put_back(before: Mapping[str, Any], protected: Mapping[str, bool]) -> Decision:
    """Clear the protection of instances that had none before."""
    actions = tuple(Protect(name, on=False) for name, on in before.items() if not on and protected.get(name))
    return Do(actions) if actions else Done("termination protection is as it was before")
