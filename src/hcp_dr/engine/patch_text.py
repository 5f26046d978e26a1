"""The text of a patch for people and for the journal: its fields by path, and values only where they are harmless.

A patch may carry any part of an object: the password of a proxy, a token in an annotation.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from hcp_dr.hiding import HIDDEN
from hcp_dr.kube.port import PatchBody
from hcp_dr.model import RELOCATION_ANNOTATION
from hcp_dr.upstream import HOSTNAME_ANNOTATION, PAUSED_ANNOTATION

_HARMLESS = {
    ("metadata", "annotations", HOSTNAME_ANNOTATION),
    ("metadata", "annotations", PAUSED_ANNOTATION),
    ("metadata", "annotations", RELOCATION_ANNOTATION),
    ("metadata", "finalizers"),
    ("metadata", "resourceVersion"),
    ("spec", "paused"),
    ("spec", "pausedUntil"),
    ("spec", "persistentVolumeClaimRetentionPolicy", "whenScaled"),
    ("spec", "replicas"),
}
"""Paths of fields with values that are shown. A removal is shown in every field."""
_DEPTH = 3
"""Names below this depth may be chosen by users."""


def describe_patch(patch: PatchBody) -> str:
    shown = _shown(patch, ()) if isinstance(patch, Mapping) else [_shown_operation(each) for each in patch]
    return json.dumps(shown, sort_keys=True)


def _shown(value: Any, path: tuple[str, ...]) -> Any:
    if value is None or path in _HARMLESS:
        return value
    if isinstance(value, Mapping) and len(path) < _DEPTH:
        return {key: _shown(each, (*path, key)) for key, each in value.items()}
    return HIDDEN


def _shown_operation(operation: Mapping[str, Any]) -> Mapping[str, Any]:
    """An operation of a JSON patch (RFC 6902)."""
    names = {key: str(operation.get(key, "")).split("/")[1:] for key in ("path", "from")}
    shown = {key: "/" + "/".join(names[key][:_DEPTH]) for key in names if key in operation}
    path = tuple(name.replace("~1", "/").replace("~0", "~") for name in names["path"])
    value = {"value": _shown(operation["value"], path)} if "value" in operation else {}
    return {"op": operation.get("op"), **shown, **value}
