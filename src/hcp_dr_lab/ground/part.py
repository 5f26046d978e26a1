"""A part of the region: a process that the region's first process starts, watches, stops and reports on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Part:
    """`probe` returns None when the part serves, otherwise the reason; it is retried until `limit` seconds passed.

    A part starts as soon as the parts named in `after` serve; independent parts start together.
    `name` is a path like mgmt-1/kube-apiserver; the log is Layout.logs / "mgmt-1--kube-apiserver.log".
    """

    name: str
    command: tuple[str, ...]
    probe: Callable[[], str | None]
    environment: Mapping[str, str] = field(default_factory=dict)
    limit: float = 120  # a busy machine needs many times as long as an idle machine
    after: tuple[str, ...] = ()
    passing: bool = False  # ends by itself; the region works without it
