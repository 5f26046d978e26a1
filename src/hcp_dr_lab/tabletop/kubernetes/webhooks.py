"""Webhooks: requests of an API server before writes, and for reads in another version, and handling of responses.

One function represents the network: it takes a clientConfig and a review, and returns the review with its response.
Supports validating and conversion webhooks, but neither mutating webhooks nor matchConditions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from hcp_dr.kube.port import Object, Resource
from hcp_dr_lab.tabletop.kubernetes import refusal, selectors
from hcp_dr_lab.tabletop.kubernetes.access import Caller
from hcp_dr_lab.tabletop.kubernetes.kinds import dig
from hcp_dr_lab.tabletop.kubernetes.refusal import Refusal, Unanswered
from hcp_dr_lab.tabletop.kubernetes.store import Key, Store

Call = Callable[[Object, Object], Object]
"""Takes clientConfig, and an AdmissionReview or ConversionReview with its request; returns the review with its
response. Raises Unanswered."""

CONFIGURATIONS = "validatingwebhookconfigurations.admissionregistration.k8s.io"
_GROUP = (
    "admissionregistration.k8s.io"  # webhooks are not called for these kinds, so that a broken webhook can be removed
)


def no_webhook(_client: Object, _review: Object) -> Object:
    raise Unanswered("dial tcp: connect: connection refused")


@dataclass(frozen=True, slots=True)
class Write:
    """The write under review. `new` is None for deletion, `old` for creation."""

    operation: Literal["CREATE", "UPDATE", "DELETE"]
    resource: Resource
    namespace: str | None
    name: str
    new: Object | None
    old: Object | None
    caller: Caller
    subresource: str | None = None
    trial: bool = False


def admit(store: Store, call: Call, write: Write, uid: Callable[[], str]) -> None:
    """Call all validating webhooks for the write. Raises Refusal."""
    configurations = store.list(CONFIGURATIONS)
    if not configurations or write.resource.group == _GROUP:
        return
    for entry in configurations:
        for webhook in entry.object.get("webhooks") or ():
            if _concerns(store, webhook, write):
                _ask(call, webhook, write, uid())


def converted(call: Call, client: Object, resource: Resource, items: Sequence[Object], uid: str) -> Sequence[Object]:
    """Return the objects in the version of `resource`. Raises Refusal."""
    request = {"uid": uid, "desiredAPIVersion": resource.api_version, "objects": list(items)}
    review = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview", "request": request}
    source = f"{items[0]['apiVersion']}, Kind={resource.kind}"
    try:
        response = call(client, review)["response"]
    except Unanswered as error:
        raise refusal.internal_plain(f"conversion webhook for {source} failed: {_post(client)}{error}") from error
    result = response.get("result") or {}
    if result.get("status") != "Success":
        raise refusal.internal_plain(f"conversion webhook for {source} failed: {result.get('message', '')}")
    found: Sequence[Object] = response["convertedObjects"]
    return found


def _ask(call: Call, webhook: Object, write: Write, uid: str) -> None:
    name = webhook["name"]
    review = {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": uid,
            "kind": {"group": write.resource.group, "version": write.resource.version, "kind": write.resource.kind},
            "resource": {
                "group": write.resource.group,
                "version": write.resource.version,
                "resource": write.resource.plural,
            },
            "subResource": write.subresource or "",
            "name": write.name,
            "namespace": write.namespace or "",
            "operation": write.operation,
            "userInfo": {"username": write.caller.user, "groups": list(write.caller.groups)},
            "object": write.new,
            "oldObject": write.old,
            "dryRun": write.trial,
        },
    }
    client = webhook["clientConfig"]
    try:
        response = call(client, review)["response"]
    except Unanswered as error:
        if webhook.get("failurePolicy") == "Ignore":
            return
        why = f'failed calling webhook "{name}": failed to call webhook: {_post(client)}{error}'
        raise refusal.internal(why) from error
    if not response.get("allowed"):
        status = response.get("status") or {}
        explanation = f": {status['message']}" if status.get("message") else " without explanation"
        code, reason = status.get("code") or 403, status.get("reason") or "Forbidden"
        raise Refusal(code, reason, f'admission webhook "{name}" denied the request{explanation}')


def _post(client: Object) -> str:
    service = client.get("service") or {}
    place = f"{service.get('name')}.{service.get('namespace')}.svc:{service.get('port', 443)}{service.get('path', '')}"
    return f'Post "{client.get("url") or "https://" + place}": '


def _concerns(store: Store, webhook: Object, write: Write) -> bool:
    return (
        any(_ruled(rule, write) for rule in webhook.get("rules") or ())
        and _in_namespace(store, webhook.get("namespaceSelector") or {}, write)
        and any(
            selectors.selected(webhook.get("objectSelector") or {}, dig(item, ("metadata", "labels")) or {})
            for item in (write.new, write.old)
            if item is not None
        )
    )


def _ruled(rule: Mapping[str, Any], write: Write) -> bool:
    """Match a rule as with matchPolicy Exact: the rule has the written version."""
    scope = rule.get("scope") or "*"
    return (
        _has(rule.get("operations"), write.operation)
        and _has(rule.get("apiGroups"), write.resource.group)
        and _has(rule.get("apiVersions"), write.resource.version)
        and any(_is(pattern, write) for pattern in rule.get("resources") or ())
        and scope in ("*", "Namespaced" if write.resource.namespaced else "Cluster")
    )


def _is(pattern: str, write: Write) -> bool:
    resource, _, subresource = pattern.partition("/")
    return resource in ("*", write.resource.plural) and (subresource in (write.subresource or "", "*"))


def _has(values: Sequence[str] | None, wanted: str) -> bool:
    return bool(values) and (wanted in (values or ()) or "*" in (values or ()))


def _in_namespace(store: Store, selector: Mapping[str, Any], write: Write) -> bool:
    """Match the namespaceSelector: a namespace by its own labels; cluster-scoped objects always match."""
    if write.resource.plural == "namespaces" and not write.resource.group:
        labels = dig(write.new or write.old, ("metadata", "labels")) or {}
    elif write.namespace is None:
        return True
    else:
        entry = store.get(Key("namespaces", "", write.namespace))
        labels = (dig(entry.object, ("metadata", "labels")) or {}) if entry else {}
    return selectors.selected(selector, labels)
