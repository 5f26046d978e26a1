"""The shapes of hosted clusters in a rehearsal, by name; several shapes can be combined."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from enum import StrEnum

from hcp_dr_lab.ground.errors import BadOptions
from hcp_dr_lab.ground.releases import NEWEST, newest_hosted
from hcp_dr_lab.hosted.cluster import (
    ETCD_36_RELEASE,
    ETCDCTL_ON_36_RELEASE,
    FIXED_RELEASE,
    NEXT_RELEASE,
    RELEASE,
    Brought,
    Options,
    Pool,
)

MAX_MACHINES = 2000
MAX_SECRETS = 20000
MAX_BALLAST = 4 * 2**30  # half of etcd's quota; the rest is for the API's content and for history

_SIZE = re.compile(r"(\d+)(|B|KiB|MiB|GiB)")
_UNITS = {"": 1, "B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


class Shape(StrEnum):
    """A property that makes a hosted cluster harder to relocate than the plain shape."""

    THREE_MEMBERS = "three-members"  # of etcd, with an etcd-init that creates three separate clusters
    NEXT_MEMBERS = "three-members-5.0"  # the same, in a release with a later version
    FIXED_MEMBERS = "three-members-one-cluster"  # with an etcd-init that creates one cluster
    ETCDCTL_ON_36 = "etcdctl-on-3.6"  # etcd-init calls a tool that no longer supports restore
    ETCD_36 = "etcd-3.6"
    THREE_POOLS = "three-pools"  # Replace, InPlace, and a pool scaled to zero
    LOAD_BALANCER = "load-balancer"  # the API published by a load balancer with a hostname
    ENCRYPTED = "encrypted"
    REFERENCES = "references"
    NEIGHBOUR = "neighbour"


_THREE_POOLS = (Pool(2), Pool(1, "in-place", upgrade="InPlace"), Pool(0, "spare"))

_SHAPES: dict[Shape, Callable[[Options], Options]] = {
    Shape.ETCD_36: lambda options: replace(options, release=ETCD_36_RELEASE),
    Shape.ETCDCTL_ON_36: lambda options: replace(options, release=ETCDCTL_ON_36_RELEASE),
    Shape.THREE_MEMBERS: lambda options: replace(options, availability="HighlyAvailable"),
    Shape.NEXT_MEMBERS: lambda options: replace(options, availability="HighlyAvailable", release=NEXT_RELEASE),
    Shape.FIXED_MEMBERS: lambda options: replace(options, availability="HighlyAvailable", release=FIXED_RELEASE),
    Shape.THREE_POOLS: lambda options: replace(options, pools=_THREE_POOLS),
    Shape.LOAD_BALANCER: lambda options: replace(options, publishing="LoadBalancer"),
    Shape.ENCRYPTED: lambda options: replace(options, encrypted=True),
    Shape.REFERENCES: lambda options: replace(options, references=True),
    Shape.NEIGHBOUR: lambda options: replace(options, neighbour=True),
}
REFUSED = frozenset({Shape.THREE_MEMBERS, Shape.NEXT_MEMBERS, Shape.FIXED_MEMBERS, Shape.ETCDCTL_ON_36})
"""Shapes with an etcd that cannot be restored by a URL, or not by hcp-dr: a drill must leave everything unchanged."""
_RELEASES = (Shape.NEXT_MEMBERS, Shape.FIXED_MEMBERS, Shape.ETCDCTL_ON_36, Shape.ETCD_36)
"""Shapes that determine the release; at most one can be used."""


def options(
    shapes: Collection[Shape] = (),
    *,
    machines: int = 0,
    secrets: int = 0,
    etcd_ballast: int = 0,
    brought: Brought | None = None,
) -> Options:
    """`etcd_ballast` is in bytes. Raises BadOptions for contradictory options and values above the limits."""
    _refuse_contradictions(frozenset(shapes), machines=machines, brought=brought)
    for what, number, most in (("--machines", machines, MAX_MACHINES), ("--secrets", secrets, MAX_SECRETS)):
        if not 0 <= number <= most:
            raise BadOptions(f"{what} {number}: must be between 0 and {most}. Nothing was started.")
    if not 0 <= etcd_ballast <= MAX_BALLAST:
        raise BadOptions(
            f"--etcd-ballast of {etcd_ballast} bytes: at most {MAX_BALLAST} bytes fit into etcd's quota of 8 GiB, "
            "together with the hosted cluster's own content. Nothing was started."
        )
    result = Options(secrets=secrets, etcd_ballast=etcd_ballast, brought=brought)
    for shape, applied in _SHAPES.items():
        if shape in shapes:
            result = applied(result)
    if machines:
        result = replace(result, pools=(*result.pools, Pool(machines, "machines", kubelets=False)))
    return result


def at_release(hosted: Options, operators: tuple[str, str]) -> Options:
    """With the newest hosted release that both operators support, unless a shape or the user determines the release."""
    if operators == (NEWEST, NEWEST) or hosted.release != RELEASE or hosted.brought is not None:
        return hosted
    return replace(hosted, release=newest_hosted(operators))


def size(text: str) -> int:
    """Parse a size such as 500MiB into bytes. Raises BadOptions."""
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise BadOptions(
            f"{text!r} is not a size: use an integer with B, KiB, MiB or GiB, such as 500MiB. Nothing was started."
        )
    return int(found[1]) * _UNITS[found[2]]


def _refuse_contradictions(shapes: frozenset[Shape], *, machines: int, brought: Brought | None) -> None:
    releases = sorted(shapes & frozenset(_RELEASES))
    if len(releases) > 1:
        raise BadOptions(
            f"--shape {' and --shape '.join(releases)} exclude each other: each determines the hosted release. "
            "Nothing was started. Use only one."
        )
    decided = [*sorted(shapes - {Shape.NEIGHBOUR}), *(["machines"] if machines else [])]
    if brought is not None and decided:
        raise BadOptions(
            f"--hosted-cluster determines the shape and cannot be combined with {_words(decided)}. Nothing was "
            "started. Change the manifests instead, or remove --hosted-cluster. --shape neighbour, --secrets and "
            "--etcd-ballast can be combined with --hosted-cluster."
        )


def _words(shapes: Iterable[str]) -> str:
    return " and ".join(shapes)
