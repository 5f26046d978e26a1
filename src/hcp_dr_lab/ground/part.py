"""A part of the region: one process that the region's first process starts, watches, stops, and tells about."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Part:
    """`probe` says None when the part serves, else why it does not yet; it is asked again until `limit` seconds passed.

    It starts as soon as the parts named in `after` serve; parts that do not wait for each other start together.
    `name` is a path like mgmt-1/kube-apiserver; the log is Layout.logs / "mgmt-1--kube-apiserver.log".
    """

    name: str
    command: tuple[str, ...]
    probe: Callable[[], str | None]
    environment: Mapping[str, str] = field(default_factory=dict)
    limit: float = 120  # a busy machine needs many times what an idle one does
    after: tuple[str, ...] = ()
    passing: bool = False  # it has an end of its own, and the region is as well without it
