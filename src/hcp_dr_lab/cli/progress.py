"""Progress of a running command."""

from __future__ import annotations

import sys
import time


class Progress:
    """Prints lines to stderr with the seconds since the command began."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def __call__(self, line: str) -> None:
        print(f"[{time.monotonic() - self._began:6.1f} s] {line}", file=sys.stderr, flush=True)
