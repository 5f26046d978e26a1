"""Who wrote an object, by its managedFields. Whoever only took a field away leaves no trace there: then the last ones
who wrote anything of it are the best guess."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hcp_dr.kube.port import Object
from hcp_dr.objects.reading import dig

_TOLD = 3


def writers(item: Object, *path: str, but: str) -> tuple[str, ...]:
    """'manager at time', the newest first: of the field where somebody holds it, else of the object. Neither writers of
    the status nor the manager `but`."""
    entries = [
        entry
        for entry in item["metadata"].get("managedFields") or ()
        if entry.get("subresource") != "status" and entry.get("manager") != but
    ]
    holders = [entry for entry in entries if _holds(entry, path)]
    newest = sorted(holders or entries, key=lambda entry: str(entry.get("time", "")), reverse=True)
    return tuple(f"{entry.get('manager', '?')} at {entry.get('time', '?')}" for entry in newest[:_TOLD])


def _holds(entry: Mapping[str, Any], path: tuple[str, ...]) -> bool:
    return dig(entry.get("fieldsV1"), *(f"f:{word}" for word in path)) is not None
