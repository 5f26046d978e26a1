"""The last exception handler: an unexpected error ends with exit code 2 and one paragraph, never with success.

The details are saved in a file for a bug report: the stack trace and the messages of the errors, without values of
variables; text with the form of a secret is removed.
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
from pathlib import Path
from typing import IO

import typer
import typer.main

from hcp_dr import __version__
from hcp_dr.cli.calling import Call, backup_folder, for_people, set_call
from hcp_dr.commands.backups import state_root
from hcp_dr.engine import journal as journals
from hcp_dr.errors import DONE, DONE_WITH_WARNINGS, HcpDrError
from hcp_dr.hiding import without_secrets

UNFORESEEN = HcpDrError.exit_code
INTERRUPTED = 128 + signal.SIGINT
UNREAD = 128 + signal.SIGPIPE
"""The reader of the output closed the pipe."""

_AGAIN = "Run the command again."


def run(app: typer.Typer, name: str) -> int:
    """Run the command line and return its exit code. Raises all exceptions of the command, also those that typer would
    turn into exit code 1."""
    command = typer.main.get_command(app)
    if f"_{name.replace('-', '_').upper()}_COMPLETE" in os.environ:
        command.main(prog_name=name)  # shell completion; ends the process
    try:
        with command.make_context(name, sys.argv[1:]) as context:
            context.command.invoke(context)
    except typer.Exit as error:
        return error.exit_code
    return DONE


def run_guarded(
    name: str, function: Callable[[], int], describe_state: Callable[[], tuple[str, Path | None]] | None = None
) -> int:
    """The exit code of `function`, also if it raises any exception. `describe_state` returns a sentence with the state
    left behind and the next action, and the folder for the file with the details, None for the default."""
    set_call(Call())
    code: int | None = None
    try:
        code = function()
        _flush(sys.stdout)
    except BaseException as error:  # noqa: BLE001 - the last handler
        with _ignore_sigint():
            try:
                error_code = _report(name, error, describe_state or _describe_state, printing=code is not None)
            except Exception:  # noqa: BLE001 - an error in the handler itself cannot be reported
                error_code = UNFORESEEN
        code = error_code if code in (None, DONE, DONE_WITH_WARNINGS) else code
    finally:
        for stream in (sys.stdout, sys.stderr):
            _flush_or_discard(stream)
    return code if code is not None else UNFORESEEN


def _report(
    name: str, error: BaseException, describe_state: Callable[[], tuple[str, Path | None]], *, printing: bool
) -> int:
    """Report an error and return its exit code. `printing`: the command had finished, and only the rest of its output
    could not be written."""
    if isinstance(error, typer.TyperException):
        with suppress(OSError):
            error.show()  # type: ignore[attr-defined]
        return UNFORESEEN
    if isinstance(error, SystemExit) and error.code != DONE_WITH_WARNINGS and not isinstance(error.code, str):
        return error.code if isinstance(error.code, int) else DONE  # by signal handlers of the rehearsal
    state, folder = describe_state()
    if isinstance(error, KeyboardInterrupt) or isinstance(error.__cause__, KeyboardInterrupt):
        _print(f"{name}: Interrupted by SIGINT. {state}")
        return INTERRUPTED
    if _is_closed_pipe(error):
        if folder is not None:
            _print(f"{name}: The reader of the output closed the pipe. {state}")
        return UNREAD
    if printing and isinstance(error, OSError):
        _print(f"{name}: The output cannot be written ({error.strerror or error}). {state}")
        return UNFORESEEN
    what = f"{name}: An unexpected error ended this command ({type(error).__name__}); this is a bug in {name}."
    _print(f"{what} {state} {_save_details(error, name, folder)}")
    return UNFORESEEN


def _describe_state() -> tuple[str, Path | None]:
    """The state left behind, from the journal, which is written before each action."""
    folder = backup_folder()
    if folder is None:
        return f"Nothing of the hosted cluster was changed. {_AGAIN}", None
    try:
        story = journals.read(folder)
    except Exception:  # noqa: BLE001 - the journal may be the cause of the error
        return f"The journal in {folder} cannot be read, and was not changed. Check with `hcp-dr status`.", folder
    if story is None or story.command is None:
        return f"No journal had begun, so nothing of the hosted cluster was changed. {_AGAIN}", None
    if story.ended:
        state = f"According to the journal in {folder}, its {story.command} has ended; no further action was started."
        return f"{state} To see the completed steps: `hcp-dr report`.", folder
    state = f"Completed actions stay in effect; backup and journal are in {folder}."
    return f"{state} Continue with `hcp-dr resume`.", folder


def _save_details(error: BaseException, name: str, folder: Path | None) -> str:
    """Save the details, and return a sentence with the path."""
    reason = ""
    try:
        text = _format_details(error, name)
        for place in (*((folder,) if folder is not None else ()), None):
            try:
                return f"The details are in {_write_new_file(place or _state_folder(), text)}."
            except OSError as write_error:
                reason = write_error.strerror or str(write_error)
    except Exception as other:  # noqa: BLE001 - the paragraph must be printed in any case
        reason = type(other).__name__
    return f"The details could not be saved ({reason}); the error came from {_location(error)}."


def _format_details(error: BaseException, name: str) -> str:
    stack = "".join(traceback.TracebackException.from_exception(error, capture_locals=False).format())
    timestamp = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
    platform_text = f"Python {platform.python_version()}, {platform.platform()}, {timestamp}"
    head = f"{name} {__version__}, {platform_text}\n{shlex.join(sys.argv[1:])}\n\n"
    return without_secrets(head + stack)


def _state_folder() -> Path:
    root = state_root()
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    return root


def _write_new_file(folder: Path, text: str) -> Path:
    """Write a new file; existing files are not overwritten and links not followed. Raises OSError, and removes an
    incomplete file."""
    timestamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    path = folder / f"crash-{timestamp}-{secrets.token_hex(3)}.txt"
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
    except OSError:
        with suppress(OSError):
            path.unlink()
        raise
    return path


def _location(error: BaseException) -> str:
    """The innermost line of the stack trace in this project's code."""
    root = Path(__file__).parents[2]
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).is_relative_to(root)]
    return f"{Path(frames[-1].filename).relative_to(root)}, line {frames[-1].lineno}" if frames else "?"


def _print(paragraph: str) -> None:
    with suppress(OSError, ValueError):
        print(" ".join(for_people(paragraph).split()), file=sys.stderr, flush=True)


def _flush(stream: IO[str] | None) -> None:
    if stream is not None:
        stream.flush()


def _flush_or_discard(stream: IO[str] | None) -> None:
    """Flush a stream, or redirect it to /dev/null: otherwise Python sets its own exit code after a failed flush."""
    try:
        _flush(stream)
    except (OSError, ValueError):
        with suppress(OSError, ValueError, AttributeError):
            null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
            os.dup2(null, stream.fileno())  # type: ignore[union-attr]
            os.close(null)


def _is_closed_pipe(error: BaseException) -> bool:
    """Whether stdout or stderr is a closed pipe, in contrast to a broken connection to a server."""
    if isinstance(error, SystemExit):  # raised by rich
        return isinstance(error.__context__, BrokenPipeError)
    return isinstance(error, BrokenPipeError) and (_has_no_reader(sys.stdout) or _has_no_reader(sys.stderr))


def _has_no_reader(stream: IO[str] | None) -> bool:
    try:
        poll = select.poll()
        poll.register(stream.fileno(), 0)  # type: ignore[union-attr]
        return bool(poll.poll(0))
    except (OSError, ValueError, AttributeError):
        return False


@contextmanager
def _ignore_sigint() -> Iterator[None]:
    """Ignore Ctrl-C, which would interrupt the final message with a traceback."""
    try:
        previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    except ValueError:  # not in the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
