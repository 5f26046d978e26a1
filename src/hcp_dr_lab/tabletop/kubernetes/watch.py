"""Watches: the changes of one kind from a revision on, as events."""

from __future__ import annotations

from collections.abc import Callable

from hcp_dr.kube.port import Event, Object, Resource
from hcp_dr_lab.tabletop.kubernetes import refusal
from hcp_dr_lab.tabletop.kubernetes.store import Change, Entry, Store


class Watch:
    """`poll` returns the events so far, and never waits. With `revision` None the watch begins with the existing
    objects. `wanted` selects objects, `shown` converts objects to the requested version. Raises Refusal (410).
    """

    def __init__(  # noqa: PLR0917 - created only by the server
        self,
        store: Store,
        resource: Resource,
        namespace: str | None,
        revision: int | None,
        wanted: Callable[[Object], bool],
        shown: Callable[[Entry], Object],
    ) -> None:
        self._store = store
        self._resource = resource
        self._kind = str(resource)
        self._namespace = namespace
        self._wanted = wanted
        self._shown = shown
        self._first = store.list(self._kind, namespace) if revision is None else []
        self.revision = store.revision if revision is None else revision
        self._check()

    def poll(self) -> list[Event]:
        """Return new events. Raises Refusal (410) if the history was compacted since the last call."""
        with self._store.lock:
            self._check()
            changes, self.revision = self._store.since(self.revision), max(self.revision, self._store.revision)
        first, self._first = self._first, []
        events = [Event("ADDED", self._shown(entry)) for entry in first if self._wanted(entry.object)]
        for change in changes:
            if change.key.kind == self._kind and self._namespace in (None, change.key.namespace):
                event = self._event(change)
                if event is not None:
                    events.append(event)
        return events

    def bookmark(self) -> Event:
        """Return a bookmark: all events so far were returned."""
        head = {"apiVersion": self._resource.api_version, "kind": self._resource.kind}
        return Event("BOOKMARK", {**head, "metadata": {"resourceVersion": str(self.revision)}})

    def _check(self) -> None:
        if self.revision < self._store.compacted:
            raise refusal.expired(f"too old resource version: {self.revision} ({self._store.compacted})")

    def _event(self, change: Change) -> Event | None:
        was = change.before is not None and self._wanted(change.before.object)
        now = change.after is not None and self._wanted(change.after.object)
        if now and change.after is not None:
            return Event("MODIFIED" if was else "ADDED", self._shown(change.after))
        if was and change.before is not None:
            gone = self._shown(change.before)
            metadata = {**gone["metadata"], "resourceVersion": str(change.revision)}
            return Event("DELETED", {**gone, "metadata": metadata})
        return None


def revision_of(resource_version: str) -> int | None:
    """Return None for "" and "0": the watch begins with the existing objects."""
    if resource_version in ("", "0"):
        return None
    if not resource_version.isdigit():
        why = f'strconv.ParseUint: parsing "{resource_version}": invalid syntax'
        raise refusal.internal_plain(f'resourceVersion: Invalid value: "{resource_version}": {why}')
    return int(resource_version)
