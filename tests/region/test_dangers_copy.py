"""The destination is as deadly as the source: a hosted cluster copied to another management cluster by hand, without
any of the product's care, takes from the living one what they share: its OIDC documents, its private way, its
instances, and, when the copy is deleted, its security group's rules."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Kubernetes, Object
from hcp_dr.objects.select import node_pools_of, referenced_config_maps, referenced_secrets
from hcp_dr_lab.ground import names as standin_names
from hcp_dr_lab.ground.layout import MANAGEMENT_CLUSTERS, HostedClusterNames, Layout
from hcp_dr_lab.hosted import cluster as hosted_cluster
from hcp_dr_lab.hosted.cluster import Options, Pool
from hcp_dr_lab.standin.hypershift_operator.documents import keys_of
from tests.region import hands
from tests.region.conftest import Hosted, eventually, in_service, management

FIRST, SECOND = MANAGEMENT_CLUSTERS


@pytest.fixture
def private(region: Layout) -> Iterator[Hosted]:
    """A hosted cluster of one worker that is reached by a private way as well."""
    with in_service(region, Options(pools=(Pool(1),))) as found:
        names = found.names
        access = {"spec": {"platform": {"aws": {"endpointAccess": "PublicAndPrivate"}}}}
        with management(region, FIRST) as client:
            client.patch(r.HOSTED_CLUSTER, names.name, names.namespace, access)
            eventually(lambda: ways(region, names), 60, "there is a VPC endpoint")
        yield found


def test_a_copy_made_without_care(private: Hosted) -> None:
    layout, names = private.layout, private.names
    (instance,) = hands.workers_of(layout, names)
    published = key_set(layout, names)
    rules = rules_of(layout, names)
    assert rules
    with management(layout, FIRST) as source, management(layout, SECOND) as destination:
        try:
            copy(source, destination, names)
            eventually(lambda: key_set(layout, names) != published, 90, "its OIDC documents are written over (E3)")
            eventually(lambda: not trusted(source, names), 30, "AWS does not know the living cluster's tokens any more")
            eventually(lambda: len(hands.workers_of(layout, names)) > 1, 60, "it makes machines of its own (A5)")
            fight(layout, names)
            adopt(source, destination, names, instance)
            eventually(
                lambda: instance not in hands.workers_of(layout, names),
                90,
                "a Machine with a stale owner is collected, and the living cluster's instance with it (A5)",
            )
            mark = {"metadata": {"annotations": {standin_names.CLEANUP: "true"}}}
            destination.patch(r.HOSTED_CLUSTER, names.name, names.namespace, mark)
        finally:
            hosted_cluster.delete(destination, names)
        assert not set(rules_of(layout, names)) & set(rules), "the rules of the workers' security group stand (E4)"
        assert hands.documents(layout, names) == {}
        assert source.get(r.HOSTED_CLUSTER, names.name, names.namespace)["metadata"].get("deletionTimestamp") is None


def copy(source: Kubernetes, destination: Kubernetes, names: HostedClusterNames) -> None:
    """HostedCluster, NodePools and what they refer to; not paused, and none of the control plane's secrets."""
    found = source.get(r.HOSTED_CLUSTER, names.name, names.namespace)
    pools = node_pools_of(found, source.list(r.NODE_POOL, names.namespace).items)
    for kind, each in ((r.SECRET, referenced_secrets(found)), (r.CONFIG_MAP, referenced_config_maps(found, pools))):
        for name in each:
            destination.create(kind, hands.copied(source.get(kind, name, names.namespace)))
    destination.create(r.HOSTED_CLUSTER, hands.copied(found))
    for pool in pools:
        destination.create(r.NODE_POOL, hands.copied(pool))


def adopt(source: Kubernetes, destination: Kubernetes, names: HostedClusterNames, instance: str) -> None:
    """The living worker's machine objects, the Machine with the reference to its owner as it was."""
    place = names.control_plane_namespace
    machines = source.list(r.AWS_MACHINE, place).items
    (below,) = (item for item in machines if item["spec"].get("instanceID") == instance)
    machine = source.get(r.MACHINE, below["metadata"]["name"], place)
    # An owner that stands until the machine is in the controllers' hands, as one that is then restored once more.
    owner = destination.create(r.CONFIG_MAP, body_of_owner(place))
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
    made = destination.create(r.MACHINE, hands.copied(machine, ownerReferences=[reference]))
    above = {"apiVersion": made["apiVersion"], "kind": "Machine", "name": made["metadata"]["name"], "controller": True}
    destination.create(r.AWS_MACHINE, hands.copied(below, ownerReferences=[{**above, "uid": made["metadata"]["uid"]}]))
    eventually(lambda: held(destination, made), 30, "controllers put their finalizers on both")
    destination.delete(r.CONFIG_MAP, "owner", place)


def body_of_owner(place: str) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "owner", "namespace": place}}


def held(destination: Kubernetes, machine: Object) -> bool:
    name, place = machine["metadata"]["name"], machine["metadata"]["namespace"]
    return all(destination.get(kind, name, place)["metadata"].get("finalizers") for kind in (r.MACHINE, r.AWS_MACHINE))


def fight(layout: Layout, names: HostedClusterNames) -> None:
    """Rule E1: each operator deletes the endpoint that leads to the other one's service and makes its own."""
    seen: dict[str, str] = {}

    def enough() -> bool:
        seen.update(ways(layout, names))
        return len(seen) >= 3 and len(set(seen.values())) == 2

    eventually(enough, 90, "both operators fight for the VPC endpoint")


def ways(layout: Layout, names: HostedClusterNames) -> dict[str, str]:
    """The hosted cluster's VPC endpoints, and where each leads."""
    tag = f"kubernetes.io/cluster/{names.infra_id}"
    found = hands.aws(layout, "ec2").describe_vpc_endpoints()["VpcEndpoints"]
    return {
        item["VpcEndpointId"]: item["ServiceName"]
        for item in found
        if tag in [entry["Key"] for entry in item.get("Tags") or ()] and item["State"].lower() != "deleted"
    }


def rules_of(layout: Layout, names: HostedClusterNames) -> list[str]:
    """What the workers' security group lets in."""
    filters = [{"Name": "group-name", "Values": [f"{names.infra_id}-default-sg"]}]
    groups = hands.aws(layout, "ec2").describe_security_groups(Filters=filters)["SecurityGroups"]
    return [
        entry["CidrIp"]
        for group in groups
        for permission in group.get("IpPermissions") or ()
        for entry in permission.get("IpRanges") or ()
    ]


def key_set(layout: Layout, names: HostedClusterNames) -> object:
    _, keys = keys_of(names.infra_id)
    found = hands.documents(layout, names).get(keys)
    return json.loads(found) if found else None


def trusted(source: Kubernetes, names: HostedClusterNames) -> bool:
    plane = source.get(r.HOSTED_CONTROL_PLANE, names.name, names.control_plane_namespace)
    return hands.condition_status(plane, "ValidAWSIdentityProvider") == "True"
