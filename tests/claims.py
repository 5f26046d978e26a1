"""Sentences in messages that claim that nothing was changed, for comparison with the changes that were made."""

from __future__ import annotations

import re

NOTHING = re.compile(
    r"\bnothing was (changed|touched|stopped|deleted|restored|undone|done)\b(?! there, since)"
    r"|\bno record was (touched|taken over)\b(?! but)"
    r"|\bno snapshot was\b|\bthe zone was not\b|\bwas never un-paused\b"
    r"|\b(is|are) as (it|they) w(as|ere)\b",
    re.IGNORECASE,
)
"""Claims that are false after any write. They are allowed about objects of other owners, and about a hosted cluster if
only hcp-dr's own Leases and copies were written."""
NOT_TORN_DOWN = "Nothing of the source was torn down"
NOT_OF_THE_CLUSTER = "Nothing of the hosted cluster was changed"


def denials(paragraph: str) -> list[str]:
    return [found[0] for found in NOTHING.finditer(paragraph)]
