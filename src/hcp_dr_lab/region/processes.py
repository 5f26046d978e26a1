"""Run as the first process of a PID namespace: reap orphans, and end the namespace when the work ends. The work runs
in a child process, so that reaping never takes the exit code of a process that the work waits for.
"""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable


def run_as_first_process(work: Callable[[], int]) -> int:
    """Run `work` in a child process, forward SIGTERM, reap orphans, and return the child's exit code."""
    child = os.fork()
    if child == 0:
        _work_and_exit(work)
    signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
    while True:
        pid, status = os.wait()
        if pid == child:
            return os.waitstatus_to_exitcode(status) & 0xFF


def _work_and_exit(work: Callable[[], int]) -> None:
    code = 1
    try:
        code = work()
    except BaseException:  # noqa: BLE001 - no caller above would report the error
        traceback.print_exc()
    finally:
        os._exit(code)
