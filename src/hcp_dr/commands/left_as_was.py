"""What an error says of what was left as it was, where nothing has begun yet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from hcp_dr.errors import HcpDrError

NOTHING_CHANGED = "Nothing was changed anywhere."
ONLY_OURS_CHANGED = "Nothing of the hosted cluster was changed."
"""Once preflight has put its probe into the bucket, or the Leases are held."""
NOT_BY_THIS_COMMAND = "Nothing of the hosted cluster was changed by this command."


@contextmanager
def nothing_begun(left: str = NOTHING_CHANGED) -> Iterator[None]:
    """Errors in here say what was left as it was, and send nobody to `hcp-dr resume`."""
    try:
        yield
    except HcpDrError as error:
        raise error.before_anything(left) from error.__cause__
