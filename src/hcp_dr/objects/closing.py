"""The closing check of what is carried: all that was found is in the backup, all that is in the backup is restored, and
whatever is not has a reason that can be told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable

from hcp_dr.kube.port import Object
from hcp_dr.objects.archive import Entry
from hcp_dr.objects.reading import name_of, namespace_of, some
from hcp_dr.objects.select import control_plane_config_maps, travels

Place = tuple[str, str | None, str]  # kind, namespace, name

NOT_CARRIED = {
    "MachineHealthCheck": "made anew by the HyperShift operator",
    "ConfigMap": "made anew by the control plane: it goes into no NodePool's configuration",
    "Secret": "made anew for its service account",
}
NOT_RESTORED = {"HostedControlPlane": "left to the operator, which builds it from the HostedCluster"}


def place_of(item: Object) -> Place:
    return (item["kind"], namespace_of(item), name_of(item))


def why_not_carried(item: Object) -> str | None:
    """Of an object of the control plane namespace that was not chosen; None where nothing says why."""
    kind = item["kind"]
    if (kind == "Secret" and travels(item)) or (kind == "ConfigMap" and control_plane_config_maps((item,))):
        return None
    return NOT_CARRIED.get(kind)


def unaccounted(aside: Iterable[Object]) -> tuple[str, ...]:
    """What was not chosen and has no reason: it would neither be carried nor stay."""
    return tuple(f"{item['kind']} {name_of(item)}" for item in aside if why_not_carried(item) is None)


def unwritten(found: Iterable[Object], entries: Iterable[Entry]) -> tuple[str, ...]:
    """What was found and is not in the backup."""
    written = {(entry.kind, entry.namespace, entry.name) for entry in entries}
    return tuple(f"{item['kind']} {name_of(item)}" for item in found if place_of(item) not in written)


def unrestored(entries: Iterable[Entry], there: Container[Place]) -> tuple[str, ...]:
    """What is in the backup, has to be restored, and is not there."""
    return tuple(
        f"{entry.kind} {entry.name}"
        for entry in entries
        if entry.kind not in NOT_RESTORED and (entry.kind, entry.namespace, entry.name) not in there
    )


def told(kinds: Iterable[tuple[str, str]]) -> str:
    """So many of each kind and why, from pairs of kind and reason; for a finding."""
    counts = Counter(kinds)
    return "; ".join(f"{count} {kind} ({reason})" for (kind, reason), count in sorted(counts.items()))


def told_not_carried(aside: Iterable[Object]) -> str:
    return told((item["kind"], why_not_carried(item) or "for no known reason") for item in aside)


def told_restored(entries: Iterable[Entry], missing: tuple[str, ...]) -> str:
    entries = tuple(entries)
    left = [(entry.kind, NOT_RESTORED[entry.kind]) for entry in entries if entry.kind in NOT_RESTORED]
    text = f"{len(entries) - len(left) - len(missing)} of {len(entries) - len(left)} objects of the backup are there"
    text += f"; left out: {told(left)}" if left else ""
    return text + (f"; missing: {some(missing)}" if missing else "")
