"""What the operators of a management cluster do to one who trusts a pause, a replica count or a version: provoked by
hand on one hosted cluster, which the last test deletes."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hcp_dr.errors import HcpDrError
from hcp_dr.kube import resources as r
from hcp_dr.kube.client import connect
from hcp_dr.kube.port import Kubernetes, Object, Resource
from hcp_dr_lab.ground import names as standin_names
from hcp_dr_lab.ground.aws_seed import seeded
from hcp_dr_lab.ground.layout import BUCKET, MANAGEMENT_CLUSTERS, HostedClusterNames, Layout
from hcp_dr_lab.hosted import cluster as hosted_cluster
from hcp_dr_lab.hosted.cluster import Options, Pool
from hcp_dr_lab.hosted.content import MONITORING_NAMESPACE
from hcp_dr_lab.standin import webhook_server, webhooks
from hcp_dr_lab.standin.load_balancers import FINALIZER as LOAD_BALANCER_FINALIZER
from tests.region import hands
from tests.region.conftest import Hosted, eventually, in_service, management

FIRST = MANAGEMENT_CLUSTERS[0]
OLD_MACHINE = Resource(r.MACHINE.group, "v1beta1", "machines", "Machine")
URL = f"https://bucket.rehearsal.example/snapshot.db?X-Amz-Security-Token={'t' * 1024}"


@pytest.fixture(scope="module")
def ground(region: Layout) -> Iterator[Hosted]:
    pools = (Pool(1, auto_repair=True), Pool(1, "in-place", upgrade="InPlace"))
    with in_service(region, Options(pools=pools)) as found:
        yield found


@pytest.fixture
def source(ground: Hosted) -> Iterator[Kubernetes]:
    with management(ground.layout, FIRST) as client:
        yield client


def test_the_mark_of_a_restore_takes_the_volumes_of_monitoring(ground: Hosted, source: Kubernetes) -> None:
    """Rule A11. Prometheus is not fully available, as it has been all along."""
    names, mark = ground.names, {standin_names.RESTORED: "true"}
    with closing(connect(ground.layout.hosted_kubeconfig(names.name), "hosted")) as inside:
        before = claims(inside)
        assert len(before) == 3
        source.patch(r.HOSTED_CLUSTER, names.name, names.namespace, {"metadata": {"annotations": mark}})
        eventually(lambda: not claims(inside) & before, 60, "no claim of before is there")
    without = {"metadata": {"annotations": {standin_names.RESTORED: None}}}
    source.patch(r.HOSTED_CLUSTER, names.name, names.namespace, without)


def claims(inside: Kubernetes) -> frozenset[str]:
    """uids of the claims of openshift-monitoring."""
    found = inside.list(r.PERSISTENT_VOLUME_CLAIM, MONITORING_NAMESPACE).items
    return frozenset(item["metadata"]["uid"] for item in found)


def test_without_the_operator_only_the_stored_version_can_be_read(ground: Hosted, source: Kubernetes) -> None:
    """Rule F1. What is stored in another version cannot be read at all: neither by us nor by a namespace's deletion."""
    place = ground.names.control_plane_namespace
    name = source.list(r.MACHINE, place).items[0]["metadata"]["name"]
    assert "namespace" in source.get(OLD_MACHINE, name, place)["spec"]["infrastructureRef"]
    stored_old(source, ground.names)
    with hands.without_operator(source):
        eventually(lambda: not readable(source, name, place), 10, "nobody converts")
        assert "conversion webhook" in hands.refused(lambda: source.get(OLD_MACHINE, name, place))
        assert source.get(r.MACHINE, name, place)["spec"]["clusterName"] == ground.names.infra_id
        assert "conversion webhook" in hands.refused(lambda: source.get(r.MACHINE_HEALTH_CHECK, "stray", place))
        assert hands.refused(lambda: source.delete(r.MACHINE_HEALTH_CHECK, "stray", place))
    eventually(lambda: readable(source, name, place), 10, "the operator converts again")
    source.delete(r.MACHINE_HEALTH_CHECK, "stray", place)
    store_all_anew(source)


def store_all_anew(source: Kubernetes) -> None:
    """As a migration of the storage ends: every object is written once more, and the older version is forgotten."""
    for item in source.list(r.MACHINE_HEALTH_CHECK).items:
        meta = item["metadata"]
        body = {"metadata": {"annotations": {"written": str(time.monotonic())}}}
        source.patch(r.MACHINE_HEALTH_CHECK, meta["name"], meta["namespace"], body)
    kind, definition = r.CUSTOM_RESOURCE_DEFINITION, str(r.MACHINE_HEALTH_CHECK)
    source.patch(kind, definition, None, {"status": {"storedVersions": ["v1beta2"]}}, subresource="status")


def readable(source: Kubernetes, name: str, place: str) -> bool:
    try:
        return bool(source.get(OLD_MACHINE, name, place))
    except HcpDrError:
        return False


def stored_old(source: Kubernetes, names: HostedClusterNames) -> None:
    """A MachineHealthCheck that lies in etcd in the older version, as before a migration of the storage."""
    kind, definition = r.CUSTOM_RESOURCE_DEFINITION, str(r.MACHINE_HEALTH_CHECK)
    versions = source.get(kind, definition)["spec"]["versions"]

    def store(version: str) -> None:
        wanted = [{**entry, "storage": entry["name"] == version} for entry in versions]
        source.patch(kind, definition, None, {"spec": {"versions": wanted}})

    stray: Object = {
        "apiVersion": r.MACHINE_HEALTH_CHECK.api_version,
        "kind": r.MACHINE_HEALTH_CHECK.kind,
        "metadata": {"name": "stray", "namespace": names.control_plane_namespace},
        "spec": {"clusterName": "another", "selector": {"matchLabels": {"of": "nobody"}}},
    }
    store("v1beta1")
    eventually(lambda: kept_old(source, stray), 20, "a health check is stored in the older version")
    store("v1beta2")


def kept_old(source: Kubernetes, stray: Object) -> bool:
    """The API server goes over to another version of storage some time after it was told: it is written until then."""
    time.sleep(1)
    if source.find(r.MACHINE_HEALTH_CHECK, "stray", stray["metadata"]["namespace"]) is None:
        source.create(r.MACHINE_HEALTH_CHECK, stray)
        return False
    body = {"metadata": {"annotations": {"written": str(time.monotonic())}}}
    source.patch(r.MACHINE_HEALTH_CHECK, "stray", stray["metadata"]["namespace"], body)
    return True


def test_its_validating_webhook_refuses_all_writes_while_it_is_away(ground: Hosted, source: Kubernetes) -> None:
    """Rule F1, with failurePolicy Fail."""
    names = ground.names
    address = webhook_server.address(ground.layout, FIRST)
    source.create(webhooks.VALIDATING_CONFIGURATION, webhooks.validating_configuration(address))

    def mark() -> Object:
        body = {"metadata": {"annotations": {"touched": str(time.monotonic())}}}
        return source.patch(r.HOSTED_CLUSTER, names.name, names.namespace, body)

    try:
        assert hands.refused(mark) == ""
        with hands.without_operator(source):
            eventually(lambda: "webhook" in hands.refused(mark), 10, "a patch is refused")
    finally:
        source.delete(webhooks.VALIDATING_CONFIGURATION, webhooks.NAME)


def test_the_janitor_deletes_although_everything_is_paused(ground: Hosted, source: Kubernetes) -> None:
    """Rule A10: user data of another configuration, and of a pool that is not there yet."""
    names, place = ground.names, ground.names.control_plane_namespace
    hands.pause(source, r.HOSTED_CLUSTER, names.name, names.namespace)
    hands.pause(source, r.NODE_POOL, names.node_pool, names.namespace)
    for name, pool in (("user-data-other", names.node_pool), ("token-early", "not-yet-restored")):
        marks = {standin_names.NODE_POOL: f"{names.namespace}/{pool}"}
        metadata = {"name": name, "namespace": place, "annotations": marks}
        source.create(r.SECRET, {"apiVersion": "v1", "kind": "Secret", "metadata": metadata})
        eventually(lambda name=name: source.find(r.SECRET, name, place) is None, 10, f"{name} is gone")  # type: ignore[misc]
    hands.pause(source, r.NODE_POOL, names.node_pool, names.namespace, None)


def test_a_stripped_finalizer_comes_back_to_a_paused_cluster(ground: Hosted, source: Kubernetes) -> None:
    """HCc:1292: before the pause is looked at."""
    names = ground.names
    hands.pause(source, r.HOSTED_CLUSTER, names.name, names.namespace)
    source.patch(r.HOSTED_CLUSTER, names.name, names.namespace, {"metadata": {"finalizers": []}})

    def finalizers() -> list[str]:
        item = source.get(r.HOSTED_CLUSTER, names.name, names.namespace)
        return item["metadata"].get("finalizers") or []

    eventually(lambda: standin_names.FINALIZER in finalizers(), 10, "the finalizer is back")


def test_no_replicas_are_no_fence_and_a_lifted_pause_ends_one(ground: Hosted, source: Kubernetes) -> None:
    """Rules C2 and C3: an API server that was told to stop takes writes on the connections that it has; and whoever
    lifts the pause has the operators bring it back."""
    names, place = ground.names, ground.names.control_plane_namespace
    hands.pause(source, r.HOSTED_CLUSTER, names.name, names.namespace)
    hands.scale(source, standin_names.CONTROL_PLANE_OPERATOR, place, 0)
    with closing(connect(ground.layout.hosted_kubeconfig(names.name), "hosted")) as inside:
        inside.get(r.NAMESPACE, "default")
        hands.scale(source, "kube-apiserver", place, 0)

        def replicas() -> int:
            inside.get(r.NAMESPACE, "default")
            found = source.get(r.DEPLOYMENT, "kube-apiserver", place)
            asked: int = found["spec"]["replicas"] + (found.get("status") or {}).get("replicas", 0)
            return asked

        eventually(lambda: replicas() == 0, 10, "no replicas are asked for and none are told of")
        metadata = {"name": "after-the-fence", "namespace": "default"}
        inside.create(r.CONFIG_MAP, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
    eventually(lambda: not hands.pods(source, "kube-apiserver", place), 60, "the API server has ended")
    hands.pause(source, r.HOSTED_CLUSTER, names.name, names.namespace, None)
    eventually(lambda: serves(source, place), 60, "the API server is back")
    with closing(connect(ground.layout.hosted_kubeconfig(names.name), "hosted")) as inside:
        eventually(lambda: answers(inside), 30, "it answers by its name")
        assert inside.find(r.CONFIG_MAP, "after-the-fence", "default") is not None


def serves(source: Kubernetes, place: str) -> bool:
    return any(hands.condition_status(pod, "Ready") == "True" for pod in hands.pods(source, "kube-apiserver", place))


def answers(inside: Kubernetes) -> bool:
    try:
        return bool(inside.get(r.NAMESPACE, "default"))
    except HcpDrError:
        return False


def test_another_configuration_reboots_the_nodes_of_an_in_place_pool(ground: Hosted, source: Kubernetes) -> None:
    names, place = ground.names, ground.names.control_plane_namespace
    _, pool = names.node_pools
    (machine,) = machines_of(source, names, pool)
    instance = machine["spec"]["providerID"].rpartition("/")[2]
    before = hands.workers_of(ground.layout, names)[instance]
    assert source.find(r.MACHINE_DEPLOYMENT, pool, place) is None
    change = {"metadata": {"annotations": {standin_names.HAPROXY_IMAGE: "elsewhere.example/haproxy:1"}}}
    source.patch(r.NODE_POOL, pool, names.namespace, change)
    eventually(
        lambda: hands.workers_of(ground.layout, names)[instance].boot_id != before.boot_id, 60, "the node is rebooted"
    )
    assert [item["metadata"]["uid"] for item in machines_of(source, names, pool)] == [machine["metadata"]["uid"]]


def test_a_health_check_ends_the_instance_of_a_silent_node(ground: Hosted, source: Kubernetes) -> None:
    """Rule A12: all nodes are silent towards the source once they report elsewhere. Here the kubelet is."""
    names = ground.names
    (machine,) = machines_of(source, names, names.node_pool)
    instance = machine["spec"]["providerID"].rpartition("/")[2]
    with hands.at_a_pace(source, {"node_unready": 5}):
        silence(ground.layout, instance)
        eventually(lambda: instance not in hands.workers_of(ground.layout, names), 120, "the instance is terminated")
    left = machines_of(source, names, names.node_pool)
    assert machine["metadata"]["uid"] not in [item["metadata"]["uid"] for item in left if not deleting(item)]


def silence(layout: Layout, instance: str) -> None:
    """Freeze the kubelet of an instance."""
    folder = os.fsencode(layout.instance(instance))
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes()
        except OSError:
            continue
        if words.split(b"\0")[0].endswith(b"/kubelet") and folder in words:
            os.kill(int(process.name), signal.SIGSTOP)
            return
    raise AssertionError(f"{instance} has no kubelet")


def test_three_members_of_an_unfixed_release_become_three_clusters(ground: Hosted, source: Kubernetes) -> None:
    """Rule C4, and EtcdSnapshotRestored is True over it; rule C8: a longer URL than 1024 characters is refused."""
    names = HostedClusterNames(f"{ground.names.name}-three")
    s3 = hands.aws(ground.layout, "s3")
    where = {"Bucket": BUCKET, "Key": "three.db"}
    put = s3.generate_presigned_url("put_object", Params=where, ExpiresIn=600)
    tls = "/etc/etcd/tls"
    save = (
        "export ETCDCTL_API=3; etcdctl --endpoints=https://localhost:2379 "
        f"--cacert={tls}/etcd-ca/ca.crt --cert={tls}/client/etcd-client.crt --key={tls}/client/etcd-client.key"
    )
    script = f"{save} snapshot save /tmp/three.db && curl --fail --silent -T /tmp/three.db '{put}'"
    ended = source.execute(ground.names.control_plane_namespace, "etcd-0", "etcd", ("/usr/bin/bash", "-c", script))
    assert ended.exit_code == 0, ended.stderr.decode()
    url = s3.generate_presigned_url("get_object", Params=where, ExpiresIn=600)
    options = Options(availability="HighlyAvailable", pools=())
    assert "1024" in hands.refused(lambda: create(source, names, ground.layout, options, URL))
    create(source, names, ground.layout, options, url)
    try:
        place = names.control_plane_namespace

        def restored() -> bool:
            plane = source.find(r.HOSTED_CONTROL_PLANE, names.name, place)
            return plane is not None and hands.condition_status(plane, "EtcdSnapshotRestored") == "True"

        eventually(restored, 120, "the snapshot counts as restored")

        def rolled() -> bool:
            found = source.get(r.STATEFUL_SET, "etcd", place)
            first = found["spec"]["template"]["spec"].get("initContainers") or ()
            status = found["status"]
            done = status.get("updateRevision") == status.get("currentRevision") and status.get("readyReplicas") == 3
            return done and "etcd-init" not in [container["name"] for container in first]

        eventually(rolled, 120, "etcd has rolled once more, without etcd-init")
        members = [
            source.execute(place, f"etcd-{number}", "etcd", ("/usr/bin/bash", "-c", f"{save} member list"))
            for number in range(3)
        ]
        assert [len(answer.stdout.splitlines()) for answer in members] == [1, 1, 1]
        put_key = f"{save} put /told/to/one yes && {save} get /told/to/one"
        assert b"yes" in source.execute(place, "etcd-0", "etcd", ("/usr/bin/bash", "-c", put_key)).stdout
        get_key = ("/usr/bin/bash", "-c", f"{save} get /told/to/one")
        assert source.execute(place, "etcd-1", "etcd", get_key).stdout == b""
    finally:
        hosted_cluster.delete(source, names)


def create(source: Kubernetes, names: HostedClusterNames, layout: Layout, options: Options, url: str) -> None:
    for resource, item in hosted_cluster.objects(names, seeded(layout), options):
        if resource is r.HOSTED_CLUSTER:
            item["spec"]["etcd"]["managed"]["storage"]["restoreSnapshotURL"] = [url]
        if source.find(resource, item["metadata"]["name"], item["metadata"].get("namespace")) is None:
            source.create(resource, item)


def test_an_operator_of_another_build_rolls_the_pools(ground: Hosted, source: Kubernetes) -> None:
    """Rule A9: it says so while the pool is paused, and does it afterwards. The image is one that the node has."""
    names = ground.names
    hands.pause(source, r.NODE_POOL, names.node_pool, names.namespace)
    before = {item["metadata"]["uid"] for item in machines_of(source, names, names.node_pool)}
    image_of_operator(source, standin_names.CONTROL_PLANE_IMAGE)
    try:

        def says() -> bool:
            found = source.get(r.NODE_POOL, names.node_pool, names.namespace)
            return hands.condition_status(found, "UpdatingConfig") == "True"

        eventually(says, 30, "the operator says that the pool would roll")
        assert {item["metadata"]["uid"] for item in machines_of(source, names, names.node_pool)} == before
        hands.pause(source, r.NODE_POOL, names.node_pool, names.namespace, None)

        def newcomers() -> bool:
            return bool({item["metadata"]["uid"] for item in machines_of(source, names, names.node_pool)} - before)

        eventually(newcomers, 30, "a new machine is made")
    finally:
        image_of_operator(source, standin_names.IDLE_IMAGE)
    eventually(lambda: settled(ground, source), 120, "the pools have gone back to a machine each")


def settled(ground: Hosted, source: Kubernetes) -> bool:
    """Each pool has its one machine with a node, nothing is on its way out, and the workers are the machines'."""
    machines = [item for pool in ground.names.node_pools for item in machines_of(source, ground.names, pool)]
    instances = {item["spec"].get("providerID", "").rpartition("/")[2] for item in machines}
    known = all((item.get("status") or {}).get("nodeRef") and not deleting(item) for item in machines)
    return known and len(machines) == 2 and instances == set(hands.workers_of(ground.layout, ground.names))


def image_of_operator(source: Kubernetes, image: str) -> None:
    change: list[Any] = [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": image}]
    source.patch(r.DEPLOYMENT, *hands.OPERATOR, change)


def test_an_operator_that_comes_back_ends_what_was_deleted_while_it_was_away(
    ground: Hosted, source: Kubernetes
) -> None:
    """Rules A1, F2, F4: it flips the Cluster's pause, ends instances, wipes the OIDC documents and removes the volumes;
    no pause holds it. The namespace waits for the load balancers of its Services."""
    names, place = ground.names, ground.names.control_plane_namespace
    hands.pause(source, r.HOSTED_CLUSTER, names.name, names.namespace)
    for pool in names.node_pools:
        hands.pause(source, r.NODE_POOL, pool, names.namespace)
    eventually(lambda: source.get(r.CLUSTER, names.infra_id, place)["spec"].get("paused"), 10, "the Cluster is paused")
    service = {"type": "LoadBalancer", "selector": {"app": "nobody"}, "ports": [{"port": 443}]}
    metadata = {"name": "balanced", "namespace": place}
    source.create(r.SERVICE, {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": service})
    volumes = {
        item["spec"]["hostPath"]["path"]
        for item in source.list(r.PERSISTENT_VOLUME).items
        if (item["spec"].get("claimRef") or {}).get("namespace") == place
    }
    assert volumes
    assert len(hands.documents(ground.layout, names)) == 2
    before = set(hands.workers_of(ground.layout, names))
    assert before
    with hands.at_a_pace(source, {"load_balancer_cleanup": 5}), hands.without_operator(source):
        source.delete(r.HOSTED_CLUSTER, names.name, names.namespace)
        time.sleep(3)
        assert source.get(r.CLUSTER, names.infra_id, place)["spec"]["paused"] is True
        assert set(hands.workers_of(ground.layout, names)) == before
        assert len(hands.documents(ground.layout, names)) == 2
        hands.operator_back(source)
        eventually(lambda: not hands.workers_of(ground.layout, names), 60, "the instances are terminated")
        eventually(lambda: not hands.documents(ground.layout, names), 90, "the OIDC documents are wiped")
        eventually(lambda: waits_for_its_balancer(source, place), 60, "the namespace waits for its load balancer")
        eventually(lambda: source.find(r.NAMESPACE, place) is None, 120, "the namespace is gone")
    eventually(
        lambda: source.find(r.HOSTED_CLUSTER, names.name, names.namespace) is None, 30, "the HostedCluster is gone"
    )
    eventually(lambda: not any(Path(path).exists() for path in volumes), 10, "the volumes are gone")


def waits_for_its_balancer(source: Kubernetes, place: str) -> bool:
    found = source.find(r.SERVICE, "balanced", place)
    return found is not None and deleting(found) and LOAD_BALANCER_FINALIZER in found["metadata"]["finalizers"]


def machines_of(source: Kubernetes, names: HostedClusterNames, pool: str) -> list[Object]:
    mark = f"{names.namespace}/{pool}"
    return [
        item
        for item in source.list(r.MACHINE, names.control_plane_namespace).items
        if (item["metadata"].get("annotations") or {}).get(standin_names.NODE_POOL) == mark
    ]


def deleting(item: Object) -> bool:
    return "deletionTimestamp" in item["metadata"]
