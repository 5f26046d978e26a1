"""What of the source's API dies with its HyperShift operator, which is stopped during the teardown: the conversion
between stored versions, and webhooks that are asked before a write (rule F1)."""

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
from hcp_dr.model import Case, Ports
from hcp_dr.objects.reading import dig, name_of
from hcp_dr.upstream import OPERATOR_NAMESPACE

REMOVED = (HOSTED_CLUSTER, NODE_POOL, HOSTED_CONTROL_PLANE, AWS_ENDPOINT_SERVICE, *MACHINERY, MACHINE_HEALTH_CHECK)
"""What is read, patched and deleted on the source while the operator is away."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A kind that is removed: in which versions etcd may hold its objects, and whether a webhook converts them."""

    name: str
    versions: tuple[str, ...]
    read_in: str
    converted: bool


@dataclass(frozen=True, slots=True)
class Facts:
    kinds: tuple[Stored, ...]
    webhooks: tuple[str, ...] | None  # of the operator's namespace, that refuse writes when they do not answer
    elsewhere: tuple[str, ...] | None  # such at an URL, which tells nobody whose they are
    # both are None where these credentials may not look


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    configurations = [
        look_for(ports.source, kind) for kind in (VALIDATING_WEBHOOK_CONFIGURATION, MUTATING_WEBHOOK_CONFIGURATION)
    ]
    found = [each for listing in configurations for item in listing or () for each in _refusing(item)]
    unseen = None in configurations
    return Facts(
        kinds=tuple(
            _stored(resource, definition)
            for resource in REMOVED
            if (definition := ports.source.find(CUSTOM_RESOURCE_DEFINITION, str(resource))) is not None
        ),
        webhooks=None if unseen else tuple(text for text, by_url in found if not by_url),
        elsewhere=None if unseen else tuple(text for text, by_url in found if by_url),
    )


def _stored(resource: Resource, definition: Object) -> Stored:
    return Stored(
        name=str(resource),
        versions=tuple(str(version) for version in dig(definition, "status", "storedVersions") or ()),
        read_in=resource.version,
        converted=dig(definition, "spec", "conversion", "strategy") == "Webhook",
    )


def _refusing(configuration: Object) -> Iterator[tuple[str, bool]]:
    """Webhooks that refuse a write when they do not answer: those of the operator's namespace, and those at an URL that
    concern what is removed."""
    for webhook in configuration.get("webhooks") or ():
        if webhook.get("failurePolicy", "Fail") != "Fail":
            continue
        by_url = bool(dig(webhook, "clientConfig", "url"))
        text = f"{webhook.get('name')} of {configuration['kind']} {name_of(configuration)}"
        if dig(webhook, "clientConfig", "service", "namespace") == OPERATOR_NAMESPACE or (
            by_url and _concerns(webhook)
        ):
            yield text, by_url


def _concerns(webhook: Object) -> bool:
    return any(
        {"*", resource.group} & set(rule.get("apiGroups") or ())
        and {"*", "*/*", resource.plural} & set(rule.get("resources") or ())
        and {"*", "UPDATE", "DELETE"} & set(rule.get("operations") or ())
        for rule in webhook.get("rules") or ()
        for resource in REMOVED
    )


def checks(facts: Facts) -> tuple[Check, ...]:
    return (_versions(facts), _webhooks(facts))


def _versions(facts: Facts) -> Check:
    mixed = [
        f"{kind.name} in {', '.join(kind.versions) or 'no version told'}"
        for kind in facts.kinds
        if kind.versions != (kind.read_in,)
    ]
    converted = sum(kind.converted for kind in facts.kinds)
    return bad_if(
        mixed,
        "webhooks.stored_versions",
        f"stored in other versions than they are read in: {'; '.join(mixed)}"
        if mixed
        else f"each kind is stored in the one version it is read in; a webhook converts {converted} of them for others",
        "while the operator is stopped nobody converts: such objects can neither be read nor deleted, the garbage "
        "collector and the deletion of namespaces stop, and Cluster API of other hosted clusters with them",
        "end the migration of stored versions first (ConfigMap hypershift/capi-migration-status says where it is), and "
        "see that status.storedVersions of the CustomResourceDefinition names one version",
    )


def _webhooks(facts: Facts) -> Check:
    name = "webhooks.refusing"
    why = "while the operator is stopped nobody answers, so that no finalizer can be taken and nothing can be deleted: "
    why += "the teardown stops with the operator down, which other hosted clusters need"
    todo = "set failurePolicy to Ignore, or delete the configuration, until the relocation has ended; or accept this, "
    todo += "and do so when the teardown stops"
    if facts.webhooks is None or facts.elsewhere is None:
        return not_seen(name, "webhook configurations", why)
    if facts.webhooks:
        seen = f"refuse writes when they do not answer: {', '.join(facts.webhooks)}"
        return Check(name, "blocked", seen, why, todo, acceptable=True)
    return bad_if(
        facts.elsewhere,
        name,
        f"refuse writes when they do not answer, at an URL that may be the operator's: {', '.join(facts.elsewhere)}"
        if facts.elsewhere
        else "none of the operator's webhooks refuses writes when it is away",
        why,
        todo,
        verdict="unknown",
        acceptable=True,
    )


def plan(facts: Facts) -> Decision:
    return verdict(checks(facts))


STEP = Step(name="preflight.webhooks", documented="-", observe=observe, plan=plan)
