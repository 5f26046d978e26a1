"""Hold the prose of the documents, the docstrings and the messages to plain technical English: no word of a private
dialect, in names neither, and not more relative words and pronouns than a page of Kubernetes' documentation can bear.

Prints each finding as PATH:LINE, then how many of 100 words point (relative words and pronouns) where they could name;
exits with 1 where there is a finding. Paths may be given as arguments.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCUMENTS = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "docs/**/*.md", "changes.d/*.md")
CODE = ("src/**/*.py",)

INSTEAD = {
    "told": "reported, described, recorded",
    "said": "printed, answered, reported",
    "look_at": "read_<noun>",
    "look at": "read, check, inspect",
    "looks at": "reads, checks",
    "looked at": "read, checked",
    "whoever": "the engineer, the client, the owner",
    "somebody": "another client, an engineer",
    "nobody": "no client, no controller, no one who is named",
    "anew": "again",
    "meanwhile": "while",
    "mend": "fix",
    "mends": "fixes",
    "mended": "fixed",
    "call off": "abort",
    "calls off": "aborts",
    "called off": "aborted",
    "calling off": "aborting",
    "given up": "released",
    "be it": "whether",
    "gone on with": "continued",
    "goes on with": "continues",
    "go on with": "continue",
    "put right": "corrected",
}
"""What is not written, and the usual words for it."""

POINTING = frozenset(
    {
        "that",
        "which",
        "what",
        "who",
        "whom",
        "whose",
        "where",
        "whatever",
        "whichever",
        "it",
        "its",
        "they",
        "them",
        "their",
        "those",
        "these",
        "one",
        "ones",
        "other",
        "others",
        "each",
        "itself",
        "themselves",
        "somebody",
        "nobody",
        "anybody",
        "everybody",
        "something",
        "nothing",
        "anything",
        "everything",
    }
)
AT_MOST = {"documents": 6.0, "code": 6.0}
"""Words of POINTING among 100, over all texts of a kind."""

_BANNED = re.compile(r"\b(" + "|".join(map(re.escape, sorted(INSTEAD, key=len, reverse=True))) + r")\b", re.IGNORECASE)
_NAMES = re.compile(r"(?:^|_)(" + "|".join(word for word in INSTEAD if " " not in word) + r")(?=_|$)")
_CODE_SPAN = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
_WORD = re.compile(r"[a-z]+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of prose, or the name of something in code. `line` is its first."""

    line: int
    words: str
    is_name: bool = False


def of_document(markdown: str) -> list[Text]:
    """Its text without code."""
    return [Text(1, _CODE_SPAN.sub(lambda code: "\n" * code[0].count("\n"), markdown))]


def of_module(source: str) -> Iterator[Text]:
    """Docstrings, other strings with several words, comments, and the names that the module gives."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Constant(value=str(text)) if len(text.split()) > 2:
                yield Text(node.lineno, _CODE_SPAN.sub("", text))
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.arg(arg=name):
                yield Text(node.lineno, name, is_name=True)
            case ast.Name(id=name, ctx=ast.Store()):
                yield Text(node.lineno, name, is_name=True)
    for number, line in enumerate(source.splitlines(), 1):
        _, hash_sign, comment = line.partition(" # ")
        if hash_sign or (comment := line.strip()).startswith("# "):
            yield Text(number, comment)


def findings(text: Text) -> Iterator[tuple[int, str]]:
    """Line and word."""
    if text.is_name:
        yield from ((text.line, word) for word in _NAMES.findall(text.words))
        return
    for found in _BANNED.finditer(text.words):
        yield text.line + text.words.count("\n", 0, found.start()), found[1].lower()


def density(texts: list[Text]) -> float:
    """Words of POINTING among 100."""
    words = [word.lower() for text in texts if not text.is_name for word in _WORD.findall(text.words)]
    return 100 * sum(word in POINTING for word in words) / max(len(words), 1)


def main(paths: list[str]) -> int:
    chosen = [Path(path).resolve() for path in paths]
    failed = False
    for kind, patterns in (("documents", DOCUMENTS), ("code", CODE)):
        files = sorted(path for pattern in patterns for path in ROOT.glob(pattern))
        texts: list[Text] = []
        for path in files:
            if chosen and not any(path.is_relative_to(each) for each in chosen):
                continue
            content = path.read_text("utf-8")
            there = list(of_module(content)) if path.suffix == ".py" else of_document(content)
            texts += there
            for text in there:
                for line, word in findings(text):
                    failed = True
                    print(f"{path.relative_to(ROOT)}:{line}: {word!r}: rather {INSTEAD[word]}")
        if texts:
            print(f"{kind}: {density(texts):.1f} of 100 words point; at most {AT_MOST[kind]:.1f}")
            failed |= density(texts) > AT_MOST[kind] and not chosen
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
