"""Small readers of raw objects that tolerate missing keys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hcp_dr.kube.port import Object


def name_of(item: Object) -> str:
    return str(item["metadata"]["name"])


def uid_of(item: Object) -> str:
    return str(item["metadata"].get("uid", ""))


def namespace_of(item: Object) -> str | None:
    value = item["metadata"].get("namespace")
    return None if value is None else str(value)


def annotations_of(item: Object) -> Mapping[str, str]:
    return item["metadata"].get("annotations") or {}


def labels_of(item: Object) -> Mapping[str, str]:
    return item["metadata"].get("labels") or {}


def finalizers_of(item: Object) -> tuple[str, ...]:
    return tuple(item["metadata"].get("finalizers") or ())


def owner_kinds(item: Object) -> frozenset[str]:
    return frozenset(str(owner.get("kind")) for owner in item["metadata"].get("ownerReferences") or ())


def owner_names(item: Object) -> tuple[str, ...]:
    """The kinds and names of the object's owners."""
    return tuple(f"{owner.get('kind')} {owner.get('name')}" for owner in item["metadata"].get("ownerReferences") or ())


def owned_by(item: Object, uid: str) -> bool:
    return any(owner.get("uid") == uid for owner in item["metadata"].get("ownerReferences") or ())


def some(names: Sequence[str], most: int = 5) -> str:
    """For messages: the first names, and the number of the rest."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def is_deleting(item: Object) -> bool:
    return bool(item["metadata"].get("deletionTimestamp"))


def dig(value: Any, *path: str) -> Any:
    """value[path0][path1]..., None if a key is missing."""
    for key in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value


def condition(item: Object, kind: str) -> str | None:
    """The status of a condition (True, False, Unknown), None if the object has no such condition, or only for an older
    generation."""
    for entry in dig(item, "status", "conditions") or ():
        if entry.get("type") == kind:
            observed = entry.get("observedGeneration")
            if observed is not None and observed < item["metadata"].get("generation", 0):
                return None
            return str(entry.get("status"))
    return None


def first_container(workload: Object) -> Mapping[str, Any]:
    """The first container of the pod template of a Deployment or another workload; empty if the template has none."""
    containers: list[Mapping[str, Any]] = dig(workload, "spec", "template", "spec", "containers") or [{}]
    return containers[0]


def flags_of(container: Mapping[str, Any]) -> dict[str, list[str]]:
    """The flags of a container's command and args, as --flag=value or --flag value; "" for a flag without a value."""
    arguments = [*(container.get("command") or ()), *(container.get("args") or ())]
    flags: dict[str, list[str]] = {}
    for index, argument in enumerate(arguments):
        if not argument.startswith("--"):
            continue
        flag, equals, value = argument[2:].partition("=")
        if not equals and index + 1 < len(arguments) and not arguments[index + 1].startswith("--"):
            value = arguments[index + 1]
        flags.setdefault(flag, []).append(value)
    return flags


def is_ready_pod(pod: Object) -> bool:
    return not is_deleting(pod) and condition({"metadata": {}, "status": pod.get("status")}, "Ready") == "True"


def selects(selector: Mapping[str, str], item: Object) -> bool:
    """Whether a matchLabels selector selects the object. Here an empty selector selects no object."""
    return bool(selector) and selector.items() <= labels_of(item).items()


def pods_of(workload: Object, pods: Iterable[Object]) -> tuple[Object, ...]:
    """The pods selected by a Deployment or StatefulSet."""
    selector = dig(workload, "spec", "selector", "matchLabels") or {}
    return tuple(pod for pod in pods if selects(selector, pod))
