"""The nodes of a management cluster that accept pods, and those suitable for a pod of the control plane."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from hcp_dr.kube.port import Object
from hcp_dr.objects.reading import condition, dig

Words = Mapping[str, str]
"""A toleration or a taint: all its fields as strings."""
_REPELLING = ("NoSchedule", "NoExecute")


def takes_pods(node: Object) -> bool:
    ready = condition(node, "Ready") == "True" and condition(node, "DiskPressure") != "True"
    return ready and not dig(node, "spec", "unschedulable")


def words(entries: Iterable[Mapping[str, object]] | None) -> tuple[Words, ...]:
    return tuple({key: str(value) for key, value in entry.items()} for entry in entries or ())


def open_to(labels: Words, taints: Iterable[Words], selector: Words, tolerations: Iterable[Words]) -> bool:
    """Whether a node with these labels and taints suits a pod with this selector and these tolerations."""
    tolerations = tuple(tolerations)
    chosen = all(labels.get(key) == value for key, value in selector.items())
    return chosen and all(_tolerates(tolerations, taint) for taint in taints)


def _tolerates(tolerations: Iterable[Words], taint: Words) -> bool:
    return taint.get("effect") not in _REPELLING or any(
        each.get("effect", taint["effect"]) == taint["effect"]
        and each.get("key", taint.get("key")) == taint.get("key")
        and (each.get("operator") == "Exists" or each.get("value", "") == taint.get("value", ""))
        for each in tolerations
    )
