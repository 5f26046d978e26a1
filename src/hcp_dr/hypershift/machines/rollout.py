"""The inputs of a NodePool's configuration that differ between the destination and the backup, for a pool whose
operator reports a future rollout (rule A9, the inputs of the hash: NP/config.go, NP/token.go)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from hcp_dr.engine.journal import RunState
from hcp_dr.hypershift import inventory
from hcp_dr.hypershift.backup_objects import Restorable, differing_keys
from hcp_dr.hypershift.machines import operator_build
from hcp_dr.hypershift.source_loss import is_lost
from hcp_dr.kube.port import Object
from hcp_dr.kube.resources import CONFIG_MAP, HOSTED_CLUSTER, NODE_POOL
from hcp_dr.model import Case, Ports
from hcp_dr.objects.difference import merge_patch
from hcp_dr.objects.reading import annotations_of, condition, dig, name_of
from hcp_dr.objects.select import control_plane_config_maps
from hcp_dr.upstream import (
    CANONICAL_IMAGES,
    CURRENT_CONFIG,
    CURRENT_CONFIG_VERSION,
    HAPROXY_IMAGE,
    UPDATING_CONFIG,
    UPDATING_MACHINE_TEMPLATE,
    UPDATING_VERSION,
)

_OF_THE_RELOCATION = ("spec.pausedUntil", "spec.etcd.managed.storage.restoreSnapshotURL", "spec.replicas")
"""Fields that differ because of the relocation, and are not part of any hash."""
_ANNOTATIONS = (
    HAPROXY_IMAGE,
    CANONICAL_IMAGES,
    CURRENT_CONFIG,
    CURRENT_CONFIG_VERSION,
)
"""The operator takes images from these, or compares them."""


def differing(ports: Ports, case: Case, memory: RunState, backup: Iterable[Restorable]) -> tuple[str, ...]:
    """By object and field; never a value, because it may be secret. Raises the ports' errors."""
    differences: list[str] = []
    config_maps = []
    for item in backup:
        if item.entry.kind == CONFIG_MAP.kind:
            config_maps.append(item)
        if item.entry.kind in (CONFIG_MAP.kind, HOSTED_CLUSTER.kind, NODE_POOL.kind):
            differences += _compare_object(ports, item)
    differences += _added(ports, case, config_maps)
    if not is_lost(memory):
        same, difference = operator_build.compare(*map(operator_build.read_build, (ports.source, ports.destination)))
        differences += [] if same else [f"the HyperShift operator: {difference}"]
    return tuple(differences)


def _compare_object(ports: Ports, item: Restorable) -> Iterator[str]:
    entry = item.entry
    named = f"{entry.kind} {entry.namespace}/{entry.name}"
    existing = ports.destination.find(inventory.RESOURCES[entry.kind], entry.name, entry.namespace)
    if existing is None:
        yield f"{named} is missing"
        return
    fields = (
        (f"data.{key}" for key in differing_keys(item.body, existing))
        if entry.kind == CONFIG_MAP.kind
        else _leaves(merge_patch(_inputs(existing), _inputs(item.body)))
    )
    changed = [field for field in fields if field not in _OF_THE_RELOCATION]
    if changed:
        yield f"{named}: {', '.join(changed)}"


def _inputs(item: Object) -> dict[str, Any]:
    marks = {key: value for key, value in annotations_of(item).items() if key in _ANNOTATIONS}
    parts: dict[str, Any] = {"spec": item.get("spec") or {}, "annotations": marks}
    if item.get("kind") == NODE_POOL.kind:
        parts["status"] = {"version": dig(item, "status", "version")}
    return parts


def _leaves(patch: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Paths of the changed fields."""
    for key, value in sorted(patch.items()):
        below = f"{path}.{key}" if path else key
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, below)
        else:
            yield below


def _added(ports: Ports, case: Case, wanted: Iterable[Restorable]) -> Iterator[str]:
    """ConfigMaps of the control plane namespace that are part of the hash, but not in the backup."""
    names = {item.entry.name for item in wanted if item.entry.namespace == case.control_plane_namespace}
    existing = control_plane_config_maps(ports.destination.list(CONFIG_MAP, case.control_plane_namespace).items)
    for item in existing:
        if name_of(item) not in names:
            yield f"ConfigMap {case.control_plane_namespace}/{name_of(item)} is not in the backup"


_ROLLING = (UPDATING_CONFIG, UPDATING_VERSION, UPDATING_MACHINE_TEMPLATE)


def rolling(pool: Object) -> tuple[str, ...]:
    """The conditions of a NodePool that report an update."""
    return tuple(kind for kind in _ROLLING if condition(pool, kind) == "True")
