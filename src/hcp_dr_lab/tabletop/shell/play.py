"""Executes a script with files in memory and programs as functions."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from hcp_dr_lab.tabletop.shell.read import (
    Choice,
    Command,
    Condition,
    Each,
    Group,
    Loop,
    NotUnderstood,
    Output,
    Pipeline,
    Reading,
    Redirect,
    Script,
    Simple,
    Step,
    Text,
    Variable,
    Word,
    read,
)

_MOST_ROUNDS = 10_000
Files = MutableMapping[str, bytes]
_read = lru_cache(maxsize=256)(read)


class NotYet(Exception):
    """The script waits. `seconds` is the duration, NEVER if the wait does not end by itself."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"waits for {seconds} s")
        self.seconds = seconds


class _Ended(Exception):
    """exit, or a failure under set -e."""

    def __init__(self, code: int) -> None:
        super().__init__(str(code))
        self.code = code


@dataclass(slots=True)
class Call:
    """The call of a program: command line (starting with the name), environment, input and output."""

    words: Sequence[str]
    environment: Mapping[str, str]
    stdin: bytes
    shell: Shell
    out: bytearray = field(default_factory=bytearray)
    err: bytearray = field(default_factory=bytearray)

    def say(self, text: str) -> None:
        self.out += text.encode() + b"\n"

    def fail(self, text: str, code: int = 1) -> int:
        self.err += text.encode() + b"\n"
        return code


Program = Callable[[Call], int]
"""Returns the exit code."""


@dataclass(frozen=True, slots=True)
class Result:
    code: int
    out: bytes
    err: bytes


@dataclass(slots=True)
class _Streams:
    stdin: bytes
    out: bytearray
    err: bytearray


class Shell:
    """One process. `connects` returns whether a TCP connection to host and port succeeds; `sleep` lets time pass or
    raises NotYet. After `exec`, `process` has the command line of the program that replaced the shell.
    """

    def __init__(
        self,
        programs: Mapping[str, Program],
        files: Files,
        environment: Mapping[str, str],
        *,
        sleep: Callable[[float], None],
        connects: Callable[[str, int], bool] | None = None,
    ) -> None:
        self.programs = programs
        self.files = files
        self.sleep = sleep
        self.process: tuple[str, ...] | None = None
        self.ends_at_once = False  # true if a trap for SIGTERM is set
        self._connects = connects
        self._variables: dict[str, str | list[str]] = dict(environment)
        self._exported = set(environment)
        self._options: set[str] = set()
        self._guarded = 0  # inside a condition, where set -e does not apply
        self._code = 0
        self._last = 0  # $?
        self._handles = 62  # the next process substitution uses the next number

    def run(self, script: str, arguments: Sequence[str] = (), stdin: bytes = b"") -> Result:
        """`bash -c script $0 $1 …`. Raises NotYet, NotUnderstood."""
        self._variables |= {str(number): text for number, text in enumerate(arguments)}
        self._variables["@"] = list(arguments[1:])
        streams = _Streams(stdin, bytearray(), bytearray())
        try:
            self._script(_read(script), streams)
            code = self._code
        except _Ended as end:
            code = end.code
        return Result(code, bytes(streams.out), bytes(streams.err))

    def start(self, words: Sequence[str], stdin: bytes = b"") -> Result:
        """Start a program with arguments; `bash -c` runs in this shell."""
        if _base(words[0]) in ("sh", "bash") and len(words) > 2 and words[1] in ("-c", "-ec", "-lc"):
            if "e" in words[1]:
                self._options.add("e")
            return self.run(words[2], words[3:] or ("bash",), stdin)
        streams = _Streams(stdin, bytearray(), bytearray())
        code = self._call(list(words), {}, streams)
        return Result(code, bytes(streams.out), bytes(streams.err))

    # Scripts

    def _script(self, script: Script, streams: _Streams) -> None:
        for step in script.steps:
            self._step(step, streams)

    def _step(self, step: Step, streams: _Streams) -> None:
        if step.behind:
            self._code = 0  # background commands are not awaited, except by `wait`
            return
        last = len(step.pipelines) - 1
        for number, (joint, pipeline) in enumerate(step.pipelines):
            if (joint == "&&" and self._code) or (joint == "||" and not self._code):
                continue
            guarded = number < last or pipeline.negated
            self._guarded += guarded
            try:
                self._pipeline(pipeline, streams)
            finally:
                self._guarded -= guarded
            if self._code and not guarded and not self._guarded and "e" in self._options:
                raise _Ended(self._code)

    def _pipeline(self, pipeline: Pipeline, streams: _Streams) -> None:
        flowing, codes = streams.stdin, []
        for command in pipeline.commands[:-1]:
            between = _Streams(flowing, bytearray(), streams.err)
            self._apart(command, between)
            codes.append(self._code)
            flowing = bytes(between.out)
        rest = _Streams(flowing, streams.out, streams.err)
        if codes:
            self._apart(pipeline.commands[-1], rest)
        else:
            self._command(pipeline.commands[-1], rest)
            streams.stdin = rest.stdin
        codes.append(self._code)
        if "pipefail" in self._options:
            self._code = next((code for code in reversed(codes) if code), 0)
        if pipeline.negated:
            self._code = 0 if self._code else 1

    def _apart(self, command: Command, streams: _Streams) -> None:
        """Run in a subshell: variables are discarded, and exit ends only the subshell."""
        variables, options = dict(self._variables), set(self._options)
        try:
            self._command(command, streams)
        except _Ended as end:
            self._code = end.code
        finally:
            self._variables, self._options = variables, options

    def _command(self, command: Command, streams: _Streams) -> None:
        match command:
            case Simple():
                self._simple(command, streams)
            case Condition(words):
                self._code = 0 if self._holds([self._one(word, streams) for word in words]) else 1
            case Choice(ways, otherwise):
                self._choose(ways, otherwise, streams)
            case Loop(condition, body, until):
                self._loop(condition, body, streams, until=until)
            case Each(name, words, body):
                for text in self._fields(words, streams):
                    self._variables[name] = text
                    self._script(body, streams)
            case Group(script, redirects, apart):
                self._group(script, redirects, streams, apart=apart)

    def _group(self, script: Script, redirects: Sequence[Redirect], streams: _Streams, *, apart: bool) -> None:
        inner = self._redirected(redirects, streams)
        if inner is None:
            self._code = 1
            return
        if apart:
            self._apart(Group(script, (), apart=False), inner)
        else:
            self._script(script, inner)
        self._written(redirects, inner, streams)

    def _choose(self, ways: Sequence[tuple[Script, Script]], otherwise: Script | None, streams: _Streams) -> None:
        for condition, leads_to in ways:
            if self._true(condition, streams):
                self._code = 0
                self._script(leads_to, streams)
                return
        self._code = 0
        if otherwise is not None:
            self._script(otherwise, streams)

    def _loop(self, condition: Script, body: Script, streams: _Streams, *, until: bool) -> None:
        for _ in range(_MOST_ROUNDS):
            if self._true(condition, streams) == until:
                self._code = 0
                return
            self._script(body, streams)
        raise NotUnderstood("an endless loop")

    def _true(self, condition: Script, streams: _Streams) -> bool:
        self._guarded += 1
        try:
            self._script(condition, streams)
        finally:
            self._guarded -= 1
        return self._code == 0

    # One command

    def _simple(self, command: Simple, streams: _Streams) -> None:
        self._last, self._code = self._code, 0
        values = {
            name: [self._one(word, streams) for word in value]
            if value and isinstance(value[0], tuple)
            else self._one(value, streams)  # type: ignore[arg-type]
            for name, value in command.assignments
        }
        words = self._fields(command.words, streams)
        inner = self._redirected(command.redirects, streams)
        if inner is None:
            self._code = 1
            return
        if not words:
            self._variables |= values
            return
        given = {name: value for name, value in values.items() if isinstance(value, str)}
        try:
            self._code = self._call(words, given, inner)
        finally:
            self._written(command.redirects, inner, streams)

    def _call(self, words: list[str], given: Mapping[str, str], streams: _Streams) -> int:
        call = Call(words, {**self._environment(), **given}, streams.stdin, self, streams.out, streams.err)
        if words[0] in _BUILTINS:
            code: int = getattr(self, _BUILTINS[words[0]])(call)
            return code
        program = self.programs.get(_base(words[0]))
        if program is None:
            return call.fail(f"bash: {words[0]}: command not found", 127)
        return program(call)

    def _environment(self) -> dict[str, str]:
        return {name: value for name in self._exported if isinstance(value := self._variables.get(name), str)}

    def _redirected(self, redirects: Sequence[Redirect], streams: _Streams) -> _Streams | None:
        """Return None if a file cannot be opened."""
        inner = _Streams(streams.stdin, streams.out, streams.err)
        for redirect in redirects:
            target = self._one(redirect.target, streams)
            match redirect.how:
                case "<<<":
                    inner.stdin = target.encode() + b"\n"
                case "<":
                    if target not in self.files and target != "/dev/null":
                        streams.err += f"bash: {target}: No such file or directory\n".encode()
                        return None
                    inner.stdin = self.files.get(target, b"")
                case "<>":
                    _, _, _, host, port = target.split("/")
                    if self._connects is None or not self._connects(host, int(port)):
                        streams.err += f"bash: connect: Connection refused ({target})\n".encode()
                        return None
                case ">&":
                    both = {"1": inner.out, "2": inner.err}[target]
                    inner = _Streams(inner.stdin, *((both, inner.err) if redirect.number == 1 else (inner.out, both)))
                case ">" | ">>":
                    fresh = bytearray()
                    if redirect.number == 2:
                        inner.err = fresh
                    else:
                        inner.out = fresh
                case how:
                    raise NotUnderstood(f"the redirection {how}")
        return inner

    def _written(self, redirects: Sequence[Redirect], inner: _Streams, streams: _Streams) -> None:
        for redirect in redirects:
            if redirect.how in (">", ">>"):
                target = self._one(redirect.target, streams)
                content = bytes(inner.err if redirect.number == 2 else inner.out)
                if target != "/dev/null":
                    self.files[target] = (self.files.get(target, b"") if redirect.how == ">>" else b"") + content

    # Words

    def _fields(self, words: Sequence[Word], streams: _Streams) -> list[str]:
        return [text for word in words for text in self._split(word, streams)]

    def _one(self, word: Word, streams: _Streams) -> str:
        return "".join(" ".join(self._values(part, streams)) for part in word)

    def _split(self, word: Word, streams: _Streams) -> list[str]:
        """Split a word into fields: unquoted text at spaces, "$@" and "${list[@]}" at their elements."""
        fields: list[str] = []
        open_field = False
        for part in word:
            values = self._values(part, streams)
            whole = isinstance(part, Text) or part.quoted
            pieces = values if whole else [piece for value in values for piece in value.split()]
            for number, piece in enumerate(pieces):
                if number == 0 and open_field:
                    fields[-1] += piece
                else:
                    fields.append(piece)
                    open_field = True
        return fields

    def _values(self, part: Text | Variable | Output | Reading, streams: _Streams) -> list[str]:
        match part:
            case Reading(script):
                inner = _Streams(b"", bytearray(), streams.err)
                self._apart(Group(script, (), apart=False), inner)
                self._handles += 1
                path = f"/dev/fd/{self._handles}"
                self.files[path] = bytes(inner.out)
                return [path]
            case Text(text):
                return [text]
            case Output(script):
                inner = _Streams(b"", bytearray(), streams.err)
                self._apart(Group(script, (), apart=False), inner)
                return [inner.out.decode(errors="replace").rstrip("\n")]
            case Variable(name="?"):
                return [str(self._last)]
            case Variable(name="!"):
                return ["1"]
            case Variable(name, _, cut, pattern, _, default):
                found = self._variables.get(name)
                if found is None and "u" in self._options and not default and name != "@":
                    streams.err += f"bash: {name}: unbound variable\n".encode()
                    raise _Ended(1)
                if isinstance(found, list):
                    return found
                return [_cut(found or default, cut, pattern)]

    def _holds(self, words: list[str]) -> bool:
        """Evaluate [[ ]] and test."""
        match words:
            case ["!", *rest]:
                return not self._holds(rest)
            case [*left, "&&", _] if len(left) > 0 and "&&" in words:
                place = words.index("&&")
                return self._holds(words[:place]) and self._holds(words[place + 1 :])
            case ["-n", text] | [text] if not (len(words) == 1 and text == ""):
                return text != ""
            case ["-z", text]:
                return text == ""
            case ["-f" | "-e" | "-s" | "-r" | "-x" as how, path]:
                program = how == "-x" and path == f"/usr/bin/{_base(path)}"
                return _base(path) in self.programs if program else path in self.files
            case ["-d", path]:
                return any(known.startswith(path.rstrip("/") + "/") for known in self.files)
            case [one, "=" | "==", other]:
                return fnmatch.fnmatchcase(one, other)
            case [one, "!=", other]:
                return not fnmatch.fnmatchcase(one, other)
            case [one, "-eq" | "-ne" | "-lt" | "-le" | "-gt" | "-ge" as how, other]:
                return _COMPARED[how](int(one), int(other))
        return False

    # Builtins

    def _set(self, call: Call) -> int:
        words = list(call.words[1:])
        while words:
            word = words.pop(0)
            change = self._options.add if word.startswith("-") else self._options.discard
            for letter in word[1:]:
                change(words.pop(0) if letter == "o" else letter)
        return 0

    def _export(self, call: Call) -> int:
        for word in call.words[1:]:
            name, equals, value = word.partition("=")
            self._exported.add(name)
            if equals:
                self._variables[name] = value
        return 0

    def _exit(self, call: Call) -> int:
        raise _Ended(int(call.words[1]) if len(call.words) > 1 else self._code)

    def _exec(self, call: Call) -> int:
        if len(call.words) > 1:
            self.process = tuple(call.words[1:])
            raise _Ended(0)
        return 0

    def _trap(self, call: Call) -> int:
        self.ends_at_once = self.ends_at_once or "TERM" in call.words[2:] or "SIGTERM" in call.words[2:]
        return 0

    def _wait(self, _call: Call) -> int:
        raise NotYet(float("inf"))

    def _test(self, call: Call) -> int:
        words = list(call.words[1:])
        if call.words[0] == "[":
            words = words[:-1]
        return 0 if self._holds(words) else 1

    def _known(self, call: Call) -> int:
        """Run command -v, command NAME …"""
        if call.words[1:2] != ["-v"]:
            return self._call(list(call.words[1:]), {}, _Streams(call.stdin, call.out, call.err))
        name = call.words[2]
        if name not in self.programs and name not in _BUILTINS:
            return 1
        call.say(f"/usr/bin/{name}")
        return 0

    def _nothing(self, call: Call) -> int:
        return 1 if call.words[0] == "false" else 0


_BUILTINS: Mapping[str, str] = {
    "set": "_set",
    "export": "_export",
    "exit": "_exit",
    "exec": "_exec",
    "trap": "_trap",
    "wait": "_wait",
    "test": "_test",
    "[": "_test",
    "command": "_known",
    ":": "_nothing",
    "true": "_nothing",
    "false": "_nothing",
}
_COMPARED: Mapping[str, Callable[[int, int], bool]] = {
    "-eq": lambda one, other: one == other,
    "-ne": lambda one, other: one != other,
    "-lt": lambda one, other: one < other,
    "-le": lambda one, other: one <= other,
    "-gt": lambda one, other: one > other,
    "-ge": lambda one, other: one >= other,
}


def _base(word: str) -> str:
    return word.rpartition("/")[2]


def _cut(text: str, how: str, pattern: str) -> str:
    """Expand ${name%pattern} and related forms."""
    places = range(len(text) + 1)
    match how:
        case "":
            return text
        case "%%" | "%":
            ends = [place for place in places if fnmatch.fnmatchcase(text[place:], pattern)]
            return text[: (min if how == "%%" else max)(ends, default=len(text))]
        case _:
            starts = [place for place in places if fnmatch.fnmatchcase(text[:place], pattern)]
            return text[(max if how == "##" else min)(starts, default=0) :]
