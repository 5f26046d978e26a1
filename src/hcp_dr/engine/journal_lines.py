"""The lines of a journal: JSON objects with typed access, and the fault of an invalid line.

A file may have been edited, or written by another version, and a later reader must not fail on a word in the place of a
number.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeAlias, cast

from hcp_dr.errors import JournalError
from hcp_dr.model import Case
from hcp_dr.objects.archive import LAST_MOMENT

Json: TypeAlias = "Mapping[str, Json] | Sequence[Json] | str | int | float | bool | None"
"""A value of JSON."""


class Line(dict[str, Json]):
    """One line of a journal. The properties are for the fields of a valid line, as judged by `find_fault`."""

    __slots__ = ()

    @classmethod
    def of(cls, kind: str, values: Mapping[str, object]) -> Line:
        return cls(cast("Mapping[str, Json]", {**values, "line": kind}))

    @property
    def kind(self) -> str:
        return str(self.get("line"))

    @property
    def at(self) -> float:
        """Seconds since the epoch; 0 for a line without it."""
        return cast("float", self.get("at") or 0.0)

    @property
    def step(self) -> str | None:
        return cast("str | None", self.get("step"))

    @property
    def seconds(self) -> float:
        """The duration of the step; 0 for a line without it."""
        return cast("float", self.get("seconds") or 0.0)

    @property
    def case(self) -> Mapping[str, Json] | None:
        return cast("Mapping[str, Json] | None", self.get("case"))

    @property
    def checks(self) -> Sequence[Mapping[str, Json]]:
        return cast("Sequence[Mapping[str, Json]]", self.get("checks") or ())

    def text(self, name: str) -> str | None:
        """The text of this field, None if there is none."""
        value = self.get(name)
        return None if value is None else str(value)

    def texts(self, name: str) -> Sequence[str]:
        return cast("Sequence[str]", self.get(name) or ())


def find_fault(lines: Iterable[tuple[int, Line]]) -> str | None:
    """The fault of the first invalid line, None if all are valid; each line is with its number. Unknown lines and
    fields are ignored."""
    for number, line in lines:
        kind = line.get("line")
        for name, (is_right, words) in _FIELDS.items():
            if name in line and not is_right(line[name]):
                return f"its line {number} ({kind}) has a field {name} that is not {words}"
        for name in _NEEDED.get(kind, ()) if isinstance(kind, str) else ():
            if line.get(name) is None:
                return f"its line {number} ({kind}) has no field {name}"
    return None


def case_of(value: Mapping[str, Json], where: object) -> Case:
    """The relocation recorded in the journal `where`. Raises JournalError."""
    try:
        return Case.from_json(dict(value))
    except ValueError as error:
        raise JournalError(
            path=where,
            reason=f"its record of the relocation cannot be read ({error}): the journal was edited, or another version "
            "of hcp-dr wrote it",
            left="Nothing of the hosted cluster was changed by this command.",
            todo="Continue with the version of hcp-dr that wrote the journal.",
        ) from error


def _is_word(value: object) -> bool:
    return isinstance(value, str)


def _is_word_or_none(value: object) -> bool:
    return value is None or isinstance(value, str)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and abs(value) <= LAST_MOMENT and math.isfinite(value)


def _is_moment(value: object) -> bool:
    return _is_number(value) and value >= 0  # type: ignore[operator]


def _is_sha256(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) is not None


def _are_words(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _are_checks(value: object) -> bool:
    words = ("name", "verdict", "seen")
    return isinstance(value, list) and all(
        isinstance(each, dict) and all(isinstance(each.get(word), str) for word in words) for each in value
    )


_FIELDS: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "at": (_is_moment, "a moment in seconds"),
    "command": (_is_word, "a word"),
    "case": (lambda value: value is None or isinstance(value, dict), "a mapping"),
    "step": (_is_word_or_none, "a word"),
    "because": (_is_word, "a text"),
    "seconds": (_is_number, "a number"),
    "key": (_is_word, "a word"),
    "steps": (_are_words, "a list of words"),
    "keys": (_are_words, "a list of words"),
    "warnings": (_are_words, "a list of texts"),
    "checks": (_are_checks, "a list of checks"),
    "watch": (_is_word, "a word"),
    "sha256": (_is_sha256, "a sha256"),
    "version": (_is_word, "a word"),
    "text": (_is_word, "a text"),
}
_NEEDED: Mapping[str, tuple[str, ...]] = {
    "done": ("step",),
    "undone": ("step",),
    "withdrawn": ("step", "because"),
    "checked": ("step", "checks"),
    "remember": ("key",),
    "alarm": ("watch", "text"),
    "unwatched": ("watch", "text"),
    "manifest": ("sha256",),
    "accepted": ("check", "seen", "reason"),
}
