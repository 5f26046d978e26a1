"""Hosted etcd: members on volumes that survive their pods, clusters of members, and the programs for them (etcd itself,
etcdctl, etcdutl).

A cluster has one store for all members, which agree as long as most members run. Cluster IDs are computed from the
members' addresses, as in real etcd. Three members restored without addresses therefore have the same cluster ID, and
are nevertheless three clusters.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from hcp_dr_lab.tabletop.keys import trusts
from hcp_dr_lab.tabletop.kubernetes import CorruptSnapshot, Key, Store, summary
from hcp_dr_lab.tabletop.shell import Call

DATA_FILE = "member/snap/db"
_TOKEN = "etcd-cluster"  # noqa: S105 - the name of a cluster
_LOCAL = "http://localhost:2380"
_BALLAST = "ballast"  # the kind for keys outside the API's prefix


@dataclass(slots=True, eq=False)
class Cluster:
    """The common state of members. `members` by ID, without removed members."""

    cluster_id: int
    store: Store
    members: dict[int, Member] = field(default_factory=dict)
    term: int = 2


@dataclass(slots=True, eq=False)
class Member:
    """`address` is the peer URL; `name` is empty until the first start."""

    member_id: int
    name: str
    address: str
    cluster: Cluster


@dataclass(slots=True, eq=False)
class Volume:
    """The folder of a PersistentVolume. `member` is etcd's data."""

    files: dict[str, bytes] = field(default_factory=dict)
    member: Member | None = None
    room: int = 8 * 1024**3  # in bytes

    @property
    def free(self) -> int:
        """Free bytes after etcd's data and the files."""
        data = len(self.member.cluster.store.snapshot()) if self.member is not None else 0
        return self.room - data - sum(len(content) for content in self.files.values())

    @property
    def empty(self) -> bool:
        return not self.files and self.member is None


@dataclass(slots=True, eq=False)
class Process:
    """A running etcd. `names` are the pod's host names, `certificate` is the serving certificate."""

    member: Member
    names: frozenset[str]
    certificate: bytes
    release: str  # 3.5 or 3.6


class Failed(Exception):
    """etcd does not start, or a command of its programs fails; the text is the reason."""


def member_id(addresses: Iterable[str], token: str = _TOKEN) -> int:
    """Compute a member ID like etcd: a hash of the peer URLs and the cluster's token (membership/member.go)."""
    return _hash("".join(sorted(addresses)) + token)


def cluster_id(members: Iterable[int]) -> int:
    """Compute a cluster ID: a hash of the member IDs (membership/cluster.go)."""
    return _hash("".join(f"{number:016x}" for number in sorted(members)))


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.sha1(text.encode(), usedforsecurity=False).digest()[:8], "big")


def started(words: Iterable[str], volume: Volume, peers: Iterable[Volume], running: Iterable[Process]) -> Member:
    """Return the member of an etcd started with these arguments. `peers` are the reachable volumes of the cluster's
    other members. Raises Failed."""
    flags = _flags(words)
    name, own = flags.get("name", "default"), flags.get("initial-advertise-peer-urls", _LOCAL)
    initial = _initial_cluster(flags.get("initial-cluster", f"{name}={own}"))
    if volume.member is None:
        if flags.get("initial-cluster-state") == "existing":
            volume.member = _joined(name, own, running)
        else:
            volume.member = _formed(name, initial, peers, flags.get("initial-cluster-token", _TOKEN))
    member = volume.member
    if member.member_id not in member.cluster.members:
        raise Failed(f"the member has been permanently removed from the cluster ({member.member_id:x})")
    _meet(member, peers)
    member.name = name  # the member publishes its current name
    return member


def _formed(name: str, initial: Mapping[str, str], peers: Iterable[Volume], token: str) -> Member:
    """Form a new cluster of all listed members, or join the cluster that another listed member has formed."""
    ids = {each: member_id([address], token) for each, address in initial.items()}
    wanted = cluster_id(ids.values())
    known = (peer.member.cluster for peer in peers if peer.member and peer.member.cluster.cluster_id == wanted)
    cluster = next(known, None)
    if cluster is None:
        cluster = Cluster(wanted, Store())
        for each, address in initial.items():
            cluster.members[ids[each]] = Member(ids[each], "", address, cluster)
    mine = cluster.members.get(ids[name])
    if mine is None or mine.name:
        raise Failed(f"member {ids[name]:x} has already been bootstrapped")
    return mine


def _joined(name: str, address: str, running: Iterable[Process]) -> Member:
    """Return the entry that was added for this member to a running cluster."""
    for process in running:
        for member in process.member.cluster.members.values():
            if member.address == address and not member.name:
                member.name = name
                return member
    raise Failed(f"no cluster waits for a member at {address}")


def _meet(member: Member, peers: Iterable[Volume]) -> None:
    """Join members that were restored separately as one cluster: they are one cluster from the first running member
    on."""
    for peer in peers:
        other = peer.member
        same = other is not None and other.cluster.cluster_id == member.cluster.cluster_id
        if same and other is not None and other.cluster is not member.cluster and len(member.cluster.members) > 1:
            mine = other.cluster.members[member.member_id]
            mine.name, member.cluster = mine.name or member.name, other.cluster
            other.cluster.members[member.member_id] = member


def restored(words: list[str], snapshot: bytes, volume: Volume) -> None:
    """Perform `snapshot restore` into a volume, with or without a list of the other members. Raises Failed."""
    flags = _flags(words)
    if not volume.empty:
        raise Failed(f'data-dir "{flags.get("data-dir", "")}" not empty or could not be read')
    name, own = flags.get("name", "default"), flags.get("initial-advertise-peer-urls", _LOCAL)
    initial = _initial_cluster(flags.get("initial-cluster", f"{name}={own}"))
    if initial.get(name) != own:
        raise Failed(f"--initial-cluster has {name} as {initial.get(name)}, not as {own}")
    ids = {each: member_id([address], flags.get("initial-cluster-token", _TOKEN)) for each, address in initial.items()}
    try:
        store = Store.restored(snapshot, bump_revision=int(flags.get("bump-revision", "0")))
    except CorruptSnapshot as error:
        raise Failed(f"snapshot file is not intact: {error}") from error
    cluster = Cluster(cluster_id(ids.values()), store)
    for each, address in initial.items():
        cluster.members[ids[each]] = Member(ids[each], each, address, cluster)
    volume.member = cluster.members[ids[name]]


def _initial_cluster(text: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in text.split(",") if part)
    return {name: address for name, _, address in pairs}


def _flags(words: Iterable[str]) -> dict[str, str]:
    """Parse --flag=value and --flag value; a flag without value is "true"."""
    found: dict[str, str] = {}
    last = ""
    for word in words:
        if word.startswith("-"):
            last, equals, value = word.lstrip("-").partition("=")
            found[last] = value if equals else "true"
            last = "" if equals else last
        elif last:
            found[last] = word
            last = ""
    return found


def _plain(words: Iterable[str], flags_with_value: Iterable[str]) -> list[str]:
    """Return the words that are neither flags nor values of flags."""
    plain, skip = [], False
    for word in words:
        if skip:
            skip = False
        elif word.startswith("-"):
            skip = "=" not in word and word.lstrip("-") in flags_with_value
        else:
            plain.append(word)
    return plain


_WITH_VALUE = (
    *("endpoints", "cacert", "cert", "key", "w", "write-out", "command-timeout", "dial-timeout", "peer-urls"),
    *("data-dir", "name", "initial-cluster", "initial-cluster-token", "initial-advertise-peer-urls", "bump-revision"),
)


@dataclass(frozen=True, slots=True)
class Programs:
    """etcdctl and etcdutl in one container. `reach` returns the etcd processes behind a host name; `volume` is mounted
    at `data`."""

    release: str
    reach: Callable[[str], Iterable[Process]]
    quorum: Callable[[Cluster], bool]
    data: str
    volume: Volume

    def programs(self) -> dict[str, Callable[[Call], int]]:
        known: dict[str, Callable[[Call], int]] = {"etcdctl": self.etcdctl, "df": self.free}
        if self.release >= "3.6":
            known["etcdutl"] = self.etcdutl
        return known

    def free(self, call: Call) -> int:
        """df -Pk FOLDER"""
        call.say("Filesystem 1024-blocks Used Available Capacity Mounted on")
        room, free = self.volume.room // 1024, max(0, self.volume.free) // 1024
        call.say(f"/dev/nvme1n1 {room} {room - free} {free} 1% {self.data}")
        return 0

    def etcdctl(self, call: Call) -> int:
        words = _plain(call.words[1:], _WITH_VALUE)
        try:
            if words[:1] == ["snapshot"] and words[1] != "save":
                if self.release < "3.6":
                    return self._offline(call, words)
                odd = next((word for word in call.words if word.startswith("--data-dir")), None)
                if odd is not None:
                    raise Failed(f"unknown flag: {odd.partition('=')[0]}")
                call.say(
                    "snapshot - Manages etcd node snapshots"
                )  # the help for supported subcommands, and exit code 0
                return 0
            return self._online(call, words)
        except Failed as error:
            return call.fail(f"Error: {error}")

    def etcdutl(self, call: Call) -> int:
        try:
            return self._offline(call, _plain(call.words[1:], _WITH_VALUE))
        except Failed as error:
            return call.fail(f"Error: {error}")

    def _offline(self, call: Call, words: list[str]) -> int:
        match words:
            case ["snapshot", "restore"] if "--help" in call.words:
                call.say('      --data-dir=""     Path to the output data directory')
            case ["snapshot", "status", path]:
                content = call.shell.files.get(path)
                if content is None:
                    raise Failed(f"stat {path}: no such file or directory")
                try:
                    seen = summary(content)
                except CorruptSnapshot as error:
                    raise Failed(f"snapshot file integrity check failed. {error}") from error
                answer = {
                    "hash": seen.hash,
                    "revision": seen.revision,
                    "totalKey": seen.keys,
                    "totalSize": seen.size,
                }
                call.say(json.dumps(answer | ({"version": "3.6.0"} if self.release >= "3.6" else {})))
            case ["snapshot", "restore", path]:
                content = call.shell.files.get(path)
                if content is None:
                    raise Failed(f"stat {path}: no such file or directory")
                if _flags(call.words).get("data-dir", "").rstrip("/") != self.data:
                    raise Failed("only the mounted volume can be restored to here")
                restored(list(call.words), content, self.volume)
            case _:
                raise Failed(f"unknown command {' '.join(words)}")
        return 0

    def _online(self, call: Call, words: list[str]) -> int:
        flags = _flags(call.words)
        process = self._connected(call, flags)
        member = process.member
        cluster = member.cluster
        as_json = "json" in (flags.get("w"), flags.get("write-out"))
        header = {
            "cluster_id": cluster.cluster_id,
            "member_id": member.member_id,
            "raft_term": cluster.term,
        }
        match words:
            case ["endpoint", "status"]:
                self._status(call, flags, header | {"revision": cluster.store.revision}, process)
            case ["endpoint", "health"]:
                if not self.quorum(cluster):
                    raise Failed("unhealthy cluster")
                call.say(f"{flags.get('endpoints')} is healthy: successfully committed proposal")
            case ["member", "list"]:
                self._demand(cluster)
                self._members(call, header, cluster, as_json=as_json)
            case ["member", "remove", text]:
                self._demand(cluster)
                if cluster.members.pop(int(text, 16), None) is None:
                    raise Failed("etcdserver: member not found")
            case ["member", "add", _]:
                self._demand(cluster)
                address = flags["peer-urls"]
                made = Member(_hash(f"{address}{cluster.store.revision}"), "", address, cluster)
                cluster.members[made.member_id] = made
            case ["snapshot", "save", path]:
                content = cluster.store.snapshot()
                call.shell.files[path] = content[: max(0, self.volume.free)]
                if self.volume.free <= 0:
                    raise Failed(f"write {path}: no space left on device")
                call.say(f"Snapshot saved at {path}")
            case _:
                self._key(call, words, cluster)
        return 0

    def _key(self, call: Call, words: list[str], cluster: Cluster) -> None:
        self._demand(cluster)
        match words:
            case ["put", key, *value]:
                content = value[0].encode() if value else call.stdin
                cluster.store.put(Key(_BALLAST, "", key), content)
                call.say("OK")
            case ["get", key]:
                entry = cluster.store.get(Key(_BALLAST, "", key))
                if entry is not None:
                    call.say(key)
                    call.out += bytes(entry.object) + b"\n"
            case _:
                raise Failed(f"unknown command {' '.join(words)}")

    def _status(self, call: Call, flags: Mapping[str, str], header: Mapping[str, int], process: Process) -> None:
        cluster = process.member.cluster
        leader = min(cluster.members) if self.quorum(cluster) else 0
        answer = {
            "Endpoint": flags.get("endpoints", ""),
            "Status": {
                "header": header,
                "version": f"{process.release}.0",
                "dbSize": 20480 + 512 * len(cluster.store),
                "leader": leader,
                "raftIndex": header["revision"],
                "raftTerm": cluster.term,
            },
        }
        call.say(json.dumps([answer]))

    def _members(self, call: Call, header: Mapping[str, int], cluster: Cluster, *, as_json: bool) -> None:
        ordered = sorted(cluster.members.values(), key=lambda member: member.member_id)
        if as_json:
            answer = [
                {"ID": each.member_id, "peerURLs": [each.address]} | ({"name": each.name} if each.name else {})
                for each in ordered
            ]
            call.say(json.dumps({"header": header, "members": answer}))
            return
        for each in ordered:
            state = "started" if each.name else "unstarted"
            call.say(f"{each.member_id:x}, {state}, {each.name}, {each.address}, , false")

    def _connected(self, call: Call, flags: Mapping[str, str]) -> Process:
        """Return the etcd behind the endpoint, if both sides present the required certificates."""
        endpoint = flags.get("endpoints", "http://127.0.0.1:2379").split(",")[0]
        host = endpoint.partition("//")[2].partition(":")[0]
        files = {name: call.shell.files.get(flags.get(name, "")) for name in ("cacert", "cert", "key")}
        missing = [f"--{name}" for name, content in files.items() if content is None]
        if missing:
            raise Failed(f"{', '.join(missing)}: no such file or directory")
        process = next(iter(self.reach(host)), None)
        if process is None:
            raise Failed(f"context deadline exceeded: {endpoint} does not answer")
        if not trusts(files["cacert"] or b"", process.certificate):
            raise Failed("x509: certificate signed by unknown authority")
        return process

    def _demand(self, cluster: Cluster) -> None:
        if not self.quorum(cluster):
            raise Failed("etcdserver: no leader")
