"""Sentences that say of something that it was left alone, as tests hold them against what was done."""

from __future__ import annotations

import re

NOTHING = re.compile(
    r"\bnothing was (changed|touched|stopped|deleted|restored|undone|done)\b(?! there, since)"
    r"|\bno record was (touched|taken over)\b(?! but)"
    r"|\bno snapshot was\b|\bthe zone was not\b|\bwas never un-paused\b"
    r"|\b(is|are) as (it|they) w(as|ere)\b",
    re.IGNORECASE,
)
"""What may be said by nobody who has written anything. Of an object that belongs to somebody else, and of a hosted
cluster of which only hcp-dr's own Leases and copies were written, it may be said."""
NOT_TORN_DOWN = "Nothing of the source was torn down"
NOT_OF_THE_CLUSTER = "Nothing of the hosted cluster was changed"


def denials(paragraph: str) -> list[str]:
    return [found[0] for found in NOTHING.finditer(paragraph)]
