"""docs/timeouts.md, from the table of `hcp_dr.hypershift.timeouts`."""

from __future__ import annotations

from hcp_dr.errors import TimedOut
from hcp_dr.hypershift import timeouts

_HEAD = f"""# How long steps wait

Made from `src/hcp_dr/hypershift/timeouts.py` by `make docs`. A limit counts from the first look at which a step had
to wait for this. When it has passed, the command ends with exit code {TimedOut.exit_code} and names what is missing,
unless this table says that the step goes on. `hcp-dr resume` waits again, for as long.

| waits until | seconds | why that long | name |
|---|---|---|---|
"""


def document() -> str:
    """The whole file, as Markdown."""
    return _HEAD + "".join(
        f"| {each.until} | {each.seconds:.0f} | {each.why} | `{name}` |\n" for name, each in timeouts.table().items()
    )
