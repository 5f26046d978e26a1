"""The field managers of an object and of its fields, from managedFields."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from hcp_dr.kube.port import Object
from hcp_dr.objects.reading import dig

_MAX_SUSPECTS = 3


@dataclass(frozen=True, slots=True)
class Writer:
    """`operation` is Apply for server-side apply, with which the manager restores its fields after changes by others;
    else Update. `at` is a timestamp, "" if unknown."""

    manager: str
    operation: str
    at: str

    def __str__(self) -> str:
        return f"{self.manager}{f' at {self.at}' if self.at else ''}"


def writers(item: Object, *path: str) -> tuple[Writer, ...]:
    """The field managers that own the field, such as spec, pausedUntil, or a field below it."""
    return _writers(entry for entry in _entries(item) if _owns(entry, path))


def appliers(item: Object) -> tuple[Writer, ...]:
    """The field managers that applied the object on the server's side, whichever of its fields they own."""
    return _writers(e for e in _entries(item) if e.get("operation") == "Apply" and e.get("subresource") != "status")


def suspects(item: Object, *path: str, but: str) -> tuple[Writer, ...]:
    """The field managers that may have changed the field, the newest first: its owners, else all writers of the object,
    because a manager that only removed the field leaves no trace. Excludes writers of the status and the manager `but`.
    """
    entries = [
        entry for entry in _entries(item) if entry.get("subresource") != "status" and entry.get("manager") != but
    ]
    owners = [entry for entry in entries if _owns(entry, path)]
    return tuple(sorted(_writers(owners or entries), key=lambda writer: writer.at, reverse=True)[:_MAX_SUSPECTS])


def _entries(item: Object) -> list[Mapping[str, Any]]:
    return item["metadata"].get("managedFields") or []


def _owns(entry: Mapping[str, Any], path: tuple[str, ...]) -> bool:
    return dig(entry.get("fieldsV1"), *(f"f:{word}" for word in path)) is not None


def _writers(entries: Iterable[Mapping[str, Any]]) -> tuple[Writer, ...]:
    return tuple(
        Writer(str(entry.get("manager", "?")), str(entry.get("operation", "")), str(entry.get("time") or ""))
        for entry in entries
    )
