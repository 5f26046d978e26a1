"""Whether machines of a NodePool ever fetched their configuration, as its operator says of it: a token secret bears a
mark, and the NodePool a condition that is read off that mark.

A worker that runs never fetches again, and its operator makes the MachineHealthCheck of a pool only while the condition
is True (NP/conditions.go, NP/capi.go). So the mark has to come along, or auto repair does not."""

from __future__ import annotations

from collections.abc import Iterable

from hcp_dr.kube.port import Object
from hcp_dr.objects.reading import annotations_of, dig, name_of, namespace_of
from hcp_dr.upstream import (
    IGNITION_CONFIG,
    IGNITION_EXPIRES,
    IGNITION_REACHED,
    NODE_POOL_ANNOTATION,
    REACHED_IGNITION_ENDPOINT,
)


def said(pool: Object) -> str | None:
    """The status of the condition, at whichever generation: what was reached once stays so. None where it is silent."""
    found = (
        entry for entry in dig(pool, "status", "conditions") or () if entry.get("type") == REACHED_IGNITION_ENDPOINT
    )
    return next((str(entry.get("status")) for entry in found), None)


def is_token(secret: Object) -> bool:
    """Of the secrets of a NodePool: not its user data."""
    return IGNITION_CONFIG in annotations_of(secret)


def tokens_of(pool: Object, secrets: Iterable[Object]) -> tuple[Object, ...]:
    """Those that are not on their way out. There is one; while a pool rolls there may be more."""
    mine = f"{namespace_of(pool)}/{name_of(pool)}"
    return tuple(
        item
        for item in secrets
        if is_token(item)
        and annotations_of(item)[NODE_POOL_ANNOTATION] == mine
        and IGNITION_EXPIRES not in annotations_of(item)
    )


def as_reached(secret: Object, pools: Iterable[Object]) -> Object:
    """The token secret with the mark where its NodePool says so, whatever that secret says: a pool that was upgraded in
    place has a new one, which no machine ever used. Anything else as it is; what is kept is shared."""
    pool = annotations_of(secret).get(NODE_POOL_ANNOTATION)
    mine = (item for item in pools if f"{namespace_of(item)}/{name_of(item)}" == pool)
    if not is_token(secret) or all(said(item) != "True" for item in mine):
        return secret
    meta = secret["metadata"]
    return {**secret, "metadata": {**meta, "annotations": {**annotations_of(secret), IGNITION_REACHED: "True"}}}
