"""Parts of kube-controller-manager: garbage collector, namespace controller, volume protection, and default objects of
namespaces. Simulated round by round.
"""

from __future__ import annotations

import contextlib
import copy

from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Object, Propagation, Resource
from hcp_dr_lab.tabletop.kubernetes import custom
from hcp_dr_lab.tabletop.kubernetes.kinds import dig
from hcp_dr_lab.tabletop.kubernetes.refusal import Refusal
from hcp_dr_lab.tabletop.kubernetes.server import FOREGROUND, ORPHAN, ApiServer
from hcp_dr_lab.tabletop.kubernetes.store import Entry, Key

MANAGER = "kube-controller-manager"
_FURNITURE: tuple[tuple[Resource, str, Object], ...] = (
    (r.SERVICE_ACCOUNT, "default", {}),
    (
        r.CONFIG_MAP,
        "kube-root-ca.crt",
        {"data": {"ca.crt": "-----BEGIN CERTIFICATE-----\nrehearsal\n-----END CERTIFICATE-----\n"}},
    ),
)
_CLAIM_IN_USE, _VOLUME_IN_USE = "kubernetes.io/pvc-protection", "kubernetes.io/pv-protection"


def collect(server: ApiServer) -> bool:
    """Run a round; return whether anything changed. Rounds until False reach the final state of the controllers."""
    with server.store.lock:
        before = server.store.revision
        _Round(server).play()
        return server.store.revision != before


class _Round:
    """One round over all objects. Refused changes are repeated in the next round."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server
        self._store = server.store
        self._resources = {kind.key: kind.resource for kind in server.every_kind()}
        self._served = {(resource.group, resource.kind) for resource in self._resources.values()}
        self._present: dict[str, Entry] = {}
        self._dependents: dict[str, list[Entry]] = {}
        self._owned: list[Entry] = []
        self._going: list[Entry] = []
        for entry in (entry for key in self._resources for entry in self._store.list(key)):
            metadata = entry.object["metadata"]
            self._present[metadata["uid"]] = entry
            if "deletionTimestamp" in metadata:
                self._going.append(entry)
            if metadata.get("ownerReferences"):
                self._owned.append(entry)
                for reference in metadata["ownerReferences"]:
                    self._dependents.setdefault(reference["uid"], []).append(entry)

    def play(self) -> None:
        for entry in self._going:
            self._let_go(entry)
        for entry in self._owned:
            if not _going(entry):
                self._judge(entry)
        for space in self._store.list("namespaces"):
            if _going(space):
                self._empty(space)
            else:
                self._furnish(space.key.name)
        for definition in self._store.list(custom.DEFINITIONS):
            if _held(definition, custom.CLEANUP):
                self._empty_kind(definition)
        self._release_volumes()

    # The garbage collector

    def _let_go(self, owner: Entry) -> None:
        """Remove an owner that was deleted with a policy, as soon as the policy is fulfilled."""
        finalizers = owner.object["metadata"].get("finalizers") or ()
        uid = owner.object["metadata"]["uid"]
        dependents = [self._store.get(entry.key) for entry in self._dependents.get(uid, ())]
        left = [entry for entry in dependents if entry is not None]
        if ORPHAN in finalizers:
            for entry in left:
                self._disown(entry, {uid})
            self._drop_finalizer(owner, ORPHAN)
        elif FOREGROUND in finalizers and not any(_blocks(entry, uid) for entry in left):
            self._drop_finalizer(owner, FOREGROUND)

    def _judge(self, entry: Entry) -> None:
        """Delete an object without remaining owners; otherwise remove its references to missing owners."""
        if self._store.get(entry.key) is None:
            return
        solid, waiting, gone = False, set(), set()
        for reference in _owners(entry):
            owner = self._present.get(reference["uid"])
            group = reference["apiVersion"].rpartition("/")[0]
            if (group, reference["kind"]) not in self._served:
                return  # an owner of an unknown kind may exist
            if not _owns(owner, reference, entry):
                gone.add(reference["uid"])
            elif owner is not None and _waits(owner):
                waiting.add(reference["uid"])
            else:
                solid = True
        if solid:
            if gone | waiting:
                self._disown(entry, gone | waiting)
            return
        finalizers = entry.object["metadata"].get("finalizers") or ()
        policy: Propagation = "Background"
        if (waiting and self._dependents.get(entry.object["metadata"]["uid"])) or FOREGROUND in finalizers:
            policy = "Foreground"
        elif ORPHAN in finalizers:
            policy = "Orphan"
        self._delete(entry, policy)

    def _disown(self, entry: Entry, uids: set[str]) -> None:
        left = [reference for reference in _owners(entry) if reference["uid"] not in uids]
        self._patch(entry, {"ownerReferences": left or None})

    def _drop_finalizer(self, entry: Entry, finalizer: str) -> None:
        left = [word for word in entry.object["metadata"].get("finalizers") or () if word != finalizer]
        self._patch(entry, {"finalizers": left or None})

    # Namespaces

    def _empty(self, space: Entry) -> None:
        """Delete the content first, then the finalizer and thereby the namespace."""
        for entry in self._content(space):
            if not _going(entry):
                self._delete(entry, "Background")
        finalizers = dig(space.object, ("spec", "finalizers"), ())
        if "kubernetes" in finalizers and not self._content(space):
            self._server.finalize(space.key.name, [word for word in finalizers if word != "kubernetes"])

    def _content(self, space: Entry) -> list[Entry]:
        kinds = [key for key, resource in self._resources.items() if resource.namespaced]
        return [entry for kind in kinds for entry in self._store.list(kind, space.key.name)]

    def _furnish(self, namespace: str) -> None:
        """Create a namespace's two default objects, which searches for foreign objects must ignore."""
        for resource, name, parts in _FURNITURE:
            if self._store.get(Key(resource.plural, namespace, name)) is None:
                body = {"metadata": {"name": name, "namespace": namespace}, **parts}
                with contextlib.suppress(Refusal):
                    self._server.create(resource, namespace, copy.deepcopy(body), manager=MANAGER)

    # Kinds

    def _empty_kind(self, definition: Entry) -> None:
        entries = self._store.list(definition.key.name)
        for entry in entries:
            if not _going(entry):
                self._delete(entry, "Background")
        if not self._store.list(definition.key.name):
            self._drop_finalizer(definition, custom.CLEANUP)

    # Volumes

    def _release_volumes(self) -> None:
        for claim in self._store.list("persistentvolumeclaims"):
            if _held(claim, _CLAIM_IN_USE) and not self._mounted(claim):
                self._drop_finalizer(claim, _CLAIM_IN_USE)
        for volume in self._store.list("persistentvolumes"):
            if _held(volume, _VOLUME_IN_USE) and dig(volume.object, ("status", "phase")) != "Bound":
                self._drop_finalizer(volume, _VOLUME_IN_USE)

    def _mounted(self, claim: Entry) -> bool:
        volumes = [
            volume
            for pod in self._store.list("pods", claim.key.namespace)
            for volume in pod.object["spec"].get("volumes") or ()
        ]
        return any(dig(volume, ("persistentVolumeClaim", "claimName")) == claim.key.name for volume in volumes)

    # Writing

    def _delete(self, entry: Entry, propagation: Propagation) -> None:
        resource, place = self._resources[entry.key.kind], (entry.key.namespace or None, entry.key.name)
        with contextlib.suppress(Refusal):
            self._server.delete(resource, *place, uid=entry.object["metadata"]["uid"], propagation=propagation)

    def _patch(self, entry: Entry, metadata: Object) -> None:
        resource, place = self._resources[entry.key.kind], (entry.key.namespace or None, entry.key.name)
        with contextlib.suppress(Refusal):
            self._server.patch(resource, *place, {"metadata": metadata}, manager=MANAGER)


def _owners(entry: Entry) -> list[Object]:
    return entry.object["metadata"].get("ownerReferences") or []


def _owns(owner: Entry | None, reference: Object, entry: Entry) -> bool:
    """Return whether the entry is the reference's owner: in the same namespace or cluster-scoped, with the same
    name."""
    return (
        owner is not None and owner.key.namespace in ("", entry.key.namespace) and owner.key.name == reference["name"]
    )


def _blocks(entry: Entry, uid: str) -> bool:
    return any(reference["uid"] == uid and reference.get("blockOwnerDeletion") for reference in _owners(entry))


def _going(entry: Entry) -> bool:
    return "deletionTimestamp" in entry.object["metadata"]


def _held(entry: Entry, finalizer: str) -> bool:
    return _going(entry) and finalizer in (entry.object["metadata"].get("finalizers") or ())


def _waits(owner: Entry) -> bool:
    return _held(owner, FOREGROUND)
