"""The final check of a relocation's objects: each selected object is in the backup, each object of the backup is
restored, and each exception has a known reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable

from hcp_dr.kube.port import Object
from hcp_dr.objects.archive import Entry
from hcp_dr.objects.reading import name_of, namespace_of, some
from hcp_dr.objects.select import control_plane_config_maps, travels

Place = tuple[str, str | None, str]  # kind, namespace, name

NOT_CARRIED = {
    "MachineHealthCheck": "recreated by the HyperShift operator",
    "ConfigMap": "recreated by the control plane: not part of a NodePool's configuration",
    "Secret": "recreated for its service account",
}
NOT_RESTORED = {"HostedControlPlane": "created by the HyperShift operator from the HostedCluster"}


def place_of(item: Object) -> Place:
    return (item["kind"], namespace_of(item), name_of(item))


def why_not_carried(item: Object) -> str | None:
    """The reason for not carrying an object of the control plane namespace; None if there is no known reason."""
    kind = item["kind"]
    if (kind == "Secret" and travels(item)) or (kind == "ConfigMap" and control_plane_config_maps((item,))):
        return None
    return NOT_CARRIED.get(kind)


def unaccounted(aside: Iterable[Object]) -> tuple[str, ...]:
    """The objects that were not selected without a known reason: they would be lost."""
    return tuple(f"{item['kind']} {name_of(item)}" for item in aside if why_not_carried(item) is None)


def unwritten(selected: Iterable[Object], entries: Iterable[Entry]) -> tuple[str, ...]:
    """The selected objects that are not in the backup."""
    written = {(entry.kind, entry.namespace, entry.name) for entry in entries}
    return tuple(f"{item['kind']} {name_of(item)}" for item in selected if place_of(item) not in written)


def unrestored(entries: Iterable[Entry], existing: Container[Place]) -> tuple[str, ...]:
    """The objects of the backup that must be restored and do not exist on the destination."""
    return tuple(
        f"{entry.kind} {entry.name}"
        for entry in entries
        if entry.kind not in NOT_RESTORED and (entry.kind, entry.namespace, entry.name) not in existing
    )


def describe_counts(kinds: Iterable[tuple[str, str]]) -> str:
    """The number of each kind with its reason, from pairs of kind and reason; for a check."""
    counts = Counter(kinds)
    return "; ".join(f"{count} {kind} ({reason})" for (kind, reason), count in sorted(counts.items()))


def describe_not_carried(aside: Iterable[Object]) -> str:
    return describe_counts((item["kind"], why_not_carried(item) or "for no known reason") for item in aside)


def describe_restored(entries: Iterable[Entry], missing: tuple[str, ...]) -> str:
    entries = tuple(entries)
    left_out = [(entry.kind, NOT_RESTORED[entry.kind]) for entry in entries if entry.kind in NOT_RESTORED]
    total = len(entries) - len(left_out)
    text = f"{total - len(missing)} of {total} objects of the backup are on the destination"
    text += f"; left out: {describe_counts(left_out)}" if left_out else ""
    return text + (f"; missing: {some(missing)}" if missing else "")
