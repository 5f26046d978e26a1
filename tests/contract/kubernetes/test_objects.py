"""What every API server does with every object: identity, versions, patches, deletion, subresources, errors."""

from __future__ import annotations

import re
from typing import Any

import pytest

from hcp_dr import errors
from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Object, Resource
from tests.contract.kubernetes.sides import Side, an_object

UNKNOWN = Resource("example.org", "v1", "things", "Thing")
STALE = "changed by another client"


def config_map(name: str, namespace: str, **parts: Any) -> Object:
    return an_object(r.CONFIG_MAP, name, namespace, **parts)


def deployment(name: str, namespace: str, replicas: int = 0) -> Object:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "a", "image": "image:1"}]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return an_object(r.DEPLOYMENT, name, namespace, spec=spec)


def route(name: str, namespace: str, **parts: Any) -> Object:
    spec = {"host": "a.example", "to": {"kind": "Service", "name": "a"}}
    return an_object(r.ROUTE, name, namespace, **{"spec": spec, **parts})


# Identity and versions


def test_a_new_object_gets_what_the_server_owns_and_keeps_nothing_given_in_its_place(
    side: Side, namespace: str
) -> None:
    given = {"uid": "mine", "creationTimestamp": "2001-01-01T00:00:00Z", "deletionTimestamp": None}
    made = side.admin.create(r.CONFIG_MAP, config_map("a", namespace, metadata=given, data={"key": "value"}))
    metadata = made["metadata"]
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", metadata["uid"])
    assert metadata["resourceVersion"].isdigit()
    assert metadata["creationTimestamp"] > "2020-01-01T00:00:00Z"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", metadata["creationTimestamp"])
    assert "generation" not in metadata
    assert made == side.admin.get(r.CONFIG_MAP, "a", namespace)
    assert (made["apiVersion"], made["kind"], made["data"]) == ("v1", "ConfigMap", {"key": "value"})


def test_a_name_is_used_again_with_another_uid(side: Side, namespace: str) -> None:
    first = side.admin.create(r.CONFIG_MAP, config_map("a", namespace))
    side.admin.delete(r.CONFIG_MAP, "a", namespace)
    assert side.admin.find(r.CONFIG_MAP, "a", namespace) is None
    assert side.admin.create(r.CONFIG_MAP, config_map("a", namespace))["metadata"]["uid"] != first["metadata"]["uid"]


def test_each_write_gives_a_greater_version_and_one_that_changes_nothing_gives_none(side: Side, namespace: str) -> None:
    made = side.admin.create(r.CONFIG_MAP, config_map("a", namespace, data={"key": "1"}))
    changed = side.admin.patch(r.CONFIG_MAP, "a", namespace, {"data": {"key": "2"}})
    assert int(changed["metadata"]["resourceVersion"]) > int(made["metadata"]["resourceVersion"])
    assert side.admin.patch(r.CONFIG_MAP, "a", namespace, {"data": {"key": "2"}}) == changed
    assert side.admin.replace(r.CONFIG_MAP, changed) == changed


def test_generate_name_makes_a_name(side: Side, namespace: str) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "some-", "namespace": namespace}}
    names = {side.admin.create(r.CONFIG_MAP, body)["metadata"]["name"] for _ in range(3)}
    assert len(names) == 3
    assert all(re.fullmatch(r"some-[bcdfghjklmnpqrstvwxz2456789]{5}", name) for name in names)


@pytest.mark.parametrize("resource", [r.CONFIG_MAP, r.ROUTE], ids=str)
def test_a_write_with_an_old_version_is_a_conflict(side: Side, namespace: str, resource: Resource) -> None:
    body = route("a", namespace) if resource is r.ROUTE else config_map("a", namespace)
    old = side.admin.create(resource, body)
    side.admin.patch(resource, "a", namespace, {"metadata": {"annotations": {"who": "other"}}})
    with pytest.raises(errors.Conflict, match=STALE):
        side.admin.replace(resource, {**old, "metadata": {**old["metadata"], "labels": {"a": "b"}}})
    version = old["metadata"]["resourceVersion"]
    with pytest.raises(errors.Conflict, match="the object has been modified"):
        side.admin.patch(resource, "a", namespace, {"metadata": {"resourceVersion": version, "labels": {"a": "b"}}})
    now = side.admin.get(resource, "a", namespace)
    patch = {"metadata": {"resourceVersion": now["metadata"]["resourceVersion"], "labels": {"a": "b"}}}
    assert side.admin.patch(resource, "a", namespace, patch)["metadata"]["labels"] == {"a": "b"}


def test_a_built_in_kind_is_replaced_without_a_version_a_custom_one_is_not(side: Side, namespace: str) -> None:
    side.admin.create(r.CONFIG_MAP, config_map("a", namespace, data={"key": "1"}))
    assert side.admin.replace(r.CONFIG_MAP, config_map("a", namespace, data={"key": "2"}))["data"] == {"key": "2"}
    side.admin.create(r.ROUTE, route("a", namespace))
    with pytest.raises(errors.Invalid, match="must be specified for an update"):
        side.admin.replace(r.ROUTE, route("a", namespace))


@pytest.mark.parametrize("resource", [r.CONFIG_MAP, r.ROUTE], ids=str)
def test_a_uid_in_a_write_must_be_the_objects(side: Side, namespace: str, resource: Resource) -> None:
    made = side.admin.create(resource, route("a", namespace) if resource is r.ROUTE else config_map("a", namespace))
    with pytest.raises(errors.Invalid, match=r"metadata.uid: .*field is immutable"):
        side.admin.patch(resource, "a", namespace, {"metadata": {"uid": "other", "labels": {"a": "b"}}})
    with pytest.raises(errors.Conflict, match="Precondition failed: UID in precondition"):
        side.admin.replace(resource, {**made, "metadata": {**made["metadata"], "uid": "other"}})
    patch = {"metadata": {"uid": made["metadata"]["uid"], "labels": {"a": "b"}}}
    side.admin.patch(resource, "a", namespace, patch)


def test_what_the_server_owns_cannot_be_patched(side: Side, namespace: str) -> None:
    made = side.admin.create(r.ROUTE, route("a", namespace))
    patch = {"metadata": {"generation": 9, "creationTimestamp": "2001-01-01T00:00:00Z", "labels": {"a": "b"}}}
    changed = side.admin.patch(r.ROUTE, "a", namespace, patch)
    for word in ("generation", "creationTimestamp", "uid"):
        assert changed["metadata"][word] == made["metadata"][word]


def test_generation_counts_specs_and_not_the_rest(side: Side, namespace: str) -> None:
    side.admin.create(r.ROUTE, route("a", namespace))

    def generation(patch: Object, subresource: str | None = None) -> int:
        changed = side.admin.patch(r.ROUTE, "a", namespace, patch, subresource=subresource)
        return int(changed["metadata"]["generation"])

    assert generation({"metadata": {"labels": {"a": "b"}}}) == 1
    assert generation({"spec": {"host": "b.example"}}) == 2
    assert generation({"status": {"ingress": [{"host": "b.example"}]}}, "status") == 2
    assert generation({"spec": {"host": "c.example"}}, "status") == 2
    assert generation({"metadata": {"annotations": {"a": "b"}}}) == 2


def test_managed_fields_tell_who_wrote(side: Side, namespace: str) -> None:
    made = side.admin.create(r.ROUTE, route("a", namespace))
    changed = side.admin.patch(r.ROUTE, "a", namespace, {"status": {"ingress": []}}, subresource="status")
    assert [entry["manager"] for entry in made["metadata"]["managedFields"]] == ["hcp-dr"]
    entries = {entry.get("subresource", ""): entry for entry in changed["metadata"]["managedFields"]}
    assert set(entries) == {"", "status"}
    assert "f:host" in entries[""]["fieldsV1"]["f:spec"]
    assert "f:ingress" in entries["status"]["fieldsV1"]["f:status"]
    assert {entry["operation"] for entry in entries.values()} == {"Update"}


# Patches


def test_a_merge_patch_sets_and_removes(side: Side, namespace: str) -> None:
    side.admin.create(r.CONFIG_MAP, config_map("a", namespace, data={"one": "1", "two": "2"}))
    patch = {"data": {"one": None, "three": "3"}, "metadata": {"labels": {"a": "b"}}}
    changed = side.admin.patch(r.CONFIG_MAP, "a", namespace, patch)
    assert changed["data"] == {"two": "2", "three": "3"}
    assert side.admin.patch(r.CONFIG_MAP, "a", namespace, {"data": None}).get("data") is None
    bare = side.admin.patch(r.CONFIG_MAP, "a", namespace, {"metadata": {"labels": {"a": None}}})
    assert "labels" not in bare["metadata"]


def test_a_json_patch_is_done_as_a_whole_or_not_at_all(side: Side, namespace: str) -> None:
    made = side.admin.create(r.CONFIG_MAP, config_map("a", namespace, data={"one": "1"}))
    good = [
        {"op": "test", "path": "/metadata/uid", "value": made["metadata"]["uid"]},
        {"op": "add", "path": "/data/a~1b", "value": "2"},
    ]
    with pytest.raises(errors.Invalid):  # a slash cannot be in a key
        side.admin.patch(r.CONFIG_MAP, "a", namespace, good)
    good[1]["path"] = "/data/two"
    assert side.admin.patch(r.CONFIG_MAP, "a", namespace, good)["data"] == {"one": "1", "two": "2"}
    bad = [{"op": "remove", "path": "/data/two"}, {"op": "test", "path": "/data/one", "value": "other"}]
    with pytest.raises(errors.Invalid, match=r"(?i)the server rejected our request due to an error in our request"):
        side.admin.patch(r.CONFIG_MAP, "a", namespace, bad)
    assert side.admin.get(r.CONFIG_MAP, "a", namespace)["data"] == {"one": "1", "two": "2"}


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "remove", "path": "/data/absent"},
        {"op": "replace", "path": "/absent/deeper", "value": "1"},
        {"op": "replace", "path": "/metadata/finalizers/0", "value": "a.example/one"},
        {"op": "add", "path": "/absent/deeper", "value": "1"},
        {"op": "test", "path": "/data/absent", "value": "1"},
        {"op": "test", "path": "/metadata/annotations/absent", "value": "1"},
        {"op": "remove", "path": "/metadata/finalizers/3"},
        {"op": "move", "from": "/data/absent", "path": "/data/two"},
        {"op": "unheard-of", "path": "/data/one", "value": "1"},
    ],
    ids=lambda operation: f"{operation['op']} {operation['path']}",
)
def test_a_json_patch_that_does_not_fit_is_invalid(side: Side, namespace: str, operation: Object) -> None:
    side.admin.create(r.CONFIG_MAP, config_map("a", namespace, data={"one": "1"}))
    with pytest.raises(errors.Invalid):
        side.admin.patch(r.CONFIG_MAP, "a", namespace, [operation])


def test_a_json_patch_replaces_what_was_not_there(side: Side, namespace: str) -> None:
    """So a `replace` proves nothing: where it matters, a `test` stands before it."""
    side.admin.create(r.CONFIG_MAP, config_map("a", namespace, data={"one": "1"}))
    operation = {"op": "replace", "path": "/data/two", "value": "2"}
    assert side.admin.patch(r.CONFIG_MAP, "a", namespace, [operation])["data"] == {"one": "1", "two": "2"}


def test_a_json_patch_takes_one_finalizer_out_of_a_list(side: Side, namespace: str) -> None:
    metadata = {"finalizers": ["a.example/one", "a.example/two"]}
    side.admin.create(r.ROUTE, route("a", namespace, metadata=metadata))
    patch = [
        {"op": "test", "path": "/metadata/finalizers/0", "value": "a.example/one"},
        {"op": "remove", "path": "/metadata/finalizers/0"},
        {"op": "add", "path": "/metadata/finalizers/-", "value": "a.example/three"},
    ]
    changed = side.admin.patch(r.ROUTE, "a", namespace, patch)
    assert changed["metadata"]["finalizers"] == ["a.example/two", "a.example/three"]


# Deletion


def test_finalizers_hold_a_deleted_object_until_the_last_is_gone(side: Side, namespace: str) -> None:
    metadata = {"finalizers": ["a.example/one", "a.example/two"]}
    made = side.admin.create(r.ROUTE, route("a", namespace, metadata=metadata))
    assert "deletionTimestamp" not in made["metadata"]
    side.admin.delete(r.ROUTE, "a", namespace)
    held = side.admin.get(r.ROUTE, "a", namespace)["metadata"]
    assert (held["deletionGracePeriodSeconds"], held["generation"]) == (0, 2)
    side.admin.delete(r.ROUTE, "a", namespace)
    again = side.admin.get(r.ROUTE, "a", namespace)["metadata"]
    assert again == held
    with pytest.raises(errors.Invalid, match="no new finalizers can be added if the object is being deleted"):
        side.admin.patch(r.ROUTE, "a", namespace, {"metadata": {"finalizers": [*held["finalizers"], "a.example/3"]}})
    patch = {"metadata": {"deletionTimestamp": None, "labels": {"a": "b"}}}
    assert "deletionTimestamp" in side.admin.patch(r.ROUTE, "a", namespace, patch)["metadata"]
    side.admin.patch(r.ROUTE, "a", namespace, {"metadata": {"finalizers": ["a.example/two"]}})
    assert side.admin.find(r.ROUTE, "a", namespace) is not None
    side.admin.patch(r.ROUTE, "a", namespace, {"metadata": {"finalizers": None}})
    assert side.admin.find(r.ROUTE, "a", namespace) is None


def test_deletion_with_the_uid_of_another_is_a_conflict(side: Side, namespace: str) -> None:
    made = side.admin.create(r.CONFIG_MAP, config_map("a", namespace))
    with pytest.raises(errors.Conflict, match="does not match the UID in record"):
        side.admin.delete(r.CONFIG_MAP, "a", namespace, uid="00000000-0000-0000-0000-000000000000")
    side.admin.delete(r.CONFIG_MAP, "a", namespace, uid=made["metadata"]["uid"])
    with pytest.raises(errors.NotFound):
        side.admin.delete(r.CONFIG_MAP, "a", namespace, uid=made["metadata"]["uid"])


# Subresources


def test_status_is_written_at_its_own_place_only(side: Side, namespace: str) -> None:
    status = {"ingress": [{"host": "a.example"}]}
    made = side.admin.create(r.ROUTE, route("a", namespace, status=status))
    assert "status" not in made
    assert "status" not in side.admin.patch(r.ROUTE, "a", namespace, {"status": status})
    patch = {"spec": {"host": "b.example"}, "metadata": {"labels": {"a": "b"}}, "status": status}
    changed = side.admin.patch(r.ROUTE, "a", namespace, patch, subresource="status")
    assert changed["status"] == status
    assert changed["spec"]["host"] == "a.example"
    assert "labels" not in changed["metadata"]
    wiped = {key: value for key, value in changed.items() if key != "status"}
    assert side.admin.replace(r.ROUTE, wiped)["status"] == status
    assert "status" not in side.admin.replace(
        r.ROUTE, {**wiped, "metadata": side.admin.get(r.ROUTE, "a", namespace)["metadata"]}, subresource="status"
    )


def test_a_kind_without_status_has_no_such_place(side: Side, namespace: str) -> None:
    side.admin.create(r.CONFIG_MAP, config_map("a", namespace))
    with pytest.raises(errors.NotFound):
        side.admin.patch(r.CONFIG_MAP, "a", namespace, {"status": {}}, subresource="status")


def test_scale_shows_and_sets_replicas(side: Side, namespace: str) -> None:
    made = side.admin.create(r.DEPLOYMENT, deployment("a", namespace))
    scale = side.admin.patch(r.DEPLOYMENT, "a", namespace, {"spec": {"replicas": 2}}, subresource="scale")
    assert (scale["kind"], scale["apiVersion"]) == ("Scale", "autoscaling/v1")
    assert scale["spec"] == {"replicas": 2}
    assert scale["status"] == {"replicas": 0, "selector": "app=a"}
    assert scale["metadata"]["uid"] == made["metadata"]["uid"]
    now = side.admin.get(r.DEPLOYMENT, "a", namespace)
    assert (now["spec"]["replicas"], now["metadata"]["generation"]) == (2, 2)
    none = side.admin.patch(r.DEPLOYMENT, "a", namespace, {"spec": {"replicas": 0}}, subresource="scale")
    assert none["spec"] == {}
    with pytest.raises(errors.Invalid, match="greater than or equal to 0"):
        side.admin.patch(r.DEPLOYMENT, "a", namespace, {"spec": {"replicas": -1}}, subresource="scale")


def test_a_custom_kind_scales_too(side: Side, namespace: str) -> None:
    body = machine_deployment("a", namespace)
    side.admin.create(r.MACHINE_DEPLOYMENT, body)
    scale = side.admin.patch(r.MACHINE_DEPLOYMENT, "a", namespace, {"spec": {"replicas": 3}}, subresource="scale")
    assert (scale["kind"], scale["spec"]) == ("Scale", {"replicas": 3})
    assert side.admin.get(r.MACHINE_DEPLOYMENT, "a", namespace)["spec"]["replicas"] == 3


def machine_deployment(name: str, namespace: str) -> Object:
    template = {
        "metadata": {"labels": {"a": "b"}},
        "spec": {
            "clusterName": "one",
            "bootstrap": {"dataSecretName": "data"},
            "infrastructureRef": {
                "apiGroup": "infrastructure.cluster.x-k8s.io",
                "kind": "AWSMachineTemplate",
                "name": "template",
            },
        },
    }
    spec = {"clusterName": "one", "replicas": 1, "selector": {"matchLabels": {"a": "b"}}, "template": template}
    return an_object(r.MACHINE_DEPLOYMENT, name, namespace, spec=spec)


# Errors


def test_what_is_not_there_is_not_found(side: Side, namespace: str) -> None:
    assert side.admin.find(r.CONFIG_MAP, "a", namespace) is None
    assert side.admin.find(UNKNOWN, "a", namespace) is None
    for ask in (
        lambda: side.admin.get(r.CONFIG_MAP, "a", namespace),
        lambda: side.admin.patch(r.CONFIG_MAP, "a", namespace, {"data": {}}),
        lambda: side.admin.delete(r.CONFIG_MAP, "a", namespace),
        lambda: side.admin.create(r.CONFIG_MAP, config_map("a", "no-such-namespace")),
        lambda: side.admin.list(UNKNOWN, namespace),
        lambda: side.admin.create(UNKNOWN, an_object(UNKNOWN, "a", namespace)),
    ):
        with pytest.raises(errors.NotFound):
            ask()


def test_replacing_what_is_not_there_is_not_found(side: Side, namespace: str) -> None:
    with pytest.raises(errors.NotFound):
        side.admin.replace(r.CONFIG_MAP, config_map("a", namespace))


def test_what_is_there_is_not_made_again(side: Side, namespace: str) -> None:
    side.admin.create(r.CONFIG_MAP, config_map("a", namespace))
    with pytest.raises(errors.AlreadyExists, match="already exists"):
        side.admin.create(r.CONFIG_MAP, config_map("a", namespace))


@pytest.mark.parametrize(
    ("resource", "parts"),
    [
        (r.CONFIG_MAP, {"metadata": {"name": "Not_A_Name"}}),
        (r.CONFIG_MAP, {"metadata": {"labels": {"a b": "c"}}}),
        (r.CONFIG_MAP, {"metadata": {"labels": {"a": "b c"}}}),
        (r.CONFIG_MAP, {"metadata": {"annotations": {"a b": "c"}}}),
        (r.CONFIG_MAP, {"metadata": {"finalizers": ["unqualified"]}}),
        (r.CONFIG_MAP, {"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "Secret", "name": "a"}]}}),
        (r.CONFIG_MAP, {"data": {"a/b": "c"}}),
        (r.CONFIG_MAP, {"data": {"a": "b"}, "binaryData": {"a": "YQ=="}}),
        (r.SECRET, {"type": "kubernetes.io/tls", "data": {"tls.crt": "YQ=="}}),
        (r.SECRET, {"data": {"a": "not base64"}}),
        (r.SERVICE, {"spec": {"ports": []}}),
        (r.POD, {"spec": {"containers": []}}),
        (r.DEPLOYMENT, {"spec": {"selector": {"matchLabels": {"a": "b"}}}}),
        (r.PERSISTENT_VOLUME_CLAIM, {"spec": {}}),
    ],
    ids=lambda value: value.kind if isinstance(value, Resource) else str(value)[:60],
)
def test_what_a_kind_does_not_allow_is_invalid(
    side: Side, namespace: str, resource: Resource, parts: dict[str, Any]
) -> None:
    with pytest.raises(errors.Invalid):
        side.admin.create(resource, an_object(resource, "a", namespace, **parts))


def test_a_version_on_a_new_object_is_refused(side: Side, namespace: str) -> None:
    with pytest.raises(errors.KubernetesError, match="resourceVersion should not be set on objects to be created"):
        side.admin.create(r.CONFIG_MAP, config_map("a", namespace, metadata={"resourceVersion": "1"}))


def test_immutable_secrets_stay_as_they_are(side: Side, namespace: str) -> None:
    side.admin.create(r.SECRET, an_object(r.SECRET, "a", namespace, immutable=True, data={"a": "YQ=="}))
    with pytest.raises(errors.Invalid, match="immutable"):
        side.admin.patch(r.SECRET, "a", namespace, {"data": {"a": "Yg=="}})
    side.admin.patch(r.SECRET, "a", namespace, {"metadata": {"labels": {"a": "b"}}})


def test_a_secret_takes_plain_words_and_gives_them_encoded(side: Side, namespace: str) -> None:
    made = side.admin.create(r.SECRET, an_object(r.SECRET, "a", namespace, stringData={"a": "b"}))
    assert (made["data"], made["type"]) == ({"a": "Yg=="}, "Opaque")
    assert "stringData" not in made
    with pytest.raises(errors.Invalid, match="immutable"):
        side.admin.patch(r.SECRET, "a", namespace, {"type": "other"})


def test_versions_of_groups(side: Side) -> None:
    assert side.admin.versions("") == ("v1",)
    assert side.admin.versions("apps") == ("v1",)
    assert side.admin.versions("hypershift.openshift.io") == ("v1beta1",)
    assert side.admin.versions("example.org") == ()
