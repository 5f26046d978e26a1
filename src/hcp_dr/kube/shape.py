"""The form of Kubernetes objects from outside: of an API server, or of a file. The rest of the program reads fields
without looking at their types, so an object with a field of another type is refused here.

The table is by the name of the field, because a name has one type everywhere in the API. Only names that are read are
in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hcp_dr.kube.mapping import AnswerError
from hcp_dr.kube.port import Object, Resource

_MAPPINGS = frozenset(
    {"spec", "metadata", "template", "selector", "platform", "aws", "networking", "configuration", "management"}
)
_TEXT_MAPPINGS = frozenset({"labels", "annotations", "matchLabels", "nodeSelector", "binaryData", "stringData"})
_LISTS_OF_MAPPINGS = frozenset(
    {"conditions", "containers", "initContainers", "ownerReferences", "services", "volumes", "env", "ports"}
)
_LISTS_OF_TEXTS = frozenset({"finalizers", "command", "args", "accessModes"})
_TEXTS = frozenset({"name", "namespace", "uid", "resourceVersion", "kind", "apiVersion", "deletionTimestamp"})
_NUMBERS = frozenset({"replicas", "generation", "observedGeneration", "readyReplicas", "availableReplicas"})
_OPAQUE = frozenset({"managedFields", "data", "annotations", "labels"})


def find_fault(item: Mapping[str, Any], *, named: bool = True) -> str | None:
    """The first field of another type, with the reason; None if there is none. `named`: metadata.name is required."""
    metadata = item.get("metadata")
    if not isinstance(metadata, Mapping):
        return "metadata is not a mapping"
    if named and not metadata.get("name"):
        return "metadata.name is missing"
    return None


def checked(item: Object, *, named: bool = True) -> Object:
    """Raises AnswerError."""
    fault = find_fault(item, named=named)
    if fault is not None:
        raise AnswerError(f"the response is not an object of this API: {fault}")
    return item


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a list. `token` is for the next page, "" after the last."""

    items: tuple[Object, ...]
    token: str
    resource_version: str


def page(answer: Object, resource: Resource) -> Page:
    """Raises AnswerError."""
    items, metadata = answer.get("items") or [], answer.get("metadata") or {}
    if not isinstance(items, list) or not isinstance(metadata, dict):
        raise AnswerError("the response is not a list of objects")
    token, version = metadata.get("continue") or "", metadata.get("resourceVersion") or ""
    if not all(isinstance(item, dict) for item in items) or not isinstance(token, str) or not isinstance(version, str):
        raise AnswerError("the response is not a list of objects")
    type_meta = {"apiVersion": resource.api_version, "kind": resource.kind}
    return Page(tuple(checked({**type_meta, **item}) for item in items), token, version)


def versions(answer: Object) -> tuple[str, ...]:
    """The versions of an API group, the preferred version first. Raises AnswerError."""
    entries, preferred = answer.get("versions") or [], answer.get("preferredVersion") or {}
    if not isinstance(entries, list) or not isinstance(preferred, dict):
        raise AnswerError("the response is not an API group")
    given = [entry.get("version") if isinstance(entry, dict) else entry for entry in entries]
    served = [version for version in given if isinstance(version, str)]
    if len(served) < len(given):
        raise AnswerError("the response is not an API group")
    return tuple(sorted(served, key=lambda version: version != preferred.get("version")))
