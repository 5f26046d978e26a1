"""Typed access to what the journal remembers. A Key names a value, and knows its type.

The journal may come from the bucket, where another client may have written it: a value of another form than its key's
is refused, and never used in part.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Generic, TypeVar, cast

from pydantic import TypeAdapter

from hcp_dr.engine.untouched import Untouched
from hcp_dr.errors import NotOurs

T = TypeVar("T")
_SHOWN = 120
"""Characters of a refused value that an error shows."""


@dataclass(frozen=True, slots=True)
class Remember:
    """Keep in the journal what the clusters cannot show afterwards. Written before the other actions of its batch."""

    key: str
    value: Any

    def describe(self) -> str:
        return f"remember {self.key}"


@dataclass(frozen=True, slots=True)
class Key(Generic[T]):
    """A value that the journal remembers: its key there, and its type, such as a frozen dataclass. In JSON a field that
    is None is left out."""

    name: str
    type: type[T]

    def remember(self, value: T) -> Remember:
        """The action that keeps the value."""
        return Remember(self.name, self.to_json(value))

    def to_json(self, value: T) -> Any:
        return _adapter(cast("Any", self.type)).dump_python(value, mode="json", exclude_none=True, warnings=False)

    def read(self, values: Mapping[str, Any]) -> T | None:
        """The value among those remembered, None where it is not there. Raises NotOurs for another form."""
        stored = values.get(self.name)
        if stored is None:
            return None
        try:
            return cast("T", _adapter(cast("Any", self.type)).validate_json(json.dumps(stored), strict=True))
        except (TypeError, ValueError):
            raise refusal(f"{self.name} is {repr(stored)[:_SHOWN]}") from None


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def refusal(what: str) -> NotOurs:
    """`what` begins with the name of the value, and says what of it does not belong to this hosted cluster."""
    return NotOurs(
        what=f"The journal holds what is not this hosted cluster's to have: {what}.",
        left=Untouched("Nothing of this step was done."),
        todo="Find out who wrote that: the journal may have come from the bucket. The true one is in the folder of the "
        "machine that began, or beside this one as journal.jsonl.before; run the command there, with --backup.",
    )
