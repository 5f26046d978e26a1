"""Typed access to the values remembered in the journal. A Key has the name and the type of one value.

The journal may come from the bucket, and another client may have written it: a value without the form of its key is
refused, and never used in part.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Generic, TypeVar, cast

from pydantic import TypeAdapter

from hcp_dr.engine.journal_lines import Json
from hcp_dr.engine.untouched import Untouched
from hcp_dr.errors import NotOurs
from hcp_dr.hiding import safe

T = TypeVar("T")
_SHOWN_CHARACTERS = 120
"""Characters of a refused value shown in an error."""


@dataclass(frozen=True, slots=True)
class Remember:
    """Keep a value in the journal that clusters cannot show later. Written before the other actions of its batch."""

    key: str
    value: Json

    def describe(self) -> str:
        return f"remember {self.key}"


@dataclass(frozen=True, slots=True)
class Key(Generic[T]):
    """A value remembered in the journal: its key there, and its type, such as a frozen dataclass. JSON has no field for
    None. `exact`: the value is written back by an undo, so it is kept as it is; of other values, texts with the form
    of a secret are hidden."""

    name: str
    type: type[T]
    exact: bool = False

    def remember(self, value: T) -> Remember:
        """The action that keeps the value."""
        written = self.to_json(value)
        return Remember(self.name, written if self.exact else safe(written))

    def to_json(self, value: T) -> Json:
        adapter = _adapter(cast("Hashable", self.type))
        return cast("Json", adapter.dump_python(value, mode="json", exclude_none=True, warnings=False))

    def read(self, values: Mapping[str, Json]) -> T | None:
        """The remembered value, None if there is none. Raises NotOurs for another form."""
        stored = values.get(self.name)
        if stored is None:
            return None
        try:
            return cast("T", _adapter(cast("Hashable", self.type)).validate_json(json.dumps(stored), strict=True))
        except (TypeError, ValueError):
            raise refusal(f"{self.name} is {repr(stored)[:_SHOWN_CHARACTERS]}") from None


@cache
def _adapter(kind: Hashable) -> TypeAdapter[object]:
    return TypeAdapter(cast("type[object]", kind))


def refusal(what: str) -> NotOurs:
    """`what` begins with the name of the value, and describes the part that does not belong to this hosted cluster."""
    return NotOurs(
        what=f"The journal holds a value that does not belong to this hosted cluster: {what}.",
        left=Untouched("Nothing of this step was done."),
        todo="Find out which client wrote it: the journal may have come from the bucket. The true journal is in the "
        "folder of the machine that began, or beside this one as journal.jsonl.before; run the command there, with "
        "--backup.",
    )
