"""The objects of one cluster, kept up to date by watches, for reading without requests.

Responses to this process's own changes are added immediately, so that a role never decides on a state older than its
own last change. Objects are never modified in place, so a copy of the index is a snapshot.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from hcp_dr import errors
from hcp_dr.kube.port import Kubernetes, Object, Resource
from hcp_dr_lab.standin.view import Key

_LOG = logging.getLogger(__name__)
_WATCH_SECONDS = 240.0
_PAUSE_SECONDS = 1.0

Objects = dict[Resource, dict[Key, Object]]


class Cache:
    """`changed` is set after every change; `stop` ends the watches soon."""

    def __init__(self, cluster: Kubernetes, resources: Sequence[Resource]) -> None:
        self._cluster = cluster
        self._lock = threading.Lock()
        self._objects: Objects = {resource: {} for resource in resources}
        self._missing = set(resources)
        self._gone: set[str] = set()  # UIDs of deleted objects: a late response must not add them again
        self.changed = threading.Event()
        self.stop = threading.Event()

    def start(self) -> None:
        for resource in self._objects:
            name = f"watch {resource}"
            threading.Thread(target=self._follow, args=(resource,), name=name, daemon=True).start()

    def complete(self) -> bool:
        """Return whether every kind was listed once."""
        with self._lock:
            return not self._missing

    def snapshot(self) -> Objects:
        with self._lock:
            return {resource: dict(found) for resource, found in self._objects.items()}

    def put(self, resource: Resource, item: Object) -> None:
        """Add an object from a response of the API server; a state older than the known state is ignored."""
        with self._lock:
            found = self._objects.get(resource)
            if found is None or item["metadata"]["uid"] in self._gone:
                return
            if not _newer(found.get(_key(item)), item):
                found[_key(item)] = item

    def drop(self, resource: Resource, item: Object) -> None:
        with self._lock:
            found = self._objects[resource]
            self._gone.add(item["metadata"]["uid"])
            if not _newer(found.get(_key(item)), item):
                found.pop(_key(item), None)

    def _follow(self, resource: Resource) -> None:
        version = ""
        while not self.stop.is_set():
            try:
                version = self._step(resource, version)
            except errors.Expired:
                version = ""
            except errors.HcpDrError as error:
                _LOG.debug("watch %s: %s", resource, error)
                version = ""
                self.stop.wait(_PAUSE_SECONDS)

    def _step(self, resource: Resource, version: str) -> str:
        """List if no version is known, then watch until the watch ends. Return the version for the next watch."""
        if not version:
            listing = self._cluster.list(resource)
            with self._lock:
                self._objects[resource] = {_key(item): item for item in listing.items}
                self._missing.discard(resource)
            self.changed.set()
            version = listing.resource_version
        for event in self._cluster.watch(resource, resource_version=version, seconds=_WATCH_SECONDS):
            version = event.object["metadata"]["resourceVersion"]
            if event.type == "BOOKMARK":
                continue
            item = {"apiVersion": resource.api_version, "kind": resource.kind, **event.object}
            act: Callable[[Resource, Object], None] = self.drop if event.type == "DELETED" else self.put
            act(resource, item)
            self.changed.set()
        return version


def _key(item: Object) -> Key:
    return item["metadata"].get("namespace"), item["metadata"]["name"]


def _newer(known: Object | None, than: Object) -> bool:
    if known is None:
        return False
    return int(known["metadata"]["resourceVersion"]) > int(than["metadata"]["resourceVersion"])
