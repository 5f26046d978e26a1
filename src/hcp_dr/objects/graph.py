"""The owner references between the carried objects, and the same references with the destination's uids."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hcp_dr.kube.port import Object


@dataclass(frozen=True, slots=True, order=True)
class Owner:
    """One owner reference without the uid, because uids differ between clusters. Within a control plane a kind and a
    name are unique."""

    api_version: str
    kind: str
    name: str
    controller: bool
    block_owner_deletion: bool

    @property
    def key(self) -> tuple[str, str]:
        return (self.kind, self.name)


def owners_of(item: Object) -> tuple[Owner, ...]:
    return tuple(
        Owner(
            str(reference.get("apiVersion") or ""),
            str(reference.get("kind") or ""),
            str(reference.get("name") or ""),
            bool(reference.get("controller")),
            bool(reference.get("blockOwnerDeletion")),
        )
        for reference in item["metadata"].get("ownerReferences") or ()
    )


def relink(item: Object, owners: Iterable[Owner], uids: Mapping[tuple[str, str], str]) -> Object | None:
    """A copy of the object with references to the destination's owners; None while the uid of an owner is unknown.

    All references or none: with a stale or missing controller reference a MachineSet creates new machines (rule A5)."""
    references = []
    for owner in owners:
        uid = uids.get(owner.key)
        if uid is None:
            return None
        reference: dict[str, object] = {
            "apiVersion": owner.api_version,
            "kind": owner.kind,
            "name": owner.name,
            "uid": uid,
        }
        if owner.controller:
            reference["controller"] = True
        if owner.block_owner_deletion:
            reference["blockOwnerDeletion"] = True
        references.append(reference)
    linked = copy.deepcopy(item)
    if references:
        linked["metadata"]["ownerReferences"] = references
    return linked
