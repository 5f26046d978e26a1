"""docs/exit-codes.md, from the classes of `hcp_dr.errors`."""

from __future__ import annotations

import string
from collections.abc import Iterator, Mapping

from hcp_dr.errors import DONE, DONE_WITH_WARNINGS, RESUME, HcpDrError

_HEAD = f"""# Exit codes

Made from `src/hcp_dr/errors.py` by `make docs`. A word like CLUSTER stands for what the message names.

| code | what it says |
|---|---|
| {DONE} | done |
| {DONE_WITH_WARNINGS} | done, with warnings: a check that this command made is a `warning`. The result names it |
| {HcpDrError.exit_code} | a word of the command line is wrong, or what nobody foresaw |
| 3 to 99 | one for each kind of error, below: the result was not reached |
| 128+N | ended by signal N after the current action; what was done stays, and the `resume` command is printed |
| 130 | also: interrupted while nothing was at work |
| 141 | nobody reads the output any more (a closed pipe), and so not all of it was told |

Every error is one paragraph on stderr: what happened, what was left as it was, what to do next. "Tried again" is what
the engine tries again by itself, for minutes, before it ends with that code.

What nobody foresaw is told in the same way. The paragraph also names a file `crash-*.txt`, for whoever mends hcp-dr:
in the backup folder where a journal had begun, else in `${{XDG_STATE_HOME:-~/.local/state}}/hcp-dr`. It has the calls
and the words of the errors, without the values of variables and without what looks like a secret. Read it before you
send it to anybody.
"""
_TITLES = "\n| code | error | what happened | tried again | what to do next |\n|---|---|---|---|---|\n"
_BARE = HcpDrError.template


def document() -> str:
    """The whole file, as Markdown."""
    kinds = sorted(_below(HcpDrError), key=lambda kind: kind.exit_code)
    return _HEAD + _TITLES + "".join(_row(kind) for kind in kinds)


def _below(kind: type[HcpDrError]) -> Iterator[type[HcpDrError]]:
    for child in kind.__subclasses__():
        yield child
        yield from _below(child)


def _row(kind: type[HcpDrError]) -> str:
    todo = kind.todo.replace(RESUME, f"{RESUME}")
    cells = (
        str(kind.exit_code),
        kind.__name__,
        meaning(kind),
        "yes" if kind.passing else "no",
        _words(todo),
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def meaning(kind: type[HcpDrError]) -> str:
    """The message of the class; where each occasion has its own, what the class says of itself, or else its parent."""
    if kind.template != _BARE:
        return _words(kind.template)
    own = kind.__dict__.get("__doc__") or kind.__mro__[1].__doc__ or ""
    return " ".join(own.split())


def _words(template: str) -> str:
    return string.Formatter().vformat(template, (), _Names())


class _Names(Mapping[str, "_Name"]):
    def __getitem__(self, name: str) -> _Name:
        return _Name(name)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


class _Name(str):
    """Stands for a value in a message, whatever its format."""

    __slots__ = ()

    def __format__(self, _spec: str) -> str:
        return self.upper()
