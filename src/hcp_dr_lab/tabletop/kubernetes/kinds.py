"""A server's description of a kind: storage keys, preparation before writes, and validation."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hcp_dr.kube.port import Object, Resource

Path = tuple[str, ...]
Problems = list[str]
Prepare = Callable[[Object, Object | None], None]
Validate = Callable[[Object, Object | None], Problems]
Unknown = Callable[[Object], list[str]]

SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
SERVICE_LABEL = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
SEGMENT = re.compile(r"(?!\.\.?$)[^/%]+")


def _nothing(_new: Object, _old: Object | None) -> None:
    """No defaults."""


def _fine(_new: Object, _old: Object | None) -> Problems:
    """No rules."""
    return []


def _all_known(_new: Object) -> list[str]:
    """Fields of kinds without a schema here."""
    return []


@dataclass(frozen=True, slots=True)
class Scale:
    """Paths of replicas and selector in an object with the scale subresource."""

    wanted: Path = ("spec", "replicas")
    actual: Path = ("status", "replicas")
    selector: Path | None = None


@dataclass(frozen=True, slots=True)
class Kind:
    """`resource` is in the stored version. `prepare` changes an object before a write (old is None at creation),
    without modifying previously prepared parts in place; `validate` returns problems; `unknown` returns the paths of
    fields that `prepare` would drop. `fields` are selectable besides
    metadata.name and .namespace. `counted` is true if the server counts generations. `conversion` is the clientConfig
    of the webhook that converts between versions; without a webhook only apiVersion differs.
    """

    resource: Resource
    status: bool = False
    scale: Scale | None = None
    fields: Mapping[str, Path] = field(default_factory=dict)
    prepare: Prepare = _nothing
    validate: Validate = _fine
    unknown: Unknown = _all_known
    counted: bool = False
    custom: bool = False
    names: re.Pattern[str] = SUBDOMAIN
    longest_name: int = 253
    served: tuple[str, ...] = ()
    conversion: Object | None = None

    @property
    def key(self) -> str:
        return str(self.resource)


def dig(item: Any, path: Path, absent: Any = None) -> Any:
    """Return the value at a path, or `absent`."""
    for word in path:
        if not isinstance(item, Mapping) or word not in item:
            return absent
        item = item[word]
    return item


def plant(item: Object, path: Path, value: Any) -> None:
    """Set the value at a path, and create missing parents."""
    for word in path[:-1]:
        item = item.setdefault(word, {})
    item[path[-1]] = value
