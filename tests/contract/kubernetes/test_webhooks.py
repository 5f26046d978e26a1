"""Webhooks that are away: what a stopped operator means for those who write, read and delete meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from hcp_dr import errors
from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Object, Resource
from tests.contract.kubernetes.sides import Side, an_object

AWAY = {"url": "https://127.0.0.1:1/review"}  # where nobody ever listens
HOOKS = Resource(
    "admissionregistration.k8s.io",
    "v1",
    "validatingwebhookconfigurations",
    "ValidatingWebhookConfiguration",
    namespaced=False,
)
OLD = Resource("contract.example.org", "v1", "things", "Thing")
NEW = Resource("contract.example.org", "v2", "things", "Thing")
SCHEMA = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}


@pytest.fixture
def guard(side: Side, namespace: str) -> Iterator[Callable[..., None]]:
    """Installs a validating webhook that is away for ConfigMaps of the namespace; known when it returns."""

    def install(**more: Any) -> None:
        rule = {"operations": ["*"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]}
        webhook = {
            "name": "guard.contract.example.org",
            "clientConfig": AWAY,
            "rules": [{**rule, **more.pop("rule", {})}],
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
            "timeoutSeconds": 1,
            **more,
        }
        side.admin.create(HOOKS, an_object(HOOKS, namespace, webhooks=[webhook]))
        side.eventually(lambda: bites(side, namespace) or more.get("failurePolicy") == "Ignore", "the webhook is known")

    yield install
    with suppress(errors.NotFound):
        side.admin.delete(HOOKS, namespace)


def config_map(namespace: str, name: str, **parts: Any) -> Object:
    return an_object(r.CONFIG_MAP, name, namespace, **parts)


def bites(side: Side, namespace: str) -> bool:
    try:
        side.admin.patch(r.CONFIG_MAP, "kube-root-ca.crt", namespace, {"metadata": {"labels": {"a": "b"}}})
    except errors.NotFound:
        return False
    except errors.ServerBusy:
        return True
    return False


@pytest.fixture
def furnished(side: Side, namespace: str) -> str:
    side.eventually(lambda: side.admin.find(r.CONFIG_MAP, "kube-root-ca.crt", namespace), "the cluster's authority")
    return namespace


def test_while_a_validating_webhook_is_away_nobody_writes_what_it_guards(
    side: Side, furnished: str, guard: Callable[..., None]
) -> None:
    """Rule F1. It passes: the webhook comes back with its operator."""
    side.admin.create(r.CONFIG_MAP, config_map(furnished, "a"))
    guard()
    for ask in (
        lambda: side.admin.create(r.CONFIG_MAP, config_map(furnished, "b")),
        lambda: side.admin.patch(r.CONFIG_MAP, "a", furnished, {"data": {"a": "b"}}),
        lambda: side.admin.delete(r.CONFIG_MAP, "a", furnished),
    ):
        with pytest.raises(errors.ServerBusy, match='failed calling webhook "guard'):
            ask()
    with pytest.raises(errors.Invalid):  # a body that is wrong by itself is not asked about
        side.admin.create(r.CONFIG_MAP, config_map(furnished, "c", data={"a/b": "c"}))
    side.admin.create(r.SECRET, an_object(r.SECRET, "b", furnished))
    side.admin.create(r.CONFIG_MAP, config_map("default", f"of-{furnished}"))
    side.admin.delete(HOOKS, furnished)
    side.eventually(lambda: not bites(side, furnished), "the webhook is forgotten")
    side.admin.delete(r.CONFIG_MAP, "a", furnished)


def test_a_webhook_that_may_fail_stops_nobody(side: Side, furnished: str, guard: Callable[..., None]) -> None:
    guard(failurePolicy="Ignore")
    side.admin.create(r.CONFIG_MAP, config_map(furnished, "a"))


def test_a_webhook_is_asked_about_what_it_names(side: Side, furnished: str, guard: Callable[..., None]) -> None:
    guard(
        rule={"operations": ["UPDATE"]},
        objectSelector={"matchExpressions": [{"key": "free", "operator": "DoesNotExist"}]},
    )
    side.admin.create(r.CONFIG_MAP, config_map(furnished, "a"))
    side.admin.create(r.CONFIG_MAP, config_map(furnished, "b", metadata={"labels": {"free": "yes"}}))
    side.admin.patch(r.CONFIG_MAP, "b", furnished, {"data": {"a": "b"}})
    with pytest.raises(errors.ServerBusy):
        side.admin.patch(r.CONFIG_MAP, "a", furnished, {"data": {"a": "b"}})
    side.admin.delete(r.CONFIG_MAP, "a", furnished)


# Versions


@pytest.fixture
def things(side: Side) -> Iterator[Callable[[Object], None]]:
    """Installs a kind with two served versions, v1 stored, with this conversion."""

    def install(conversion: Object) -> None:
        versions = [{"name": name, "served": True, "storage": name == "v1", "schema": SCHEMA} for name in ("v1", "v2")]
        names = {"kind": "Thing", "plural": "things", "singular": "thing", "listKind": "ThingList"}
        spec = {"group": OLD.group, "scope": "Namespaced", "names": names, "versions": versions}
        definition = an_object(r.CUSTOM_RESOURCE_DEFINITION, str(OLD), spec={**spec, "conversion": conversion})
        side.admin.create(r.CUSTOM_RESOURCE_DEFINITION, definition)
        side.eventually(lambda: side.admin.versions(OLD.group) == ("v2", "v1"), "both versions are served")
        side.eventually(lambda: served(side), "things can be listed")

    yield install
    with suppress(errors.NotFound):
        side.admin.delete(r.CUSTOM_RESOURCE_DEFINITION, str(OLD))
    side.eventually(lambda: side.admin.versions(OLD.group) == (), "the kind is gone")


def served(side: Side) -> bool:
    try:
        side.admin.list(OLD)
        side.admin.list(NEW)
    except errors.NotFound:
        return False
    return True


def test_without_a_webhook_versions_differ_in_their_name_only(
    side: Side, namespace: str, things: Callable[[Object], None]
) -> None:
    things({"strategy": "None"})
    side.admin.create(NEW, an_object(NEW, "a", namespace, spec={"a": 1}))
    assert side.admin.get(OLD, "a", namespace)["apiVersion"] == OLD.api_version
    shown = side.admin.get(NEW, "a", namespace)
    assert (shown["apiVersion"], shown["spec"]) == (NEW.api_version, {"a": 1})
    changed = side.admin.patch(NEW, "a", namespace, {"spec": {"a": 2}})
    assert side.admin.get(OLD, "a", namespace)["spec"] == {"a": 2}
    listing = side.admin.list(NEW, namespace)
    assert [item["apiVersion"] for item in listing.items] == [NEW.api_version]
    assert changed["metadata"]["generation"] == 2


def test_while_the_conversion_is_away_only_the_stored_version_works(
    side: Side, namespace: str, things: Callable[[Object], None]
) -> None:
    """Rule F1: the operator at zero pods is also its conversion webhook away."""
    webhook = {"clientConfig": AWAY, "conversionReviewVersions": ["v1"]}
    things({"strategy": "Webhook", "webhook": webhook})
    side.admin.create(OLD, an_object(OLD, "a", namespace, spec={"a": 1}))
    side.admin.patch(OLD, "a", namespace, {"spec": {"a": 2}})
    assert len(side.admin.list(OLD, namespace).items) == 1
    for ask in (
        lambda: side.admin.get(NEW, "a", namespace),
        lambda: side.admin.list(NEW, namespace),
        lambda: side.admin.patch(NEW, "a", namespace, {"spec": {"a": 3}}),
        lambda: side.admin.create(NEW, an_object(NEW, "b", namespace)),
    ):
        with pytest.raises(errors.ServerBusy, match="conver"):
            ask()
    side.admin.delete(OLD, "a", namespace)
    assert side.admin.list(NEW, namespace).items == ()


def test_a_kind_goes_with_all_its_objects(side: Side, namespace: str, things: Callable[[Object], None]) -> None:
    things({"strategy": "None"})
    side.admin.create(OLD, an_object(OLD, "a", namespace))
    side.admin.delete(r.CUSTOM_RESOURCE_DEFINITION, str(OLD))
    side.eventually(lambda: side.admin.find(r.CUSTOM_RESOURCE_DEFINITION, str(OLD)) is None, "the kind is gone")
    side.eventually(lambda: side.admin.versions(OLD.group) == (), "its group is gone")
    things({"strategy": "None"})
    assert side.admin.list(OLD, namespace).items == ()


def test_a_kind_that_goes_takes_nothing_in_and_waits_for_finalizers(
    side: Side, namespace: str, things: Callable[[Object], None]
) -> None:
    things({"strategy": "None"})
    side.admin.create(OLD, an_object(OLD, "a", namespace, metadata={"finalizers": ["a.example/held"]}))
    side.admin.delete(r.CUSTOM_RESOURCE_DEFINITION, str(OLD))
    side.eventually(
        lambda: "deletionTimestamp" in side.admin.get(OLD, "a", namespace)["metadata"], "its objects are deleted"
    )
    with pytest.raises(errors.KubernetesError, match="custom resource definition is terminating"):
        side.admin.create(OLD, an_object(OLD, "b", namespace))
    side.admin.patch(OLD, "a", namespace, {"metadata": {"finalizers": None}})
    side.eventually(lambda: side.admin.find(r.CUSTOM_RESOURCE_DEFINITION, str(OLD)) is None, "the kind is gone")
