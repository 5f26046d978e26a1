"""What an error says was left as it was, where that holds only until somebody acts.

A step acts, looks again, and refuses: by then it may not say any more that nothing was done. Nor may a proof that a
resume looks at again, when what follows it has begun. The journal knows who has meant to act.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Self

DONE_SO_FAR = "What was done so far stays as it is."


class Untouched(str):
    """A sentence about what was left as it was. `since` are the phases or steps whose acts make it untrue; where none
    is named, those of the step that says it. `besides` is true whoever acted."""

    __slots__ = ("besides", "since")

    since: tuple[str, ...]
    besides: str

    def __new__(cls, sentence: str, *, since: tuple[str, ...] = (), besides: str = "") -> Self:
        made = super().__new__(cls, f"{sentence} {besides}".rstrip())
        made.since, made.besides = since, besides
        return made

    def __reduce__(self) -> tuple[object, ...]:
        return (str, (str(self),))


def still_true(left: str, step: str, acted: Collection[str]) -> str:
    """What may be said by this step. `acted` are the steps that have meant to act, in this run or before."""
    if not isinstance(left, Untouched):
        return left
    since = left.since or (step,)
    if not any(name == each or name.startswith(f"{each}.") for name in acted for each in since):
        return str(left)
    return f"{DONE_SO_FAR} {left.besides}".rstrip()
