"""The form of Kubernetes objects from outside: of an API server, or of a file. The rest of the program reads fields
without looking at their types, so an object with a field of another type is refused here.

The table is by the name of the field, or by the names of its parent and the field where one name has several types in
the API. Only fields that are read are in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hcp_dr.kube import resources
from hcp_dr.kube.port import Resource


@dataclass(frozen=True, slots=True)
class _Type:
    words: str
    is_right: Callable[[Any], bool]


def _is_mapping(value: Any) -> bool:
    return isinstance(value, Mapping)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


_MAPPING = _Type("a mapping", _is_mapping)
_MAPPINGS = _Type("a list of mappings", lambda value: isinstance(value, list) and all(map(_is_mapping, value)))
_TEXT = _Type("a string", _is_text)
_TEXTS = _Type("a list of strings", lambda value: isinstance(value, list) and all(map(_is_text, value)))
_TEXTS_BY_NAME = _Type(
    "a mapping of strings", lambda value: isinstance(value, Mapping) and all(map(_is_text, value.values()))
)
_NUMBER = _Type("a number", lambda value: isinstance(value, int) and not isinstance(value, bool))
_TYPES: Mapping[str, _Type] = {
    "spec.versions": _MAPPINGS,
    "services.service": _TEXT,
    "status.allocatable": _MAPPING,
    **dict.fromkeys(("spec", "spec.template", "spec.selector", "spec.platform", "aws", "spec.networking"), _MAPPING),
    **dict.fromkeys(("persistentVolume", "servicePublishingStrategy", "loadBalancer", "spec.configuration"), _MAPPING),
    **dict.fromkeys(("status.conditions", "containers", "initContainers", "ownerReferences", "env"), _MAPPINGS),
    **dict.fromkeys(("containerStatuses", "initContainerStatuses", "volumes", "webhooks", "spec.services"), _MAPPINGS),
    **dict.fromkeys(("finalizers", "command", "args", "status.storedVersions"), _TEXTS),
    **dict.fromkeys(("labels", "annotations", "matchLabels", "nodeSelector"), _TEXTS_BY_NAME),
    **dict.fromkeys(("name", "namespace", "resourceVersion", "kind", "apiVersion", "type"), _TEXT),
    **dict.fromkeys(("metadata.uid", "ownerReferences.uid"), _TEXT),
    **dict.fromkeys(("deletionTimestamp", "hostname", "clusterName", "clusterID", "infraID", "providerID"), _TEXT),
    **dict.fromkeys(("pausedUntil", "serviceAccountName", "nodeName", "phase"), _TEXT),
    **dict.fromkeys(("replicas", "generation", "observedGeneration", "readyReplicas", "updatedReplicas"), _NUMBER),
    **dict.fromkeys(("availableReplicas", "restartCount"), _NUMBER),
}
_DATA_KINDS = ("Secret", "ConfigMap")
_KINDS = frozenset(each.kind for each in vars(resources).values() if isinstance(each, Resource))
"""Only their fields are read. A kind of an add-on may have fields of the same names, of any type."""
_OPAQUE = frozenset({"managedFields", "annotations", "labels", "matchLabels", "openAPIV3Schema", "configuration"})
"""Fields below these have names of their own."""


def find_fault(item: Mapping[str, Any], *, named: bool = True) -> str | None:
    """The first field of another type, with the reason; None if there is none. `named`: metadata.name is required."""
    metadata = item.get("metadata")
    if not isinstance(metadata, Mapping):
        return "metadata is not a mapping"
    if named and not metadata.get("name"):
        return "metadata.name is missing"
    data = _TEXTS_BY_NAME if item.get("kind") in _DATA_KINDS else _MAPPING
    for name, expected in (("data", data), ("binaryData", data), ("status", _MAPPING)):
        if item.get(name) is not None and not expected.is_right(item[name]):
            return f"{name} is not {expected.words}"
    kind = item.get("kind")
    read = item if not isinstance(kind, str) or kind in _KINDS else {"metadata": metadata}
    return next(_faults({name: value for name, value in read.items() if name != "data"}, "", ""), None)


def _faults(value: Mapping[str, Any], parent: str, path: str) -> Iterator[str]:
    for name, each in value.items():
        if each is None:
            continue
        expected = _TYPES.get(name) or _TYPES.get(f"{parent}.{name}")
        if expected is not None and not expected.is_right(each):
            yield f"{path}{name} is not {expected.words}"
        elif name in _OPAQUE:
            continue
        elif isinstance(each, Mapping):
            yield from _faults(each, name, f"{path}{name}.")
        elif isinstance(each, list):
            for index, entry in enumerate(each):
                if isinstance(entry, Mapping):
                    yield from _faults(entry, name, f"{path}{name}[{index}].")
