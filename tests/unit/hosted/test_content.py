"""What a hosted cluster holds, and what its waiting says."""

from __future__ import annotations

from hcp_dr.kube.port import Object
from hcp_dr_lab.hosted.content import BALLAST_EACH, BALLAST_NAMESPACES, Seen, missing, objects, version_status


def node(name: str, *, ready: bool) -> Object:
    condition = {"type": "Ready", "status": "True" if ready else "Unknown"}
    return {"metadata": {"name": name}, "status": {"conditions": [condition]}}


def deployment(ready: int) -> Object:
    return {"spec": {"replicas": 2}, "status": {"readyReplicas": ready}}


def available(number: int) -> Object:
    return {"spec": {"replicas": 2}, "status": {"availableReplicas": number}}


def test_every_object_comes_after_its_namespace() -> None:
    namespaces: set[str] = set()
    for item in objects("id", "api.shop"):
        if item["kind"] == "Namespace":
            namespaces.add(item["metadata"]["name"])
        elif "namespace" in item["metadata"]:
            assert item["metadata"]["namespace"] in namespaces


def test_the_version_comes_after_its_definition_and_has_the_cluster_id() -> None:
    kinds = [item["kind"] for item in objects("the-id", "api.shop")]
    assert kinds.index("CustomResourceDefinition") < kinds.index("ClusterVersion")
    (version,) = (item for item in objects("the-id", "api.shop") if item["kind"] == "ClusterVersion")
    assert version["spec"]["clusterID"] == "the-id"


def test_there_is_ballast_to_count() -> None:
    names = [
        (item["metadata"]["namespace"], item["metadata"]["name"])
        for item in objects("id", "api.shop")
        if item["kind"] == "ConfigMap"
    ]
    assert len(set(names)) == len(names) == BALLAST_NAMESPACES * BALLAST_EACH


def test_all_images_are_on_the_workers() -> None:
    pods = [
        item["spec"]["template"]["spec"] for item in objects("id", "api.shop") if "template" in item.get("spec", {})
    ]
    containers = [container for pod in pods for container in pod["containers"]]
    assert {container["image"] for container in containers} == {"docker.io/hcp-dr-lab/workload:1"}
    assert {container["imagePullPolicy"] for container in containers} == {"Never"}


def test_a_complete_version_is_available() -> None:
    assert version_status("4.20.3")["history"][0]["state"] == "Completed"


def test_nothing_is_missing_when_all_serve() -> None:
    seen = Seen(
        (node("a", ready=True), node("b", ready=True)), deployment(2), {"status": {"numberReady": 2}}, available(1)
    )
    assert missing(seen, 2) == []


def test_what_is_missing_is_said() -> None:
    says = "; ".join(
        missing(Seen((node("a", ready=True), node("b", ready=False)), deployment(1), None, available(0)), 2)
    )
    assert "1 of 2 nodes are Ready (registered: a, b)" in says
    assert "1 of 2 pods of Deployment workload/hello" in says
    assert "0 of 2 pods of DaemonSet openshift-ovn-kubernetes/ovnkube-node" in says
