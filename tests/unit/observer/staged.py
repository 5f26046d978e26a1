"""A clean relocation as the observer would see it, from which each test takes away one thing.

Seconds: the source serves to 10, the destination from 50 on; the source's operator is away from 70 to 80; at 100 the
observer stops, and reads everything once more.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hcp_dr_lab.observer.evidence import (
    Belongings,
    Closing,
    Evidence,
    Owner,
    Probe,
    Readiness,
    Replicas,
    Sight,
    Topic,
    Verb,
    Write,
)

SOURCE, DESTINATION = "mgmt-1", "mgmt-2"
ADDRESSES = {SOURCE: "10.88.1.5", DESTINATION: "10.88.2.5"}
STOPPED = 100.0


def by_name(name: str, at: float, sequence: int = 1, verb: Verb = "create", *, acknowledged: bool = True) -> Write:
    return Write(name, sequence, at, at + 0.1, acknowledged, "" if acknowledged else "timed out", verb)


def direct(side: str, at: float, name: str = "", *, acknowledged: bool = True, kept: bool = False) -> Write:
    name = name or f"{side}-{at}-{'kept' if kept else 'new'}"
    detail = "" if acknowledged else "ConnectionRefusedError"
    return Write(name, 1, at, at + 0.1, acknowledged, detail, "create", side, ADDRESSES[side], kept)


def ready(side: str, at: float, *, is_ready: bool = True, address: str = "") -> Readiness:
    return Readiness(side, address or ADDRESSES[side], at, at + 0.05, is_ready, "" if is_ready else "refused")


def probe(at: float, *, answered: bool = True, target: str = "hello-1", of: Owner = "workload") -> Probe:
    return Probe(target, at, at + 0.01, answered, "" if answered else "timed out", of)


def sight(at: float, **changes: Any) -> Sight:
    seen = Sight(
        at,
        instances={"i-1": "running", "i-2": "running"},
        protection={"i-1": False, "i-2": True},
        node_uids={"node-1": "uid-1", "node-2": "uid-2"},
        node_boot_ids={"node-1": "boot-1", "node-2": "boot-2"},
        worker_boot_ids={"node-1": "boot-1", "node-2": "boot-2"},
        containers={"workload/hello-1/hello": "c-1", "openshift-ovn-kubernetes/ovnkube-node-1/ovn": "c-2"},
        restarts={"workload/hello-1/hello": 0, "openshift-ovn-kubernetes/ovnkube-node-1/ovn": 0},
    )
    return replace(seen, **changes)


THINGS: dict[Topic, dict[str, str]] = {
    "content": {"hosted ConfigMap shop/prices": "uid-3 aa"},
    "volumes": {"hosted PersistentVolumeClaim openshift-monitoring/metrics": "uid-4 volume-1"},
    "cloud": {"s3 oidc/keys": "etag", "security group sg-1": "bb"},
    "neighbour": {
        "mgmt-1 Machine clusters-next/one": "uid-4 cc",
        "mgmt-1 Pod clusters-next/etcd-0": "uid-5 0 restarts",
    },
    "foreign": {"mgmt-1 Secret clusters/theirs": "uid-6 dd", "record theirs.example. TXT": "ee"},
}


def things(topic: Topic, at: float, **changes: Any) -> Belongings:
    """`changes` are not identifiers, so they are given as **{...}; None takes a thing away."""
    changed = {**THINGS[topic], **changes}
    return Belongings(at, topic, {thing: value for thing, value in changed.items() if value is not None})


def replicas(side: str, deployment: str, at: float, asked: int = 1, ready: int | None = None) -> Replicas:
    return Replicas(at, side, deployment, asked, asked if ready is None else ready)


def _operator(side: str, at: float) -> Replicas:
    return replicas(side, "operator", at, asked=0 if side == SOURCE and 70 <= at < 80 else 1)


TENS = tuple(float(at) for at in range(0, 101, 10))

CLEAN = Evidence(
    closing=Closing(
        source=SOURCE,
        destination=DESTINATION,
        stopped=STOPPED,
        neighbour="next",
        read_back={
            **{f"cm-{number}": 1 for number in range(190) if number != 1},
            "cm-0": 2,
            **{f"{SOURCE}-{at}-{how}": 1 for at in (2.0, 4.0) for how in ("new", "kept")},
            **{f"{DESTINATION}-{at}-{how}": 1 for at in (60.0, 80.0) for how in ("new", "kept")},
        },
        source_left=(),
    ),
    writes=(
        *(by_name(f"cm-{number}", number * 0.5) for number in range(190)),
        by_name("cm-0", 96, 2, "update"),
        by_name("cm-1", 97, 2, "delete"),
        *(direct(SOURCE, at, kept=kept) for at in (2.0, 4.0) for kept in (False, True)),
        *(direct(SOURCE, at, f"late-{at}", acknowledged=False) for at in TENS if at > 10),
        *(direct(DESTINATION, at, kept=kept) for at in (60.0, 80.0) for kept in (False, True)),
    ),
    readiness=(
        *(ready(SOURCE, at) for at in (1, 2, 3)),
        *(ready(SOURCE, at, is_ready=False) for at in TENS if at > 10),
        *(ready(DESTINATION, at) for at in TENS if at >= 50),
    ),
    probes=(
        *(probe(float(at)) for at in range(100)),
        *(probe(float(at), target="the API of next", of="neighbour") for at in range(100)),
    ),
    sights=(*(sight(at) for at in TENS[:-1]), sight(STOPPED + 1)),
    belongings=tuple(things(topic, at) for topic in THINGS for at in (0.0, 50.0, STOPPED + 1)),
    replicas=(
        *(_operator(side, at) for side in ADDRESSES for at in (*TENS, STOPPED + 1)),
        *(replicas(side, "external-dns", at) for side in ADDRESSES for at in (*TENS, STOPPED + 1)),
    ),
)


def closed(**changes: Any) -> Evidence:
    return replace(CLEAN, closing=replace(CLEAN.closing, **changes))


def read_back(**changes: Any) -> Evidence:
    """With other things found at the end; None is one that is not there."""
    found = {**(CLEAN.closing.read_back or {}), **changes}
    return closed(read_back={name: value for name, value in found.items() if value is not None})


def more(**values: tuple[Any, ...]) -> Evidence:
    """With more evidence of a kind."""
    return replace(CLEAN, **{kind: (*getattr(CLEAN, kind), *added) for kind, added in values.items()})  # type: ignore[arg-type]


def last_seen(**changes: Any) -> Evidence:
    """With another last sight of the workers."""
    return replace(CLEAN, sights=(*CLEAN.sights[:-1], sight(STOPPED + 1, **changes)))


def with_proxy(at: float, container_id: str, restarts: int) -> Sight:
    """A sight of a node's API proxy too."""
    name, seen = "kube-system/kube-apiserver-proxy-node-1/haproxy", sight(at)
    return replace(
        seen,
        containers={**(seen.containers or {}), name: container_id},
        restarts={**(seen.restarts or {}), name: restarts},
    )


def last_things(topic: Topic, **changes: Any) -> Evidence:
    """With another last reading of a topic."""
    others = tuple(one for one in CLEAN.belongings if one.topic != topic or one.at < STOPPED)
    return replace(CLEAN, belongings=(*others, things(topic, STOPPED + 1, **changes)))
