"""All values of a relocation that the journal remembers: each key, with its record. Steps write a value with
`KEY.remember(value)` and read it with `memory.get(KEY)`.

Journals of older versions hold these names and forms: every later field has a default.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hcp_dr.aws.port import Record, StoredObject
from hcp_dr.engine.state import Key
from hcp_dr.engine.step import Check
from hcp_dr.kube.port import Object
from hcp_dr.model import Dns
from hcp_dr.objects.archive import Snapshot
from hcp_dr.objects.digest import Digest
from hcp_dr.objects.sample import Sample

# --- who the hosted cluster is ---------------------------------------------------------------------------------------

NONCE = Key("nonce", str)
"""Written into the hosted cluster before the fence, and read from the destination afterwards."""
MARKS_BEFORE = Key("marks_before", dict[str, dict[str, str] | None], exact=True)
"""Data of the two ConfigMaps that mark the hosted cluster, by name; None for a missing ConfigMap."""


@dataclass(frozen=True, slots=True)
class HostedIdentity:
    """uids by name; the number of objects of a kind, and some objects, by kind and place."""

    cluster_id: str = ""
    namespaces: Mapping[str, str] = field(default_factory=dict)
    nodes: Mapping[str, str] = field(default_factory=dict)
    config_maps: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)
    samples: Mapping[str, Sample] = field(default_factory=dict)
    not_ready: tuple[str, ...] = ()  # nodes


IDENTITY = Key("identity", HostedIdentity)
"""The hosted cluster before the fence."""

# --- pause and fence of the source -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PausedBefore:
    """By kind and name: pausedUntil of HostedCluster and NodePools, of HostedControlPlane and Cluster, and whether a
    machine object had the paused annotation."""

    asked: Mapping[str, str | None] = field(default_factory=dict)
    reached: Mapping[str, str | None] = field(default_factory=dict)
    machines: Mapping[str, bool] = field(default_factory=dict)


PAUSED_BEFORE = Key("paused_before", PausedBefore, exact=True)
REPLICAS_BEFORE = Key("replicas_before", dict[str, int])
"""Replicas before the fence, by Deployment of the control plane namespace."""


@dataclass(frozen=True, slots=True)
class FenceRecord:
    """A completed fence. `revision` is etcd's after the last writer was gone; `at` in seconds since the epoch, None for
    a fence made by hand; `generations` and `uids` by Deployment."""

    id: str
    revision: int | None = None
    at: float | None = None
    generations: Mapping[str, int] = field(default_factory=dict)
    uids: Mapping[str, str] = field(default_factory=dict)


FENCE = Key("fence", FenceRecord)


@dataclass(frozen=True, slots=True)
class Breach:
    """One lifting of the fence. Times in seconds since the epoch.

    `what` was wrong, `who` wrote it, `seen` when; `since`, `fence` and `stood` are time, id and revision of the fence
    before it. After the source is `closed` again: whether an API server of the source `wrote`, whether the destination
    was `released` by then, and etcd's `revision`."""

    what: str
    seen: float
    who: tuple[str, ...] = ()
    since: float | None = None
    fence: str | None = None
    stood: int | None = None
    closed: float | None = None
    wrote: bool = False
    released: bool | None = None
    revision: int | None = None


BREACHES = Key("fence_breaches", tuple[Breach, ...])
"""Each lifting of the fence, oldest first."""
LEASES_AT_UNDO = Key("leases_at_undo", dict[str, str])
"""The lease renewal time of each node, by node, at the first answer of the source's API."""

# --- etcd's snapshot -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OnlineMoment:
    """A backup without a fence: its id, etcd's revision, and the time, in seconds since the epoch."""

    id: str
    at: float
    revision: int


ONLINE = Key("online", OnlineMoment)


@dataclass(frozen=True, slots=True)
class SnapshotFile:
    """A file that was read completely. `hash`, `revision` and `total_keys` are reported by etcd; `intact`: the sha256
    at the file's end, appended by etcd to a complete snapshot, matches the rest. `parts` has the sha256 of each part to
    send, empty if one is enough. `stamp` identifies this very file."""

    size: int
    sha256: str
    hash: str
    revision: int
    total_keys: int
    intact: bool
    parts: tuple[str, ...] = ()
    stamp: str = ""

    def metadata(self, fence_id: str | None) -> dict[str, str]:
        """The metadata of the object in the bucket."""
        return {"fence": str(fence_id), "sha256": self.sha256, "revision": str(self.revision)}

    def stored_as(self, bucket: str, stored: StoredObject, fence: str, moment: float | None) -> Snapshot:
        """The snapshot for the manifest. `moment` is the time of an online backup, in seconds since the epoch."""
        return Snapshot(
            bucket=bucket,
            key=stored.key,
            size=self.size,
            sha256=self.sha256,
            hash=self.hash,
            revision=self.revision,
            total_keys=self.total_keys,
            fence=fence,
            encryption=stored.encryption,
            etag=stored.etag,
            fenced=moment is None,
            at=moment,
        )


SNAPSHOT_FILE = Key("snapshot_file", SnapshotFile)


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload in parts that has begun: the sha256 of the snapshot, and its fence."""

    sha256: str
    fence: str | None = None


UPLOAD = Key("upload", Upload)


@dataclass(frozen=True, slots=True)
class BucketProbe:
    """The probe in the bucket. `fetched` is "" if etcd's pod fetched it, else the reason; None if no pod tried."""

    key: str
    fetched: str | None = None


BUCKET_PROBE = Key("preflight.probe", BucketProbe)


@dataclass(frozen=True, slots=True)
class EncryptionKey:
    """`digest` is the SHA-256 of a key in a Secret, as in the HostedCluster's status; "" for other keys."""

    name: str
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Encryption:
    """`active` is the key of all of etcd's content, None if the source does not report it; `rotating` tells of a change
    of the key in progress."""

    active: EncryptionKey | None = None
    rotating: str = ""


@dataclass(frozen=True, slots=True)
class RestoreProbe:
    """How the source restores etcd by URL. `release` has the images of its control plane, `members` and `shards` are
    etcd's; `called` are the tools that etcd-init calls, `tools` the tools in etcd's image, and `restoring` the subset
    that restores snapshots. `unseen` is the reason why `called` or `tools` could not be read. `encryption` is None if
    an older version probed."""

    release: str
    members: int
    shards: tuple[str, ...] = ()
    called: tuple[str, ...] | None = None
    tools: tuple[str, ...] | None = None
    restoring: tuple[str, ...] = ()
    unseen: str = ""
    encryption: Encryption | None = None


ETCD_RESTORE = Key("etcd_restore", RestoreProbe)

RESTORE_URL_ENDS = Key("restore_url_ends", float)
"""The expiry of the restore URL in the destination's HostedCluster, in seconds since the epoch."""
SNAPSHOT_MOVED = Key("snapshot_moved", str)
"""The key to which the snapshot is moved, so that the restore URL opens nothing any more."""

# --- a backup made by hand, a lost source ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Saved:
    """The documented file in the etcd pod. `hash`, `revision` and `total_keys` are reported by etcd; `born` is the
    file's creation time, in seconds since the epoch by the node's clock, None if the file system does not record it."""

    sha256: str
    hash: str
    revision: int
    total_keys: int
    born: float | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """The judgement of a snapshot made by hand: its ETag, the digest read from it, the file in the pod, whether it
    holds all acknowledged writes, and the generations of the writers' Deployments."""

    etag: str
    whole: Check
    digest: Digest | None = None
    saved: Saved | None = None
    generations: Mapping[str, int] = field(default_factory=dict)


JUDGED = Key("judged", Judged)


@dataclass(frozen=True, slots=True)
class ManualBackup:
    """An accepted backup made by hand. `modified` is the upload time of its snapshot, in seconds since the epoch."""

    modified: float | None = None


MANUAL_BACKUP = Key("by_hand", ManualBackup)
UNPROVEN = Key("unproven", str)
"""The unproven property of a backup made by hand: while it is unproven, the source is not torn down."""


@dataclass(frozen=True, slots=True)
class SourceLost:
    """Why the source counts as lost, and who declared it. Writes after `at` are lost; the restore `began` then. Both in
    seconds since the epoch."""

    reason: str
    who: str
    at: float
    began: float


SOURCE_LOST = Key("source_lost", SourceLost)

# --- names -----------------------------------------------------------------------------------------------------------


DNS: Key[Dns] = Key("dns", Dns)  # type: ignore[arg-type]  # a Literal
"""How the DNS names move, if not by release."""
ROUTES = Key("routes", dict[str, Object], exact=True)
"""Routes of the source before their deletion, by name; texts with the name or the form of a secret are hidden."""
SERVICE_HOSTNAMES = Key("service_hostnames", dict[str, str], exact=True)
"""The hostname annotation of the source's Services before the change, by name."""


@dataclass(frozen=True, slots=True)
class RecordImage:
    """Records of the zone before a change, and their external-dns owner. `at` is the time of their last change, in
    seconds since the epoch, if it matters. `orphaned` are further owners, which no external-dns has."""

    owner: str
    records: tuple[Record, ...]
    at: float | None = None
    orphaned: tuple[str, ...] | None = None


DNS_IMAGE = Key("dns_image", RecordImage, exact=True)
"""Records deleted by a takeover."""
DNS_HELD = Key("dns_held", RecordImage, exact=True)
"""Records given by a handover to an owner that no external-dns has."""
DNS_GIVEN = Key("dns_given", str)
"""The owner to which a handover gave all names. After that the zone is not read again."""
EXTERNAL_DNS_PODS = Key("external_dns_pods", dict[str, str])
"""Names of the destination's external-dns pods by uid, before it is restarted."""

# --- the destination -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PulledImages:
    """Images pulled ahead, and the nodes that have them. `lacking` has, by node, the images that could not be pulled
    and the reason; `withheld` are images that the source's nodes cannot pull either. `left_out`: the step was skipped,
    because of --no-pull-images."""

    images: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    lacking: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    withheld: tuple[str, ...] = ()
    left_out: bool = False


PULLED = Key("pulled_images", PulledImages)
PULLING = Key("pulling_images", float)
"""Seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class SnapshotTried:
    """The nodes whose pods fetched a probe from the bucket by URL, and the nodes where no pod ran, with the reason."""

    nodes: tuple[str, ...] = ()
    untried: Mapping[str, str] = field(default_factory=dict)


SNAPSHOT_TRIED = Key("snapshot_tried", SnapshotTried)
TRYING_SNAPSHOT = Key("trying_snapshot", float)
"""Seconds since the epoch."""
CHANGED = Key("changed", dict[str, tuple[str, str | None, str]])
"""Kind, namespace and name of objects changed between the export and the fence, by file."""


LEASES_BEFORE = Key("leases", dict[str, str])
"""The lease renewal time of each node, by node, at the first answer of the destination's API."""

# --- instances, teardown, finish -------------------------------------------------------------------------------------

PROTECTION = Key("protection", dict[str, bool])
"""Whether instances were protected from termination before, by id."""
OPERATOR_BEFORE = Key("operator_before", dict[str, int])
"""Replicas of the source's HyperShift operator before teardown, by Deployment."""
DESTINATION_OPERATOR_BEFORE = Key("destination_operator_before", dict[str, int])
"""Replicas of the destination's HyperShift operator before an abort, by Deployment."""
ENDPOINT_SERVICES = Key("endpoint_services", dict[str, str])
"""VPC endpoint services of the source's load balancers, by AWSEndpointService."""
VOLUMES_RETAINED = Key("volumes_retained", float)
"""When the source's StatefulSets were set to retain their volumes, in seconds since the epoch."""
OVN_PODS = Key("ovn_pods", dict[str, str])
"""Names of the OVN pods by uid, before they are restarted."""
