"""Convert Cluster API objects between v1beta1 and v1beta2, as far as the rehearsal uses them.

References lose version and namespace in v1beta2 and regain them in v1beta1; durations are texts in v1beta1 and seconds
in v1beta2; conditions and a few groups of fields have moved (Cluster API's notes on the migration from v1.10 to v1.11).
Fields that are equal in both versions are unchanged.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Sequence
from typing import Any

from hcp_dr.kube.port import Object

GROUP = "cluster.x-k8s.io"
CONVERTIBLE = ("v1beta1", "v1beta2")
OLD, NEW = (f"{GROUP}/{version}" for version in CONVERTIBLE)

_VERSIONS = {"infrastructure.cluster.x-k8s.io": "v1beta2", "hypershift.openshift.io": "v1beta1", GROUP: "v1beta1"}
_DURATION = re.compile(r"(\d+)(h|m|s)")
_SECONDS = {"h": 3600, "m": 60, "s": 1}

Path = tuple[str, ...]

_MOVED: dict[str, tuple[tuple[Path, Path], ...]] = {  # in v1beta1, in v1beta2
    "Cluster": (
        (("status", "infrastructureReady"), ("status", "initialization", "infrastructureProvisioned")),
        (("status", "controlPlaneReady"), ("status", "initialization", "controlPlaneInitialized")),
    ),
    "Machine": (
        (("status", "infrastructureReady"), ("status", "initialization", "infrastructureProvisioned")),
        (("status", "bootstrapReady"), ("status", "initialization", "bootstrapDataSecretCreated")),
    ),
    "MachineSet": ((("spec", "deletePolicy"), ("spec", "deletion", "order")),),
    "MachineDeployment": (
        (("spec", "strategy"), ("spec", "rollout", "strategy")),
        (("spec", "rolloutAfter"), ("spec", "rollout", "after")),
        (("status", "updatedReplicas"), ("status", "upToDateReplicas")),
    ),
    "MachineHealthCheck": (
        (("spec", "unhealthyConditions"), ("spec", "checks", "unhealthyNodeConditions")),
        (("spec", "nodeStartupTimeout"), ("spec", "checks", "nodeStartupTimeoutSeconds")),
        (("spec", "maxUnhealthy"), ("spec", "remediation", "triggerIf", "unhealthyLessThanOrEqualTo")),
    ),
}
_CONDITIONS: tuple[tuple[Path, Path], ...] = (
    (("status", "conditions"), ("status", "deprecated", "v1beta1", "conditions")),
    (("status", "v1beta2", "conditions"), ("status", "conditions")),
)
_REFERRING: dict[str, Path] = {
    "Cluster": ("spec",),
    "Machine": ("spec",),
    "MachineSet": ("spec", "template", "spec"),
    "MachineDeployment": ("spec", "template", "spec"),
}


def converted(item: Object, wanted: str) -> Object:
    """Return the object in the version `wanted`, an apiVersion. Raises ValueError for unknown versions."""
    present = item["apiVersion"]
    if present == wanted:
        return item
    if {present, wanted} != {OLD, NEW}:
        raise ValueError(f"{item['kind']} cannot be converted from {present} to {wanted}")
    made = copy.deepcopy(item) | {"apiVersion": wanted}
    forward = wanted == NEW
    _move(made, _CONDITIONS, forward=forward)
    _move(made, _MOVED.get(item["kind"], ()), forward=forward)
    for reference, inside in _references(made):
        reference[inside] = _as_new(reference[inside]) if forward else _as_old(reference[inside], made)
    if item["kind"] == "MachineHealthCheck":
        _durations(made["spec"], forward=forward)
    if item["kind"] == "Machine" and (node := _get(made, ("status", "nodeRef"))):
        name = {"name": node["name"]}
        made["status"]["nodeRef"] = name if forward else {"apiVersion": "v1", "kind": "Node", **name}
    return made


def _references(item: Object) -> list[tuple[Object, str]]:
    """Return the places of references: the parent object and the key."""
    spec = _get(item, _REFERRING.get(item["kind"], ("none",))) or {}
    holders = ((spec, "controlPlaneRef"), (spec, "infrastructureRef"), (spec.get("bootstrap") or {}, "configRef"))
    return [(holder, key) for holder, key in holders if holder.get(key)]


def _as_new(reference: Object) -> Object:
    group = reference.get("apiVersion", "").rpartition("/")[0] or reference.get("apiGroup", "")
    return {"apiGroup": group, "kind": reference["kind"], "name": reference["name"]}


def _as_old(reference: Object, owner: Object) -> Object:
    group = reference.get("apiGroup", "")
    made = {"apiVersion": f"{group}/{_VERSIONS.get(group, 'v1')}", "kind": reference["kind"], "name": reference["name"]}
    namespace = owner["metadata"].get("namespace")
    return made | ({"namespace": namespace} if namespace else {})


def _durations(spec: Object, *, forward: bool) -> None:
    checks = spec.get("checks") or {}
    entries = checks.get("unhealthyNodeConditions", ()) if forward else spec.get("unhealthyConditions", ())
    old, new = "timeout", "timeoutSeconds"
    for entry in entries:
        if forward and old in entry:
            entry[new] = _seconds(entry.pop(old))
        elif not forward and new in entry:
            entry[old] = _text(entry.pop(new))
    holder, key, change = (
        (checks, "nodeStartupTimeoutSeconds", _seconds) if forward else (spec, "nodeStartupTimeout", _text)
    )
    _change(holder, key, change)


def _change(holder: Object, key: str, change: Callable[[Any], Any]) -> None:
    if key in holder:
        holder[key] = change(holder[key])


def _seconds(text: str) -> int:
    return sum(int(number) * _SECONDS[unit] for number, unit in _DURATION.findall(str(text)))


def _text(seconds: int) -> str:
    return f"{seconds // 60}m{seconds % 60}s"


def _move(item: Object, moves: Sequence[tuple[Path, Path]], *, forward: bool) -> None:
    """Remove all values before inserting them, because paths are reused."""
    taken = [(new if forward else old, _take(item, old if forward else new)) for old, new in moves]
    for path, value in taken:
        if value is not None:
            holder = item
            for key in path[:-1]:
                holder = holder.setdefault(key, {})
            holder[path[-1]] = value


def _take(item: Object, path: Path) -> Any:
    """Remove a value, and parent objects that become empty."""
    holder = _get(item, path[:-1])
    if not isinstance(holder, dict) or path[-1] not in holder:
        return None
    value = holder.pop(path[-1])
    if not holder and len(path) > 2:
        _take(item, path[:-1])
    return value


def _get(item: Object, path: Path) -> Any:
    found: Any = item
    for key in path:
        found = found.get(key) if isinstance(found, dict) else None
    return found
