"""Who wrote an object, and which part of it, as its managedFields tell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from hcp_dr.kube.port import Object
from hcp_dr.objects.reading import dig

_TOLD = 3


@dataclass(frozen=True, slots=True)
class Writer:
    """`operation` is Apply where the manager says all that it wants each time, so that it puts back what others change;
    else Update. `at` is a timestamp, "" where it is not told."""

    manager: str
    operation: str
    at: str

    def __str__(self) -> str:
        return f"{self.manager}{f' at {self.at}' if self.at else ''}"


def writers(item: Object, *path: str) -> tuple[Writer, ...]:
    """Those who own the field, such as spec, pausedUntil, or something below it."""
    return _told(entry for entry in _entries(item) if _holds(entry, path))


def suspects(item: Object, *path: str, but: str) -> tuple[Writer, ...]:
    """Who may have changed the field, the newest first: who holds it, else who wrote anything of the object, because
    whoever only took a field away leaves no trace there. Neither writers of the status nor the manager `but`."""
    entries = [
        entry for entry in _entries(item) if entry.get("subresource") != "status" and entry.get("manager") != but
    ]
    holders = [entry for entry in entries if _holds(entry, path)]
    return tuple(sorted(_told(holders or entries), key=lambda writer: writer.at, reverse=True)[:_TOLD])


def _entries(item: Object) -> list[Mapping[str, Any]]:
    return item["metadata"].get("managedFields") or []


def _holds(entry: Mapping[str, Any], path: tuple[str, ...]) -> bool:
    return dig(entry.get("fieldsV1"), *(f"f:{word}" for word in path)) is not None


def _told(entries: Iterable[Mapping[str, Any]]) -> tuple[Writer, ...]:
    return tuple(
        Writer(str(entry.get("manager", "?")), str(entry.get("operation", "")), str(entry.get("time") or ""))
        for entry in entries
    )
