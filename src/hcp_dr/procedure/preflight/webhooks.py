"""Functions of the source's API that depend on the HyperShift operator, which the teardown stops: the conversion
between stored versions, and admission webhooks (rule F1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Check, Decision, Step
from hcp_dr.hypershift.checks import bad_if, look_for, not_seen, verdict
from hcp_dr.hypershift.inventory import MACHINERY
from hcp_dr.kube.port import Object, Resource
from hcp_dr.kube.resources import (
    AWS_ENDPOINT_SERVICE,
    CUSTOM_RESOURCE_DEFINITION,
    HOSTED_CLUSTER,
    HOSTED_CONTROL_PLANE,
    MACHINE_HEALTH_CHECK,
    MUTATING_WEBHOOK_CONFIGURATION,
    NODE_POOL,
    VALIDATING_WEBHOOK_CONFIGURATION,
)
from hcp_dr.kube.stored import storage_version
from hcp_dr.model import Case, Ports
from hcp_dr.objects.reading import dig, name_of
from hcp_dr.upstream import OPERATOR_NAMESPACE

REMOVED = (HOSTED_CLUSTER, NODE_POOL, HOSTED_CONTROL_PLANE, AWS_ENDPOINT_SERVICE, *MACHINERY, MACHINE_HEALTH_CHECK)
"""Kinds that are read, patched and deleted on the source while the operator is stopped."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A kind to be removed: the versions in which objects may be stored, the version in which they are stored now, and
    whether a webhook converts them."""

    name: str
    versions: tuple[str, ...]
    stored: str
    converted: bool


@dataclass(frozen=True, slots=True)
class Facts:
    kinds: tuple[Stored, ...]
    webhooks: tuple[str, ...] | None  # of the operator's namespace, with failurePolicy Fail
    at_urls: tuple[str, ...] | None  # webhooks at a URL, of an unknown owner, with failurePolicy Fail
    # both are None without permission to list webhook configurations


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    configurations = [
        look_for(ports.source, kind) for kind in (VALIDATING_WEBHOOK_CONFIGURATION, MUTATING_WEBHOOK_CONFIGURATION)
    ]
    webhooks = [webhook for listing in configurations for item in listing or () for webhook in _find_refusing(item)]
    forbidden = None in configurations
    return Facts(
        kinds=tuple(
            _read_stored(resource, definition)
            for resource in REMOVED
            if (definition := ports.source.find(CUSTOM_RESOURCE_DEFINITION, str(resource))) is not None
        ),
        webhooks=None if forbidden else tuple(text for text, by_url in webhooks if not by_url),
        at_urls=None if forbidden else tuple(text for text, by_url in webhooks if by_url),
    )


def _read_stored(resource: Resource, definition: Object) -> Stored:
    return Stored(
        name=str(resource),
        versions=tuple(str(version) for version in dig(definition, "status", "storedVersions") or ()),
        stored=storage_version(definition),
        converted=dig(definition, "spec", "conversion", "strategy") == "Webhook",
    )


def _find_refusing(configuration: Object) -> Iterator[tuple[str, bool]]:
    """Webhooks with failurePolicy Fail: all webhooks of the operator's namespace, and webhooks at a URL for a kind to
    be removed. Each with whether the webhook is at a URL."""
    for webhook in configuration.get("webhooks") or ():
        if webhook.get("failurePolicy", "Fail") != "Fail":
            continue
        by_url = bool(dig(webhook, "clientConfig", "url"))
        text = f"{webhook.get('name')} of {configuration['kind']} {name_of(configuration)}"
        if dig(webhook, "clientConfig", "service", "namespace") == OPERATOR_NAMESPACE or (
            by_url and _matches_removed(webhook)
        ):
            yield text, by_url


def _matches_removed(webhook: Object) -> bool:
    return any(
        {"*", resource.group} & set(rule.get("apiGroups") or ())
        and {"*", "*/*", resource.plural} & set(rule.get("resources") or ())
        and {"*", "UPDATE", "DELETE"} & set(rule.get("operations") or ())
        for rule in webhook.get("rules") or ()
        for resource in REMOVED
    )


def checks(facts: Facts) -> tuple[Check, ...]:
    return (_check_versions(facts), _check_webhooks(facts))


def _check_versions(facts: Facts) -> Check:
    mixed = [
        f"{kind.name} in {', '.join(kind.versions) or 'no reported version'}"
        for kind in facts.kinds
        if kind.versions != (kind.stored,)
    ]
    converted = sum(kind.converted for kind in facts.kinds)
    return bad_if(
        mixed,
        "webhooks.stored_versions",
        f"stored in several versions, or in another version than the present storage version: {'; '.join(mixed)}"
        if mixed
        else f"every kind is stored in one version, and read in it; {converted} kinds have a conversion webhook",
        "while the operator is stopped no webhook converts: such objects can be neither read nor deleted, and the "
        "garbage collector, the deletion of namespaces, and Cluster API of other hosted clusters stop",
        "finish the migration of stored versions first (progress is in ConfigMap hypershift/capi-migration-status), "
        "and check that status.storedVersions of the CustomResourceDefinition has one version",
    )


def _check_webhooks(facts: Facts) -> Check:
    name = "webhooks.refusing"
    why = (
        "while the operator is stopped no webhook answers, so that no finalizer can be removed and no object deleted: "
    )
    why += "the teardown stops, and the operator that other hosted clusters need stays stopped"
    todo = "set failurePolicy to Ignore, or delete the configuration, until the relocation has ended; or accept this "
    todo += "check, and make this change when the teardown stops"
    if facts.webhooks is None or facts.at_urls is None:
        return not_seen(name, "webhook configurations", why)
    if facts.webhooks:
        seen = f"webhooks that refuse writes when unavailable: {', '.join(facts.webhooks)}"
        return Check(name, "blocked", seen, why, todo, acceptable=True)
    return bad_if(
        facts.at_urls,
        name,
        f"webhooks at a URL, perhaps of the operator, that refuse writes when unavailable: {', '.join(facts.at_urls)}"
        if facts.at_urls
        else "none of the operator's webhooks refuses writes when unavailable",
        why,
        todo,
        verdict="unknown",
        acceptable=True,
    )


def plan(facts: Facts) -> Decision:
    return verdict(checks(facts))


STEP = Step(name="preflight.webhooks", documented="-", observe=observe, plan=plan)
