"""Sentences in errors about state left as it was, true only until a step acts.

A step acts, observes again, and refuses: it must no longer report that nothing was done. Nor may a proof that a resume
repeats after later steps have begun. The journal knows the steps that have announced an act.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Self

DONE_SO_FAR = "What was done so far stays as it is."


class Untouched(str):
    """A sentence about state left as it was. `since` are the phases or steps whose acts make it untrue; by default,
    the reporting step. `besides` stays true after any act."""

    __slots__ = ("besides", "since")

    since: tuple[str, ...]
    besides: str

    def __new__(cls, sentence: str, *, since: tuple[str, ...] = (), besides: str = "") -> Self:
        text = super().__new__(cls, f"{sentence} {besides}".rstrip())
        text.since, text.besides = since, besides
        return text

    def __reduce__(self) -> tuple[object, ...]:
        return (str, (str(self),))


def still_true(left: str, step: str, acted: Collection[str]) -> str:
    """The sentence that this step may report. `acted` are the steps that announced an act, in this run or before."""
    if not isinstance(left, Untouched):
        return left
    since = left.since or (step,)
    if not any(name == each or name.startswith(f"{each}.") for name in acted for each in since):
        return str(left)
    return f"{DONE_SO_FAR} {left.besides}".rstrip()
