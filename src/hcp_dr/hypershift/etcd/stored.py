"""The object of a backup's snapshot in the bucket.

The manifest names the key of the upload. A restore hands out a URL of this key, and at the end the snapshot is moved to
another key, so that the URL opens nothing any more; the manifest stays as it was verified.
"""

from __future__ import annotations

from collections.abc import Iterable

from hcp_dr.aws.port import Bucket, StoredObject
from hcp_dr.objects.archive import Snapshot
from hcp_dr.objects.naming import number_of_snapshot


def find_snapshot(bucket: Bucket, snapshot: Snapshot) -> StoredObject | None:
    """The object under the key of the manifest, else a moved one with this content; None if there is neither."""
    found = bucket.head(snapshot.key)
    return found or next(iter(with_content(bucket, list_keys(bucket, snapshot), snapshot)), None)


def list_keys(bucket: Bucket, snapshot: Snapshot) -> tuple[str, ...]:
    """The keys of the backup that its snapshot may have, and that exist."""
    prefix = snapshot.key.rpartition("/")[0]
    return tuple(item.key for item in bucket.list(f"{prefix}/snapshot") if number_of_snapshot(item.key) is not None)


def with_content(bucket: Bucket, keys: Iterable[str], snapshot: Snapshot) -> tuple[StoredObject, ...]:
    """The objects that are this snapshot."""
    stored = (bucket.head(key) for key in keys)
    return tuple(each for each in stored if each is not None and _is_content(each, snapshot))


def _is_content(stored: StoredObject, snapshot: Snapshot) -> bool:
    """By size and metadata; under the key of the manifest also by ETag."""
    metadata = (stored.metadata.get("sha256"), stored.metadata.get("fence"))
    is_verified = snapshot.etag is None or stored.key != snapshot.key or stored.etag == snapshot.etag
    return is_verified and (stored.size, *metadata) == (snapshot.size, snapshot.sha256, snapshot.fence)
