"""The names derived from a hosted cluster's name: its control plane namespace, and the keys of its backups."""

from __future__ import annotations

import re

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*", re.ASCII)
_SNAPSHOT = re.compile(r"snapshot(?:-([1-9][0-9]{0,5}))?\.db", re.ASCII)
_MAX_LENGTH = 253
_MAX_FOLDER_LENGTH = 40
"""The characters of a folder's name that become part of a backup id."""


def is_name(name: str) -> bool:
    """Whether Kubernetes accepts the text as the name of an object: letters, digits, dashes and dots."""
    return len(name) <= _MAX_LENGTH and _NAME.fullmatch(name) is not None


def control_plane_namespace(namespace: str, name: str) -> str:
    """HyperShift's rule for a HostedCluster: <namespace>-<name>, dots in the name as dashes. Not unique: two
    HostedClusters can have the same control plane namespace."""
    return f"{namespace}-{name.replace('.', '-')}"


def bucket_prefix(namespace: str, name: str) -> str:
    """The prefix of a hosted cluster's backups in the bucket, one folder for each backup id."""
    return f"hcp-dr/{namespace}/{name}/"


def snapshot_key(key_prefix: str) -> str:
    """The key of the snapshot of the backup with this prefix."""
    return f"{key_prefix}/snapshot.db"


def moved_snapshot_key(key_prefix: str, number: int) -> str:
    """Its key after it was moved for the first, second, ... time."""
    return f"{key_prefix}/snapshot-{number}.db"


def number_of_snapshot(key: str) -> int | None:
    """How often a snapshot was moved to get this key; 0 for an upload, None for another object."""
    found = _SNAPSHOT.fullmatch(key.rpartition("/")[2])
    return None if found is None else int(found[1] or 0)


def backup_id_of(folder_name: str, random: str) -> str:
    """The id of a new backup: the folder's name, reduced to a-z, 0-9 and dashes, and `random`. Keys of the bucket,
    annotations and TXT records contain the id. `random` has only these characters too, and distinguishes backups whose
    folders have the same name."""
    prefix = re.sub(r"[^a-z0-9]+", "-", folder_name.lower())[:_MAX_FOLDER_LENGTH].strip("-")
    return f"{prefix or 'backup'}-{random}"
