"""Reads input that others wrote, with limits of size and time: files that the user names, programs that print
credentials, and YAML. An input beyond its limit is an error like an input that cannot be read."""

from __future__ import annotations

import errno
import math
import os
import select
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

FILE_SECONDS = 10.0
"""For a file that is a pipe: a regular file is always ready."""
PROGRAM_SECONDS = 25.0
PROGRAM_BYTES = 4 * 1024**2
MAX_NODES = 500_000
"""Values of a YAML document after its aliases are expanded."""
MAX_DEPTH = 100
_CHUNK = 64 * 1024
_PARSER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TIMESTAMP = "tag:yaml.org,2002:timestamp"


class InputError(ValueError):
    """Text that cannot be used; the message says where and why, and quotes none of the text."""


class _Loader(_PARSER):  # type: ignore[misc]
    """Reads timestamps as text, as Kubernetes does."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - the name is PyYAML's
        letter: [each for each in resolvers if each[0] != _TIMESTAMP]
        for letter, resolvers in _PARSER.yaml_implicit_resolvers.items()
    }


def read_file(path: Path, *, limit: int, seconds: float | None = None) -> bytes:
    """The content of a file of at most `limit` bytes. A pipe must be written and closed in time. Raises OSError."""
    deadline = time.monotonic() + (FILE_SECONDS if seconds is None else seconds)
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        poll, content = select.poll(), bytearray()
        poll.register(handle, select.POLLIN)
        while True:
            if not poll.poll(math.ceil(max(0.0, deadline - time.monotonic()) * 1000)):
                raise OSError(errno.ETIMEDOUT, "it is a pipe that was not written and closed in time")
            chunk = os.read(handle, _CHUNK)
            if not chunk:
                return bytes(content)
            content += chunk
            if len(content) > limit:
                raise OSError(errno.EFBIG, f"it is larger than {limit // 1024} KiB")
    finally:
        os.close(handle)


def run_program(
    arguments: Sequence[str], *, environment: Mapping[str, str] | None = None, seconds: float | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run a program without a terminal, and return its output. Its child processes end with it. Raises OSError, also if
    the program takes too long or prints too much."""
    limit = PROGRAM_SECONDS if seconds is None else seconds
    deadline = time.monotonic() + limit
    with _start(arguments, environment) as process:
        stdout, stderr = bytearray(), bytearray()
        try:
            _read_output({process.stdout: stdout, process.stderr: stderr}, process, deadline)
            code = process.wait(max(0.1, deadline - time.monotonic()))
        except (TimeoutError, subprocess.TimeoutExpired):
            raise OSError(errno.ETIMEDOUT, f"it did not end within {limit:g} s") from None
        finally:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
    return subprocess.CompletedProcess(tuple(arguments), code, bytes(stdout), bytes(stderr))


def _start(arguments: Sequence[str], environment: Mapping[str, str] | None) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            arguments,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except ValueError as error:  # a NUL in an argument
        raise OSError(errno.EINVAL, "an argument cannot be passed to a program") from error


def _read_output(outputs: Mapping[Any, bytearray], process: subprocess.Popen[bytes], deadline: float) -> None:
    """Read until all pipes are closed; a child process that outlives the program may keep them open, and is not waited
    for. Raises TimeoutError, OSError if the output is too long."""
    ended = False
    with selectors.DefaultSelector() as selector:
        for output in outputs:
            selector.register(output, selectors.EVENT_READ)
        while selector.get_map():
            ready = selector.select(min(0.1, max(0.0, deadline - time.monotonic())))
            for key, _ in ready:
                pipe: Any = key.fileobj
                chunk = os.read(pipe.fileno(), _CHUNK)
                outputs[pipe].extend(chunk)
                if not chunk:
                    selector.unregister(pipe)
                if len(outputs[pipe]) > PROGRAM_BYTES:
                    raise OSError(errno.EFBIG, f"it printed more than {PROGRAM_BYTES // 1024**2} MiB")
            if ended and not ready:
                return
            ended = process.poll() is not None
            if time.monotonic() >= deadline and not ended:
                raise TimeoutError


def parse_yaml(data: bytes | str) -> Any:
    """One YAML document as values of JSON. Raises InputError."""
    try:
        _check_size(data)
        return _as_json(yaml.load(data, Loader=_Loader), "")  # noqa: S506 - a safe loader
    except InputError:
        raise
    except (yaml.YAMLError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)  # the error's text quotes the document
        raise InputError(f"it is not YAML (line {mark.line + 1})" if mark else "it is not YAML") from None


def _check_size(data: bytes | str) -> None:
    """Raises InputError for a document that is nested too deeply or that aliases expand beyond the limit: the loader
    would need the whole stack or the whole memory."""
    sizes: dict[str, int] = {}
    open_nodes: list[tuple[str | None, int]] = []
    event: Any
    for event in yaml.parse(data, Loader=_PARSER):
        line, size = event.start_mark.line + 1, 0
        match event:
            case yaml.AliasEvent():
                if event.anchor not in sizes:
                    raise InputError(f"its line {line} has an alias of an unknown or unfinished value")
                size = sizes[event.anchor]
            case yaml.ScalarEvent():
                size = 1
                sizes |= {event.anchor: 1} if event.anchor else {}
            case yaml.CollectionStartEvent():
                open_nodes.append((event.anchor, 1))
                if len(open_nodes) > MAX_DEPTH:
                    raise InputError(f"its line {line} is nested more than {MAX_DEPTH} levels deep")
            case yaml.CollectionEndEvent():
                anchor, size = open_nodes.pop()
                sizes |= {anchor: size} if anchor else {}
        if open_nodes and size:
            anchor, before = open_nodes.pop()
            open_nodes.append((anchor, before + size))
            if before + size > MAX_NODES:
                raise InputError(f"its line {line} has more than {MAX_NODES} values after its aliases are expanded")


def _as_json(value: Any, path: str) -> Any:
    match value:
        case None | bool() | str() | int():
            return value
        case float() if math.isfinite(value):
            return value
        case list():
            return [_as_json(each, f"{path}[{index}]") for index, each in enumerate(value)]
        case dict():
            return {_key(key, path): _as_json(each, f"{path}.{key}") for key, each in value.items()}
        case _:
            raise InputError(f"its value {path.lstrip('.') or 'as a whole'} is of a type that JSON does not have")


def _key(key: object, path: str) -> str:
    """A key that is not text is converted, as Kubernetes does."""
    match key:
        case str():
            return key
        case bool():
            return str(key).lower()
        case int():
            return str(key)
        case _:
            raise InputError(f"its mapping {path.lstrip('.') or 'as a whole'} has a key that is not text")
