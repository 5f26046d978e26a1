"""The programs of every image, limited to the features in use."""

from __future__ import annotations

import hashlib
import random
import re
import zlib
from collections.abc import Mapping

from hcp_dr_lab.tabletop.shell.play import Call, Program


def _inputs(call: Call, words: list[str]) -> list[bytes] | None:
    """Return the content of the files, or stdin; None if a file is missing."""
    missing = [word for word in words if word not in call.shell.files and word != "-"]
    if missing:
        call.fail(f"{call.words[0]}: {missing[0]}: No such file or directory")
        return None
    return [call.stdin if word == "-" else call.shell.files[word] for word in words] or [call.stdin]


def _echo(call: Call) -> int:
    words = list(call.words[1:])
    end = "\n"
    if words[:1] == ["-n"]:
        words, end = words[1:], ""
    call.out += (" ".join(words) + end).encode()
    return 0


def _printf(call: Call) -> int:
    form, *values = call.words[1:]
    text = form.replace("\\n", "\n")
    for value in values:
        text = re.sub(r"%[sd]", lambda _, value=value: value, text, count=1)  # type: ignore[misc]
    call.out += text.encode()
    return 0


def _cat(call: Call) -> int:
    found = _inputs(call, list(call.words[1:]))
    call.out += b"".join(found or ())
    return 0 if found is not None else 1


def _remove(call: Call) -> int:
    force = any(word.startswith("-") and "f" in word for word in call.words[1:])
    code = 0
    for path in (word for word in call.words[1:] if not word.startswith("-")):
        if call.shell.files.pop(path, None) is None and not force:
            code = call.fail(f"rm: cannot remove '{path}': No such file or directory")
    return code


def _move(call: Call) -> int:
    source, target = (word for word in call.words[1:] if not word.startswith("-"))
    if source not in call.shell.files:
        return call.fail(f"mv: cannot stat '{source}': No such file or directory")
    call.shell.files[target] = call.shell.files.pop(source)
    return 0


def _touch(call: Call) -> int:
    for path in call.words[1:]:
        call.shell.files.setdefault(path, b"")
    return 0


def _count(words: list[str]) -> tuple[str, int, list[str]]:
    """Parse -c N, -cN, -n N or -N (default: 10 lines) into unit and number; also return the remaining words."""
    unit, number, rest = "n", 10, []
    while words:
        word = words.pop(0)
        if found := re.fullmatch(r"-([cn]?)(\+?-?\d+)", word):
            unit, number = found[1] or "n", int(found[2])
        elif word in ("-c", "-n"):
            unit, number = word[1], int(words.pop(0))
        else:
            rest.append(word)
    return unit, number, rest


def _head(call: Call) -> int:
    unit, number, rest = _count(list(call.words[1:]))
    if rest == ["/dev/urandom"]:
        call.out += _noise(number)
        return 0
    found = _inputs(call, rest)
    for content in found or ():
        pieces = content if unit == "c" else content.splitlines(keepends=True)
        kept = pieces[:number]
        call.out += kept if isinstance(kept, bytes) else b"".join(kept)
    return 0 if found is not None else 1


def _noise(size: int) -> bytes:
    """Return incompressible bytes, always the same."""
    return random.Random(size).randbytes(size)  # noqa: S311 - ballast


def _tail(call: Call) -> int:
    unit, number, rest = _count(list(call.words[1:]))
    found = _inputs(call, rest)
    for content in found or ():
        pieces = content if unit == "c" else content.splitlines(keepends=True)
        kept = pieces[-number:] if number else pieces[:0]
        call.out += kept if isinstance(kept, bytes) else b"".join(kept)
    return 0 if found is not None else 1


def _sum(call: Call) -> int:
    words = [word for word in call.words[1:] if not word.startswith("-")]
    found = _inputs(call, words)
    for name, content in zip(words or ["-"], found or (), strict=False):
        call.say(f"{hashlib.sha256(content).hexdigest()}  {name}")
    return 0 if found is not None else 1


def _stat(call: Call) -> int:
    words = list(call.words[1:])
    form = words[words.index("-c") + 1] if "-c" in words else "%n"
    for path in (word for word in words if word not in ("-c", form)):
        if path not in call.shell.files:
            return call.fail(f"stat: cannot statx '{path}': No such file or directory")
        content = call.shell.files[path]
        made = zlib.crc32(content)  # files have no times here: the inode changes with the content
        call.say(form.replace("%s", str(len(content))).replace("%n", path).replace("%Y", str(made)))
    return 0


def _copy_blocks(call: Call) -> int:
    """dd if= bs= skip= count="""
    settings = dict(word.split("=", 1) for word in call.words[1:])
    if settings["if"] not in call.shell.files:
        return call.fail(f"dd: failed to open '{settings['if']}': No such file or directory")
    size = int(settings["bs"])
    first = int(settings.get("skip", "0")) * size
    last = first + int(settings["count"]) * size if "count" in settings else None
    call.out += call.shell.files[settings["if"]][first:last]
    return 0


def _octal_dump(call: Call) -> int:
    """od -An -v -tx1"""
    for start in range(0, len(call.stdin), 16):
        call.say("".join(f" {byte:02x}" for byte in call.stdin[start : start + 16]))
    return 0


def _translate(call: Call) -> int:
    words = [word.encode().replace(b"\\n", b"\n").replace(b"\\t", b"\t") for word in call.words[1:]]
    if words[0] == b"-d":
        call.out += call.stdin.translate(None, words[1])
    else:
        call.out += call.stdin.translate(bytes.maketrans(words[0], words[1]))
    return 0


def _search(call: Call) -> int:
    """grep with -F, -v, -q, -o, -a, and -e for several patterns."""
    flags, patterns, words = "", [], list(call.words[1:])
    rest: list[str] = []
    while words:
        word = words.pop(0)
        if word == "-e":
            patterns.append(words.pop(0))
        elif word.startswith("-") and word != "-":
            flags += word[1:]
        else:
            rest.append(word)
    patterns = patterns or [rest.pop(0)]
    pattern = "|".join(f"(?:{re.escape(each) if 'F' in flags else each})" for each in patterns)
    found = _inputs(call, rest)
    if found is None:
        return 2
    lines = [line for content in found for line in content.decode(errors="replace").splitlines()]
    kept = [line for line in lines if bool(re.search(pattern, line)) != ("v" in flags)]
    if "o" in flags:
        kept = [match[0] for line in kept for match in re.finditer(pattern, line)]
    if "q" not in flags:
        for line in kept:
            call.say(line)
    return 0 if kept else 1


def _count_words(call: Call) -> int:
    unit = len(call.stdin) if "-c" in call.words else call.stdin.count(b"\n")
    call.say(str(unit))
    return 0


def _list(call: Call) -> int:
    words = [word for word in call.words[1:] if not word.startswith("-")] or ["/"]
    for path in words:
        below = path.rstrip("/") + "/"
        names = {known.removeprefix(below).partition("/")[0] for known in call.shell.files if known.startswith(below)}
        for name in sorted(names):
            call.say(name)
    return 0


def _temporary(call: Call) -> int:
    path = next(name for number in range(1000) if (name := f"/tmp/tmp.{number:06}") not in call.shell.files)  # noqa: S108
    call.shell.files[path] = b""
    call.say(path)
    return 0


def _sequence(call: Call) -> int:
    first, last = (1, int(call.words[1])) if len(call.words) == 2 else (int(call.words[1]), int(call.words[2]))
    for number in range(first, last + 1):
        call.say(str(number))
    return 0


def _sleep(call: Call) -> int:
    call.shell.sleep(float(call.words[1]))
    return 0


PROGRAMS: Mapping[str, Program] = {
    "cat": _cat,
    "dd": _copy_blocks,
    "echo": _echo,
    "grep": _search,
    "head": _head,
    "ls": _list,
    "mktemp": _temporary,
    "mv": _move,
    "od": _octal_dump,
    "printf": _printf,
    "rm": _remove,
    "seq": _sequence,
    "sha256sum": _sum,
    "sleep": _sleep,
    "stat": _stat,
    "tail": _tail,
    "touch": _touch,
    "tr": _translate,
    "wc": _count_words,
}
