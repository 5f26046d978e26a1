"""The file of --env-file: lines NAME=value, expanded as a shell would expand them.

hcp-dr reads the file and does not run it. So a line that is no assignment is refused, and so is a value that only a
running shell has: the result of a command, or a variable that is not set.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from dotenv.parser import Binding, parse_stream

from hcp_dr.errors import SettingsError
from hcp_dr.inputs import read_file

_MOST_BYTES = 64 * 1024
_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_WITHOUT_EFFECT = re.compile(r"(set\s+[-+](a|o\s+allexport)|export(\s+\w+)+)\s*(#.*)?")
_OTHER_COMMAND = re.compile(r"[;&|<>()]|\s[A-Za-z_]\w*=", re.ASCII)
_ASSIGNED = re.compile(r"[;&|\s]([A-Za-z_]\w*)=", re.ASCII)
_EXPANSION = re.compile(r"\$\{(?:[^{}]|\$\{[^{}]*\})*\}|\$\(.*|`.*", re.DOTALL)
_IN_BRACES = re.compile(r"([A-Za-z_]\w*)(?::?-(.*))?", re.ASCII | re.DOTALL)


@dataclass(slots=True)
class Assignment:
    """One variable of the file. `fault` says why its value cannot be known, "" if it can; it is an error only if the
    value is needed. `used`: another line refers to the variable."""

    name: str
    text: str
    line: int
    file: Path
    fault: str = ""
    used: bool = False

    def value(self) -> str:
        """Raises SettingsError."""
        if self.fault:
            raise SettingsError(
                what=f"{self.name} in line {self.line} of {self.file} {self.fault}.",
                todo="Write the value itself, or refer to another variable as ${NAME}, and run the command again.",
            )
        return self.text


def read(file: Path, environment: Mapping[str, str]) -> dict[str, Assignment]:
    """The assignments, by name; the last one counts. Raises SettingsError."""
    try:
        text = read_file(file, limit=_MOST_BYTES).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or f"its byte {getattr(error, 'start', 0) + 1} is not UTF-8"
        raise SettingsError(
            what=f"The file {file}, given with --env-file, cannot be read: {why}.",
            todo="Correct the path or the file and run the command again.",
        ) from error
    assignments: dict[str, Assignment] = {}
    for binding, line in _bindings(text):
        assignment = _assignment(binding, line, file)
        if assignment is not None:
            try:
                assignment.text = _expand(assignment.text, binding, assignments, environment)
            except ValueError as error:
                assignment.fault = str(error)
            assignments[assignment.name] = assignment
            if assignment.fault:
                fault = "stands behind another command, which hcp-dr does not run"
                behind = _ASSIGNED.findall(assignment.text)
                assignments |= {name: Assignment(name, "", line, file, fault) for name in behind}
    return assignments


def _bindings(text: str) -> Iterator[tuple[Binding, int]]:
    """Each line that is not empty, with its number."""
    for binding in parse_stream(StringIO(text)):
        string = binding.original.string
        if string.strip():
            blank = string[: len(string) - len(string.lstrip())]
            yield binding, binding.original.line + len(re.findall(r"\r\n|\n|\r", blank))


def _assignment(binding: Binding, line: int, file: Path) -> Assignment | None:
    """None for a comment, and for a line without effect. Raises SettingsError."""
    if (binding.key is None and not binding.error) or _WITHOUT_EFFECT.fullmatch(binding.original.string.strip()):
        return None
    if binding.error or binding.value is None or not _NAME.fullmatch(binding.key or ""):
        raise SettingsError(
            what=f"Line {line} of {file}, given with --env-file, is not NAME=value: hcp-dr reads the file, and does "
            "not run it in a shell.",
            todo="Correct or remove that line, and run the command again.",
        )
    return Assignment(str(binding.key), binding.value, line, file)


def _expand(value: str, binding: Binding, assignments: Mapping[str, Assignment], environment: Mapping[str, str]) -> str:
    """Raises ValueError if the value cannot be known."""
    written = binding.original.string.partition("=")[2].lstrip()
    if written.startswith("'"):
        expanded = value
    else:
        unquoted = "" if written.startswith('"') else _EXPANSION.sub("", value)
        if other := _OTHER_COMMAND.search(unquoted):
            raise ValueError(f"contains {other[0].strip()} outside quotes, which begins something else in a shell")
        if written.startswith(("$'", '$"')):
            raise ValueError(f"contains {written[:2]}, which only a shell can replace")
        expanded = _replace(value, assignments, environment)
    if not expanded.isprintable():
        raise ValueError("contains a control character or a line break")
    return expanded


def _replace(value: str, assignments: Mapping[str, Assignment], environment: Mapping[str, str]) -> str:
    """The value with each variable replaced."""
    parts, position = [], 0
    while position < len(value):
        letter, rest = value[position], value[position + 1 :]
        if letter == "\\" and rest[:1] in ("$", "`"):
            parts.append(rest[0])
            position += 2
        elif letter == "`":
            raise ValueError("contains `, a command that hcp-dr does not run")
        elif letter == "$" and rest.startswith("{"):
            inside = _until_brace(rest[1:])
            parts.append(_braces(inside, assignments, environment))
            position += len(inside) + 3
        elif letter == "$" and (name := _NAME.match(rest)):
            parts.append(_look_up(name[0], assignments, environment))
            position += len(name[0]) + 1
        elif letter == "$" and re.match(r"[(\d@*#?!-]", rest):
            raise ValueError(f"contains ${rest[0]}, which only a shell can replace")
        else:
            parts.append(letter)
            position += 1
    return "".join(parts)


def _until_brace(text: str) -> str:
    depth = 1
    for position, letter in enumerate(text):
        depth += (letter == "{") - (letter == "}")
        if depth == 0:
            return text[:position]
    raise ValueError("contains ${ without its }")


def _braces(inside: str, assignments: Mapping[str, Assignment], environment: Mapping[str, str]) -> str:
    match = _IN_BRACES.fullmatch(inside)
    if match is None:
        raise ValueError("contains a form of ${} other than ${NAME} and ${NAME:-default}")
    default = match[2]
    if default is None or match[1] in assignments or environment.get(match[1]):
        return _look_up(match[1], assignments, environment)
    if len(default) > 1 and default[0] == default[-1] and default[0] in "'\"":
        default = default[1:-1]
    return _replace(default, assignments, environment)


def _look_up(name: str, assignments: Mapping[str, Assignment], environment: Mapping[str, str]) -> str:
    assignment = assignments.get(name)
    if assignment is not None:
        assignment.used = True
        if assignment.fault:
            raise ValueError(f"refers to {name}, which {assignment.fault}")
        return assignment.text
    if name not in environment:
        raise ValueError(f"refers to {name}, which is set neither before that line nor in the environment")
    return environment[name]
