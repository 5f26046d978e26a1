"""Reads a file once, in chunks: its size, its sha256, and whether the file is a complete snapshot of etcd."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

_SUM_BYTES = hashlib.sha256().digest_size


@dataclass(frozen=True, slots=True)
class Digest:
    """`size` is in bytes, `sha256` is hexadecimal. `intact`: the file ends with the sha256 of its content, which etcd
    appends to a complete snapshot."""

    size: int
    sha256: str
    intact: bool


def digest(chunks: Iterable[bytes]) -> Digest:
    file, content = hashlib.sha256(), hashlib.sha256()
    size, tail = 0, b""
    for chunk in chunks:
        size += len(chunk)
        file.update(chunk)
        tail += chunk
        content.update(tail[:-_SUM_BYTES])
        tail = tail[-_SUM_BYTES:]
    return Digest(size, file.hexdigest(), intact=size > _SUM_BYTES and tail == content.digest())
