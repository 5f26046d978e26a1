"""metadata.managedFields: the last writer of every field, in the API server's format (FieldsV1, operation Update)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hcp_dr.kube.port import Object

Tree = dict[str, Any]

_SYSTEM = frozenset({"apiVersion", "kind"})
_SYSTEM_METADATA = frozenset(
    {
        "creationTimestamp",
        "deletionGracePeriodSeconds",
        "deletionTimestamp",
        "generation",
        "managedFields",
        "name",
        "namespace",
        "resourceVersion",
        "selfLink",
        "uid",
    }
)
_FIELD = "f:"
_LIST_KEYS = ("uid", "type", "name")


def record(new: Object, old: Object | None, manager: str, subresource: str | None, time: str) -> None:
    """Set managedFields of an object before a write: changed fields now belong to the manager."""
    changed, gone = _difference(_content(old), _content(new), _FIELD)
    entries = [dict(entry) for entry in (old or {}).get("metadata", {}).get("managedFields") or ()]
    if changed or gone:
        for entry in entries:
            entry["fieldsV1"] = _without(entry["fieldsV1"], changed, gone)
    if changed:
        known = (manager, new["apiVersion"], subresource or "")
        mine = next((entry for entry in entries if _identity(entry) == known), None)
        if mine is None:
            mine = {
                "manager": manager,
                "operation": "Update",
                "apiVersion": new["apiVersion"],
                "fieldsType": "FieldsV1",
            }
            mine |= {"subresource": subresource} if subresource else {}
            mine["fieldsV1"] = {}
            entries.append(mine)
        mine["fieldsV1"] = _union(mine["fieldsV1"], changed)
        mine["time"] = time
    entries = [entry for entry in entries if entry["fieldsV1"]]
    if entries:
        new["metadata"]["managedFields"] = entries
    else:
        new["metadata"].pop("managedFields", None)


def _identity(entry: Object) -> tuple[str, str, str]:
    return entry["manager"], entry["apiVersion"], entry.get("subresource", "")


def _content(item: Object | None) -> Object:
    if item is None:
        return {}
    metadata = {key: value for key, value in item["metadata"].items() if key not in _SYSTEM_METADATA}
    rest = {key: value for key, value in item.items() if key not in _SYSTEM and key != "metadata"}
    return {**rest, **({"metadata": metadata} if metadata else {})}


def _difference(before: Mapping[str, Any], after: Mapping[str, Any], mark: str) -> tuple[Tree, Tree]:
    """Compare the parts of two values: return trees of new or changed fields in `after`, and of removed fields. `mark`
    is the prefix of their names in a tree."""
    changed: Tree = {}
    gone: Tree = {f"{mark}{key}": {} for key in before if key not in after}
    for key, value in after.items():
        if key not in before:
            changed[f"{mark}{key}"] = _tree(value)
            continue
        was = before[key]
        if was is value or was == value:
            continue
        parts = _parts(was, value)
        if parts is None:
            changed[f"{mark}{key}"] = {}
            continue
        more, less = _difference(*parts)
        if more:
            changed[f"{mark}{key}"] = more
        if less:
            gone[f"{mark}{key}"] = less
    return changed, gone


def _parts(before: Any, after: Any) -> tuple[Mapping[str, Any], Mapping[str, Any], str] | None:
    """What `_difference` takes; None for what is written as a whole."""
    if isinstance(before, dict) and isinstance(after, dict):
        return before, after, _FIELD  # most parts are the same, and need no name
    old, new = _children(before), _children(after)
    return None if old is None or new is None else (old, new, "")


def _tree(value: Any) -> Tree:
    children = _children(value)
    if children is None:
        return {}
    tree: Tree = {key: _tree(child) for key, child in children.items()}
    return {".": {}, **tree} if tree else {}


def _children(value: Any) -> dict[str, Any] | None:
    """Return the parts of a map, or of a list with keyed items; None for atomic values."""
    if isinstance(value, dict):
        return {f"{_FIELD}{key}": child for key, child in value.items()}
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        for key in _LIST_KEYS:
            names = {item.get(key) for item in value if isinstance(item.get(key), str)}
            if len(names) == len(value):
                return {f'k:{{"{key}":"{item[key]}"}}': item for item in value}
    return None


def _union(one: Tree, other: Tree) -> Tree:
    if not one:
        return other
    return {**one, **{key: _union(one.get(key, {}), tree) for key, tree in other.items()}}


def _without(owned: Tree, changed: Tree, gone: Tree) -> Tree:
    left: Tree = {}
    for key, tree in owned.items():
        if key in gone and not gone[key]:
            continue
        if key in changed and not changed[key]:
            continue
        if key in changed or key in gone:
            rest = _without(tree, changed.get(key, {}), gone.get(key, {}))
            if rest or not tree:
                left[key] = rest
        else:
            left[key] = tree
    return left
