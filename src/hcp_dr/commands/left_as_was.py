"""Reports in errors that everything was left unchanged, while no step has begun."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from hcp_dr.errors import HcpDrError

NOTHING_CHANGED = "Nothing was changed anywhere."
ONLY_OURS_CHANGED = "Nothing of the hosted cluster was changed."
"""True even after preflight has put its probe into the bucket, or the Leases are held."""
NOT_BY_THIS_COMMAND = "Nothing of the hosted cluster was changed by this command."


@contextmanager
def nothing_begun(left: str = NOTHING_CHANGED) -> Iterator[None]:
    """Errors raised inside report what was left unchanged, and do not advise `hcp-dr resume`."""
    try:
        yield
    except HcpDrError as error:
        raise error.before_anything(left) from error.__cause__
