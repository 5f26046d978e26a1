"""Custom kinds: the rules of the rehearsal's own CustomResourceDefinitions, which are those that bite."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import pytest

from hcp_dr import errors
from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Object, Resource
from hcp_dr_lab.ground.aws_seed import Seed
from hcp_dr_lab.ground.layout import HostedClusterNames
from hcp_dr_lab.hosted import cluster
from tests.contract.kubernetes.sides import Side, an_object

URL = "https://bucket.example/snapshot.db?X-Amz-Signature=abc"
SEED = Seed("Z1", "vpc-1", "subnet-1", "sg-1", "ami-1")
CONDITION = {
    "type": "Available",
    "status": "True",
    "reason": "AsExpected",
    "message": "",
    "lastTransitionTime": "2026-01-01T00:00:00Z",
}


def rendered(namespace: str) -> dict[Resource, Object]:
    """A HostedCluster and its NodePool as the rehearsal makes them."""
    made = cluster.objects(HostedClusterNames("one", namespace), SEED)
    return {resource: item for resource, item in made if resource in (r.HOSTED_CLUSTER, r.NODE_POOL)}


def hosted_cluster(namespace: str, *urls: str, **spec: Any) -> Object:
    item = copy.deepcopy(rendered(namespace)[r.HOSTED_CLUSTER])
    item["spec"] |= spec
    if urls:
        item["spec"]["etcd"]["managed"]["storage"]["restoreSnapshotURL"] = list(urls)
    return item


def changed(item: Object, *path: str, to: Any) -> Object:
    """A copy with the value at the path, or without it where `to` is None."""
    result = copy.deepcopy(item)
    *way, last = path
    found = result
    for word in way:
        found = found[word]
    if to is None:
        del found[last]
    else:
        found[last] = to
    return result


def patch(*path: str, to: Any) -> Object:
    body = to
    for word in reversed(path):
        body = {word: body}
    return body  # type: ignore[no-any-return]


STORAGE = ("spec", "etcd", "managed", "storage")


# At creation


def test_defaults_are_set(side: Side, namespace: str) -> None:
    given = hosted_cluster(namespace)
    for word in ("controllerAvailabilityPolicy", "infrastructureAvailabilityPolicy"):
        given["spec"].pop(word, None)
    given["spec"]["networking"].pop("networkType", None)
    spec = side.admin.create(r.HOSTED_CLUSTER, given)["spec"]
    assert spec["controllerAvailabilityPolicy"] == "HighlyAvailable"
    assert spec["infrastructureAvailabilityPolicy"] == "SingleReplica"
    assert spec["networking"]["networkType"] == "OVNKubernetes"


def test_what_the_schema_does_not_know_is_pruned_and_kept_where_it_says_so(side: Side, namespace: str) -> None:
    """By an update; a create with such a field is refused."""
    given = hosted_cluster(namespace)
    given["spec"]["unknown"] = {"kept": True}
    given["spec"]["configuration"] = {"apiServer": {"anything": [1, {"deep": None}]}}
    side.admin.create(r.HOSTED_CLUSTER, given)
    fields = {"unknown": "pruned", "spec": {"release": {"unknown": "pruned"}}}
    made = side.admin.patch(r.HOSTED_CLUSTER, "one", namespace, fields)
    assert "unknown" not in made
    assert made["spec"]["unknown"] == {"kept": True}
    assert "unknown" not in made["spec"]["release"]
    assert made["spec"]["configuration"] == {"apiServer": {"anything": [1, {"deep": None}]}}


@pytest.mark.parametrize(
    ("path", "to", "words"),
    [
        (("spec", "pullSecret"), None, "spec.pullSecret: Required value"),
        (("spec", "release", "image"), None, "spec.release.image: Required value"),
        (("spec", "platform", "type"), "Moon", "spec.platform.type: Unsupported value: (hidden): supported values"),
        (("spec", "release", "image"), "x" * 254, "spec.release.image: Too long: may not be more than 253 bytes"),
        (("spec", "release", "image"), 7, "spec.release.image in body must be of type string"),
        (("spec", "services"), {}, "spec.services in body must be of type array"),
        (("spec", "services"), [], "APIServer, OAuthServer, Konnectivity and Ignition have to be published"),
        (("spec", "pausedUntil"), "tomorrow", "pausedUntil must be an RFC3339 date or one of"),
        (("spec", "etcd", "managed"), None, "managed goes with managementType Managed"),
        ((*STORAGE, "restoreSnapshotURL"), [URL, URL], "Too many: 2: must have at most 1 item"),
        ((*STORAGE, "restoreSnapshotURL"), [URL + "x" * 1024], "Too long: may not be more than 1024 bytes"),
        ((*STORAGE, "restoreSnapshotURL"), ["http://a.example/b"], "restoreSnapshotURL must be an https or s3 URL"),
        (("spec",), None, "spec: Required value"),
    ],
    ids=lambda value: ".".join(value) if isinstance(value, tuple) else "",
)
def test_a_hosted_cluster_against_its_rules_is_invalid(
    side: Side, namespace: str, path: tuple[str, ...], to: Any, words: str
) -> None:
    given = changed(hosted_cluster(namespace), *path, to=to)
    if path == ("spec",):
        side.admin.create(r.HOSTED_CLUSTER, given)  # the rehearsal's own kind asks for no spec
        return
    with pytest.raises(errors.Invalid) as refused:
        side.admin.create(r.HOSTED_CLUSTER, given)
    assert words in str(refused.value)


@pytest.mark.parametrize("url", ["https://a.example/b", "s3://bucket/key", URL + "x" * (1024 - len(URL))])
def test_snapshot_urls_that_are_taken(side: Side, namespace: str, url: str) -> None:
    made = side.admin.create(r.HOSTED_CLUSTER, hosted_cluster(namespace, url))
    assert made["spec"]["etcd"]["managed"]["storage"]["restoreSnapshotURL"] == [url]


def test_a_node_pool_has_replicas_or_scales_itself(side: Side, namespace: str) -> None:
    given = rendered(namespace)[r.NODE_POOL]
    with pytest.raises(errors.Invalid, match="either replicas or autoScaling"):
        side.admin.create(r.NODE_POOL, changed(given, "spec", "autoScaling", to={"min": 1, "max": 2}))
    side.admin.create(r.NODE_POOL, given)


# At change


@pytest.mark.parametrize(
    ("path", "to", "words"),
    [
        ((*STORAGE, "restoreSnapshotURL"), [URL + "2"], "restoreSnapshotURL is immutable"),
        ((*STORAGE, "restoreSnapshotURL"), None, "restoreSnapshotURL cannot be added or removed after creation"),
        (("spec", "services"), [], "services cannot be changed"),
        (("spec", "infraID"), "other", "infraID cannot be changed"),
        (("spec", "infraID"), None, "infraID cannot be changed"),
        (("spec", "controllerAvailabilityPolicy"), "HighlyAvailable", "controllerAvailabilityPolicy cannot be changed"),
    ],
)
def test_what_cannot_be_changed(side: Side, namespace: str, path: tuple[str, ...], to: Any, words: str) -> None:
    side.admin.create(r.HOSTED_CLUSTER, hosted_cluster(namespace, URL, controllerAvailabilityPolicy="SingleReplica"))
    with pytest.raises(errors.Invalid, match=words):
        side.admin.patch(r.HOSTED_CLUSTER, "one", namespace, patch(*path, to=to))
    side.admin.patch(r.HOSTED_CLUSTER, "one", namespace, {"spec": {"pausedUntil": "true"}})


def test_a_snapshot_url_cannot_be_added_later(side: Side, namespace: str) -> None:
    side.admin.create(r.HOSTED_CLUSTER, hosted_cluster(namespace))
    with pytest.raises(errors.Invalid, match="cannot be added or removed after creation"):
        side.admin.patch(r.HOSTED_CLUSTER, "one", namespace, patch(*STORAGE, "restoreSnapshotURL", to=[URL]))


def test_a_refusal_quotes_no_signature(side: Side, namespace: str) -> None:
    """I8: a presigned URL is a key to the bucket while it lives."""
    side.admin.create(r.HOSTED_CLUSTER, hosted_cluster(namespace, URL))
    with pytest.raises(errors.Invalid) as refused:
        side.admin.patch(
            r.HOSTED_CLUSTER, "one", namespace, patch(*STORAGE, "restoreSnapshotURL", to=["http://a?X-Amz-Signature=s"])
        )
    assert "Signature=s" not in str(refused.value)


@pytest.mark.parametrize("value", ["true", "2026-12-01T00:00:00Z", None])
def test_pauses_that_are_taken(side: Side, namespace: str, value: str | None) -> None:
    side.admin.create(r.HOSTED_CLUSTER, hosted_cluster(namespace))
    changed = side.admin.patch(r.HOSTED_CLUSTER, "one", namespace, {"spec": {"pausedUntil": value}})
    assert changed["spec"].get("pausedUntil") == value


def status(*conditions: Mapping[str, Any]) -> Object:
    return {"status": {"conditions": list(conditions)}}


@pytest.mark.parametrize(
    ("conditions", "words"),
    [
        ([{**CONDITION, "status": "Maybe"}], "status.conditions[0].status: Unsupported value"),
        ([{**CONDITION, "reason": "not a word"}], "should match"),
        ([{**CONDITION, "reason": ""}], "should be at least 1 chars long"),
        ([CONDITION, CONDITION], "status.conditions[1]: Duplicate value"),
        ([{key: value for key, value in CONDITION.items() if key != "reason"}], "reason: Required value"),
        ([{**CONDITION, "lastTransitionTime": "now"}], "must be of type date-time"),
        ([{**CONDITION, "observedGeneration": -1}], "should be greater than or equal to 0"),
    ],
)
def test_conditions_have_rules_too(side: Side, namespace: str, conditions: list[Mapping[str, Any]], words: str) -> None:
    side.admin.create(r.HOSTED_CLUSTER, hosted_cluster(namespace))
    with pytest.raises(errors.Invalid) as refused:
        side.admin.patch(r.HOSTED_CLUSTER, "one", namespace, status(*conditions), subresource="status")
    assert words in str(refused.value)
    side.admin.patch(r.HOSTED_CLUSTER, "one", namespace, status(CONDITION), subresource="status")


# Kinds and versions


@pytest.mark.parametrize("resource", [r.HOSTED_CLUSTER, r.CLUSTER], ids=str)
def test_a_version_that_is_not_served_is_not_there(side: Side, namespace: str, resource: Resource) -> None:
    other = Resource(resource.group, "v0", resource.plural, resource.kind)
    with pytest.raises(errors.NotFound):
        side.admin.list(other, namespace)
    with pytest.raises(errors.NotFound):
        side.admin.create(other, an_object(other, "a", namespace))


def test_a_body_of_another_kind_or_version_is_refused(side: Side, namespace: str) -> None:
    given = hosted_cluster(namespace)
    for wrong in ({"kind": "NodePool"}, {"apiVersion": "hypershift.openshift.io/v1alpha1"}):
        with pytest.raises(errors.Invalid):
            side.admin.create(r.HOSTED_CLUSTER, {**given, **wrong})


def test_a_definition_says_what_it_serves(side: Side) -> None:
    found = side.admin.get(r.CUSTOM_RESOURCE_DEFINITION, str(r.HOSTED_CLUSTER))
    conditions = {entry["type"]: entry["status"] for entry in found["status"]["conditions"]}
    assert (conditions["Established"], conditions["NamesAccepted"]) == ("True", "True")
    assert found["status"]["storedVersions"] == ["v1beta1"]
    assert found["status"]["acceptedNames"]["kind"] == "HostedCluster"


@pytest.mark.parametrize("resource", [r.CLUSTER, r.MACHINE_SET, r.MACHINE, r.AWS_MACHINE], ids=str)
def test_machine_objects_know_what_they_need(side: Side, namespace: str, resource: Resource) -> None:
    """An empty one is judged alike on both sides."""
    with pytest.raises(errors.Invalid) as refused:
        side.admin.create(resource, an_object(resource, "a", namespace, spec={"replicas": "many", "paused": 7}))
    assert "spec" in str(refused.value)
