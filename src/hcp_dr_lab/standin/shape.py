"""Shared code of all roles: metadata, owner references, finalizers, conditions, and `ensure`.

`ensure` compares the desired object with the existing object and requests only the difference. Other fields stay
unchanged, so that defaults and other writers are respected.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from hcp_dr.kube.port import Object, Resource
from hcp_dr_lab.standin.change import Change, Create, Delete, Patch
from hcp_dr_lab.standin.view import View, condition_status

ABSENT: Any = None  # a field that must not exist


def body(
    resource: Resource,
    name: str,
    namespace: str | None = None,
    *,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str | None] | None = None,
    owner: Object | None = None,
    **parts: Any,
) -> Object:
    """Return the desired object of a role; `owner` becomes its controller."""
    metadata: Object = {"name": name}
    if namespace is not None:
        metadata["namespace"] = namespace
    if labels:
        metadata["labels"] = dict(labels)
    if annotations:
        metadata["annotations"] = dict(annotations)
    if owner is not None:
        metadata["ownerReferences"] = [reference(owner)]
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, **parts}


def reference(owner: Object, *, controller: bool = True) -> Object:
    described = {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
    }
    return described | ({"controller": True, "blockOwnerDeletion": True} if controller else {})


def controller_uid(subject: Object) -> str | None:
    references = subject["metadata"].get("ownerReferences") or ()
    return next((entry["uid"] for entry in references if entry.get("controller")), None)


def owner_named(subject: Object, kind: str) -> str | None:
    references = subject["metadata"].get("ownerReferences") or ()
    return next((entry["name"] for entry in references if entry["kind"] == kind), None)


def identity(subject: Object) -> tuple[str, str | None]:
    return subject["metadata"]["name"], subject["metadata"].get("namespace")


def deleting(subject: Object) -> bool:
    return "deletionTimestamp" in subject["metadata"]


def annotation(subject: Object, key: str) -> str | None:
    value: str | None = (subject["metadata"].get("annotations") or {}).get(key)
    return value


def label(subject: Object, key: str) -> str | None:
    value: str | None = (subject["metadata"].get("labels") or {}).get(key)
    return value


def ensure(view: View, resource: Resource, wanted: Object) -> list[Change]:
    """Return the change to reach the desired object: none, a creation or a patch. Objects in deletion are skipped."""
    name, namespace = identity(wanted)
    existing = view.find(resource, name, namespace)
    if existing is None:
        return [Create(resource, without_absent(wanted))]
    if deleting(existing):
        return []
    metadata = dict(wanted["metadata"])
    owners = metadata.pop("ownerReferences", ())
    finalizers = metadata.pop("finalizers", ())
    rest = {key: value for key, value in wanted.items() if key not in ("apiVersion", "kind", "metadata")}
    change = difference(existing, {"metadata": metadata, **rest})
    lists = _missing_links(existing, owners, finalizers)
    if lists:
        version = existing["metadata"].get("resourceVersion")
        change = merged(change, {"metadata": {**lists, "resourceVersion": version}})
    return [Patch(resource, name, namespace, change)] if change else []


def set_status(resource: Resource, existing: Object, wanted: Object) -> list[Change]:
    """Patch the status if it differs. `conditions` in `wanted` are merged by type, and keep the times of old
    conditions; a condition with the status ABSENT is removed."""
    wanted = dict(wanted)
    status = existing.get("status") or {}
    if "conditions" in wanted:
        gone = {each["type"] for each in wanted["conditions"] if each["status"] is ABSENT}
        kept = [each for each in status.get("conditions") or () if each["type"] not in gone]
        stated = [each for each in wanted["conditions"] if each["type"] not in gone]
        wanted["conditions"] = merged_conditions(kept, stated)
    change = difference(status, wanted)
    return [Patch(resource, *identity(existing), {"status": change}, "status")] if change else []


def add_finalizer(resource: Resource, existing: Object, finalizer: str) -> list[Change]:
    present = existing["metadata"].get("finalizers") or []
    if finalizer in present or deleting(existing):
        return []
    return [_set_finalizers(resource, existing, [*present, finalizer], f"add finalizer {finalizer}")]


def drop_finalizer(resource: Resource, existing: Object, finalizer: str) -> list[Change]:
    present = existing["metadata"].get("finalizers") or []
    if finalizer not in present:
        return []
    rest = [entry for entry in present if entry != finalizer]
    return [_set_finalizers(resource, existing, rest, f"drop finalizer {finalizer}")]


def add_owner(resource: Resource, existing: Object, owner: Object, *, controller: bool = True) -> list[Change]:
    """Add an owner, or replace an owner of the same name with another UID, unless the object has another controller
    (EnsureOwnerRef, SetControllerReference)."""
    present = existing["metadata"].get("ownerReferences") or []
    if any(entry["uid"] == owner["metadata"]["uid"] for entry in present):
        return []
    same = (owner["kind"], owner["metadata"]["name"])
    present = [entry for entry in present if (entry["kind"], entry["name"]) != same]
    if controller and any(entry.get("controller") for entry in present):
        return []
    change = {
        "metadata": {
            "ownerReferences": [*present, reference(owner, controller=controller)],
            "resourceVersion": existing["metadata"].get("resourceVersion"),
        }
    }
    why = f"owned by {owner['kind']} {owner['metadata']['name']}"
    return [Patch(resource, *identity(existing), change, why=why)]


def delete(resource: Resource, existing: Object, why: str) -> list[Change]:
    if deleting(existing):
        return []
    return [Delete(resource, *identity(existing), existing["metadata"].get("uid", ""), why)]


def difference(existing: Any, wanted: Mapping[str, Any]) -> Object:
    """Return the merge patch that gives `existing` the fields of `wanted`."""
    change: Object = {}
    known: Object = existing if isinstance(existing, dict) else {}
    for key, value in wanted.items():
        present = known.get(key)
        if value is ABSENT:
            if key in known:
                change[key] = None
        elif present == value:
            continue
        elif isinstance(value, dict) and isinstance(present, dict):
            inner = difference(present, value)
            if inner:
                change[key] = inner
        elif not _covers(present, value):
            change[key] = without_absent(value)
    return change


def merged(first: Object, second: Object) -> Object:
    """Combine two merge patches."""
    result = dict(first)
    for key, value in second.items():
        before = result.get(key)
        both = isinstance(before, dict) and isinstance(value, dict)
        result[key] = merged(before, value) if isinstance(before, dict) and both else value
    return result


def without_absent(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_absent(inner) for key, inner in value.items() if inner is not ABSENT}
    if isinstance(value, list | tuple):
        return [without_absent(inner) for inner in value]
    return value


def condition(view: View, kind: str, status: str, reason: str, message: str = "", **extra: Any) -> Object:
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": time_text(view),
        **extra,
    }


def time_text(view: View) -> str:
    return _written(view.now)


@lru_cache(maxsize=64)
def _written(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def merged_conditions(present: Sequence[Object], wanted: Sequence[Object]) -> list[Object]:
    """Replace present conditions by the wanted conditions; a time changes only together with the status."""
    by_type = {entry["type"]: entry for entry in present}
    for entry in wanted:
        before = by_type.get(entry["type"])
        if before is not None and before["status"] == entry["status"]:
            entry = {**entry, "lastTransitionTime": before["lastTransitionTime"]}  # noqa: PLW2901
        by_type[entry["type"]] = entry
    return list(by_type.values())


def is_true(subject: Object | None, kind: str) -> bool:
    return subject is not None and condition_status(subject, kind) == "True"


def _covers(present: Any, wanted: Any) -> bool:
    if present == wanted:
        return True
    if isinstance(wanted, dict):
        return isinstance(present, dict) and all(
            key not in present if value is ABSENT else _covers(present.get(key), value) for key, value in wanted.items()
        )
    if isinstance(wanted, list | tuple):
        same_length = isinstance(present, list | tuple) and len(present) == len(wanted)
        return same_length and all(map(_covers, present, wanted))
    return False


def _missing_links(existing: Object, owners: Sequence[Object], finalizers: Sequence[str]) -> Object:
    lists: Object = {}
    present_owners = existing["metadata"].get("ownerReferences") or []
    uids = {entry["uid"] for entry in present_owners}
    new_owners = [entry for entry in owners if entry["uid"] not in uids]
    if new_owners:
        controlled = any(entry.get("controller") for entry in present_owners)
        kept = [{**entry, "controller": False} for entry in new_owners] if controlled else new_owners
        lists["ownerReferences"] = [*present_owners, *kept]
    present = existing["metadata"].get("finalizers") or []
    new = [entry for entry in finalizers if entry not in present]
    if new:
        lists["finalizers"] = [*present, *new]
    return lists


def _set_finalizers(resource: Resource, existing: Object, finalizers: list[str], why: str) -> Patch:
    change = {
        "metadata": {"finalizers": finalizers, "resourceVersion": existing["metadata"].get("resourceVersion")},
    }
    return Patch(resource, *identity(existing), change, why=why)
