"""The objects to restore, and their comparison with the objects on the destination."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from hcp_dr.engine.step import Create, Decision, Delete, Do, Done, Refuse
from hcp_dr.errors import RESUME, ArchiveError, NotOurs
from hcp_dr.hypershift import inventory, steps
from hcp_dr.kube.port import Kubernetes, Object
from hcp_dr.kube.resources import CONFIG_MAP, HOSTED_CLUSTER, NODE_POOL, SECRET
from hcp_dr.model import PREPARED_ANNOTATION, RELOCATION_ANNOTATION, Case, Ports
from hcp_dr.objects import difference
from hcp_dr.objects.archive import Entry, page, read_manifest, read_objects
from hcp_dr.objects.reading import annotations_of, dig, name_of, uid_of
from hcp_dr.objects.scrub import scrub
from hcp_dr.objects.select import is_token_secret


@dataclass(frozen=True, slots=True)
class Restorable:
    """An object of the backup and its entry in the manifest."""

    entry: Entry
    body: Object


def to_restore(ports: Ports, case: Case) -> tuple[Restorable, ...]:
    """The objects in the backup folder; before the export, the objects to export, so that a plan can be made. Raises
    ArchiveError if the folder belongs to another hosted cluster."""
    manifest = read_manifest(ports.archive)
    if manifest is None:
        live = (item for item in inventory.read_inventory(ports.source, case) if item["kind"] in inventory.RESOURCES)
        return tuple(Restorable(page(item).entry, scrub(item)) for item in live)
    objects = read_objects(ports.archive, manifest.entries)
    for entry, body in objects.items():
        owner = {HOSTED_CLUSTER.kind: entry.name, NODE_POOL.kind: dig(body, "spec", "clusterName")}.get(entry.kind)
        if owner not in (None, case.name):
            reason = f"{entry.file} belongs to HostedCluster {case.namespace}/{owner}, not to {case.name}"
            raise ArchiveError(folder=ports.archive.folder, reason=reason, todo="Use the folder of its own backup.")
    # Files made by hand still have the fields set by the source; ours are already scrubbed.
    return tuple(Restorable(entry, scrub(body)) for entry, body in objects.items())


def hosted_cluster_to_restore(ports: Ports, case: Case) -> Object:
    """Raises ArchiveError if the backup has none."""
    bodies = (item.body for item in to_restore(ports, case) if item.entry.kind == HOSTED_CLUSTER.kind)
    body = next(bodies, None)
    if body is None:
        raise ArchiveError(folder=ports.archive.folder, reason="it has no HostedCluster")
    return body


def existing(cluster: Kubernetes, wanted: Iterable[Restorable]) -> dict[tuple[str, str], Object]:
    """The wanted objects that exist in the cluster, by kind and name."""
    kinds = {(item.entry.kind, item.entry.namespace) for item in wanted}
    return {
        (kind, name_of(found)): found
        for kind, namespace in sorted(kinds, key=str)
        for found in cluster.list(inventory.RESOURCES[kind], namespace).items
    }


def inputs_to_restore(ports: Ports, case: Case) -> tuple[Restorable, ...]:
    """The Secrets and ConfigMaps that the HostedCluster and the NodePools reference."""
    return tuple(
        item
        for item in to_restore(ports, case)
        if item.entry.namespace == case.namespace and item.entry.kind in ("Secret", "ConfigMap")
    )


@dataclass(frozen=True, slots=True)
class Lacking:
    """An object of the backup that another client deleted from the destination, or changed there, and the step that
    restores it."""

    step: str
    words: str


def list_lacking(ports: Ports, case: Case) -> tuple[Lacking, ...]:
    """The control plane generates a missing Secret, such as an authority that no node trusts, and a machine object that
    is missing cannot be adopted. The HostedCluster itself is compared by the caller."""
    wanted = [(step, item) for item in to_restore(ports, case) if (step := _step_of(item, case))]
    kinds = {(item.entry.kind, item.entry.namespace) for _, item in wanted}
    found = {
        (kind, namespace, name_of(each)): each
        for kind, namespace in sorted(kinds, key=str)
        for each in ports.destination.list(inventory.RESOURCES[kind], namespace).items
    }
    lacking = []
    for step, item in wanted:
        entry = item.entry
        present = found.get((entry.kind, entry.namespace, entry.name))
        if present is None:
            lacking.append(Lacking(step, f"{entry.kind} {entry.name}"))
        elif entry.kind in _DATA and not is_token_secret(item.body) and differing_keys(item.body, present):
            lacking.append(Lacking(step, f"{entry.kind} {entry.name} (its data was changed)"))
    return tuple(lacking)


_DATA = (SECRET.kind, CONFIG_MAP.kind)
_MACHINERY = frozenset(resource.kind for resource in inventory.MACHINERY)


def _step_of(item: Restorable, case: Case) -> str | None:
    """The step that restores the object, if the HostedCluster on the destination is there already."""
    kind, namespace = item.entry.kind, item.entry.namespace
    if kind == NODE_POOL.kind or (kind in _DATA and is_token_secret(item.body)):
        return steps.RESTORE_NODE_POOLS
    if kind in _MACHINERY:
        return steps.RESTORE_MACHINES
    if kind not in _DATA:
        return None
    own = {case.namespace: steps.RESTORE_HOSTED_CLUSTER_INPUTS}
    own[case.control_plane_namespace] = steps.RESTORE_CONTROL_PLANE_SECRETS
    return own.get(str(namespace))


def marked(body: Object, backup_id: str, **annotations: str) -> Object:
    """A copy with the annotation of its relocation, so that hcp-dr recognizes its own objects later."""
    meta = body["metadata"]
    added = {**annotations_of(body), RELOCATION_ANNOTATION: backup_id, **annotations}
    return {**body, "metadata": {**meta, "annotations": added}}


def is_ours(found: Object, backup_id: str) -> bool:
    return annotations_of(found).get(RELOCATION_ANNOTATION) == backup_id


def is_prepared(found: Object) -> bool:
    """Whether an administrator created it for a relocation, with its roles, and no relocation has taken it."""
    marks = annotations_of(found)
    return PREPARED_ANNOTATION in marks and RELOCATION_ANNOTATION not in marks


def differing_keys(wanted: Object, found: Object) -> tuple[str, ...]:
    """Keys of data whose values differ; the values are not shown, because they may be secret."""
    return difference.differing_keys(wanted.get("data") or {}, found.get("data") or {})


def differences(wanted: Object, found: Object) -> tuple[str, ...]:
    """The differences in the data of two Secrets or ConfigMaps, for display."""
    lines = wanted["kind"] == CONFIG_MAP.kind
    return difference.describe_differences(wanted.get("data") or {}, found.get("data") or {}, lines=lines)


@dataclass(frozen=True, slots=True)
class DataFacts:
    """Secrets and ConfigMaps to restore, and those already on the destination."""

    backup_id: str
    wanted: tuple[Restorable, ...]
    found: Mapping[tuple[str, str], Object]

    def foreign(self) -> NotOurs | None:
        """The refusal for an existing object with other content: hcp-dr never overwrites it."""
        for item in self.wanted:
            found = self.found.get(item.entry.key)
            places = differences(item.body, found) if found is not None else ()
            if places:
                entry = item.entry
                return NotOurs(
                    what=(
                        f"{entry.kind} {entry.namespace}/{entry.name} on the destination has other content "
                        f"({'; '.join(places)})."
                    ),
                    left="It was not touched.",
                    todo=f"Find its owner; remove or rename it if that is safe, then run {RESUME}.",
                )
        return None

    def outdated(self) -> tuple[Delete, ...]:
        """The objects of this relocation whose content has changed since: they are created again."""
        return tuple(
            Delete("destination", inventory.RESOURCES[entry.kind], entry.name, entry.namespace, uid_of(found))
            for item in self.wanted
            if (found := self.found.get((entry := item.entry).key)) is not None
            and is_ours(found, self.backup_id)
            and differing_keys(item.body, found)
        )

    def missing(self) -> tuple[Create, ...]:
        return tuple(
            Create("destination", inventory.RESOURCES[item.entry.kind], marked(item.body, self.backup_id))
            for item in self.wanted
            if item.entry.key not in self.found
        )

    def completed(self) -> dict[tuple[str, str], Object]:
        """`found` as if every missing object was created."""
        return {**{item.entry.key: item.body for item in self.wanted}, **self.found}


def plan_missing(facts: DataFacts) -> Decision:
    foreign = facts.foreign()
    if foreign is not None:
        return Refuse(foreign)
    actions = facts.missing()
    return Do(actions) if actions else Done(f"{len(facts.wanted)} inputs exist")


def after_missing(facts: DataFacts, decision: Decision) -> DataFacts:
    return replace(facts, found=facts.completed())
