"""A whole file read once, in pieces: how long it is, its sha256, and whether it is a whole snapshot of etcd."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

_SUM = hashlib.sha256().digest_size


@dataclass(frozen=True, slots=True)
class Digest:
    """`size` in bytes, `sha256` as hex. `intact`: the sha256 at its end, which etcd appends to a whole snapshot, is
    that of the rest."""

    size: int
    sha256: str
    intact: bool


def digest(pieces: Iterable[bytes]) -> Digest:
    whole, rest = hashlib.sha256(), hashlib.sha256()
    size, held = 0, b""
    for piece in pieces:
        size += len(piece)
        whole.update(piece)
        held += piece
        rest.update(held[:-_SUM])
        held = held[-_SUM:]
    return Digest(size, whole.hexdigest(), intact=size > _SUM and held == rest.digest())
