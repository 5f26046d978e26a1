"""Parses a script for `play`: lists of pipelines of commands, and words with expansions."""

from __future__ import annotations

import re
from dataclasses import dataclass

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RESERVED = frozenset({"if", "then", "elif", "else", "fi", "while", "until", "for", "do", "done", "in", "{", "}", "!"})
_REDIRECT = re.compile(r"(\d*)(<<<|<>|>>|>&|<&|>|<)")
_SPECIAL = "?#!@*$0123456789"


class NotUnderstood(ValueError):
    """A script that this shell cannot parse; the text has the position."""


@dataclass(frozen=True, slots=True)
class Text:
    text: str
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Variable:
    """`cut` and `pattern` are from ${name%%pattern}; `every` is [@]; `default` is from ${name:-default}."""

    name: str
    quoted: bool = False
    cut: str = ""
    pattern: str = ""
    every: bool = False
    default: str = ""


@dataclass(frozen=True, slots=True)
class Output:
    """$(script)"""

    script: Script
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """<(script): a file with the script's output."""

    script: Script
    quoted: bool = True


Word = tuple[Text | Variable | Output | Reading, ...]


@dataclass(frozen=True, slots=True)
class Redirect:
    number: int
    how: str
    target: Word


@dataclass(frozen=True, slots=True)
class Simple:
    assignments: tuple[tuple[str, Word | tuple[Word, ...]], ...]
    words: tuple[Word, ...]
    redirects: tuple[Redirect, ...]


@dataclass(frozen=True, slots=True)
class Condition:
    """[[ words ]]"""

    words: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """if: conditions with their scripts, and else."""

    ways: tuple[tuple[Script, Script], ...]
    otherwise: Script | None


@dataclass(frozen=True, slots=True)
class Loop:
    """while, or until if `until` is set."""

    condition: Script
    body: Script
    until: bool


@dataclass(frozen=True, slots=True)
class Each:
    """for"""

    name: str
    words: tuple[Word, ...]
    body: Script


@dataclass(frozen=True, slots=True)
class Group:
    """( script ) or { script }, with redirections."""

    script: Script
    redirects: tuple[Redirect, ...]
    apart: bool


Command = Simple | Condition | Choice | Loop | Each | Group


@dataclass(frozen=True, slots=True)
class Pipeline:
    commands: tuple[Command, ...]
    negated: bool


@dataclass(frozen=True, slots=True)
class Step:
    """Pipelines joined by && and ||, with the preceding operator (empty for the first). `behind` is &."""

    pipelines: tuple[tuple[str, Pipeline], ...]
    behind: bool


@dataclass(frozen=True, slots=True)
class Script:
    steps: tuple[Step, ...]


def read(text: str) -> Script:
    """Raises NotUnderstood."""
    reader = _Reader(text)
    script = reader.script(())
    reader.space(lines=True)
    if not reader.ended:
        raise reader.refusal()
    return script


class _Reader:
    def __init__(self, text: str, place: int = 0) -> None:
        self._text = text.replace("\\\n", "  ")
        self._place = place

    @property
    def ended(self) -> bool:
        return self._place >= len(self._text)

    def refusal(self) -> NotUnderstood:
        return NotUnderstood(f"at character {self._place}: {self._text[self._place : self._place + 40]!r}")

    def space(self, *, lines: bool = False) -> None:
        while not self.ended:
            if self._text[self._place] in (" \t\n" if lines else " \t"):
                self._place += 1
            elif self._text[self._place] == "#":
                while not self.ended and self._text[self._place] != "\n":
                    self._place += 1
            else:
                return

    def script(self, ends: tuple[str, ...]) -> Script:
        """Parse up to one of the words (not consumed), `)`, or the end."""
        steps: list[Step] = []
        while True:
            self._separators()
            if self.ended or self._at(")") or self._reserved() in ends:
                return Script(tuple(steps))
            steps.append(self._step())

    def _separators(self) -> None:
        while True:
            self.space(lines=True)
            if self._at(";") and not self._at(";;"):
                self._place += 1
            else:
                return

    def _step(self) -> Step:
        pipelines = [("", self._pipeline())]
        while True:
            self.space()
            joint = self._text[self._place : self._place + 2]
            if joint not in ("&&", "||"):
                break
            self._place += 2
            self.space(lines=True)
            pipelines.append((joint, self._pipeline()))
        behind = self._at("&")
        if behind:
            self._place += 1
        return Step(tuple(pipelines), behind)

    def _pipeline(self) -> Pipeline:
        negated = False
        self.space()
        while self._reserved() == "!":
            self._place += 1
            negated = not negated
            self.space()
        commands = [self._command()]
        while True:
            self.space()
            if not self._at("|") or self._at("||"):
                return Pipeline(tuple(commands), negated)
            self._place += 1
            self.space(lines=True)
            commands.append(self._command())

    def _command(self) -> Command:
        self.space()
        if self._at("("):
            self._place += 1
            inner = self.script(())
            self._expect(")")
            return Group(inner, self._redirects(), apart=True)
        match self._reserved():
            case "if":
                return self._choice()
            case "while" | "until" as word:
                self._place += len(word)
                condition = self.script(("do",))
                return Loop(condition, self._body(), word == "until")
            case "for":
                return self._each()
            case "{":
                self._place += 1
                inner = self.script(("}",))
                self._expect("}")
                return Group(inner, self._redirects(), apart=False)
        if self._at("[[ "):
            return self._condition()
        return self._simple()

    def _choice(self) -> Choice:
        ways = []
        word = "if"
        while word in ("if", "elif"):
            self._place += len(word)
            condition = self.script(("then",))
            self._expect("then")
            ways.append((condition, self.script(("elif", "else", "fi"))))
            word = self._reserved()
        otherwise = None
        if word == "else":
            self._place += len(word)
            otherwise = self.script(("fi",))
        self._expect("fi")
        return Choice(tuple(ways), otherwise)

    def _each(self) -> Each:
        self._place += len("for")
        self.space()
        name = self._name()
        self.space()
        self._expect("in")
        words = self._words()
        self._separators()
        return Each(name, words, self._body())

    def _body(self) -> Script:
        self._separators()
        self._expect("do")
        body = self.script(("done",))
        self._expect("done")
        return body

    def _condition(self) -> Condition:
        self._place += 2
        words: list[Word] = []
        while True:
            self.space(lines=True)
            if self._at("]]"):
                self._place += 2
                return Condition(tuple(words))
            if self.ended:
                raise self.refusal()
            words.append(self._word(loose=True))

    def _simple(self) -> Simple:
        assignments: list[tuple[str, Word | tuple[Word, ...]]] = []
        words: list[Word] = []
        redirects: list[Redirect] = []
        while True:
            self.space()
            if self._over():
                break
            found = self._redirect()
            if found is not None:
                redirects.append(found)
            elif not words and (name := self._assigned()):
                assignments.append((name, self._list() if self._at("(") else self._word()))
            else:
                words.append(self._word())
        if not (assignments or words or redirects):
            raise self.refusal()
        return Simple(tuple(assignments), tuple(words), tuple(redirects))

    def _assigned(self) -> str:
        found = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=").match(self._text, self._place)
        if found is None:
            return ""
        self._place = found.end()
        return found[1]

    def _list(self) -> tuple[Word, ...]:
        self._place += 1
        words: list[Word] = []
        while True:
            self.space(lines=True)
            if self._at(")"):
                self._place += 1
                return tuple(words)
            words.append(self._word())

    def _words(self) -> tuple[Word, ...]:
        words: list[Word] = []
        while True:
            self.space()
            if self._over():
                return tuple(words)
            words.append(self._word())

    def _redirects(self) -> tuple[Redirect, ...]:
        found: list[Redirect] = []
        while True:
            self.space()
            redirect = self._redirect()
            if redirect is None:
                return tuple(found)
            found.append(redirect)

    def _redirect(self) -> Redirect | None:
        found = _REDIRECT.match(self._text, self._place)
        if found is None or self._at("<("):
            return None
        self._place = found.end()
        self.space()
        number = int(found[1]) if found[1] else (0 if found[2].startswith("<") else 1)
        return Redirect(number, found[2], self._word())

    def _word(self, *, loose: bool = False) -> Word:
        """Parse a word. `loose`: inside [[ ]], where < and > are words."""
        parts: list[Text | Variable | Output | Reading] = []
        ends = " \t\n" if loose else " \t\n;&|()<>"
        if self._at("<(") and not loose:
            self._place += 2
            parts.append(Reading(self.script(())))
            self._expect(")")
        while not self.ended and self._text[self._place] not in ends:
            letter = self._text[self._place]
            if letter == "'":
                end = self._text.index("'", self._place + 1)
                parts.append(Text(self._text[self._place + 1 : end], quoted=True))
                self._place = end + 1
            elif letter == '"':
                parts += self._quoted()
            elif letter == "$":
                parts.append(self._expansion(quoted=False))
            elif letter == "\\":
                parts.append(Text(self._text[self._place + 1 : self._place + 2], quoted=True))
                self._place += 2
            else:
                parts.append(Text(letter))
                self._place += 1
        if not parts:
            raise self.refusal()
        return tuple(parts)

    def _quoted(self) -> list[Text | Variable | Output]:
        parts: list[Text | Variable | Output] = [Text("", quoted=True)]
        self._place += 1
        while not self._at('"'):
            if self.ended:
                raise self.refusal()
            letter = self._text[self._place]
            if letter == "$":
                parts.append(self._expansion(quoted=True))
            elif letter == "\\" and self._text[self._place + 1] in '"\\$`':
                parts.append(Text(self._text[self._place + 1], quoted=True))
                self._place += 2
            else:
                parts.append(Text(letter, quoted=True))
                self._place += 1
        self._place += 1
        return parts

    def _expansion(self, *, quoted: bool) -> Text | Variable | Output:
        self._place += 1
        if self._at("(") and not self._at("(("):
            self._place += 1
            script = self.script(())
            self._expect(")")
            return Output(script, quoted)
        if self._at("{"):
            return self._braced(quoted=quoted)
        if not self.ended and self._text[self._place] in _SPECIAL:
            self._place += 1
            return Variable(self._text[self._place - 1], quoted)
        if _NAME.match(self._text, self._place):
            return Variable(self._name(), quoted)
        return Text("$", quoted)

    def _braced(self, *, quoted: bool) -> Variable:
        end = self._text.index("}", self._place)
        inner = self._text[self._place + 1 : end]
        found = re.fullmatch(r"(\w+|[@#?*])(\[@\])?(?:(%%|%|##|#)(.*)|:-(.*))?", inner)
        if found is None:
            raise self.refusal()
        self._place = end + 1
        return Variable(found[1], quoted, found[3] or "", found[4] or "", bool(found[2]), found[5] or "")

    def _name(self) -> str:
        found = _NAME.match(self._text, self._place)
        if found is None:
            raise self.refusal()
        self._place = found.end()
        return found[0]

    def _over(self) -> bool:
        return self.ended or self._text[self._place] in "\n;&|)"

    def _at(self, text: str) -> bool:
        return self._text.startswith(text, self._place)

    def _reserved(self) -> str:
        """Return the next reserved word, or an empty text."""
        end = self._place
        while end < len(self._text) and self._text[end] not in " \t\n;&|()":
            end += 1
        word = self._text[self._place : end]
        return word if word in _RESERVED else ""

    def _expect(self, word: str) -> None:
        if not self._at(word):
            raise self.refusal()
        self._place += len(word)
