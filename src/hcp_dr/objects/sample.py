"""Samples of a hosted cluster's objects: uid and a hash of the content, never the content.

The revision of a restored etcd is a billion higher and its hashes differ (rule C5), so the content is compared object
by object. A sample of a Secret is its uid alone: not even a hash of the content is kept.

Samples are from the older half of each kind: young objects are often deleted before the fence is complete.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hcp_dr.kube.port import Object
from hcp_dr.objects.reading import annotations_of, is_deleting, name_of, namespace_of, uid_of

SAMPLES_PER_KIND = 20
"""About this number of samples of each kind."""
_LEADER = "control-plane.alpha.kubernetes.io/leader"
_VOLATILE = ("resourceVersion", "generation", "managedFields")


@dataclass(frozen=True, slots=True)
class Sample:
    """`content` is the sha256 of the object without status and the server's counters; "" for Secrets."""

    uid: str
    content: str


def place_of(item: Object) -> str:
    namespace = namespace_of(item)
    return f"{item['kind']} {namespace}/{name_of(item)}" if namespace else f"{item['kind']} {name_of(item)}"


def sample(item: Object) -> Sample:
    if item["kind"] == "Secret":
        return Sample(uid_of(item), "")
    meta = {key: value for key, value in item["metadata"].items() if key not in _VOLATILE}
    body = {key: value for key, value in item.items() if key not in ("metadata", "status")}
    text = json.dumps({**body, "metadata": meta}, sort_keys=True)
    return Sample(uid_of(item), hashlib.sha256(text.encode()).hexdigest())


def samples(items: Iterable[Object], wanted: Mapping[str, Sample] | None = None) -> dict[str, Sample]:
    """By place: the wanted samples, else a selection of the older half, spread over the names. Objects with leader
    election locks are excluded, because they change all the time."""
    by_place = {place_of(item): item for item in items}
    if wanted is not None:
        return {place: sample(item) for place, item in by_place.items() if place in wanted}
    stable = [p for p, item in by_place.items() if not is_deleting(item) and _LEADER not in annotations_of(item)]
    by_age = sorted(stable, key=lambda place: (by_place[place]["metadata"].get("creationTimestamp", ""), place))
    older = sorted(by_age[: -(-len(by_age) // 2)])
    step = max(1, -(-len(older) // SAMPLES_PER_KIND))
    return {place: sample(by_place[place]) for place in older[::step]}
