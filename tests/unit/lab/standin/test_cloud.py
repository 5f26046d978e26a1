"""What two operators take from each other in the cloud that they share: OIDC documents, security groups, private ways.

Both management clusters are one World each, over one Fabric and one set of instances.
"""

from __future__ import annotations

import base64
import copy
import json

import pytest

from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Object
from hcp_dr_lab.ground import names
from hcp_dr_lab.standin import load_balancers
from hcp_dr_lab.standin.change import CreateEndpoint, DeleteEndpoint, PutDocument, RevokeRules
from hcp_dr_lab.standin.control_plane_operator import pki
from hcp_dr_lab.standin.hypershift_operator.documents import FINALIZER, keys_of
from hcp_dr_lab.standin.pace import Pace
from hcp_dr_lab.standin.shape import is_true
from tests.unit.lab.standin.test_machines import moved, stop
from tests.unit.lab.standin.world import NAMES, PLANE, World, standing

KEYS = keys_of(NAMES.infra_id)[1]
GROUP = f"{NAMES.infra_id}-default-sg"


def annotate(world: World, key: str, value: str) -> None:
    world.patch(r.HOSTED_CLUSTER, "shop", "clusters", {"metadata": {"annotations": {key: value}}})


def gone(world: World) -> bool:
    return (("clusters", "shop")) not in world.objects[r.HOSTED_CLUSTER]


def default_group(world: World) -> tuple[str, ...]:
    (found,) = (item for item in world.fabric.security_groups.values() if item.name == GROUP)
    return found.rules


def test_documents_are_made_of_the_signing_key() -> None:
    world = standing()
    public = world.get(r.SECRET, pki.SIGNING_KEY, PLANE)["data"]["service-account.pub"]
    (key,) = json.loads(world.fabric.documents[KEYS])["keys"]
    assert key == world.keys.json_web_key(base64.b64decode(public))
    assert FINALIZER in world.get(r.HOSTED_CLUSTER, "shop", "clusters")["metadata"]["finalizers"]
    assert is_true(world.only(r.HOSTED_CONTROL_PLANE), "ValidAWSIdentityProvider")


def test_a_copy_without_the_finalizer_writes_the_documents_over() -> None:
    """Rule E3: with another signing key AWS does not know the tokens of the living cluster any more."""
    source = standing()
    before = source.fabric.documents[KEYS]
    copied = World(source.instances, source.fabric)
    copied.create_hosted_cluster()
    copied.settle()
    assert source.fabric.documents[KEYS] != before
    source.settle()
    assert not is_true(source.only(r.HOSTED_CONTROL_PLANE), "ValidAWSIdentityProvider")


def test_with_the_finalizer_or_the_same_key_they_stay() -> None:
    source = standing()
    before = dict(source.fabric.documents)
    destination = moved(source)
    destination.settle()
    assert source.fabric.documents == before
    kept = moved(source)
    kept.get(r.HOSTED_CLUSTER, "shop", "clusters")["metadata"]["finalizers"] = [FINALIZER]
    kept.settle()
    assert not [change for change in kept.done if isinstance(change, PutDocument)]


def half_deleted(finalizers: list[str]) -> World:
    """A HostedCluster deleted while its operator was away, of which nothing else is left; its twin lives elsewhere."""
    world = standing()
    stop(world, names.OPERATOR, names.OPERATOR_NAMESPACE)
    hosted = world.get(r.HOSTED_CLUSTER, "shop", "clusters")
    hosted["metadata"]["finalizers"] = finalizers
    for resource in (r.NODE_POOL, r.CLUSTER, r.AWS_ENDPOINT_SERVICE, r.HOSTED_CONTROL_PLANE, r.NAMESPACE):
        for key in [key for key in world.objects.get(resource, {}) if key[1] in (*owned_names(), PLANE)]:
            del world.objects[resource][key]
    world.delete(r.HOSTED_CLUSTER, "shop", "clusters")
    return world


def owned_names() -> tuple[str, ...]:
    return ("shop", NAMES.infra_id, NAMES.node_pool)


def test_an_operator_that_comes_back_wipes_the_documents_of_the_living_cluster() -> None:
    """Rule F2; HCc:3937,5015-5048."""
    world = half_deleted([names.FINALIZER, FINALIZER])
    world.settle()
    assert len(world.fabric.documents) == 2
    world.patch(r.DEPLOYMENT, names.OPERATOR, names.OPERATOR_NAMESPACE, {"spec": {"replicas": 1}})
    world.settle()
    assert world.fabric.documents == {}
    assert gone(world)


def test_it_leaves_them_where_their_finalizer_was_stripped_first() -> None:
    world = half_deleted([names.FINALIZER])
    world.patch(r.DEPLOYMENT, names.OPERATOR, names.OPERATOR_NAMESPACE, {"spec": {"replicas": 1}})
    world.settle()
    assert len(world.fabric.documents) == 2
    assert gone(world)


@pytest.mark.parametrize("paused", [None, "true"])
def test_deletion_marked_for_cleanup_revokes_the_rules_of_live_workers(paused: str | None) -> None:
    """Rule E4: the pause does not hold it, and AWS keeps the group itself while workers are in it."""
    world = standing()
    world.protected = set(world.instances)
    annotate(world, names.CLEANUP, "true")
    world.patch(r.HOSTED_CLUSTER, "shop", "clusters", {"spec": {"pausedUntil": paused}})
    world.settle()
    assert default_group(world)
    stop(world, names.OPERATOR, names.OPERATOR_NAMESPACE)
    world.patch(r.HOSTED_CONTROL_PLANE, "shop", PLANE, {"metadata": {"annotations": {names.CLEANUP: "true"}}})
    world.delete(r.HOSTED_CONTROL_PLANE, "shop", PLANE)
    world.settle()
    assert default_group(world) == ()
    assert len(world.instances) == 2


@pytest.mark.parametrize("care", ["no annotation", "no operator"])
def test_without_the_mark_or_without_its_operator_the_rules_stand(care: str) -> None:
    world = standing()
    stop(world, names.OPERATOR, names.OPERATOR_NAMESPACE)
    if care == "no operator":
        stop(world, names.CONTROL_PLANE_OPERATOR)
        mark = {"metadata": {"annotations": {names.CLEANUP: "true"}}}
        world.patch(r.HOSTED_CONTROL_PLANE, "shop", PLANE, mark)
    world.delete(r.HOSTED_CONTROL_PLANE, "shop", PLANE)
    world.settle()
    assert default_group(world)
    assert not [change for change in world.done if isinstance(change, RevokeRules)]


def private(world: World) -> World:
    access: Object = {"spec": {"platform": {"aws": {"endpointAccess": "Private"}}}}
    world.patch(r.HOSTED_CLUSTER, "shop", "clusters", access)
    world.settle()
    return world


def play_both(first: World, second: World, rounds: int = 4) -> None:
    """In turn, as neither ever rests."""
    for _ in range(rounds):
        for world in (first, second):
            for _ in range(2):
                world.play_once()


def test_two_operators_fight_for_the_private_way() -> None:
    """Rule E1; PL:780-792,850."""
    source = private(standing())
    (endpoint,) = source.fabric.endpoints.values()
    destination = moved(source)
    for _ in range(12):
        destination.play_once()
    source.done.clear()
    destination.done.clear()
    play_both(source, destination)
    for world in (source, destination):
        assert [change for change in world.done if isinstance(change, DeleteEndpoint)]
        assert [change for change in world.done if isinstance(change, CreateEndpoint)]
    assert endpoint.endpoint_id not in source.fabric.endpoints


def test_one_whose_operator_is_stopped_does_not_fight() -> None:
    source = private(standing())
    source.patch(r.HOSTED_CLUSTER, "shop", "clusters", {"spec": {"pausedUntil": "true"}})
    source.settle()
    stop(source, names.CONTROL_PLANE_OPERATOR)
    destination = moved(source)
    destination.patch(r.HOSTED_CLUSTER, "shop", "clusters", {"spec": {"pausedUntil": None}})
    destination.settle()
    source.done.clear()
    source.settle()
    assert not source.done
    (endpoint,) = destination.fabric.endpoints.values()
    (service,) = (item for item in destination.all(r.AWS_ENDPOINT_SERVICE))
    assert endpoint.service_name == service["status"]["endpointServiceName"]


def test_the_end_of_an_endpoint_service_takes_the_names_of_whoever_lives_on_them() -> None:
    """Facts 2.7: by their names, whatever they point to; paused or not."""
    source = private(standing())
    source.patch(r.HOSTED_CLUSTER, "shop", "clusters", {"spec": {"pausedUntil": "true"}})
    source.settle()
    fabric = source.fabric
    fabric.private_records = dict.fromkeys(fabric.private_records, "the-destinations-endpoint")
    assert fabric.private_records
    (way,) = source.all(r.AWS_ENDPOINT_SERVICE)
    source.delete(r.AWS_ENDPOINT_SERVICE, way["metadata"]["name"], PLANE)
    source.settle()
    assert fabric.private_records == {}


def test_with_its_finalizers_stripped_the_names_stay() -> None:
    source = private(standing())
    stop(source, names.OPERATOR, names.OPERATOR_NAMESPACE)
    stop(source, names.CONTROL_PLANE_OPERATOR)
    before = dict(source.fabric.private_records)
    (way,) = source.all(r.AWS_ENDPOINT_SERVICE)
    way["metadata"]["finalizers"] = []
    source.delete(r.AWS_ENDPOINT_SERVICE, way["metadata"]["name"], PLANE)
    source.settle()
    assert source.fabric.private_records == before
    assert not source.all(r.AWS_ENDPOINT_SERVICE)


def balanced(world: World) -> Object:
    spec = {"type": "LoadBalancer", "ports": [{"port": 443}]}
    world.create(r.SERVICE, {"metadata": {"name": "balanced", "namespace": PLANE}, "spec": spec})
    world.settle()
    return world.get(r.SERVICE, "balanced", PLANE)


def test_a_service_goes_after_its_load_balancer() -> None:
    """Rule F4: a namespace with one in it ends no sooner."""
    world = standing()
    world.pace = Pace(load_balancer=0, load_balancer_cleanup=60, tuning=0)
    service = balanced(world)
    assert service["metadata"]["finalizers"] == [load_balancers.FINALIZER]
    world.delete(r.SERVICE, "balanced", PLANE)
    world.settle()
    assert (PLANE, "balanced") in world.objects[r.SERVICE]
    world.pass_time(61)
    world.settle()
    assert (PLANE, "balanced") not in world.objects[r.SERVICE]


def test_a_load_balancer_takes_its_time_to_come() -> None:
    world = standing()
    world.pace = Pace(load_balancer=150, tuning=0)
    assert load_balancers.hostname(balanced(world)) is None
    world.pass_time(151)
    world.settle()
    assert load_balancers.hostname(world.get(r.SERVICE, "balanced", PLANE))


def test_a_volume_goes_with_its_claim() -> None:
    """Rule F4: the true point of no return."""
    world = standing()
    claim = {"metadata": {"name": "data-etcd-0", "namespace": PLANE}, "spec": claim_spec()}
    world.create(r.PERSISTENT_VOLUME_CLAIM, claim)
    world.settle()
    (volume,) = world.all(r.PERSISTENT_VOLUME, None)
    assert volume["spec"]["persistentVolumeReclaimPolicy"] == "Delete"
    volume["status"] = {"phase": "Released"}
    world.delete(r.PERSISTENT_VOLUME_CLAIM, "data-etcd-0", PLANE)
    world.settle()
    assert not world.all(r.PERSISTENT_VOLUME, None)
    assert volume["spec"]["hostPath"]["path"] in [getattr(change, "path", None) for change in world.done]


def test_a_volume_that_is_to_be_retained_stays() -> None:
    world = standing()
    world.create(r.PERSISTENT_VOLUME_CLAIM, {"metadata": {"name": "data", "namespace": PLANE}, "spec": claim_spec()})
    world.settle()
    (volume,) = world.all(r.PERSISTENT_VOLUME, None)
    volume["spec"]["persistentVolumeReclaimPolicy"] = "Retain"
    volume["status"] = {"phase": "Released"}
    world.delete(r.PERSISTENT_VOLUME_CLAIM, "data", PLANE)
    world.settle()
    assert world.all(r.PERSISTENT_VOLUME, None) == [volume]


def claim_spec() -> Object:
    return {
        "storageClassName": "gp3-csi",
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
    }


def test_what_is_outside_its_namespaces_stays_when_its_operator_is_bypassed() -> None:
    """Rule F5."""
    world = standing()
    stop(world, names.OPERATOR, names.OPERATOR_NAMESPACE)
    hosted = world.get(r.HOSTED_CLUSTER, "shop", "clusters")
    hosted["metadata"]["finalizers"] = []
    for resource in (r.NODE_POOL, r.CLUSTER):
        for item in world.all(resource, "clusters") + world.all(resource):
            del world.objects[resource][item["metadata"]["namespace"], item["metadata"]["name"]]
    world.delete(r.HOSTED_CLUSTER, "shop", "clusters")
    world.patch(r.DEPLOYMENT, names.OPERATOR, names.OPERATOR_NAMESPACE, {"spec": {"replicas": 1}})
    world.settle()
    left = {
        (resource.kind, place)
        for resource in (r.CLUSTER_ROLE, r.CLUSTER_ROLE_BINDING, r.ROLE, r.ROLE_BINDING, r.CONFIG_MAP)
        for place, name in world.objects[resource]
        if PLANE in name or name == "hc-clusters-shop"
    }
    assert left == {
        ("ClusterRole", None),
        ("ClusterRoleBinding", None),
        *((kind, place) for kind in ("Role", "RoleBinding") for place in ROUTERS),
        ("ConfigMap", "openshift-config-managed"),
    }


ROUTERS = ("openshift-ingress", "openshift-ingress-operator")


def test_nodes_are_taken_for_a_cluster_and_given_back() -> None:
    world = World()
    world.create(r.NODE, node("first"))
    world.create(r.NODE, node("second"))
    world.create_hosted_cluster()
    annotate(world, names.TOPOLOGY, "dedicated-request-serving-components")
    world.settle()
    for found in world.all(r.NODE, None):
        assert found["metadata"]["labels"][names.HOSTED_CLUSTER] == PLANE
        assert [taint["value"] for taint in found["spec"]["taints"]] == [PLANE]
    world.delete(r.HOSTED_CLUSTER, "shop", "clusters")
    world.settle()
    for found in world.all(r.NODE, None):
        assert names.HOSTED_CLUSTER not in found["metadata"]["labels"]
        assert not found["spec"].get("taints")


def node(name: str) -> Object:
    labels = {"hypershift.openshift.io/request-serving-component": "true"}
    return {"metadata": {"name": name, "labels": labels}, "spec": {}}


def test_deployments_of_cluster_api_wait_for_the_operator() -> None:
    """Rule F4: a namespace does not end while nobody takes their finalizers away."""
    world = standing()
    stop(world, names.OPERATOR, names.OPERATOR_NAMESPACE)
    for name in (names.CLUSTER_API, names.CAPI_PROVIDER):
        world.delete(r.DEPLOYMENT, name, PLANE)
        world.settle()
        assert world.get(r.DEPLOYMENT, name, PLANE)["metadata"]["finalizers"] == [names.COMPONENT_FINALIZER]


def test_an_operator_without_private_link_leaves_the_private_way_empty() -> None:
    world = standing()
    spec = copy.deepcopy(world.get(r.DEPLOYMENT, names.OPERATOR, names.OPERATOR_NAMESPACE)["spec"]["template"]["spec"])
    spec["containers"][0]["args"].remove("--private-platform=AWS")
    world.patch(r.DEPLOYMENT, names.OPERATOR, names.OPERATOR_NAMESPACE, {"spec": {"template": {"spec": spec}}})
    private(world)
    assert not world.fabric.endpoint_services
    assert not world.fabric.endpoints


def test_a_private_cluster_goes_with_its_way() -> None:
    """The control plane operator ends the private way although the HostedControlPlane is gone before it."""
    world = private(standing())
    assert world.fabric.endpoints
    world.delete(r.HOSTED_CLUSTER, "shop", "clusters")
    world.settle()
    assert gone(world)
    assert not world.fabric.endpoints
    assert not world.fabric.endpoint_services
    assert not world.fabric.private_records
