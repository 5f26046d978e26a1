"""etcd as the API server uses it: objects under keys, one revision for the whole store, and the history of changes.

Values are kept as bytes besides one parsed object that nobody may change, so a read is a fast copy and a clone of
the store shares everything.
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
    """The bytes are not a whole snapshot: their hash differs from the one at their end."""


class Key(NamedTuple):
    """`kind` is str(Resource), like secrets or routes.route.openshift.io; namespace "" where there is none."""

    kind: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One key at one revision. `object` is shared: read it only; `copy` gives one of your own."""

    key: Key
    created: int
    revision: int
    value: bytes
    object: Any

    def copy(self) -> Any:
        return self.unpacked(self.value)

    @staticmethod
    def unpacked(value: bytes) -> Any:
        return marshal.loads(value)  # noqa: S302 - bytes of this process, or proven by their hash


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to a key at a revision: put (`after`) or deleted (`after` is None)."""

    revision: int
    key: Key
    before: Entry | None
    after: Entry | None


@dataclass(frozen=True, slots=True)
class Summary:
    """What `etcdutl snapshot status` tells. `hash` is of the keys and values, `size` in bytes."""

    hash: int
    revision: int
    keys: int
    size: int


class Store:
    """Safe for several threads; hold `lock` over what has to be one step (it may be entered again)."""

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
        self._references: Counter[str] = Counter()  # how often an object is named as an owner, by its UID
        for spaces in self._kinds.values():
            for names in spaces.values():
                for entry in names.values():
                    self._count(entry, 1)
        self._lists: dict[str, dict[str | None, list[Entry]]] = {}  # answers of `list`, until the kind changes
        self._history = list(history)

    @property
    def revision(self) -> int:
        """The last revision given; grows with each change, over all keys."""
        return self._revision

    @property
    def compacted(self) -> int:
        """The history up to this revision, it included, is gone."""
        return self._compacted

    def __len__(self) -> int:
        with self.lock:
            return sum(len(names) for spaces in self._kinds.values() for names in spaces.values())

    def get(self, key: Key) -> Entry | None:
        spaces = self._kinds.get(key.kind)
        names = spaces.get(key.namespace) if spaces else None
        return names.get(key.name) if names else None

    def list(self, kind: str, namespace: str | None = None) -> builtins.list[Entry]:
        """In the order of the keys; namespace None means all."""
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
        """As it was at a revision that is not compacted."""
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
        """Whether any object names the one of this UID as its owner."""
        return bool(self._references[uid])

    def kinds(self) -> builtins.list[str]:
        """Those of which there is at least one key."""
        with self.lock:
            return [kind for kind, spaces in self._kinds.items() if any(spaces.values())]

    def put(self, key: Key, value: Any) -> Entry:
        """`value` is plain data (dict, list, str, int, float, bool, None, bytes); a copy of it is kept."""
        return self.adopt(key, Entry.unpacked(marshal.dumps(value)))

    def adopt(self, key: Key, value: Any) -> Entry:
        """As put, but the value itself is kept: nobody may change it, or a part of it, from now on."""
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
        """The entry that is gone by this; None where there was none, and then no revision is given."""
        with self.lock:
            before = self.get(key)
            if before is None:
                return None
            self._revision += 1
            del self._kinds[key.kind][key.namespace][key.name]
            self._record(Change(self._revision, key, before, None))
            return before

    def tampered(self) -> builtins.list[Key]:
        """Whose object is no longer what was written: somebody changed what he was only lent."""
        with self.lock:
            places = [place for kind in self._kinds.values() for place in kind.values()]
            return [each.key for place in places for each in place.values() if each.object != each.copy()]

    def since(self, revision: int) -> builtins.list[Change]:
        """All changes after a revision, the oldest first."""
        with self.lock:
            start = bisect.bisect_right(self._history, revision, key=lambda change: change.revision)
            return self._history[start:]

    def compact(self, revision: int | None = None) -> None:
        """Forget the history up to a revision, that of now by default."""
        with self.lock:
            limit = self._revision if revision is None else revision
            self._history = self.since(limit)
            self._compacted = max(self._compacted, limit)

    def wait(self, revision: int, seconds: float) -> bool:
        """Wait, in real time, for a change after `revision`, or to be woken; whether there is a change."""
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
        """Let everybody who waits look again."""
        with self._changed:
            self._calls += 1
            self._changed.notify_all()

    def clone(self) -> Self:
        """Another store in the same state, history included; cheap, since entries are shared."""
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
        """All keys at the revision of now, without history, and the hash of it at the end."""
        with self.lock:
            entries = [(*entry.key, entry.created, entry.revision, entry.value) for entry in self._entries()]
            body = marshal.dumps((_FORMAT, self._revision, entries))
        return body + hashlib.sha256(body).digest()

    @classmethod
    def restored(cls, snapshot: bytes, *, bump_revision: int = 0) -> Self:
        """A store from a snapshot; its history begins here. `bump_revision` moves on the store's revision, not those
        of the keys, as `etcdutl snapshot restore --bump-revision --mark-compacted` does. Raises CorruptSnapshot.
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
