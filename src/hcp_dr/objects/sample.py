"""Samples of what a hosted cluster holds: who an object is and what it says, without telling what it says.

The revision of a restored etcd is a billion higher and its hashes differ (rule C5), so that content is proven object by
object. A Secret is known by its uid alone: not even a hash of what it holds is kept.

The older half of a kind stands for it: what is young comes and goes, and the fence may be long in the making.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hcp_dr.kube.port import Object
from hcp_dr.objects.reading import annotations_of, is_deleting, name_of, namespace_of, uid_of

EACH = 20
"""So many of a kind."""
_LEADER = "control-plane.alpha.kubernetes.io/leader"
_MOVING = ("resourceVersion", "generation", "managedFields")


@dataclass(frozen=True, slots=True)
class Sample:
    """`content` is the sha256 of all but status and what the server counts; "" for Secrets."""

    uid: str
    content: str


def place_of(item: Object) -> str:
    namespace = namespace_of(item)
    return f"{item['kind']} {namespace}/{name_of(item)}" if namespace else f"{item['kind']} {name_of(item)}"


def sample(item: Object) -> Sample:
    if item["kind"] == "Secret":
        return Sample(uid_of(item), "")
    meta = {key: value for key, value in item["metadata"].items() if key not in _MOVING}
    body = {key: value for key, value in item.items() if key not in ("metadata", "status")}
    text = json.dumps({**body, "metadata": meta}, sort_keys=True)
    return Sample(uid_of(item), hashlib.sha256(text.encode()).hexdigest())


def samples(items: Iterable[Object], wanted: Mapping[str, Sample] | None = None) -> dict[str, Sample]:
    """By place: those that are wanted, else some of the older half, spread over all names. Locks of leaders, which
    change all the time, stand for nothing."""
    there = {place_of(item): item for item in items}
    if wanted is not None:
        return {place: sample(item) for place, item in there.items() if place in wanted}
    still = [place for place, item in there.items() if not is_deleting(item) and _LEADER not in annotations_of(item)]
    by_age = sorted(still, key=lambda place: (there[place]["metadata"].get("creationTimestamp", ""), place))
    still = sorted(by_age[: -(-len(by_age) // 2)])
    step = max(1, -(-len(still) // EACH))
    return {place: sample(there[place]) for place in still[::step]}
