"""The names that follow from a hosted cluster's own: its control plane namespace, and where its backups are kept."""

from __future__ import annotations

import re

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*", re.ASCII)
_LONGEST = 253
_LONGEST_FOLDER = 40
"""Characters of a folder's name that a backup is called by."""


def is_name(name: str) -> bool:
    """Whether Kubernetes takes it as the name of an object: letters, digits, dashes and dots."""
    return len(name) <= _LONGEST and _NAME.fullmatch(name) is not None


def control_plane_namespace(namespace: str, name: str) -> str:
    """HyperShift's rule for a HostedCluster: <namespace>-<name>, dots in the name as dashes. It is not one to one."""
    return f"{namespace}-{name.replace('.', '-')}"


def bucket_prefix(namespace: str, name: str) -> str:
    """Below which the backups of a hosted cluster are in the bucket, one folder for each backup id."""
    return f"hcp-dr/{namespace}/{name}/"


def snapshot_key(key_prefix: str) -> str:
    """Of the backup that is kept there."""
    return f"{key_prefix}/snapshot.db"


def backup_id_of(folder_name: str, random: str) -> str:
    """The id of a new backup: it begins as the folder does, whatever that is called, and is made of a-z, 0-9 and dashes
    alone, since it goes into keys of the bucket, annotations and TXT records. `random` is made of those too, and tells
    backups apart whose folders are called alike."""
    plain = re.sub(r"[^a-z0-9]+", "-", folder_name.lower())[:_LONGEST_FOLDER].strip("-")
    return f"{plain or 'backup'}-{random}"
