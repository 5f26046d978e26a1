"""What Route53 takes in one change batch. A relocation's records change together or not at all, so that a batch which
is too large is refused before anything is asked, and never cut into two.
"""

from __future__ import annotations

from collections.abc import Sequence

from hcp_dr.aws.port import RecordChange
from hcp_dr.errors import RESUME, AwsError

MOST_VALUES = 1000
MOST_CHARACTERS = 32_000
"""Route53 developer guide, quotas on ChangeResourceRecordSets; what is upserted counts twice."""


def describe(changes: Sequence[RecordChange]) -> str:
    """The operation, as errors tell it."""
    names = sorted({change.record.name for change in changes})
    return f"ChangeResourceRecordSets ({', '.join(names[:3])}{' …' if len(names) > 3 else ''})"


def refuse_what_does_not_fit(changes: Sequence[RecordChange], zone_id: str) -> None:
    """Raises AwsError."""
    values = sum(_times(change) * (len(change.record.values) or 1) for change in changes)
    characters = sum(_times(change) * len(value) for change in changes for value in change.record.values)
    if values <= MOST_VALUES and characters <= MOST_CHARACTERS:
        return
    raise AwsError(
        service="Route53",
        operation=describe(changes),
        object=zone_id,
        reason=(
            f"the batch has {values} values of {characters} characters, and Route53 takes {MOST_VALUES} values of "
            f"{MOST_CHARACTERS} characters in one atomic batch (what is upserted counts twice)"
        ),
        left="Nothing of it was sent: part of a batch would leave names of one cluster on two.",
        todo=f"Remove records of this hosted cluster that nobody needs from the zone, then run {RESUME}.",
    )


def _times(change: RecordChange) -> int:
    return 2 if change.action == "UPSERT" else 1
