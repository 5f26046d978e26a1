"""The object of a backup's snapshot in the bucket.

The manifest names the key of the upload. A restore hands out a URL of this key, and at the end the snapshot is moved to
another key, so that the URL opens nothing any more; the manifest stays as it was verified.
"""

from __future__ import annotations

import re

from hcp_dr.aws.port import Bucket, StoredObject
from hcp_dr.objects.archive import Snapshot

_KEY = re.compile(r"(?P<prefix>.+)/snapshot(?:-(?P<number>[0-9]{1,6}))?\.db")


def find_snapshot(bucket: Bucket, snapshot: Snapshot) -> StoredObject | None:
    """The object under the key of the manifest, else a moved one with this content; None if there is neither."""
    return bucket.head(snapshot.key) or next(iter(list_objects(bucket, snapshot)), None)


def list_objects(bucket: Bucket, snapshot: Snapshot) -> tuple[StoredObject, ...]:
    """All objects that hold this snapshot, by key."""
    prefix = snapshot.key.rpartition("/")[0]
    keys = [item.key for item in bucket.list(f"{prefix}/snapshot") if number_of(item.key) is not None]
    return tuple(stored for key in keys if (stored := bucket.head(key)) is not None and holds(stored, snapshot))


def holds(stored: StoredObject, snapshot: Snapshot) -> bool:
    """Whether the object is this snapshot, by size and metadata; under the key of the manifest also by ETag."""
    metadata = (stored.metadata.get("sha256"), stored.metadata.get("fence"))
    is_verified = snapshot.etag is None or stored.key != snapshot.key or stored.etag == snapshot.etag
    return is_verified and (stored.size, *metadata) == (snapshot.size, snapshot.sha256, snapshot.fence)


def number_of(key: str) -> int | None:
    """How often a snapshot was moved to get this key; 0 for an upload, None for another object."""
    found = _KEY.fullmatch(key)
    return None if found is None else int(found["number"] or 0)
