"""The owner references between the carried objects, and the same references to the owners on the destination."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hcp_dr.kube.port import Object
from hcp_dr.objects.reading import uid_of


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


def relink(item: Object, owners: Iterable[Owner], there: Mapping[tuple[str, str], Object]) -> Object | None:
    """A copy of the object with references to the owners on the destination, which are in `there`; None while one of
    them is missing. A reference has the API version of the owner there: an API server refuses to block the deletion of
    an owner in a version that it does not serve.

    All references or none: with a stale or missing controller reference a MachineSet creates new machines (rule A5)."""
    references = []
    for owner in owners:
        found = there.get(owner.key)
        if found is None:
            return None
        reference: dict[str, object] = {
            "apiVersion": found["apiVersion"],
            "kind": owner.kind,
            "name": owner.name,
            "uid": uid_of(found),
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
