"""The names that follow from a hosted cluster's own: its control plane namespace, and where its backups are kept."""

from __future__ import annotations

import re

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*", re.ASCII)
_LONGEST = 253


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
