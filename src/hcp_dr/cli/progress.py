"""Prints progress on stderr, line by line: begin and end of steps, actions, waits, retries and warnings."""

from __future__ import annotations

import sys
import time
from contextlib import suppress

from hcp_dr.cli.calling import for_people
from hcp_dr.engine.progress import Progress

_REPEAT_SECONDS = 10.0


class ProgressPrinter:
    """Prints each event once, and repeats an ongoing wait or retry every ten seconds."""

    def __init__(self) -> None:
        self._last: tuple[str, str] | None = None
        self._at = 0.0

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        key = (progress.step, progress.text)
        if progress.kind in ("wait", "again") and key == self._last and now - self._at < _REPEAT_SECONDS:
            return
        self._last, self._at = key, now
        with suppress(OSError):  # the work continues after the terminal or pipe is closed
            print(for_people(self.line(progress)), file=sys.stderr, flush=True)

    @staticmethod
    def line(progress: Progress) -> str:
        match progress.kind:
            case "begin":
                return f"> {progress.step}"
            case "done":
                return f"  done in {progress.seconds:.1f} s: {progress.text}"
            case "wait":
                return f"  waiting {progress.seconds:.0f} s {progress.text}"
            case "warned":
                return f"! {progress.step}: {progress.text}"
            case "again":
                return f"  retrying: {progress.text}"
            case "note":
                return progress.text
            case "refused":
                return f"  stopped: {progress.text}"
            case _:
                return f"  {progress.text}"
