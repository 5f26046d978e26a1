"""The last net: whatever nobody foresaw ends with exit code 2 and one paragraph, never as if something were done.

Its details are kept in a file for whoever mends it. They have the calls and the words of the errors, but no values of
variables, and nothing that looks like a secret.
"""

from __future__ import annotations

import os
import platform
import secrets
import select
import shlex
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import IO

import typer
import typer.main

from hcp_dr import __version__
from hcp_dr.commands.backups import state_root
from hcp_dr.engine import journal as journals
from hcp_dr.errors import DONE, DONE_WITH_WARNINGS, HcpDrError
from hcp_dr.hiding import without_secrets

UNFORESEEN = HcpDrError.exit_code
INTERRUPTED = 128 + signal.SIGINT
UNREAD = 128 + signal.SIGPIPE
"""Whoever was to read the output has gone."""

_AGAIN = "Run the command again."
_FOLDER: ContextVar[Callable[[], Path | None] | None] = ContextVar("folder", default=None)
_ENV_FILE: ContextVar[Path | None] = ContextVar("env_file", default=None)


def working_in(folder: Callable[[], Path | None], env_file: Path | None = None) -> None:
    """From now on this command works in that backup folder, whichever it is by then, None while it has none, and was
    given that --env-file: the net tells what is there, and which command goes on."""
    _FOLDER.set(folder)
    _ENV_FILE.set(env_file)


def resuming() -> str:
    """The command that resumes this one, as a shell takes it."""
    at_work, env_file = _FOLDER.get(), _ENV_FILE.get()
    folder = at_work() if at_work is not None else None
    words = ["hcp-dr", "resume"]
    words += ["--backup", str(folder)] if folder is not None else []
    words += ["--env-file", str(env_file.absolute())] if env_file is not None else []
    return shlex.join(words)


def run(app: typer.Typer, name: str) -> int:
    """Carry out the command line; its exit code. What typer would end with 1 by itself is raised as it is. Raises
    whatever the command raises."""
    command = typer.main.get_command(app)
    if f"_{name.replace('-', '_').upper()}_COMPLETE" in os.environ:
        command.main(prog_name=name)  # a shell asks what may come next; ends the process
    try:
        with command.make_context(name, sys.argv[1:]) as context:
            context.command.invoke(context)
    except typer.Exit as end:
        return end.exit_code
    return DONE


def caught(name: str, attempt: Callable[[], int], left: Callable[[], tuple[str, Path | None]] | None = None) -> int:
    """The exit code of an attempt, whatever it raises. `left` says what was left and what to do next, and in which
    folder of its own the work keeps files."""
    _FOLDER.set(None)
    _ENV_FILE.set(None)
    code: int | None = None
    try:
        code = attempt()
        _flush(sys.stdout)
    except BaseException as error:  # noqa: BLE001 - that is what a net is for
        with _undisturbed():
            try:
                end = _ended_by(name, error, left or _left, printing=code is not None)
            except Exception:  # noqa: BLE001 - in the net itself: nothing more can be told
                end = UNFORESEEN
        code = end if code in (None, DONE, DONE_WITH_WARNINGS) else code
    finally:
        for stream in (sys.stdout, sys.stderr):
            _settle(stream)
    return code if code is not None else UNFORESEEN


def _ended_by(name: str, error: BaseException, left: Callable[[], tuple[str, Path | None]], *, printing: bool) -> int:
    """`printing` says that all was over, and the rest of the output could not be written."""
    if isinstance(error, typer.TyperException):
        with suppress(OSError):
            error.show()  # type: ignore[attr-defined]
        return UNFORESEEN
    if isinstance(error, SystemExit) and error.code != DONE_WITH_WARNINGS and not isinstance(error.code, str):
        return error.code if isinstance(error.code, int) else DONE  # of the rehearsal's signals
    told, folder = left()
    if isinstance(error, KeyboardInterrupt) or isinstance(error.__cause__, KeyboardInterrupt):
        _say(f"{name}: Ended by SIGINT. {told}")
        return INTERRUPTED
    if _is_of_a_closed_pipe(error):
        if folder is not None:
            _say(f"{name}: Nobody reads the output any more. {told}")
        return UNREAD
    if printing and isinstance(error, OSError):
        _say(f"{name}: The output cannot be written ({error.strerror or error}). {told}")
        return UNFORESEEN
    what = f"{name}: What nobody foresaw ended this command ({type(error).__name__}), and that is a fault of {name}."
    _say(f"{what} {told} {_keep(error, name, folder)}")
    return UNFORESEEN


def _left() -> tuple[str, Path | None]:
    """By the journal, which is written before anything is done."""
    at_work = _FOLDER.get()
    folder = at_work() if at_work is not None else None
    if folder is None:
        return f"Nothing of the hosted cluster was changed. {_AGAIN}", None
    quoted = shlex.quote(str(folder))
    try:
        story = journals.read(folder)
    except Exception:  # noqa: BLE001 - it may be what the command fell over
        told = f"The journal in {folder} cannot be read, and stays as it is. Look with `hcp-dr status`."
        return told, folder
    if story is None or story.command is None:
        return f"No journal had begun, so that nothing of the hosted cluster was changed. {_AGAIN}", None
    if story.ended:
        told = f"The journal in {folder} says that its {story.command} has ended, and nothing was begun after that."
        return f"{told} `hcp-dr report --backup {quoted}` says what was done.", folder
    told = f"What was done so far stays as it is; backup and journal are in {folder}."
    return f"{told} Go on with `{resuming()}`.", folder


def _keep(error: BaseException, name: str, folder: Path | None) -> str:
    """Where the details are, as a sentence."""
    why = ""
    try:
        text = _details(error, name)
        for place in (*((folder,) if folder is not None else ()), None):
            try:
                return f"The details are in {_written(place or _own_folder(), text)}."
            except OSError as refused:
                why = refused.strerror or str(refused)
    except Exception as failed:  # noqa: BLE001 - whatever it is, the paragraph has to be told
        why = type(failed).__name__
    return f"The details could not be kept ({why}); it came from {_place(error)}."


def _details(error: BaseException, name: str) -> str:
    told = "".join(traceback.TracebackException.from_exception(error, capture_locals=False).format())
    moment = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
    where = f"Python {platform.python_version()}, {platform.platform()}, {moment}"
    head = f"{name} {__version__}, {where}\n{shlex.join(sys.argv[1:])}\n\n"
    return without_secrets(head + told)


def _own_folder() -> Path:
    root = state_root()
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    return root


def _written(folder: Path, text: str) -> Path:
    """A new file, never one that is there or that a link leads to. Raises OSError, and leaves no half of it."""
    moment = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    path = folder / f"crash-{moment}-{secrets.token_hex(3)}.txt"
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
    except OSError:
        with suppress(OSError):
            path.unlink()
        raise
    return path


def _place(error: BaseException) -> str:
    """The last of our own lines that it came through."""
    ours = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).is_relative_to(Path(__file__).parents[2])
    ]
    return f"{Path(ours[-1].filename).relative_to(Path(__file__).parents[2])}, line {ours[-1].lineno}" if ours else "?"


def _say(paragraph: str) -> None:
    with suppress(OSError, ValueError):
        print(" ".join(paragraph.split()), file=sys.stderr, flush=True)


def _flush(stream: IO[str] | None) -> None:
    if stream is not None:
        stream.flush()


def _settle(stream: IO[str] | None) -> None:
    """Python ends with a code of its own where the last flush of a stream fails."""
    try:
        _flush(stream)
    except (OSError, ValueError):
        with suppress(OSError, ValueError, AttributeError):
            nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
            os.dup2(nowhere, stream.fileno())  # type: ignore[union-attr]
            os.close(nowhere)


def _is_of_a_closed_pipe(error: BaseException) -> bool:
    """Whether it was stdout or stderr that broke, and no connection to a server."""
    if isinstance(error, SystemExit):  # rich has closed it then
        return isinstance(error.__context__, BrokenPipeError)
    return isinstance(error, BrokenPipeError) and (_is_unread(sys.stdout) or _is_unread(sys.stderr))


def _is_unread(stream: IO[str] | None) -> bool:
    try:
        asked = select.poll()
        asked.register(stream.fileno(), 0)  # type: ignore[union-attr]
        return bool(asked.poll(0))
    except (OSError, ValueError, AttributeError):
        return False


@contextmanager
def _undisturbed() -> Iterator[None]:
    """A second Ctrl-C would end the last words, with a traceback."""
    try:
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    except ValueError:  # not in the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
