"""What the steps of preflight see of the world."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from hcp_dr.aws.port import Record
from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Done
from hcp_dr.errors import AwsDenied, ClusterUnreachable, Forbidden
from hcp_dr.hypershift import downtime
from hcp_dr.hypershift.checks import look_for
from hcp_dr.hypershift.dns.handover import SHORT_LIFE
from hcp_dr.hypershift.state import DNS
from hcp_dr.kube.port import Completed, Listing, Object, Resource
from hcp_dr.kube.resources import CRON_JOB
from hcp_dr.model import HANDOVER
from hcp_dr.procedure import PREFLIGHT_BY_HAND
from hcp_dr.procedure.preflight import (
    aws,
    capability,
    capacity,
    carried,
    destination,
    external_dns,
    hosted_cluster,
    keys,
    machines,
    owners,
    webhooks,
)
from tests.ports import MemoryKubernetes, World
from tests.unit.objects.test_signing import RSA, jwk, key_set, pem
from tests.world import CASE, relocatable

NOTHING = RunState()


@pytest.fixture
def world() -> World:
    return relocatable()


def hc(world: World) -> Object:
    return world.source.objects["HostedCluster", "clusters", "one"]


def wrote(manager: str, operation: str = "Update", **fields: Any) -> dict[str, Any]:
    told = {f"f:{key}": value for key, value in fields.items()}
    return {"manager": manager, "operation": operation, "time": "2026-01-01T00:00:00Z", "fieldsV1": told}


# owners


def test_who_applies_the_objects_is_told_by_labels_managers_and_owners(world: World) -> None:
    meta = hc(world)["metadata"]
    meta["labels"] = {"app.kubernetes.io/instance": "shop", "kustomize.toolkit.fluxcd.io/name": "clusters"}
    meta["annotations"] = {"argocd.argoproj.io/tracking-id": "x"}
    meta["managedFields"] = [
        wrote("work-agent-shop", "Apply", spec={"f:pausedUntil": {}}),
        wrote("workspace", spec={"f:dns": {}}),
        wrote("argocd-controller", metadata={}),
    ]
    pool = world.source.objects["NodePool", "clusters", "one-workers"]
    pool["metadata"]["ownerReferences"] = [{"kind": "AppliedManifestWork", "name": "w", "uid": "u"}]
    pool["metadata"]["managedFields"] = [wrote("velero", spec={"f:pausedUntil": {}})]
    facts = owners.observe(world.ports, CASE, NOTHING)
    at = "2026-01-01T00:00:00Z"
    assert facts.appliers == (
        "HostedCluster one: label kustomize.toolkit.fluxcd.io/name (Flux)",
        "HostedCluster one: annotation argocd.argoproj.io/tracking-id (Argo CD)",
        f"HostedCluster one: field manager work-agent-shop at {at} (ACM)",
        f"HostedCluster one: field manager workspace at {at} (Update)",
        "NodePool one-workers: owned by AppliedManifestWork w (ACM)",
    )
    assert facts.hints == ("HostedCluster one: app.kubernetes.io/instance shop (Argo CD or Helm)",)
    assert facts.appliers_of_pause == (f"HostedCluster one by work-agent-shop at {at}",)
    assert facts.writers_of_pause == (f"NodePool one-workers by velero at {at}",)
    assert facts.writers == (f"work-agent-shop at {at}", f"workspace at {at}")


def owner(kind: str, api_version: str, **more: Any) -> Object:
    return {"apiVersion": api_version, "kind": kind, "name": "x", "uid": "u", **more}


@pytest.mark.parametrize("key", ["HostedCluster clusters one", "NodePool clusters one-workers"])
@pytest.mark.parametrize(
    ("reference", "seen"),
    [
        (
            owner("Object", "kubernetes.crossplane.io/v1alpha2", controller=True),
            "controlled by Object x of kubernetes.",
        ),
        (
            owner("HostedControlPlaneClaim", "kro.run/v1alpha1", controller=True),
            "controlled by HostedControlPlaneClaim",
        ),
        (owner("Cluster", "cluster.x-k8s.io/v1beta2"), "owned by Cluster x of cluster.x-k8s.io"),
        (owner("ConfigMap", "v1"), "owned by ConfigMap x"),
        (owner("HostedCluster", "example.com/v1"), "owned by HostedCluster x of example.com"),
    ],
)
def test_an_owner_of_any_kind_is_told(world: World, key: str, reference: Object, seen: str) -> None:
    kind, namespace, name = key.split()
    world.source.objects[kind, namespace, name]["metadata"]["ownerReferences"] = [reference]
    [told] = owners.observe(world.ports, CASE, NOTHING).appliers
    assert told.startswith(f"{kind} {name}: {seen}")


def test_the_hosted_cluster_may_own_its_node_pools(world: World) -> None:
    reference = owner("HostedCluster", "hypershift.openshift.io/v1beta1", controller=True)
    world.source.objects["NodePool", "clusters", "one-workers"]["metadata"]["ownerReferences"] = [reference]
    assert owners.observe(world.ports, CASE, NOTHING).appliers == ()


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        (
            wrote("crossplane-provider", "Apply", spec={"f:dns": {}}),
            "crossplane-provider at 2026-01-01T00:00:00Z (Apply)",
        ),
        (wrote("labeller", "Apply", metadata={"f:labels": {}}), "labeller at 2026-01-01T00:00:00Z (Apply)"),
        (wrote("kubectl", "Apply", spec={"f:dns": {}}), "kubectl at 2026-01-01T00:00:00Z (Apply)"),
        (wrote("siteconfig-manager", spec={"f:dns": {}}), "siteconfig-manager at 2026-01-01T00:00:00Z (Update)"),
        (wrote("hypershift-gitops", spec={"f:dns": {}}), "hypershift-gitops at 2026-01-01T00:00:00Z (Update)"),
        (wrote("a-controller", metadata={"f:labels": {}}), None),
        (wrote("hypershift-cli", "Apply", spec={"f:dns": {}}), None),
        (wrote("kubectl-edit", spec={"f:dns": {}}), None),
        (wrote("oc", spec={"f:dns": {}}), None),
        (wrote("hypershift-operator", spec={"f:dns": {}}), None),
        (wrote("hypershift-operator-manager", spec={"f:dns": {}}), None),
        ({**wrote("a-controller", "Apply", status={}), "subresource": "status"}, None),
    ],
)
def test_who_applies_or_writes_the_spec_is_told_whatever_the_name(
    world: World, entry: Object, told: str | None
) -> None:
    hc(world)["metadata"]["managedFields"] = [entry]
    assert owners.observe(world.ports, CASE, NOTHING).appliers == (
        () if told is None else (f"HostedCluster one: field manager {told}",)
    )


def test_behind_a_fence_made_by_hand_an_owner_is_a_warning(world: World) -> None:
    """The API is unavailable already."""
    hc(world)["metadata"]["ownerReferences"] = [owner("Object", "kubernetes.crossplane.io/v1alpha2", controller=True)]
    decision = owners.TOLD.plan(owners.observe(world.ports, CASE, NOTHING))
    assert isinstance(decision, Done)
    assert [check.name for check in decision.checks if check.verdict == "warning"] == ["owners.gitops"]
    assert owners.TOLD in PREFLIGHT_BY_HAND


def test_an_owner_of_the_sources_operator_is_told(world: World) -> None:
    operator = world.source.objects["Deployment", "hypershift", "operator"]
    reference = owner("ClusterServiceVersion", "operators.coreos.com/v1alpha1", controller=True)
    operator["metadata"]["ownerReferences"] = [reference]
    operator["metadata"]["managedFields"] = [wrote("hypershift", "Apply", spec={"f:replicas": {}})]
    assert owners.observe(world.ports, CASE, NOTHING).operator_appliers == (
        "Deployment operator: controlled by ClusterServiceVersion x of operators.coreos.com",
    )


def test_the_neighbours_owners_are_its_own(world: World) -> None:
    neighbour = world.source.objects["HostedCluster", "clusters", "one2"]["metadata"]
    neighbour["annotations"] = {"argocd.argoproj.io/tracking-id": "x"}
    resource = {"group": "hypershift.openshift.io", "resource": "hostedclusters", "namespace": "clusters"}
    world.source.put({"AppliedManifestWork other": {"status": {"appliedResources": [{**resource, "name": "one2"}]}}})
    world.source.put({"Klusterlet klusterlet-one2": {"spec": {"clusterName": "one2"}}})
    facts = owners.observe(world.ports, CASE, NOTHING)
    assert (facts.appliers, facts.works, facts.klusterlets) == ((), (), ())
    world.source.put({"AppliedManifestWork mine": {"status": {"appliedResources": [{**resource, "name": "one"}]}}})
    world.source.put({"Klusterlet klusterlet-one": {"spec": {"clusterName": "one"}}})
    facts = owners.observe(world.ports, CASE, NOTHING)
    assert (facts.works, facts.klusterlets) == (("mine",), ("klusterlet-one",))


def test_a_job_that_lifts_pauses_is_seen_unless_it_is_suspended(world: World) -> None:
    world.source.put({"CronJob openshift-adp/oadp-recovery": {"spec": {}}})
    world.source.put({"CronJob openshift-adp/oadp-recovery-2": {"spec": {"suspend": True}}})
    world.source.put("CronJob openshift-adp/another")
    hc(world)["metadata"]["annotations"] = {"oadp.openshift.io/paused-by": "hypershift-oadp-plugin"}
    facts = owners.observe(world.ports, CASE, NOTHING)
    assert (facts.recovery, facts.paused_by) == (("openshift-adp/oadp-recovery",), "hypershift-oadp-plugin")


def test_acms_addon_looks_after_the_operator_unless_it_is_told_not_to(world: World) -> None:
    world.source.put("Deployment open-cluster-management-agent-addon/hypershift-addon-agent")
    assert owners.observe(world.ports, CASE, NOTHING).addon
    operator = world.source.objects["Deployment", "hypershift", "operator"]
    operator["metadata"]["annotations"] = {"hypershift.open-cluster-management.io/not-by-mce": "true"}
    assert not owners.observe(world.ports, CASE, NOTHING).addon


def test_what_may_not_be_listed_is_not_nothing(world: World) -> None:
    class Closed(MemoryKubernetes):
        def list(self, resource: Resource, *words: Any, **named: Any) -> Listing:
            if resource.kind in ("AppliedManifestWork", "CronJob", "Klusterlet", "ValidatingWebhookConfiguration"):
                raise Forbidden(cluster="source", verb="list", object=resource.plural, reason="no")
            return super().list(resource, *words, **named)

    closed = Closed("source")
    closed.objects = world.source.objects
    world.source = closed
    facts = owners.observe(world.ports, CASE, NOTHING)
    assert (facts.works, facts.recovery, facts.klusterlets) == (None, None, None)
    unseen = webhooks.observe(world.ports, CASE, NOTHING)
    assert (unseen.webhooks, unseen.at_urls) == (None, None)


def test_who_may_look_at_little_is_told_what_was_not_looked_at(world: World) -> None:
    """Rights for one namespace each: nothing of a cluster's other places."""

    class Narrow(MemoryKubernetes):
        def list(self, resource: Resource, namespace: str | None = None, **named: Any) -> Listing:
            if resource.kind == "Pod" and namespace is None:
                raise Forbidden(cluster="destination", verb="list", object="pods", reason="no")
            return super().list(resource, namespace, **named)

        def find(self, resource: Resource, name: str, namespace: str | None = None) -> Object | None:
            if resource.kind in ("StorageClass", "ConfigMap"):
                raise Forbidden(cluster="destination", verb="get", object=name, reason="no")
            return super().find(resource, name, namespace)

    narrow = Narrow("destination")
    narrow.objects = world.destination.objects
    node = narrow.objects["Node", None, "host"]
    node["status"] = {**node["status"], "allocatable": {"cpu": "4", "memory": "8Gi"}}
    world.destination = narrow
    assert [room.cpu for room in capacity.observe(world.ports, CASE, NOTHING).rooms] == [None]
    assert destination.observe(world.ports, CASE, NOTHING).supported == ()
    assert keys.observe(world.ports, CASE, NOTHING).volume_key == ""


def test_a_failing_cluster_is_not_taken_for_a_closed_one(world: World) -> None:
    def before(_: str) -> None:
        raise ClusterUnreachable(cluster="source", verb="list", object="x", reason="gone")

    world.source.before = before
    with pytest.raises(ClusterUnreachable):
        look_for(world.source, CRON_JOB)


def test_who_paused_and_since_when_is_told(world: World) -> None:
    hc(world)["spec"]["pausedUntil"] = "true"
    hc(world)["metadata"]["managedFields"] = [wrote("kubectl-patch", spec={"f:pausedUntil": {}})]
    hc(world)["metadata"]["annotations"] = {"oadp.openshift.io/paused-by": "a backup"}
    facts = hosted_cluster.observe(world.ports, CASE, NOTHING)
    assert facts.paused == ("HostedCluster one (by a backup, kubectl-patch at 2026-01-01T00:00:00Z)",)


# machines, carried, hosted_cluster


def test_what_else_looks_after_machines_is_seen(world: World) -> None:
    objects = world.source.objects
    objects["MachineDeployment", "clusters-one", "one-workers"]["spec"] = {"rollout": {"after": "2027-01-01T00:00:00Z"}}
    objects["MachineDeployment", "clusters-one2", "one2-workers"]["spec"] = {"rolloutAfter": "2027-01-01T00:00:00Z"}
    objects["Machine", "clusters-one", "w-1"]["metadata"]["annotations"] = {"cluster.x-k8s.io/paused": "true"}
    hc(world)["spec"]["autoNode"] = {"provisionerConfig": {"name": "Karpenter"}}
    world.source.put("MachineHealthCheck clusters-one/one-workers")
    assert machines.observe(world.ports, CASE, NOTHING) == machines.Facts(
        rollout_after=("one-workers after 2027-01-01T00:00:00Z",),
        auto_node="Karpenter",
        health_checks=("one-workers",),
        held=("Machine w-1",),
    )


def test_what_does_not_travel_is_seen(world: World) -> None:
    hc(world)["metadata"]["annotations"] = {
        "hypershift.openshift.io/HasBeenAvailable": "true",
        "hypershift.openshift.io/cluster-scheduled": "true",
        "hypershift.openshift.io/cleanup-cloud-resources": "true",
        "hcp-dr.openshift.io/relocation": "before",
    }
    hc(world)["spec"]["etcd"]["managed"] |= {"automatedBackup": {"schedule": "@daily"}}
    hc(world)["spec"]["etcd"]["managed"]["storage"]["restoreSnapshotURL"] = ["https://x"]
    etcd_set = world.source.objects["StatefulSet", "clusters-one", "etcd"]["spec"]
    etcd_set["persistentVolumeClaimRetentionPolicy"] = {"whenScaled": "Delete"}
    assert carried.observe(world.ports, CASE, NOTHING) == carried.Facts(
        placed=("hypershift.openshift.io/cluster-scheduled",),
        cleanup=("HostedCluster one",),
        automated_backup=True,
        restored_before=True,
        came_by="before",
        volumes_at_stake=("etcd",),
    )


@pytest.mark.parametrize("kind", ["Cluster one-x7k2", "AWSMachine w-1", "MachineSet one-workers-abc"])
def test_whatever_of_the_machinery_is_being_deleted_is_seen(world: World, kind: str) -> None:
    """Rule A2."""
    what, name = kind.split()
    world.source.objects[what, "clusters-one", name]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert hosted_cluster.observe(world.ports, CASE, NOTHING).deleting == (kind,)


def test_an_upgrade_is_told_by_the_newest_entry_of_the_history(world: World) -> None:
    entries = [{"state": "Partial", "version": "4.21.1"}, {"state": "Completed", "version": "4.20.8"}]
    hc(world)["status"]["version"] = {"history": entries}
    assert hosted_cluster.observe(world.ports, CASE, NOTHING).upgrading == "4.20.8 to 4.21.1"
    hc(world)["status"]["version"] = {"history": entries[1:]}
    assert hosted_cluster.observe(world.ports, CASE, NOTHING).upgrading == ""


# keys


def documents(world: World, content: bytes) -> None:
    """In the bucket of the source's operator."""
    operator = world.source.objects["Deployment", "hypershift", "operator"]["spec"]["template"]["spec"]
    operator["containers"][0]["args"] = ["--oidc-storage-provider-s3-bucket-name=oidc"]
    world.bucket.elsewhere["oidc", "one-x7k2/openid/v1/jwks"] = content


@pytest.mark.parametrize(
    ("content", "published"),
    [(key_set(jwk(RSA[0])), "same"), (key_set(jwk(RSA[1])), "other"), (b"<html>", "unreadable")],
)
def test_the_published_keys_are_compared_where_they_can_be_read(world: World, content: bytes, published: str) -> None:
    """Rule E3."""
    secret = world.source.objects["Secret", "clusters-one", "sa-signing-key"]["data"]
    secret["service-account.pub"] = base64.b64encode(pem(RSA[0])).decode()
    documents(world, content)
    found = keys.observe(world.ports, CASE, NOTHING).documents
    assert (found.published, found.bucket) == (published, "oidc")
    world.bucket.elsewhere.clear()
    assert keys.observe(world.ports, CASE, NOTHING).documents.published == "absent"


def test_documents_of_which_nobody_tells_the_bucket(world: World) -> None:
    found = keys.observe(world.ports, CASE, NOTHING).documents
    assert (found.published, found.bucket, found.trusted) == ("untold", "", "True")


def test_documents_that_may_not_be_read(world: World) -> None:
    documents(world, b"")

    def refuse(verb: str) -> None:
        raise AwsDenied(service="S3", operation="GetObject", object="oidc", reason=verb)

    world.bucket.before = refuse
    found = keys.observe(world.ports, CASE, NOTHING).documents
    assert (found.published, found.trusted) == ("unreadable", "True")


def test_what_is_missing_of_the_anchors_is_named(world: World) -> None:
    del world.source.objects["Secret", "clusters-one", "etcd-signer"]
    world.source.objects["Secret", "clusters-one", "root-ca"]["data"] = {"ca.crt": "eA=="}
    assert keys.observe(world.ports, CASE, NOTHING).missing == ("ca.key of root-ca", "etcd-signer")


def test_keys_of_kms_are_named(world: World) -> None:
    aws_kms = {"activeKey": {"arn": "arn:a"}, "backupKey": {"arn": "arn:b"}, "auth": {"awsKms": "arn:role"}}
    hc(world)["spec"]["secretEncryption"] = {"type": "kms", "kms": {"provider": "AWS", "aws": aws_kms}}
    world.destination.objects["StorageClass", None, "gp3"]["parameters"] = {"kmsKeyId": "arn:c"}
    facts = keys.observe(world.ports, CASE, NOTHING)
    assert (facts.provider, facts.keys, facts.role) == ("AWS", ("arn:a", "arn:b"), "arn:role")
    assert facts.volume_key == "arn:c"


# webhooks


def configuration(name: str, **webhook: Any) -> dict[str, Any]:
    rule = {"apiGroups": ["hypershift.openshift.io"], "resources": ["nodepools"], "operations": ["UPDATE"]}
    return {f"ValidatingWebhookConfiguration {name}": {"webhooks": [{"name": "w", "rules": [rule], **webhook}]}}


def test_webhooks_that_die_with_the_operator_are_told_from_others(world: World) -> None:
    """Rule F1."""
    own, other = ({"service": {"namespace": place, "name": "operator"}} for place in ("hypershift", "gatekeeper"))
    url = {"url": "https://10.0.0.1/validate"}
    pods = [{"apiGroups": [""], "resources": ["pods"], "operations": ["*"]}]
    for item in (
        configuration("own", clientConfig=own),
        configuration("patient", clientConfig=own, failurePolicy="Ignore"),
        configuration("others", clientConfig=other),
        configuration("by-url", clientConfig=url),
        configuration("of-pods", clientConfig=url, rules=pods),
    ):
        world.source.put(item)
    facts = webhooks.observe(world.ports, CASE, NOTHING)
    assert facts.webhooks == ("w of ValidatingWebhookConfiguration own",)
    assert facts.at_urls == ("w of ValidatingWebhookConfiguration by-url",)


def test_stored_versions_are_read_of_every_kind_that_is_removed(world: World) -> None:
    definition = {
        "spec": {
            "conversion": {"strategy": "Webhook"},
            "versions": [{"name": "v1beta1"}, {"name": "v1beta2", "storage": True}],
        },
        "status": {"storedVersions": ["v1beta1", "v1beta2"]},
    }
    world.source.put({"CustomResourceDefinition machines.cluster.x-k8s.io": definition})
    facts = webhooks.observe(world.ports, CASE, NOTHING)
    assert (
        webhooks.Stored("machines.cluster.x-k8s.io", ("v1beta1", "v1beta2"), "v1beta2", converted=True) in facts.kinds
    )


# destination


def test_what_is_on_the_destination_already_is_seen(world: World) -> None:
    there = world.destination
    there.put({"Namespace clusters-one": {"by": "shop-1", "deleting": True}})
    there.put({"Namespace clusters": {"deleting": True}})
    there.put({"NodePool clusters/one-workers": {"spec": {"clusterName": "another"}}})
    there.put({"NodePool clusters/stray": {"spec": {"clusterName": "one"}}})
    there.put({"NodePool clusters/one2-workers": {"spec": {"clusterName": "one2"}}})
    there.put({"Secret clusters/one-pull": {"data": {".dockerconfigjson": "b3RoZXI="}}})
    there.put({"ConfigMap clusters/one-trust": {"data": {"ca-bundle.crt": "certificate"}}})
    facts = destination.observe(world.ports, CASE, NOTHING)
    assert facts.existing_namespace == "was created by relocation shop-1, and is being deleted"
    assert facts.shared_deleting
    assert facts.existing_node_pools == ("one-workers", "stray")
    assert facts.foreign_inputs == ("Secret one-pull (.dockerconfigjson)",)


@pytest.mark.parametrize("text", [None, "no json", "[]", '{"versions": "4.20"}'])
def test_an_operator_that_does_not_tell_what_it_supports(world: World, text: str | None) -> None:
    data = {} if text is None else {"supported-versions": text}
    world.destination.objects["ConfigMap", "hypershift", "supported-versions"]["data"] = data
    assert destination.observe(world.ports, CASE, NOTHING).supported == ()


# capacity


def test_what_pods_ask_for_and_nodes_have_free_is_counted_as_the_scheduler_does(world: World) -> None:
    def container(cpu: str, memory: str) -> dict[str, Any]:
        return {"name": "c", "resources": {"requests": {"cpu": cpu, "memory": memory}}}

    term = {"topologyKey": "topology.kubernetes.io/zone"}
    affinity = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    spec = {"containers": [container("100m", "1Gi"), container("1", "1Gi")], "initContainers": [container("2", "1Gi")]}
    world.source.put(
        {
            "Pod clusters-one/etcd-0": {
                "owners": ["StatefulSet etcd"],
                "spec": {**spec, "affinity": affinity, "tolerations": [{"key": "a", "operator": "Exists"}]},
            }
        }
    )
    world.source.put({"Pod clusters-one/over": {"status": {"phase": "Succeeded"}}})
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    world.destination.put(
        {"Node full": {"status": {**ready, "allocatable": {"cpu": "4", "memory": "8Gi", "pods": "9"}}}}
    )
    world.destination.put({"Node closed": {"status": ready, "spec": {"unschedulable": True}}})
    world.destination.put("Node broken")
    world.destination.put({"Pod a/b": {"spec": {"nodeName": "full", "containers": [container("500m", "2Gi")]}}})
    facts = capacity.observe(world.ports, CASE, NOTHING)
    [need] = [need for need in facts.needs if need.name == "etcd-0"]
    assert (need.cpu, need.memory) == (2.0, 2 * 2**30)
    assert (need.apart, need.kind) == (("topology.kubernetes.io/zone",), "StatefulSet etcd")
    assert "over" not in {need.name for need in facts.needs}
    assert [room.name for room in facts.rooms] == ["host", "full"]
    assert (facts.rooms[0].cpu, facts.rooms[0].memory) == (8.0, 32 * 2**30)
    assert (facts.rooms[1].cpu, facts.rooms[1].memory, facts.rooms[1].pods) == (3.5, 6 * 2**30, 8.0)


@pytest.mark.parametrize(
    ("toleration", "borne"),
    [
        ({"operator": "Exists"}, True),
        ({"key": "k", "operator": "Exists", "effect": "NoSchedule"}, True),
        ({"key": "k", "value": "v"}, True),
        ({"key": "k", "value": "w"}, False),
        ({"key": "other", "operator": "Exists"}, False),
        ({"key": "k", "operator": "Exists", "effect": "NoExecute"}, False),
    ],
)
def test_a_taint_is_borne_as_the_scheduler_sees_it(toleration: dict[str, str], *, borne: bool) -> None:
    taint = {"key": "k", "value": "v", "effect": "NoSchedule"}
    room = capacity.Room("host", 1.0, 1.0, 9.0, {}, (taint,))
    need = capacity.Need("pod", 0.5, 0.5, (toleration,))
    [nodes, *_] = capacity.checks(capacity.Facts((need,), (room,), {}, ()))
    assert (nodes.verdict == "ok") is borne


# aws, external_dns, capability


@pytest.mark.parametrize(
    ("answer", "fetched"),
    [
        ((0, b"probe\n200 ", b""), ""),
        ((0, b"probe\n206 ", b""), ""),
        ((6, b"\n000 ", b"curl: (6) Could not resolve host\n"), "curl: (6) Could not resolve host"),
        (
            (0, b"<Code>TemporaryRedirect</Code>\n307 https://there.example/k?X-Amz-Signature=secret", b""),
            "307 TemporaryRedirect, a redirect to there.example",
        ),
        ((0, b"<Code>AccessDenied</Code>\n403 ", b""), "403 AccessDenied"),
        ((0, b"\n503 ", b""), "503"),
        ((0, b"<html>\nsign in\n200 ", b""), "the answer was 200 with 14 bytes that differ from the object"),
        ((18, b"pro\n200 ", b"curl: (18) transfer closed"), "curl: (18) transfer closed"),
        ((0, b"probe", b""), "curl ended with 0 and status 000, and printed no error"),
    ],
)
def test_the_probe_is_fetched_from_inside_the_source(
    world: World, answer: tuple[int, bytes, bytes], fetched: str
) -> None:
    world.bucket.put(f"{CASE.key_prefix}/probe", b"probe", metadata={})
    world.source.script = lambda _command, _stdin: Completed(*answer)
    assert aws.observe(world.ports, CASE, NOTHING).probe.fetched == fetched


def test_a_probe_that_no_pod_can_fetch_was_not_tried(world: World) -> None:
    world.bucket.put(f"{CASE.key_prefix}/probe", b"probe", metadata={})
    world.source.objects["Pod", "clusters-one", "etcd-0"]["status"] = {}
    assert aws.observe(world.ports, CASE, NOTHING).probe.fetched is None


def test_external_dns_lives_as_long_as_a_pod_of_it_is_ready(world: World) -> None:
    """What the Deployment's status says may be old: nobody writes it while the controllers are away."""
    source, _ = external_dns.STEP.observe(world.ports, CASE, NOTHING).sides
    assert source.ready == 1
    world.source.objects["Pod", "hypershift", "external-dns-a"]["status"] = {}
    source, _ = external_dns.STEP.observe(world.ports, CASE, NOTHING).sides
    assert source.ready == 0


def test_the_operators_build_is_told_by_the_image_that_runs(world: World) -> None:
    pod = world.source.objects["Pod", "hypershift", "operator-a"]
    pod["status"] = {**pod["status"], "containerStatuses": [{"imageID": "quay.example/hypershift@sha256:abc"}]}
    container = world.source.objects["Deployment", "hypershift", "operator"]["spec"]["template"]["spec"]["containers"][
        0
    ]
    container["env"] = [{"name": "IMAGE_SHARED_INGRESS_HAPROXY", "value": "x"}, {"name": "OTHER", "value": "y"}]
    source, there = capability.observe(world.ports, CASE, NOTHING).clusters
    assert (source.build.digest, source.build.settings) == ("sha256:abc", "IMAGE_SHARED_INGRESS_HAPROXY=x")
    assert (there.build.digest, there.build.settings) == ("", "")


# the estimate


def test_an_estimate_is_made_of_what_the_cluster_says(world: World) -> None:
    soa = Record("hosted.example", "SOA", 900, ("ns.example. host.example. 1 7200 900 1209600 60",))
    world.zone.kept = (*world.zone.kept, soa)
    status = b'[{"Status": {"header": {"revision": 5}, "dbSize": 1073741824}}]\n'
    world.source.script = lambda _command, _stdin: Completed(0, status, b"")
    hc(world)["spec"]["platform"]["aws"]["endpointAccess"] = "Private"
    facts = downtime.observe(world.ports, CASE, RunState())
    assert facts == downtime.Facts(2**30, (None, None), 60, 60.0, handover=False, load_balancer=False, private=True)
    told = downtime.estimate(facts)
    names = [part.name for part in told.parts]
    assert {"fence", "snapshot", "upload", "restore of etcd", "load balancer", "DNS caches"} <= set(names)
    assert all(part.least <= part.most for part in told.parts)
    [cached] = [part for part in told.parts if part.name == "DNS caches"]
    assert cached.most == 60.0


def test_a_name_that_is_handed_over_is_not_waited_for(world: World) -> None:
    facts = downtime.observe(world.ports, CASE, RunState().with_value(DNS.name, HANDOVER))
    parts = {part.name: part for part in downtime.estimate(facts).parts}
    assert "DNS records released" not in parts
    assert parts["DNS caches"].most == SHORT_LIFE


def test_what_nobody_tells_is_said_to_be_unknown(world: World) -> None:
    def before(_: str) -> None:
        raise ClusterUnreachable(cluster="source", verb="get", object="x", reason="gone")

    world.source.before = before
    told = downtime.estimate(downtime.observe(world.ports, CASE, RunState()))
    assert told.not_known[0].startswith("the size of etcd")
    assert "upload" not in {part.name for part in told.parts}


@pytest.mark.parametrize(
    ("text", "value"), [("1m0s", 60.0), ("90s", 90.0), ("1h", 3600.0), ("500ms", 0.5), ("", None), ("soon", None)]
)
def test_durations_are_read(text: str, value: float | None) -> None:
    assert downtime.seconds(text) == value
