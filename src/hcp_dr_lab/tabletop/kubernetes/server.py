"""The API server: validates writes, sets the fields that it owns, and has no state except the store."""

from __future__ import annotations

import base64
import copy
import json
import random
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Completed, Object, PatchBody, Propagation, Resource
from hcp_dr_lab.tabletop.kubernetes import access, builtin, custom, managed, owning, refusal, selectors, webhooks
from hcp_dr_lab.tabletop.kubernetes.access import ADMINISTRATOR, SUPERUSERS, Attributes, Caller
from hcp_dr_lab.tabletop.kubernetes.kinds import Kind, Problems, dig, plant
from hcp_dr_lab.tabletop.kubernetes.patch import PatchError, merged, patched, same
from hcp_dr_lab.tabletop.kubernetes.refusal import Refusal
from hcp_dr_lab.tabletop.kubernetes.store import Entry, Key, Store
from hcp_dr_lab.tabletop.kubernetes.watch import Watch, revision_of
from hcp_dr_lab.tabletop.kubernetes.webhooks import Write

SYSTEM_NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")
FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"
_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
_LONGEST_PREFIX = 58  # with five more letters still a valid name

Command = Callable[[Object, str, Sequence[str], bytes | None, float], Completed]
"""Runs a command: pod, container, words, stdin, seconds. May raise Refusal or an error of hcp_dr.errors."""
Rule = Callable[[Caller, Attributes], bool]


@dataclass(frozen=True, slots=True)
class _Request:
    """The context of a write in all its stages."""

    kind: Kind
    resource: Resource
    caller: Caller
    manager: str
    subresource: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """`token` is for requesting the next page; empty on the last page."""

    items: tuple[Object, ...]
    resource_version: str
    token: str = ""


class ApiServer:
    """Any number of servers can use one store, sequentially or concurrently. `now` and `chance` are injected; `may`
    replaces the decision by RBAC objects. Safe for several threads. Methods raise Refusal.

    A server with `lends` returns the store's own objects instead of copies: fast, and only for callers that never
    modify results.
    """

    def __init__(
        self,
        store: Store,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        chance: random.Random | None = None,
        execute: Command | None = None,
        may: Rule | None = None,
        webhook: webhooks.Call = webhooks.no_webhook,
        lends: bool = False,
    ) -> None:
        self.store = store
        self.lends = lends
        self.now = now
        self.execute = execute
        self.may = may
        self.webhook = webhook
        self.stopped = False
        self._chance = chance or random.SystemRandom()
        with store.lock:
            for name in SYSTEM_NAMESPACES:
                if store.get(Key("namespaces", "", name)) is None:
                    self.create(r.NAMESPACE, None, {"metadata": {"name": name}})
            self._oldest = store.revision

    def stop(self) -> None:
        """Close the watches; the store is unchanged."""
        self.stopped = True
        self.store.wake()

    # Kinds

    def kind(self, resource: Resource) -> Kind:
        """Return a kind. Raises Refusal (404) if it is not served."""
        known = builtin.KINDS.get(str(resource))
        if known is not None:
            if known.resource.version != resource.version:
                raise refusal.not_served()
            return known
        kind = custom.kind(self._definition(resource), resource.version)
        if kind is None:
            raise refusal.not_served()
        return kind

    def _definition(self, resource: Resource) -> Entry:
        entry = self.store.get(Key(custom.DEFINITIONS, "", str(resource)))
        if entry is None:
            raise refusal.not_served()
        return entry

    def every_kind(self) -> list[Kind]:
        """Return all kinds in the stored version."""
        customs = [custom.stored_kind(entry) for entry in self.store.list(custom.DEFINITIONS)]
        return [*builtin.KINDS.values(), *customs]

    def versions(self, group: str) -> tuple[str, ...]:
        """Return served versions of a group, the preferred version first."""
        found = {kind.resource.version for kind in builtin.KINDS.values() if kind.resource.group == group}
        for entry in self.store.list(custom.DEFINITIONS):
            if entry.object["spec"]["group"] == group:
                found |= {version["name"] for version in entry.object["spec"]["versions"] if version["served"]}
        return tuple(sorted(found, key=custom.version_order, reverse=True))

    # Reading

    def get(self, resource: Resource, namespace: str | None, name: str) -> Object:
        kind = self.kind(resource)
        return self._shown(kind, resource, self._given(self._entry(kind, namespace, name)))

    def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        labels: str | None = None,
        fields: str | None = None,
        limit: int = 0,
        token: str = "",
    ) -> Page:
        """Return at most `limit` objects (0: all); following pages show the same revision as the first."""
        kind = self.kind(resource)
        wanted = self._filter(kind, labels, fields)
        with self.store.lock:
            if token:
                revision, after = _from_token(token)
                if revision < self.store.compacted:
                    raise refusal.expired("The provided continue parameter is too old to display a consistent list")
                found = [entry for entry in self.store.list_at(revision, kind.key, namespace) if entry.key > after]
            else:
                revision = self.store.revision
                found = self.store.list(kind.key, namespace)
        if labels or fields:
            found = [entry for entry in found if wanted(entry.object)]
        page = found[:limit] if limit else found
        more = _token(revision, page[-1].key) if len(page) < len(found) else ""
        return Page(tuple(self._all_shown(kind, resource, page)), str(revision), more)

    def watch(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        resource_version: str,
        labels: str | None = None,
        fields: str | None = None,
    ) -> Watch:
        """Start a watch. Raises Refusal (410) if the revision was compacted."""
        kind = self.kind(resource)
        wanted = self._filter(kind, labels, fields)

        def shown(entry: Entry) -> Object:
            return self._shown(kind, resource, self._given(entry))

        revision = revision_of(resource_version)
        with self.store.lock:
            if revision is not None and revision < self._oldest:
                raise refusal.expired(f"too old resource version: {revision} ({self._oldest})")
            return Watch(self.store, resource, namespace, revision, wanted, shown)

    # Writing

    def create(
        self,
        resource: Resource,
        namespace: str | None,
        body: Object,
        *,
        caller: Caller = ADMINISTRATOR,
        manager: str = "unknown",
        strict: bool = False,
        trial: bool = False,
    ) -> Object:
        """Create an object. The server takes ownership of `body`. `strict`: refuse unknown fields instead of pruning
        them. A `trial` (a dry run) stores nothing."""
        with self.store.lock:
            kind = self.kind(resource)
            self._agree(kind, resource, body)
            metadata = body.setdefault("metadata", {})
            unknown = builtin.unknown_fields(kind, body) if strict else []
            if unknown:
                raise refusal.unknown_fields(resource, unknown)
            if metadata.get("resourceVersion"):
                raise refusal.internal("resourceVersion should not be set on objects to be created")
            self._name(kind, metadata)
            name = metadata["name"]
            if kind.custom and "deletionTimestamp" in self._definition(resource).object["metadata"]:
                why = "create not allowed while custom resource definition is terminating"
                raise Refusal(405, "MethodNotAllowed", why)
            if kind.resource.namespaced:
                metadata["namespace"] = namespace
                self._room(kind, namespace or "", name)
            for word in ("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "managedFields"):
                metadata.pop(word, None)
            metadata |= {"uid": self._uid(), "creationTimestamp": self._time()}
            if kind.counted:
                metadata["generation"] = 1
            if kind.status:
                body.pop("status", None)
            body = self._prepared(kind, resource, body, None)
            self._checked(kind, body, None)
            self._admitted(Write("CREATE", resource, namespace, name, body, None, caller, trial=trial))
            key = _key(kind, namespace, name)
            if self.store.get(key) is not None:
                raise refusal.already_exists(resource, name)
            if trial:
                return body
            builtin.bind(self.store, body)
            return self._put(_Request(kind, resource, caller, manager), key, body, None)

    def replace(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        body: Object,
        *,
        subresource: str | None = None,
        caller: Caller = ADMINISTRATOR,
        manager: str = "unknown",
    ) -> Object:
        """Handle PUT. The server takes ownership of `body`."""
        with self.store.lock:
            kind = self.kind(resource)
            entry = self._entry(kind, namespace, name)
            if kind.custom and subresource != "scale" and not dig(body, ("metadata", "resourceVersion")):
                why = "metadata.resourceVersion: Invalid value: 0: must be specified for an update"
                raise refusal.invalid(resource, name, [why])
            uid = dig(body, ("metadata", "uid"), "")
            if uid not in ("", entry.object["metadata"]["uid"]):
                why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: "
                raise refusal.conflict(resource, name, why + entry.object["metadata"]["uid"])
            return self._update(_Request(kind, resource, caller, manager, subresource), entry, body)

    def patch(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        patch: PatchBody,
        *,
        subresource: str | None = None,
        caller: Caller = ADMINISTRATOR,
        manager: str = "unknown",
    ) -> Object:
        """Handle PATCH: a mapping is a merge patch, a sequence a JSON patch. The server takes ownership of `patch`.
        Unchanged parts are shared with the previous object.
        """
        with self.store.lock:
            kind = self.kind(resource)
            entry = self._entry(kind, namespace, name)
            base = self._shown(kind, resource, entry.object)
            if subresource == "scale":
                base = self._scale(kind, base)
            try:
                body = patched(base, patch) if isinstance(patch, list) else merged(base, patch)
            except PatchError as error:
                if error.failed:
                    message = "the server rejected our request due to an error in our request"
                    raise Refusal(422, "Invalid", message) from error
                raise refusal.bad_request(str(error)) from error
            if not isinstance(body, dict) or not isinstance(body.get("metadata"), dict):
                raise refusal.bad_request("the patched object is not an object")
            body["metadata"].setdefault("resourceVersion", entry.object["metadata"]["resourceVersion"])
            return self._update(_Request(kind, resource, caller, manager, subresource), entry, body)

    def delete(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
        grace_seconds: int | None = None,
        propagation: Propagation | None = None,
        caller: Caller = ADMINISTRATOR,
    ) -> None:
        with self.store.lock:
            kind = self.kind(resource)
            entry = self._entry(kind, namespace, name)
            old = entry.object
            _meets(resource, old, "UID", "uid", uid)
            _meets(resource, old, "ResourceVersion", "resourceVersion", resource_version)
            self._admitted(Write("DELETE", resource, namespace, name, None, old, caller))
            if kind.key == "namespaces" and name in SYSTEM_NAMESPACES[:1] + SYSTEM_NAMESPACES[2:]:
                raise refusal.forbidden(resource, name, "this namespace may not be deleted")
            self._delete(kind, entry, grace_seconds, propagation)

    def _delete(self, kind: Kind, entry: Entry, grace_seconds: int | None, propagation: Propagation | None) -> None:
        body = entry.copy()
        metadata = body["metadata"]
        grace = builtin.grace(kind, body, grace_seconds)
        finalizers = [
            word for word in metadata.get("finalizers") or () if propagation is None or word not in (FOREGROUND, ORPHAN)
        ]
        finalizers += [FOREGROUND] if propagation == "Foreground" else []
        finalizers += [ORPHAN] if propagation == "Orphan" else []
        metadata["finalizers"] = finalizers
        if not finalizers:
            del metadata["finalizers"]
        if "deletionTimestamp" in metadata:
            shorter = grace < metadata.get("deletionGracePeriodSeconds", 0)
            if shorter:
                left = metadata["deletionGracePeriodSeconds"] - grace
                due = datetime.fromisoformat(metadata["deletionTimestamp"]) - timedelta(seconds=left)
                metadata |= {"deletionTimestamp": _written(due), "deletionGracePeriodSeconds": grace}
        else:
            due = self.now() + timedelta(seconds=grace)
            metadata |= {"deletionTimestamp": _written(due), "deletionGracePeriodSeconds": grace}
            if metadata.get("generation"):
                metadata["generation"] += 1
            builtin.doom(kind, body)
        if self._over(kind, body):
            self.store.delete(entry.key)
        elif body != entry.object:
            self._stamp_and_put(entry.key, body)

    def bind(self, namespace: str, name: str, node: str) -> None:
        """Handle the subresource binding, as used by the scheduler: set a pod's node, once."""
        with self.store.lock:
            entry = self._entry(self.kind(r.POD), namespace, name)
            if not entry.object["spec"].get("nodeName"):
                body = entry.copy()
                body["spec"]["nodeName"] = node
                self._stamp_and_put(entry.key, body)

    # The stages of a write

    def _update(self, asked: _Request, entry: Entry, body: Object) -> Object:
        kind, resource, name = asked.kind, asked.resource, entry.key.name
        if not _has_subresource(kind, asked.subresource):
            raise refusal.not_served()
        old = self._shown(kind, resource, entry.object)
        self._same_object(resource, old, body)
        if asked.subresource == "scale":
            body = self._scaled(kind, self._shown(kind, resource, entry.copy()), body)
        else:
            self._agree(kind, resource, body)
            _keep(kind, asked.subresource, entry, body)
        metadata = body["metadata"] = dict(body["metadata"])
        for word in _SYSTEM:
            if word in old["metadata"]:
                metadata[word] = old["metadata"][word]
            else:
                metadata.pop(word, None)
        body = self._prepared(kind, resource, body, old)
        if kind.counted and asked.subresource != "status" and _counts(kind, old, body):
            body["metadata"]["generation"] = metadata.get("generation", 0) + 1
        space = entry.key.namespace or None
        self._checked(kind, body, old)
        self._admitted(Write("UPDATE", resource, space, name, body, old, asked.caller, asked.subresource))
        written = self._put(asked, entry.key, body, old)
        return self._scale(kind, written) if asked.subresource == "scale" else written

    def _put(self, asked: _Request, key: Key, body: Object, old: Object | None) -> Object:
        """Write an object, unless it is unchanged; then it keeps its resourceVersion."""
        if old is not None and same(body, old):
            return self._answered(body)
        managed.record(body, old, asked.manager, asked.subresource, self._time())
        body = self._shown(asked.kind, asked.kind.resource, body)
        if old is not None and self._over(asked.kind, body):
            self.store.delete(key)
            return self._shown(asked.kind, asked.resource, self._answered(body))
        return self._shown(asked.kind, asked.resource, self._given(self._stamp_and_put(key, body)))

    def _stamp_and_put(self, key: Key, body: Object) -> Entry:
        body["metadata"]["resourceVersion"] = str(self.store.revision + 1)
        return self.store.adopt(key, body)

    def _over(self, kind: Kind, body: Object) -> bool:
        """Return whether a deleted object can be removed."""
        metadata = body["metadata"]
        return (
            "deletionTimestamp" in metadata
            and not metadata.get("finalizers")
            and not metadata.get("deletionGracePeriodSeconds")
            and not (kind.key == "namespaces" and dig(body, ("spec", "finalizers")))
        )

    def _prepared(self, kind: Kind, resource: Resource, body: Object, old: Object | None) -> Object:
        body["apiVersion"], body["kind"] = resource.api_version, resource.kind
        builtin.check_types(kind, body)
        _tidy(body["metadata"])
        with _readable(kind):
            kind.prepare(body, old)
        return body

    def _checked(self, kind: Kind, body: Object, old: Object | None) -> None:
        problems: Problems = builtin.metadata_problems(kind, body["metadata"], old["metadata"] if old else None)
        with _readable(kind):
            problems += kind.validate(body, old)
        if problems:
            raise refusal.invalid(kind.resource, body["metadata"]["name"], problems)

    def _admitted(self, write: Write) -> None:
        if SUPERUSERS not in write.caller.groups:
            served = (
                replace(kind.resource, version=version)
                for kind in self.every_kind()
                for version in kind.served or (kind.resource.version,)
            )
            owning.admit(write, served, lambda asked: self.allows(write.caller, asked))
        webhooks.admit(self.store, self.webhook, write, self._uid)

    def _same_object(self, resource: Resource, old: Object, body: Object) -> None:
        metadata = body.setdefault("metadata", {})
        name = old["metadata"]["name"]
        if metadata.get("name", name) != name:
            raise refusal.bad_request(
                f"the name of the object ({metadata['name']}) does not match the name on the URL ({name})"
            )
        space = old["metadata"].get("namespace")
        if metadata.get("namespace", space) != space:
            raise refusal.bad_request(
                "the namespace of the provided object does not match the namespace sent on the request"
            )
        uid = metadata.get("uid")
        if uid and uid != old["metadata"]["uid"]:
            raise refusal.invalid(resource, name, [f'metadata.uid: Invalid value: "{uid}": field is immutable'])
        version = metadata.get("resourceVersion")
        if version and not version.isdigit():
            raise refusal.internal_plain(f'strconv.ParseUint: parsing "{version}": invalid syntax')
        if version and version != old["metadata"]["resourceVersion"]:
            why = "the object has been modified; please apply your changes to the latest version and try again"
            raise refusal.conflict(resource, name, why)

    def _agree(self, kind: Kind, resource: Resource, body: Object) -> None:
        """Check apiVersion and kind of the body against the request; built-in kinds get them from the request."""
        for word, wanted in (("kind", resource.kind), ("apiVersion", resource.api_version)):
            given = body.get(word)
            if given is None and not kind.custom:
                continue
            if given is None:
                raise refusal.bad_request(f"Object '{word.capitalize()}' is missing")
            if given != wanted:
                what = "API version" if word == "apiVersion" else word
                raise refusal.bad_request(
                    f"the {what} in the data ({given}) does not match the expected {what} ({wanted})"
                )

    def _name(self, kind: Kind, metadata: Object) -> None:
        if not metadata.get("name") and metadata.get("generateName"):
            suffix = "".join(self._chance.choice(_LETTERS) for _ in range(5))
            metadata["name"] = metadata["generateName"][:_LONGEST_PREFIX] + suffix
        if not metadata.get("name"):
            why = "metadata.name: Required value: name or generateName is required"
            raise refusal.invalid(kind.resource, "", [why])

    def _room(self, kind: Kind, namespace: str, name: str) -> None:
        space = self.store.get(Key("namespaces", "", namespace))
        if space is None:
            raise refusal.not_found(r.NAMESPACE, namespace)
        if "deletionTimestamp" in space.object["metadata"]:
            why = f"unable to create new content in namespace {namespace} because it is being terminated"
            cause = {
                "reason": "NamespaceTerminating",
                "message": f"namespace {namespace} is being terminated",
                "field": "metadata.namespace",
            }
            raise refusal.forbidden(kind.resource, name, why, cause)

    def _entry(self, kind: Kind, namespace: str | None, name: str) -> Entry:
        entry = self.store.get(_key(kind, namespace, name))
        if entry is None:
            raise refusal.not_found(kind.resource, name)
        return entry

    def _given(self, entry: Entry) -> Object:
        item: Object = entry.object if self.lends else entry.copy()
        return item

    def _answered(self, body: Object) -> Object:
        """Return a written object that is in no entry, although parts of it may be."""
        return body if self.lends else copy.deepcopy(body)

    def _shown(self, kind: Kind, resource: Resource, item: Object) -> Object:
        """Return the object in the requested version."""
        if item["apiVersion"] == resource.api_version:
            return item
        if kind.conversion is None:
            return {**item, "apiVersion": resource.api_version}
        return webhooks.converted(self.webhook, kind.conversion, resource, [item], self._uid())[0]

    def _all_shown(self, kind: Kind, resource: Resource, entries: Sequence[Entry]) -> Sequence[Object]:
        """Return objects in the requested version, with one webhook request for all."""
        items, wanted = [self._given(entry) for entry in entries], resource.api_version
        others = [number for number, item in enumerate(items) if item["apiVersion"] != wanted]
        if others and kind.conversion is None:
            return [self._shown(kind, resource, item) for item in items]
        if others and kind.conversion is not None:
            asked = [items[number] for number in others]
            answer = webhooks.converted(self.webhook, kind.conversion, resource, asked, self._uid())
            for number, item in zip(others, answer, strict=True):
                items[number] = item
        return items

    def _scaled(self, kind: Kind, item: Object, scale: Object) -> Object:
        """Return the object with the replicas of a Scale."""
        wanted = (scale.get("spec") or {}).get("replicas", 0)
        if kind.scale is None:
            raise refusal.not_served()
        if isinstance(wanted, bool) or not isinstance(wanted, int) or wanted < 0:
            why = f"spec.replicas: Invalid value: {wanted}: must be greater than or equal to 0"
            raise refusal.invalid(kind.resource, item["metadata"]["name"], [why])
        plant(item, kind.scale.wanted, wanted)
        return item

    def _scale(self, kind: Kind, item: Object) -> Object:
        if kind.scale is None:
            raise refusal.not_served()
        metadata = {key: value for key, value in item["metadata"].items() if key in _SCALE_METADATA}
        selector = dig(item, kind.scale.selector) if kind.scale.selector else None
        status: Object = {"replicas": dig(item, kind.scale.actual, 0)}
        if selector:
            status["selector"] = selectors.text(selector) if isinstance(selector, dict) else selector
        replicas = dig(item, kind.scale.wanted, 0)
        spec = {"replicas": replicas} if replicas else {}
        return {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": metadata, "spec": spec, "status": status}

    def _filter(self, kind: Kind, labels: str | None, fields: str | None) -> Callable[[Object], bool]:
        by_labels = selectors.labels(labels or "")
        terms = [(_field(kind, name), value, equal) for name, value, equal in selectors.fields(fields or "")]

        def wanted(item: Object) -> bool:
            return by_labels(item["metadata"].get("labels") or {}) and all(
                (_text(dig(item, path, "")) == value) == equal for path, value, equal in terms
            )

        return wanted

    def _uid(self) -> str:
        return str(uuid.UUID(int=self._chance.getrandbits(128), version=4))

    def _time(self) -> str:
        return _written(self.now())

    # Authorization

    def allows(self, caller: Caller, asked: Attributes) -> bool:
        if self.may is not None:
            return self.may(caller, asked)
        return access.allowed(self.store, caller, asked)

    def is_open_to(self, caller: Caller) -> bool:
        """Return whether the caller is an administrator with all permissions."""
        return self.may is None and SUPERUSERS in caller.groups

    def demand(self, caller: Caller, asked: Attributes, resource: Resource) -> None:
        """Require a permission. Raises Refusal (403). Requests for a namespace are authorized in the namespace
        itself."""
        if self.is_open_to(caller):
            return
        if resource.plural == "namespaces" and not resource.group and asked.name:
            asked = replace(asked, namespace=asked.name)
        if not self.allows(caller, asked):
            place = f' in the namespace "{asked.namespace}"' if asked.namespace else " at the cluster scope"
            part = f"{asked.resource}/{asked.subresource}" if asked.subresource else asked.resource
            why = f'User "{caller.user}" cannot {asked.verb} resource "{part}" in API group "{asked.group}"{place}'
            raise refusal.forbidden(resource, asked.name, why)

    def finalize(self, name: str, finalizers: Sequence[str]) -> None:
        """Handle a namespace's subresource finalize, with which the controller reports that all content is gone."""
        self.patch(r.NAMESPACE, None, name, {"spec": {"finalizers": list(finalizers) or None}}, subresource="finalize")

    # Commands

    def run(  # noqa: PLR0917 - the port's parameters
        self, namespace: str, name: str, container: str, command: Sequence[str], stdin: bytes | None, seconds: float
    ) -> Completed:
        pod = self.get(r.POD, namespace, name)
        builtin.runnable(self.store, pod, container)
        if self.execute is None:
            raise refusal.internal(f"error dialing backend: no kubelet runs {namespace}/{name}")
        return self.execute(pod, container, command, stdin, seconds)


_SYSTEM = (
    *("name", "namespace", "uid", "creationTimestamp", "resourceVersion", "generation", "managedFields"),
    *("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"),
)
_SCALE_METADATA = frozenset({"name", "namespace", "uid", "resourceVersion", "creationTimestamp"})


@contextmanager
def _readable(kind: Kind) -> Iterator[None]:
    """Refuse bodies with a part of a wrong type: a built-in kind cannot decode them."""
    try:
        yield
    except (AttributeError, TypeError) as error:
        if kind.custom:
            raise
        name = kind.resource.kind
        raise refusal.bad_request(f"{name} cannot be handled as a {name}: json: cannot unmarshal: {error}") from error


def _key(kind: Kind, namespace: str | None, name: str) -> Key:
    return Key(kind.key, (namespace or "") if kind.resource.namespaced else "", name)


def _meets(resource: Resource, item: Object, title: str, word: str, wanted: str | None) -> None:
    """Check a precondition of a request."""
    found = item["metadata"][word]
    if wanted and wanted != found:
        why = f"the {title} in the precondition ({wanted}) does not match the {title} in record ({found})"
        if word == "uid":
            why += ". The object might have been deleted and then recreated"
        raise refusal.conflict(resource, item["metadata"]["name"], why)


def _has_subresource(kind: Kind, subresource: str | None) -> bool:
    match subresource:
        case None:
            return True
        case "status":
            return kind.status
        case "scale":
            return kind.scale is not None
        case "finalize":
            return kind.key == "namespaces"
    return False


def _keep(kind: Kind, subresource: str | None, entry: Entry, body: Object) -> None:
    """Restore the fields that a request to this endpoint cannot change."""
    if subresource == "status":
        own = {"status", "apiVersion", "kind"} if kind.custom else {"status", "apiVersion", "kind", "metadata"}
        changed = [key for key in body.keys() | entry.object.keys() if body.get(key) != entry.object.get(key)]
        kept = entry.copy() if set(changed) - own else {}
        for key in set(changed) - own:
            body.pop(key, None)
            if key in kept:
                body[key] = kept[key]
    elif kind.status and body.get("status") != entry.object.get("status"):
        body.pop("status", None)
        if "status" in entry.object:
            body["status"] = entry.copy()["status"]
    if kind.key == "namespaces" and subresource != "finalize":
        body["spec"] = {**(body.get("spec") or {}), "finalizers": list(dig(entry.object, ("spec", "finalizers"), ()))}


def _counts(kind: Kind, old: Object, body: Object) -> bool:
    if not kind.custom:
        return bool(old.get("spec") != body.get("spec"))
    left = {"metadata", "apiVersion", "status"} if kind.status else {"metadata", "apiVersion"}
    return any(old.get(key) != body.get(key) for key in (old.keys() | body.keys()) - left)


def _tidy(metadata: Object) -> None:
    """Remove empty maps, empty lists and nulls, which a server does not return."""
    for word in ("labels", "annotations", "finalizers", "ownerReferences", "generateName", "namespace"):
        if word in metadata and not metadata[word]:
            del metadata[word]


def _field(kind: Kind, name: str) -> tuple[str, ...]:
    if name in ("metadata.name", "metadata.namespace"):
        return tuple(name.split("."))
    if name not in kind.fields:
        raise refusal.bad_request(f"field label not supported: {name}")
    return kind.fields[name]


def _text(value: Any) -> str:
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


@lru_cache(maxsize=64)
def _written(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _token(revision: int, key: Key) -> str:
    return base64.urlsafe_b64encode(json.dumps([revision, *key]).encode()).decode()


def _from_token(token: str) -> tuple[int, Key]:
    try:
        revision, kind, namespace, name = json.loads(base64.urlsafe_b64decode(token))
    except ValueError as error:
        raise refusal.bad_request("continue key is not valid") from error
    return int(revision), Key(kind, namespace, name)
