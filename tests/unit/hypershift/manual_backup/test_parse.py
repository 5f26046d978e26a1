"""Folders as the documented commands leave them."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
import yaml

from hcp_dr.errors import NotFound
from hcp_dr.hypershift import inventory
from hcp_dr.hypershift.inventory import RESOURCES
from hcp_dr.hypershift.manual_backup import folder as manual_folder
from hcp_dr.hypershift.manual_backup.parse import HandMade, compare, is_taken, read
from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Object
from hcp_dr.objects.archive import page, sha256_of
from hcp_dr.objects.reading import name_of
from tests.cases.building import an_object
from tests.ports import MemoryArchive, case

VERSIONS = {kind: (resource.api_version,) for kind, resource in RESOURCES.items()}
NAMESPACE, OWN = "clusters", "clusters-one"


def cut(item: Object) -> str:
    """What `oc get -o yaml | sed '/^status:$/,$d'` leaves."""
    return yaml.safe_dump({key: value for key, value in copy.deepcopy(item).items() if key != "status"})


SHORT: tuple[Any, ...] = (
    {"HostedCluster clusters/one": {"spec": {"infraID": "one-x7k2", "pullSecret": {"name": "pull"}}}},
    {"NodePool clusters/workers": {"owners": ["HostedCluster one"], "spec": {"clusterName": "one"}}},
    {"NodePool clusters/other": {"spec": {"clusterName": "one2"}}},
    {"Secret clusters/pull": {"data": {"a": "eA=="}}},
    {"Secret clusters/one2-pull": {"data": {"a": "eA=="}}},
    {"Secret clusters/one-admin-kubeconfig": {"data": {"a": "eA=="}}},
    {
        "Secret clusters-one/root-ca": {
            "data": {"ca.crt": "eA==", "ca.key": "eA=="},
            "owners": ["HostedControlPlane one"],
        }
    },
    {"Secret clusters-one/builder-dockercfg": {"type": "kubernetes.io/dockercfg"}},
    {"ConfigMap clusters-one/kube-root-ca.crt": {}},
    {"HostedControlPlane clusters-one/one": {}},
    {"Cluster clusters-one/one-x7k2": {"finalizers": ["cluster.cluster.x-k8s.io"]}},
    {"AWSMachineTemplate clusters-one/workers-4f1c": {}},
    {"Machine clusters-one/w-1": {"owners": ["MachineSet w"], "spec": {"clusterName": "one-x7k2"}, "status": {"x": 1}}},
    {"Machine clusters-one/stranger": {"spec": {"clusterName": "two-x7k2"}}},
)
OBJECTS = tuple(an_object(item) for item in SHORT)


def folder(*objects: Object, **more: str) -> dict[str, bytes]:
    files = {page(item).entry.file: cut(item) for item in objects}
    return {path: text.encode() for path, text in {**files, **more}.items()}


def found(files: dict[str, bytes]) -> HandMade:
    return read(files, name="one", api_versions=VERSIONS)


def test_what_is_the_hosted_clusters_is_chosen_as_on_a_management_cluster() -> None:
    archive = MemoryArchive(files={path: data.decode() for path, data in folder(*OBJECTS).items()})
    hand = manual_folder.read(archive, case())
    assert hand.problems == ()
    assert {f"{item['kind']} {name_of(item)}" for item in manual_folder.belonging(hand, case())} == {
        "HostedCluster one",
        "NodePool workers",
        "Secret pull",
        "Secret root-ca",
        "HostedControlPlane one",
        "Cluster one-x7k2",
        "AWSMachineTemplate workers-4f1c",
        "Machine w-1",
    }


def test_an_entry_points_to_the_file_as_it_was_made_and_knows_what_the_manifest_would() -> None:
    files = folder(*OBJECTS)
    hand = found(files)
    machine = hand.get(r.MACHINE, "w-1", OWN)
    (entry,) = hand.entries([machine])
    ours = page(next(item for item in OBJECTS if name_of(item) == "w-1")).entry
    assert entry.sha256 == sha256_of(files[entry.file])
    assert (entry.key, entry.uid, entry.owners, entry.finalizers) == (ours.key, ours.uid, ours.owners, ours.finalizers)
    assert entry.sha256 != ours.sha256, "ours is scrubbed"


def test_json_will_do_as_well_and_any_name_of_a_file() -> None:
    machine = an_object({"Machine clusters-one/w-1": {}})
    hand = found({"namespaces/clusters-one/machine-one.json": json.dumps(machine, indent=4).encode()})
    assert hand.find(r.MACHINE, "w-1", OWN) == machine
    assert hand.find(r.MACHINE, "w-2", OWN) is None
    with pytest.raises(NotFound, match="backup folder"):
        hand.get(r.MACHINE, "w-2", OWN)


@pytest.mark.parametrize(
    ("file", "taken"),
    [
        ("hc-one.yaml", True),
        ("hc-one.json", True),
        ("hc-one-restore.yaml", False),
        ("hc-one-new.yaml", False),
        ("hc-one2.yaml", False),
        ("np-workers.yml", True),
        ("secret-one2-pull.yaml", True),
        ("README", False),
        ("np-workers.yaml.bak", False),
    ],
)
def test_which_files_are_looked_at(file: str, taken: bool) -> None:  # noqa: FBT001
    assert is_taken(f"namespaces/clusters/{file}", name="one") is taken


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: [", "is not YAML"),
        ("", "holds no Kubernetes object"),
        ("just words", "holds no Kubernetes object"),
        ("Error from server (NotFound): nodepools not found", "holds no Kubernetes object"),
        ("{kind: Secret, apiVersion: v1, metadata: {}}", "holds no Kubernetes object"),
        ("{kind: List, apiVersion: v1, items: []}", "holds a list"),
        ("{kind: Secret, apiVersion: v1, metadata: {name: a, namespace: other}}", "holds an object of namespace other"),
        (
            "{kind: Machine, apiVersion: cluster.x-k8s.io/v1beta1, metadata: {name: a, namespace: clusters-one}}",
            "is cluster.x-k8s.io/v1beta1, but Machines are restored as cluster.x-k8s.io/v1beta2",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_named(text: str, problem: str) -> None:
    path = "namespaces/clusters-one/machine-a.yaml"
    hand = found({path: text.encode()})
    assert hand.items == ()
    (said,) = hand.problems
    assert said.startswith(f"{path} ")
    assert problem in said


def test_a_secret_that_is_not_yaml_is_not_quoted() -> None:
    hand = found({"namespaces/clusters-one/secret-a.yaml": b"data: {password: hunter2"})
    assert "hunter2" not in "".join(hand.problems)


def test_the_same_object_in_two_files_is_named() -> None:
    machine = cut(an_object("Machine clusters-one/w-1"))
    hand = found({f"namespaces/clusters-one/machine-{name}.yaml": machine.encode() for name in ("a", "b")})
    assert hand.problems == (
        "namespaces/clusters-one/machine-b.yaml holds the same object as namespaces/clusters-one/machine-a.yaml",
    )


def test_other_kinds_are_passed_over() -> None:
    hand = found(
        {"namespaces/clusters/deployment-a.yaml": b"{kind: Deployment, apiVersion: apps/v1, metadata: {name: a}}"}
    )
    assert (hand.items, hand.problems) == ((), ())


def test_a_pause_a_status_and_the_sources_marks_are_no_difference() -> None:
    live = tuple(copy.deepcopy(OBJECTS))
    live[0]["spec"]["pausedUntil"] = "true"
    live[0]["metadata"]["resourceVersion"] = "99"
    live[0]["metadata"]["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": "{}"}
    difference = compare(found(folder(*OBJECTS)).list(r.HOSTED_CLUSTER, NAMESPACE).items, live[:1])
    assert (difference.missing, difference.gone, difference.changed) == ((), (), ())


@pytest.mark.parametrize(
    "change",
    [{"spec": {"replicas": 3}}, {"data": {"ca.crt": "eQ=="}}, {"owners": ["MachineSet other"]}],
    ids=["spec", "data", "owner"],
)
def test_what_is_a_difference(change: dict[str, Any]) -> None:
    mine = an_object({"Machine clusters-one/w-1": {}})
    other = an_object({"Machine clusters-one/w-1": change})
    assert compare([mine], [other]).changed == (mine,)


def test_the_selection_of_both_is_one() -> None:
    """Whatever the folder holds of it, it is chosen by the very code that chooses on a management cluster."""
    hand = found(folder(*OBJECTS))
    assert manual_folder.belonging(hand, case()) == inventory.read_inventory(hand, case())
