"""What the created objects hold, which a plan does not show: new owners, paused annotations, no finalizers, the URL."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest

from hcp_dr import upstream
from hcp_dr.aws.port import StoredObject
from hcp_dr.engine.journal import RunState
from hcp_dr.engine.state import Remember
from hcp_dr.engine.step import Create, Do, Patch, PutObject, Step, WriteFile
from hcp_dr.engine.transfer import UploadSnapshot
from hcp_dr.hypershift.backup_objects import Restorable
from hcp_dr.hypershift.fence.state import RECONCILERS, WRITERS
from hcp_dr.hypershift.machines import restore
from hcp_dr.hypershift.state import IDENTITY
from hcp_dr.kube.port import Object
from hcp_dr.model import RELOCATION_ANNOTATION
from hcp_dr.objects.archive import Manifest, Snapshot, page
from hcp_dr.procedure.backup import (
    delete_routes,
    export_again,
    export_objects,
    fence,
    pause,
    protect_instances,
    snapshot_etcd,
)
from hcp_dr.procedure.restore import claim_namespaces, hosted_cluster, hosted_cluster_inputs, machines, node_pools
from hcp_dr.procedure.teardown import stop_control_plane
from hcp_dr.upstream import OIDC_FINALIZER, PAUSED_ANNOTATION
from tests.cases.building import an_object, build, facts_type
from tests.cases.reading import FOLDER, read
from tests.world import CASE, relocatable

OURS = {RELOCATION_ANNOTATION: "backup-1"}


def facts(step: Step[Any], case: str) -> Any:
    """The facts of a case file."""
    return build(facts_type(step), read(FOLDER / step.name / f"{case}.yaml")["facts"])


def planned(step: Step[Any], given: Any) -> tuple[Any, ...]:
    decision = step.plan(given)
    assert isinstance(decision, Do)
    return decision.actions


def bodies(step: Step[Any], given: Any) -> dict[tuple[str, str], Object]:
    found = {}
    for action in planned(step, given):
        assert isinstance(action, Create)
        assert action.side == "destination"
        assert action.body["apiVersion"] == action.resource.api_version
        found[action.body["kind"], action.body["metadata"]["name"]] = action.body
    return found


def remembered(step: Step[Any], given: Any) -> dict[str, Any]:
    actions = planned(step, given)
    assert all(isinstance(action, Remember) for action in actions)
    return {action.key: action.value for action in actions}


# machines


def carried_out() -> dict[tuple[str, str], Object]:
    """Every machine object as it is created, round by round, with uids as the destination gives them."""
    given = facts(machines.STEP, "owners-are-made-before-what-they-own")
    made: dict[tuple[str, str], Object] = {}
    rounds = 0
    while isinstance(decision := restore.plan(given), Do):
        created = bodies(machines.STEP, given)
        made |= created
        there = copy.deepcopy(created)
        for (kind, name), body in there.items():
            body["metadata"]["uid"] = f"new uid of {kind} {name}"
        given = replace(given, found={**given.found, **there})
        rounds += 1
    assert rounds == 5, decision
    return made


OWNERS = {
    ("Cluster", "one-x7k2"): None,
    ("AWSCluster", "one"): "Cluster one-x7k2",
    ("AWSMachineTemplate", "workers-1a2b"): "Cluster one-x7k2",
    ("MachineDeployment", "workers"): "Cluster one-x7k2",
    ("MachineSet", "workers-abc"): "MachineDeployment workers",
    ("Machine", "worker-1"): "MachineSet workers-abc",
    ("AWSMachine", "worker-1"): "Machine worker-1",
}


def test_machine_objects_are_linked_to_the_new_uids_of_their_owners() -> None:
    """Rule A5, and B2: the HostedControlPlane is not carried, so that the Cluster's link to it is dropped."""
    made = carried_out()
    assert set(made) == set(OWNERS)
    for key, owner in OWNERS.items():
        references = made[key]["metadata"].get("ownerReferences", [])
        assert [reference["uid"] for reference in references] == ([f"new uid of {owner}"] if owner else [])
        assert all(reference["controller"] for reference in references)


def test_machine_objects_come_without_finalizers_uids_and_status() -> None:
    """Rules A1 and A2."""
    for body in carried_out().values():
        assert not {"finalizers", "uid", "resourceVersion", "deletionTimestamp"} & set(body["metadata"])
        assert "status" not in body


@pytest.mark.parametrize("kind", ["MachineDeployment", "MachineSet", "Machine", "AWSMachine"])
def test_each_machine_object_is_held_by_its_own_annotation_from_the_start(kind: str) -> None:
    """Rule A4: the operator un-pauses the Cluster before it deploys what could terminate."""
    [body] = [body for key, body in carried_out().items() if key[0] == kind]
    assert body["metadata"]["annotations"] == {**OURS, PAUSED_ANNOTATION: "true"}


def test_the_cluster_is_paused_and_templates_need_no_holding() -> None:
    made = carried_out()
    assert made["Cluster", "one-x7k2"]["spec"]["paused"] is True
    for key in (("Cluster", "one-x7k2"), ("AWSCluster", "one"), ("AWSMachineTemplate", "workers-1a2b")):
        assert made[key]["metadata"]["annotations"] == OURS


def test_specs_are_carried_bit_for_bit() -> None:
    """Rule A6: a MachineDeployment finds its MachineSet by the equality of templates."""
    assert carried_out()["AWSMachine", "worker-1"]["spec"] == {"providerID": "aws:///us-east-1a/i-1"}


# the hosted cluster


def restored(*, finalizers: list[str], storage: Object | None = None, annotations: Object | None = None) -> Object:
    given = facts(hosted_cluster.STEP, "it-is-made-paused-when-the-snapshot-is-verified")
    source = {
        "HostedCluster clusters/one": {
            "finalizers": finalizers,
            "annotations": annotations or {},
            "spec": {"etcd": {"managed": {"storage": storage or {"type": "PersistentVolume"}}}},
        }
    }
    wanted = build(Restorable, source)
    [body] = bodies(hosted_cluster.STEP, replace(given, wanted=wanted)).values()
    return body


@pytest.mark.parametrize("before", [{}, {"hypershift.openshift.io/restored-from-backup": "true"}])
def test_the_hosted_cluster_is_made_paused_and_not_marked_as_restored(before: Object) -> None:
    """Rules A11 and D. With that mark the operators delete volumes, also where it came from an earlier restore."""
    body = restored(finalizers=["hypershift.openshift.io/finalizer"], annotations=before)
    assert body["spec"]["pausedUntil"] == "true"
    assert body["metadata"]["annotations"] == OURS
    assert "finalizers" not in body["metadata"]
    assert "ownerReferences" not in body["metadata"]
    assert "status" not in body


@pytest.mark.parametrize("old", [None, ["https://backups.example/expired"]])
def test_the_url_is_the_new_one_alone(old: list[str] | None) -> None:
    """Rule C7: a cluster restored before bears its old, expired URL."""
    storage = {"type": "PersistentVolume", **({"restoreSnapshotURL": old} if old else {})}
    body = restored(finalizers=[], storage=storage)
    assert body["spec"]["etcd"]["managed"]["storage"] == {
        "type": "PersistentVolume",
        "restoreSnapshotURL": ["https://backups.example/signed"],
    }


def test_the_finalizer_of_uploaded_documents_is_kept() -> None:
    """Rule E3: without it the operator uploads the documents anew."""
    body = restored(finalizers=["hypershift.openshift.io/finalizer", OIDC_FINALIZER])
    assert body["metadata"]["finalizers"] == [OIDC_FINALIZER]


def test_what_was_read_from_the_backup_is_not_changed_by_planning() -> None:
    given = facts(hosted_cluster.STEP, "it-is-made-paused-when-the-snapshot-is-verified")
    before = copy.deepcopy(given.wanted)
    hosted_cluster.plan(given)
    assert given.wanted == before


# NodePools and their secrets


def test_node_pools_are_made_paused_owned_and_without_status() -> None:
    """Rules A5 and A11; the status cannot be given in the create call."""
    made = bodies(node_pools.STEP, facts(node_pools.STEP, "every-pool-is-made-paused"))
    for name in "ab":
        body = made["NodePool", name]
        assert body["spec"] == {"clusterName": "one", "pausedUntil": "true"}
        assert "status" not in body
        assert body["metadata"]["annotations"] == OURS
        assert [(r["kind"], r["name"], r["uid"]) for r in body["metadata"]["ownerReferences"]] == [
            ("HostedCluster", "one", "uid-of-one")
        ]


def test_the_whole_status_is_written_back() -> None:
    """Rule A8."""
    given = facts(node_pools.STEP, "the-status-is-written-back-before-the-gates-open")
    [action] = planned(node_pools.STEP, given)
    assert isinstance(action, Patch)
    assert (action.subresource, action.patch) == ("status", {"status": {"version": "4.20.1"}})


@pytest.mark.parametrize(
    ("step", "case"),
    [
        (hosted_cluster_inputs.STEP, "what-is-missing-is-made"),
        (node_pools.STEP, "token-secrets-come-last"),
    ],
    ids=["inputs", "tokens"],
)
def test_secrets_come_with_their_content_and_the_mark_of_the_relocation(step: Step[Any], case: str) -> None:
    given = facts(step, case)
    wanted = given.wanted if step is hosted_cluster_inputs.STEP else given.tokens.wanted
    contents = {item.entry.key: item.body["data"] for item in wanted}
    for key, body in bodies(step, given).items():
        assert body["data"] == contents[key]
        assert body["metadata"]["annotations"] == OURS
        assert not {"ownerReferences", "uid", "finalizers"} & set(body["metadata"])


@pytest.mark.parametrize("said", ["True", "False"])
def test_a_token_secret_says_what_its_pool_said_of_ignition(said: str) -> None:
    """Rule A11. A pool that was upgraded in place has a new one, which no machine ever used."""
    world = relocatable()
    told = {"type": "ReachedIgnitionEndpoint", "status": said}
    for item in world.source.objects.values():
        if item["kind"] == "NodePool":
            item.setdefault("status", {})["conditions"] = [told]
    world.destination.objects["HostedCluster", "clusters", "one"] = an_object("HostedCluster clusters/one")
    tokens = node_pools.observe(world.ports, CASE, RunState()).tokens.missing()
    marks = {
        action.body["metadata"]["name"]: action.body["metadata"]["annotations"].get(upstream.IGNITION_REACHED)
        for action in tokens
    }
    assert marks
    assert marks == {name: "True" if said == "True" and "token" in name else None for name in marks}


def test_namespaces_bear_the_mark_by_which_they_are_known_again() -> None:
    made = bodies(claim_namespaces.STEP, facts(claim_namespaces.STEP, "both-namespaces-are-made"))
    assert [body["metadata"]["annotations"] for body in made.values()] == [OURS, OURS]


# what is remembered, and written into the backup


def test_the_pause_before_is_remembered_value_by_value() -> None:
    """I7."""
    assert remembered(pause.STEP, facts(pause.STEP, "the-values-before-are-remembered-first")) == {
        "paused_before": {
            "asked": {"HostedCluster/one": None, "NodePool/workers": None},
            "reached": {"HostedControlPlane/one": None, "Cluster/one-x7k2": None},
            "machines": {"MachineDeployment/workers": False, "Machine/worker-1": False, "AWSMachine/worker-1": True},
        }
    }


def test_the_protection_before_is_remembered_by_instance() -> None:
    given = facts(protect_instances.STEP, "what-was-before-is-remembered-first")
    assert remembered(protect_instances.STEP, given) == {"protection": {"i-1": False, "i-2": True, "i-3": False}}


def test_undoing_the_protection_opens_only_what_was_open() -> None:
    assert protect_instances.STEP.revert is not None
    given = facts(protect_instances.STEP, "all-are-protected")
    decision = protect_instances.STEP.revert(given)
    assert isinstance(decision, Do)
    assert [action.describe() for action in decision.actions] == ["clear termination protection of instance i-1"]


def test_the_fence_remembers_who_ran_and_what_the_cluster_is() -> None:
    """I7 and I4. kube-controller-manager is no writer and keeps running."""
    given = facts(fence.STEP, "what-is-and-how-many-there-are-is-remembered-first")
    found = remembered(fence.STEP, given)
    assert found["replicas_before"] == {
        "control-plane-operator": 1,
        "cluster-autoscaler": 1,
        "kube-apiserver": 2,
        "openshift-apiserver": 1,
        "openshift-oauth-apiserver": 1,
    }
    assert IDENTITY.read(found) == given.identity


def test_the_fence_gets_an_id_that_nobody_used() -> None:
    given = facts(fence.STEP, "the-fence-gets-its-id-when-etcd-stands-still")
    stopped = (*RECONCILERS, *WRITERS, "cluster-autoscaler")
    assert remembered(fence.STEP, given) == {
        "fence": {
            "id": "fence-1",
            "revision": 42,
            "at": 0.0,
            "generations": dict.fromkeys(stopped, 0),
            "uids": dict.fromkeys(stopped, ""),
        }
    }


def test_routes_are_remembered_as_they_can_be_made_again() -> None:
    given = facts(delete_routes.STEP, "the-routes-are-remembered-whole")
    routes = remembered(delete_routes.STEP, given)["routes"]
    assert routes["kube-apiserver"]["spec"] == {"host": "api-one.hosted.example"}
    assert "uid" not in routes["kube-apiserver"]["metadata"]
    assert routes["kube-apiserver"]["metadata"]["ownerReferences"][0]["uid"] == "uid-of-one", "it is made again there"


def test_the_operators_replicas_are_remembered() -> None:
    given = facts(stop_control_plane.STEP, "the-operators-replicas-are-remembered")
    assert remembered(stop_control_plane.STEP, given) == {"operator_before": {"operator": 2}, "endpoint_services": {}}


def test_what_rotated_before_the_fence_is_remembered_for_being_carried_again() -> None:
    given = facts(export_again.STEP, "what-changes-after-a-first-look-is-remembered-too")
    assert remembered(export_again.STEP, given) == {
        "changed": {
            "namespaces/clusters-one/secret-old.yaml": ["Secret", "clusters-one", "old"],
            "namespaces/clusters-one/secret-root-ca.yaml": ["Secret", "clusters-one", "root-ca"],
        }
    }
    went = facts(export_again.STEP, "a-secret-that-went-is-still-on-the-destination")
    assert set(remembered(export_again.STEP, went)["changed"]) == {
        "namespaces/clusters-one/secret-another.yaml",
        "namespaces/clusters-one/secret-token-workers-1.yaml",
    }


def test_the_hostnames_of_services_are_remembered_with_the_routes() -> None:
    given = facts(delete_routes.STEP, "a-load-balancers-name-is-taken-off-its-service")
    told = remembered(delete_routes.STEP, replace(given, routes_before=None, hostnames_before=None))
    assert told["service_hostnames"] == {"kube-apiserver": "api-one.hosted.example"}
    assert set(told["routes"]) == {"oauth"}


def written(step: Step[Any], case: str) -> Manifest:
    [action] = planned(step, facts(step, case))
    assert isinstance(action, WriteFile)
    return Manifest.from_text(action.text)


def test_the_manifest_tells_all_files_and_the_fence() -> None:
    given = facts(export_objects.STEP, "the-manifest-comes-last")
    manifest = written(export_objects.STEP, "the-manifest-comes-last")
    assert manifest.entries == tuple(page(item).entry for item in given.live)
    assert (manifest.case, manifest.made_at, manifest.fence, manifest.snapshot) == ({"name": "one"}, 1000.0, None, None)


def test_files_hold_what_their_line_in_the_manifest_says() -> None:
    given = facts(export_objects.STEP, "every-object-becomes-a-file")
    actions = planned(export_objects.STEP, given)
    pages = {item.entry.file: item.text for item in map(page, given.live)}
    assert {action.path: action.text for action in actions} == pages


def test_the_snapshot_gets_its_line_in_the_manifest() -> None:
    snapshot = written(snapshot_etcd.STEP, "the-manifest-gets-its-line").snapshot
    key = "hcp-dr/clusters/one/backup-1/snapshot.db"
    assert snapshot == Snapshot(
        "backups", key, 4096, "5ad10e99aa55bb66cc77", "9f3a", 42, 700, "fence-1", "AES256", etag="x"
    )


def test_the_upload_bears_fence_and_hash_as_metadata() -> None:
    given = facts(snapshot_etcd.STEP, "it-goes-straight-from-the-pod-to-the-bucket")
    [action] = planned(snapshot_etcd.STEP, given)
    assert isinstance(action, UploadSnapshot)
    assert action.sha256 == "5ad10e99aa55bb66cc77"
    assert action.metadata == {"fence": "fence-1", "sha256": action.sha256, "revision": "42"}
    stored = StoredObject(given.key, given.file.size, action.metadata, "etag", "AES256")
    [following] = planned(snapshot_etcd.STEP, replace(given, stored=stored))
    assert isinstance(following, WriteFile), "what it uploads is what it recognizes"


def test_the_manifest_in_the_bucket_is_the_one_in_the_folder() -> None:
    given = facts(snapshot_etcd.STEP, "the-manifest-follows-into-the-bucket")
    [action] = planned(snapshot_etcd.STEP, given)
    assert isinstance(action, PutObject)
    assert Manifest.from_text(action.body) == given.manifest
