"""The limits of a Route53 change batch. A relocation's records change together or not at all: a batch that is too large
is refused before a request is sent, and never split.
"""

from __future__ import annotations

from collections.abc import Sequence

from hcp_dr.aws.port import RecordChange
from hcp_dr.errors import RESUME, AwsError

MAX_VALUES = 1000
MAX_CHARACTERS = 32_000
"""Route53 developer guide, quotas on ChangeResourceRecordSets; an UPSERT counts twice."""


def describe(changes: Sequence[RecordChange]) -> str:
    """The operation, for error messages."""
    names = sorted({change.record.name for change in changes})
    return f"ChangeResourceRecordSets ({', '.join(names[:3])}{' …' if len(names) > 3 else ''})"


def check_size(changes: Sequence[RecordChange], zone_id: str) -> None:
    """Raises AwsError if the batch is too large."""
    values = sum(_weight(change) * (len(change.record.values) or 1) for change in changes)
    characters = sum(_weight(change) * len(value) for change in changes for value in change.record.values)
    if values <= MAX_VALUES and characters <= MAX_CHARACTERS:
        return
    raise AwsError(
        service="Route53",
        operation=describe(changes),
        object=zone_id,
        reason=(
            f"the batch has {values} values of {characters} characters, but Route53 accepts at most {MAX_VALUES} "
            f"values of {MAX_CHARACTERS} characters in one atomic batch (an UPSERT counts twice)"
        ),
        left="No record was changed: part of a batch would split the DNS names between source and destination.",
        todo=f"Remove unused records of this hosted cluster from the zone, then run {RESUME}.",
    )


def _weight(change: RecordChange) -> int:
    return 2 if change.action == "UPSERT" else 1
