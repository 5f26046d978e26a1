"""etcd as used by the API server: objects under keys, one revision for the whole store, and the history of changes.

Values are stored as bytes and as one immutable parsed object, so reads are fast copies and clones of the store share
everything.
"""

from __future__ import annotations

import bisect
import builtins
import hashlib
import marshal
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

_FORMAT = 1
_HASH_LENGTH = hashlib.sha256().digest_size


class CorruptSnapshot(ValueError):
    """The bytes are not a complete snapshot: their hash differs from the hash at the end."""


class Key(NamedTuple):
    """`kind` is str(Resource), like secrets or routes.route.openshift.io; namespace "" for cluster-scoped kinds."""

    kind: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One key at one revision. `object` is shared and must not be modified; `copy` returns a private copy."""

    key: Key
    created: int
    revision: int
    value: bytes
    object: Any

    def copy(self) -> Any:
        return self.unpacked(self.value)

    @staticmethod
    def unpacked(value: bytes) -> Any:
        return marshal.loads(value)  # noqa: S302 - bytes of this process, or verified by hash


@dataclass(frozen=True, slots=True)
class Change:
    """The change of a key at a revision: put (`after`) or deleted (`after` is None)."""

    revision: int
    key: Key
    before: Entry | None
    after: Entry | None


@dataclass(frozen=True, slots=True)
class Summary:
    """The output of `etcdutl snapshot status`. `hash` covers keys and values, `size` is in bytes."""

    hash: int
    revision: int
    keys: int
    size: int


class Store:
    """Safe for several threads; hold `lock` for atomic operations (it is reentrant)."""

    def __init__(
        self,
        revision: int = 1,
        compacted: int = 0,
        kinds: dict[str, dict[str, dict[str, Entry]]] | None = None,
        history: Sequence[Change] = (),
    ) -> None:
        self.lock = threading.RLock()
        self._changed = threading.Condition(self.lock)
        self._calls = 0
        self._revision = revision
        self._compacted = compacted
        self._kinds = {} if kinds is None else kinds
        self._references: Counter[str] = Counter()  # number of references to an owner, by the owner's UID
        for spaces in self._kinds.values():
            for names in spaces.values():
                for entry in names.values():
                    self._count(entry, 1)
        self._lists: dict[str, dict[str | None, list[Entry]]] = {}  # results of `list`, until the kind changes
        self._history = list(history)

    @property
    def revision(self) -> int:
        """The last revision; incremented by every change of any key."""
        return self._revision

    @property
    def compacted(self) -> int:
        """The history up to and including this revision is gone."""
        return self._compacted

    def __len__(self) -> int:
        with self.lock:
            return sum(len(names) for spaces in self._kinds.values() for names in spaces.values())

    def get(self, key: Key) -> Entry | None:
        spaces = self._kinds.get(key.kind)
        names = spaces.get(key.namespace) if spaces else None
        return names.get(key.name) if names else None

    def list(self, kind: str, namespace: str | None = None) -> builtins.list[Entry]:
        """List entries in order of keys; namespace None means all."""
        with self.lock:
            lists = self._lists.setdefault(kind, {})
            found = lists.get(namespace)
            if found is None:
                spaces = self._kinds.get(kind, {})
                wanted = sorted(spaces) if namespace is None else [namespace]
                places = [spaces[space] for space in wanted if space in spaces]
                found = lists[namespace] = [names[name] for names in places for name in sorted(names)]
            return found.copy()

    def list_at(self, revision: int, kind: str, namespace: str | None = None) -> builtins.list[Entry]:
        """List entries at a revision that is not compacted."""
        with self.lock:
            found = {entry.key: entry for entry in self.list(kind, namespace)}
            for change in reversed(self.since(revision)):
                if change.key.kind == kind and namespace in (None, change.key.namespace):
                    if change.before is None:
                        found.pop(change.key, None)
                    else:
                        found[change.key] = change.before
            return [found[key] for key in sorted(found)]

    def owns(self, uid: str) -> bool:
        """Return whether any object has an owner reference with this UID."""
        return bool(self._references[uid])

    def kinds(self) -> builtins.list[str]:
        """Return the kinds with at least one key."""
        with self.lock:
            return [kind for kind, spaces in self._kinds.items() if any(spaces.values())]

    def put(self, key: Key, value: Any) -> Entry:
        """Store a copy of `value`: plain data (dict, list, str, int, float, bool, None, bytes)."""
        return self.adopt(key, Entry.unpacked(marshal.dumps(value)))

    def adopt(self, key: Key, value: Any) -> Entry:
        """Like put, but store the value itself: neither the value nor a part may be modified later."""
        packed = marshal.dumps(value)
        with self.lock:
            before = self.get(key)
            self._revision += 1
            created = before.created if before else self._revision
            entry = Entry(key, created, self._revision, packed, value)
            self._kinds.setdefault(key.kind, {}).setdefault(key.namespace, {})[key.name] = entry
            self._record(Change(self._revision, key, before, entry))
            return entry

    def delete(self, key: Key) -> Entry | None:
        """Delete a key, and return its entry; None without an entry, and then the revision is unchanged."""
        with self.lock:
            before = self.get(key)
            if before is None:
                return None
            self._revision += 1
            del self._kinds[key.kind][key.namespace][key.name]
            self._record(Change(self._revision, key, before, None))
            return before

    def tampered(self) -> builtins.list[Key]:
        """Return the keys of objects that differ from the written value: a caller modified a shared object."""
        with self.lock:
            places = [place for kind in self._kinds.values() for place in kind.values()]
            return [each.key for place in places for each in place.values() if each.object != each.copy()]

    def since(self, revision: int) -> builtins.list[Change]:
        """Return all changes after a revision, the oldest first."""
        with self.lock:
            start = bisect.bisect_right(self._history, revision, key=lambda change: change.revision)
            return self._history[start:]

    def compact(self, revision: int | None = None) -> None:
        """Remove the history up to a revision, by default the current revision."""
        with self.lock:
            limit = self._revision if revision is None else revision
            self._history = self.since(limit)
            self._compacted = max(self._compacted, limit)

    def wait(self, revision: int, seconds: float) -> bool:
        """Wait, in real time, for a change after `revision`, or for `wake`; return whether there is a change."""
        deadline = time.monotonic() + seconds
        with self._changed:
            calls = self._calls
            while self._revision <= revision and self._calls == calls:
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(left)
            return self._revision > revision

    def wake(self) -> None:
        """Wake all waiting threads."""
        with self._changed:
            self._calls += 1
            self._changed.notify_all()

    def clone(self) -> Self:
        """Return another store in the same state, including history; cheap, because entries are shared."""
        with self.lock:
            kinds = {
                kind: {space: dict(names) for space, names in spaces.items()} for kind, spaces in self._kinds.items()
            }
            copied = type(self)(self._revision, self._compacted, {}, self._history)
            copied._kinds, copied._references = kinds, self._references.copy()  # noqa: SLF001 - of its own kind
            return copied

    def __deepcopy__(self, memo: object) -> Self:
        return self.clone()

    def snapshot(self) -> bytes:
        """Return all keys at the current revision, without history, followed by a hash."""
        with self.lock:
            entries = [(*entry.key, entry.created, entry.revision, entry.value) for entry in self._entries()]
            body = marshal.dumps((_FORMAT, self._revision, entries))
        return body + hashlib.sha256(body).digest()

    @classmethod
    def restored(cls, snapshot: bytes, *, bump_revision: int = 0) -> Self:
        """Return a store from a snapshot, with an empty history. `bump_revision` increases the store's revision, not
        the keys' revisions, like `etcdutl snapshot restore --bump-revision --mark-compacted`. Raises CorruptSnapshot.
        """
        revision, entries = _opened(snapshot)
        kinds: dict[str, dict[str, dict[str, Entry]]] = {}
        for kind, namespace, name, created, modified, value in entries:
            key = Key(kind, namespace, name)
            entry = Entry(key, created, modified, value, marshal.loads(value))  # noqa: S302 - proven by the hash
            kinds.setdefault(kind, {}).setdefault(namespace, {})[name] = entry
        return cls(revision + bump_revision, revision + bump_revision, kinds)

    def summary(self) -> Summary:
        return summary(self.snapshot())

    def _entries(self) -> Iterator[Entry]:
        for kind in sorted(self._kinds):
            yield from self.list(kind)

    def _count(self, entry: Entry | None, by: int) -> None:
        metadata = entry.object.get("metadata") if entry is not None and isinstance(entry.object, dict) else None
        for reference in (metadata or {}).get("ownerReferences") or ():
            self._references[reference["uid"]] += by

    def _record(self, change: Change) -> None:
        self._lists.pop(change.key.kind, None)
        self._count(change.before, -1)
        self._count(change.after, 1)
        self._history.append(change)
        self._changed.notify_all()


def summary(snapshot: bytes) -> Summary:
    """Raises CorruptSnapshot."""
    revision, entries = _opened(snapshot)
    return Summary(int.from_bytes(snapshot[-4:], "big"), revision, len(entries), len(snapshot))


def _opened(snapshot: bytes) -> tuple[int, list[tuple[str, str, str, int, int, bytes]]]:
    body, proof = snapshot[:-_HASH_LENGTH], snapshot[-_HASH_LENGTH:]
    if hashlib.sha256(body).digest() != proof:
        raise CorruptSnapshot(f"{len(snapshot)} bytes whose hash is not the one at their end")
    form, revision, entries = marshal.loads(body)  # noqa: S302 - proven by the hash
    if form != _FORMAT:
        raise CorruptSnapshot(f"format {form} is not known")
    return revision, entries
