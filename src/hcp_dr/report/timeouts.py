"""docs/timeouts.md, from the table of `hcp_dr.hypershift.timeouts`."""

from __future__ import annotations

from hcp_dr.engine.waiting import MOST
from hcp_dr.errors import TimedOut
from hcp_dr.hypershift import timeouts

_HEAD = f"""# Timeouts of steps

Generated from `src/hcp_dr/hypershift/timeouts.py` by `make docs`. A limit counts from the first check at which the step
had to wait. A HyperShift operator may have dozens of other hosted clusters in its queue: while a step waits for one
that renews its Lease, the limit begins again, and the step waits {MOST} times as long at most. After the limit the
command ends with exit code {TimedOut.exit_code} and names the missing condition, unless the table says that the step
continues. `hcp-dr resume` waits again, with the same limit.

| waits until | seconds | reason for the limit | name |
|---|---|---|---|
"""


def document() -> str:
    """The content of the file, as Markdown."""
    return _HEAD + "".join(
        f"| {each.until} | {each.seconds:.0f} | {each.why} | `{name}` |\n" for name, each in timeouts.table().items()
    )
