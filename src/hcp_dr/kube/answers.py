"""The answers of an API server, checked before the rest of the program reads them."""

from __future__ import annotations

from dataclasses import dataclass

from hcp_dr.kube.mapping import AnswerError
from hcp_dr.kube.port import Object, Resource
from hcp_dr.kube.shape import find_fault


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
