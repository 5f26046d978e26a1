"""Strict creates, and dry runs of them: what is refused, in which order, and that nothing is stored."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from hcp_dr import errors
from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Object, Resource
from tests.contract.kubernetes.sides import Side, an_object
from tests.contract.kubernetes.test_custom import CONDITION, hosted_cluster, rendered
from tests.contract.kubernetes.test_webhooks import AWAY, HOOKS

ABSENT = "contract-absent"
ASK: Mapping[str, Callable[[Side, Resource, Object], Any]] = {
    "create": lambda side, resource, body: side.admin.create(resource, body),
    "try": lambda side, resource, body: side.admin.try_create(resource, body),
}
by_each = pytest.mark.parametrize("ask", ASK.values(), ids=ASK.keys())


def owned(namespace: str) -> Object:
    """A Machine whose owner exists nowhere."""
    owner = {
        "apiVersion": r.MACHINE_SET.api_version,
        "kind": "MachineSet",
        "name": "set",
        "uid": "00000000-0000-4000-8000-000000000000",
        "controller": True,
        "blockOwnerDeletion": True,
    }
    machine = an_object(r.MACHINE, "m", namespace, metadata={"ownerReferences": [owner]})
    reference = {"kind": "AWSMachine", "name": "m", "apiGroup": r.AWS_MACHINE.group}
    return {
        **machine,
        "spec": {"clusterName": "one", "bootstrap": {"dataSecretName": "user-data"}, "infrastructureRef": reference},
    }


def test_a_dry_run_stores_nothing_and_tells_no_watch(side: Side, namespace: str) -> None:
    since = side.admin.list(r.HOSTED_CLUSTER, namespace).resource_version
    side.admin.try_create(r.HOSTED_CLUSTER, hosted_cluster(namespace))
    side.admin.try_create(r.SECRET, an_object(r.SECRET, "s", namespace, data={"a": "Yg=="}))
    side.admin.try_create(r.NAMESPACE, an_object(r.NAMESPACE, ABSENT))
    assert side.admin.list(r.HOSTED_CLUSTER, namespace).items == ()
    assert side.admin.find(r.SECRET, "s", namespace) is None
    assert side.admin.find(r.NAMESPACE, ABSENT) is None
    side.admin.create(r.HOSTED_CLUSTER, hosted_cluster(namespace))
    events = side.admin.watch(r.HOSTED_CLUSTER, namespace, resource_version=since, seconds=1)
    assert [event.type for event in events if event.type != "BOOKMARK"] == ["ADDED"]


def test_an_owner_that_does_not_exist_is_no_obstacle(side: Side, namespace: str) -> None:
    side.admin.try_create(r.MACHINE, owned(namespace))


@by_each
@pytest.mark.parametrize(
    ("place", "field"),
    [
        (("spec", "release"), "spec.release.unknown"),
        ((), "unknown"),
        (("metadata",), "metadata.unknown"),
        (("spec", "services", 0), "spec.services[0].unknown"),
        (("status", "conditions", 0), "status.conditions[0].unknown"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_field_that_the_kind_does_not_have_is_refused_and_named(
    side: Side,
    namespace: str,
    ask: Callable[[Side, Resource, Object], Any],
    place: tuple[str | int, ...],
    field: str,
) -> None:
    """Wherever it is: a request for another subresource could not carry it either."""
    given = hosted_cluster(namespace)
    given["status"] = {"conditions": [dict(CONDITION)]}
    found: Any = given
    for word in place:
        found = found[word]
    found["unknown"] = "dropped"
    with pytest.raises(errors.Invalid, match=re.escape(f'strict decoding error: unknown field "{field}"')):
        ask(side, r.HOSTED_CLUSTER, given)
    assert side.admin.list(r.HOSTED_CLUSTER, namespace).items == ()


def test_several_unknown_fields_are_named_in_order(side: Side, namespace: str) -> None:
    given = hosted_cluster(namespace)
    given["spec"]["release"]["b"] = given["spec"]["release"]["a"] = "dropped"
    words = 'strict decoding error: unknown field "spec.release.a", unknown field "spec.release.b"'
    with pytest.raises(errors.Invalid, match=re.escape(words)):
        side.admin.try_create(r.HOSTED_CLUSTER, given)


def test_a_status_without_unknown_fields_may_be_sent(side: Side, namespace: str) -> None:
    """It is checked and not stored."""
    side.admin.create(r.HOSTED_CLUSTER, hosted_cluster(namespace))
    pool = rendered(namespace)[r.NODE_POOL]
    side.admin.try_create(r.NODE_POOL, {**pool, "status": {"version": "4.20.0"}})


@by_each
def test_a_rule_of_the_schema_is_applied(
    side: Side, namespace: str, ask: Callable[[Side, Resource, Object], Any]
) -> None:
    given = hosted_cluster(namespace, "http://a.example/b")
    with pytest.raises(errors.Invalid, match="restoreSnapshotURL must be an https or s3 URL"):
        ask(side, r.HOSTED_CLUSTER, given)


@by_each
def test_in_a_namespace_that_does_not_exist_the_fields_are_checked_first(
    side: Side, ask: Callable[[Side, Resource, Object], Any]
) -> None:
    """Neither the rules of the schema nor webhooks are asked there."""
    given = hosted_cluster(ABSENT, "http://a.example/b")
    with pytest.raises(errors.NotFound) as absent:
        ask(side, r.HOSTED_CLUSTER, given)
    assert absent.value.values["reason"] == f'namespaces "{ABSENT}" not found'
    given["spec"]["release"]["unknown"] = "dropped"
    with pytest.raises(errors.Invalid, match=r'unknown field "spec\.release\.unknown"'):
        ask(side, r.HOSTED_CLUSTER, given)


def test_a_kind_that_is_not_served_is_no_absent_namespace(side: Side, namespace: str) -> None:
    nothing = Resource("contract.example.org", "v7", "nothings", "Nothing")
    for place in (namespace, ABSENT):
        with pytest.raises(errors.NotFound) as absent:
            side.admin.try_create(nothing, an_object(nothing, "a", place))
        assert "namespaces" not in str(absent.value.values["reason"])


def test_what_exists_is_refused_last(side: Side, namespace: str) -> None:
    side.admin.create(r.HOSTED_CLUSTER, hosted_cluster(namespace))
    with pytest.raises(errors.AlreadyExists):
        side.admin.try_create(r.HOSTED_CLUSTER, hosted_cluster(namespace))
    with pytest.raises(errors.Invalid):
        side.admin.try_create(r.HOSTED_CLUSTER, hosted_cluster(namespace, "http://a.example/b"))


def test_it_takes_the_right_to_create(side: Side, namespace: str) -> None:
    with pytest.raises(errors.Forbidden, match="cannot create resource"):
        side.user("tries").try_create(r.SECRET, an_object(r.SECRET, "s", namespace))
    rule = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]}
    side.admin.create(r.ROLE, an_object(r.ROLE, "tries", namespace, rules=[rule]))
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "tries"}
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "tries"}
    binding = an_object(r.ROLE_BINDING, "tries", namespace, roleRef=reference, subjects=[subject])
    side.admin.create(r.ROLE_BINDING, binding)
    side.eventually(lambda: side.user("tries").may("create", r.SECRET, namespace), "the role counts")
    side.user("tries").try_create(r.SECRET, an_object(r.SECRET, "s", namespace))


def refused(side: Side, namespace: str) -> errors.KubernetesError | None:
    try:
        side.admin.try_create(r.SECRET, an_object(r.SECRET, "s", namespace))
    except errors.KubernetesError as error:
        return error
    return None


@pytest.mark.parametrize("effects", ["None", "NoneOnDryRun"])
def test_a_validating_webhook_is_asked(side: Side, namespace: str, effects: str) -> None:
    """Version v1 of a webhook's configuration allows these values only: every webhook answers dry runs."""
    rule = {"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["secrets"]}
    webhook = {
        "name": "guard.contract.example.org",
        "clientConfig": AWAY,
        "rules": [rule],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "sideEffects": effects,
        "admissionReviewVersions": ["v1"],
        "timeoutSeconds": 1,
    }
    side.admin.create(HOOKS, an_object(HOOKS, namespace, webhooks=[webhook]))
    try:
        found = side.eventually(lambda: refused(side, namespace), "the webhook is known")
        assert isinstance(found, errors.ServerBusy)
        assert 'failed calling webhook "guard.contract.example.org"' in found.what
    finally:
        side.admin.delete(HOOKS, namespace)
