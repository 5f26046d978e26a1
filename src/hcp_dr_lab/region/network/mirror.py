"""The objects of one kind in one cluster, kept up to date in a thread by list and watch.

While the API server is unavailable the last known objects stay: DNS and load balancing keep working, as in reality.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from hcp_dr.errors import Expired, HcpDrError, NotFound
from hcp_dr.kube.port import Kubernetes, Object, Resource

WATCH_SECONDS = 60.0
PAUSE_SECONDS = 1.0

log = logging.getLogger(__name__)


class Mirror:
    """Starts at once. `changed` is called in the mirror's thread after every change."""

    def __init__(self, cluster: Kubernetes, resource: Resource, changed: Callable[[], None]) -> None:
        self._cluster = cluster
        self._resource = resource
        self._changed = changed
        self._objects: dict[tuple[str, str], Object] = {}
        self._lock = threading.Lock()
        threading.Thread(target=self._follow, name=f"mirror {cluster.name} {resource}", daemon=True).start()

    def objects(self) -> tuple[Object, ...]:
        with self._lock:
            return tuple(self._objects.values())

    def _follow(self) -> None:
        version, reported = None, ""
        while True:
            try:
                version = self._list() if version is None else self._watch(version)
                reported = ""
            except Expired:
                version = None
            except HcpDrError as error:
                version = None
                if str(error) != reported and not isinstance(error, NotFound):
                    reported = str(error)
                    log.warning("%s", reported)
                time.sleep(PAUSE_SECONDS)

    def _list(self) -> str:
        listing = self._cluster.list(self._resource)
        with self._lock:
            self._objects = {_key(item): item for item in listing.items}
        self._changed()
        return listing.resource_version

    def _watch(self, version: str) -> str:
        for event in self._cluster.watch(self._resource, resource_version=version, seconds=WATCH_SECONDS):
            version = event.object["metadata"]["resourceVersion"]
            if event.type == "BOOKMARK":
                continue
            with self._lock:
                if event.type == "DELETED":
                    self._objects.pop(_key(event.object), None)
                else:
                    self._objects[_key(event.object)] = event.object
            self._changed()
        return version


def _key(item: Object) -> tuple[str, str]:
    return item["metadata"].get("namespace", ""), item["metadata"]["name"]
