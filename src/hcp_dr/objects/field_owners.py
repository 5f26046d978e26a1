"""Who wrote which part of an object, as its managedFields tell."""

from __future__ import annotations

from dataclasses import dataclass

from hcp_dr.kube.port import Object
from hcp_dr.objects.reading import dig


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
    fields = [f"f:{key}" for key in path]
    return tuple(
        Writer(str(entry.get("manager", "?")), str(entry.get("operation", "")), str(entry.get("time") or ""))
        for entry in item["metadata"].get("managedFields") or ()
        if dig(entry.get("fieldsV1"), *fields) is not None
    )
