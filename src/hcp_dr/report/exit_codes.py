"""docs/exit-codes.md, from the classes of `hcp_dr.errors`."""

from __future__ import annotations

import string
from collections.abc import Iterator, Mapping

from hcp_dr.errors import DONE, DONE_WITH_WARNINGS, RESUME, HcpDrError

_HEAD = f"""# Exit codes

Generated from `src/hcp_dr/errors.py` by `make docs`. Words in capitals, such as CLUSTER, are placeholders.

| code | meaning |
|---|---|
| {DONE} | done |
| {DONE_WITH_WARNINGS} | done with warnings: a check of this command is a `warning`, and the result names the check |
| {HcpDrError.exit_code} | invalid command line, or an unexpected error |
| 3 to 99 | a specific error, see below: the command did not finish |
| 128+N | ended by signal N after the current action; completed actions stay, the `resume` command is printed |
| 130 | also: interrupted before the work began |
| 141 | the output was not written completely, because its reader closed the pipe |

Every error is one paragraph on stderr: what happened, what was left as it was, what to do next. For errors with
"retried: yes" the engine retries for minutes before the command ends with that code.

An unexpected error is reported in the same way. The paragraph also names a file `crash-*.txt` for a bug report: in the
backup folder if a journal had begun, else in `${{XDG_STATE_HOME:-~/.local/state}}/hcp-dr`. The file contains the stack
trace and the messages of the errors, without values of variables; text with the form of a secret is removed. Review
the file before sharing it.
"""
_TITLES = "\n| code | error | what happened | retried | what to do next |\n|---|---|---|---|---|\n"
_BARE = HcpDrError.template


def document() -> str:
    """The content of the file, as Markdown."""
    kinds = sorted(_subclasses(HcpDrError), key=lambda kind: kind.exit_code)
    return _HEAD + _TITLES + "".join(_row(kind) for kind in kinds)


def _subclasses(kind: type[HcpDrError]) -> Iterator[type[HcpDrError]]:
    for child in kind.__subclasses__():
        yield child
        yield from _subclasses(child)


def _row(kind: type[HcpDrError]) -> str:
    todo = kind.todo.replace(RESUME, f"{RESUME}")
    cells = (
        str(kind.exit_code),
        kind.__name__,
        meaning(kind),
        "yes" if kind.passing else "no",
        _with_placeholders(todo),
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def meaning(kind: type[HcpDrError]) -> str:
    """The message of the class; if the class has no template, its docstring, else the docstring of its parent."""
    if kind.template != _BARE:
        return _with_placeholders(kind.template)
    description = kind.__dict__.get("__doc__") or kind.__mro__[1].__doc__ or ""
    return " ".join(description.split())


def _with_placeholders(template: str) -> str:
    return string.Formatter().vformat(template, (), _Names())


class _Names(Mapping[str, "_Name"]):
    def __getitem__(self, name: str) -> _Name:
        return _Name(name)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


class _Name(str):
    """A placeholder for a value in a message, with any format."""

    __slots__ = ()

    def __format__(self, _spec: str) -> str:
        return self.upper()
