"""Whether machines of a NodePool ever fetched their ignition configuration. The HyperShift operator sets an annotation
on the token secret, and derives a condition of the NodePool from the annotation.

A running worker never fetches the configuration again, and the operator creates the MachineHealthCheck of a NodePool
only while the condition is True (NP/conditions.go, NP/capi.go). So the annotation must be carried to the destination;
otherwise auto repair stops."""

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


def reached_status(pool: Object) -> str | None:
    """The status of the condition ReachedIgnitionEndpoint, of any generation: the condition never becomes False again.
    None if the NodePool has no such condition."""
    conditions = (
        entry for entry in dig(pool, "status", "conditions") or () if entry.get("type") == REACHED_IGNITION_ENDPOINT
    )
    return next((str(entry.get("status")) for entry in conditions), None)


def is_token(secret: Object) -> bool:
    """Whether a secret of a NodePool is a token secret, not a user-data secret."""
    return IGNITION_CONFIG in annotations_of(secret)


def tokens_of(pool: Object, secrets: Iterable[Object]) -> tuple[Object, ...]:
    """The NodePool's token secrets without an expiration: one, or more while the NodePool rolls."""
    pool_name = f"{namespace_of(pool)}/{name_of(pool)}"
    return tuple(
        item
        for item in secrets
        if is_token(item)
        and annotations_of(item)[NODE_POOL_ANNOTATION] == pool_name
        and IGNITION_EXPIRES not in annotations_of(item)
    )


def mark_reached(secret: Object, pools: Iterable[Object]) -> Object:
    """The token secret with the annotation if the condition of its NodePool is True, also if the secret on the source
    lacks the annotation: after an upgrade in place a NodePool has a new secret that no machine used. Any other secret
    unchanged. The result shares its values with `secret`."""
    pool_name = annotations_of(secret).get(NODE_POOL_ANNOTATION)
    owners = (item for item in pools if f"{namespace_of(item)}/{name_of(item)}" == pool_name)
    if not is_token(secret) or all(reached_status(item) != "True" for item in owners):
        return secret
    meta = secret["metadata"]
    return {**secret, "metadata": {**meta, "annotations": {**annotations_of(secret), IGNITION_REACHED: "True"}}}
