"""Randomness that a clone shares with what it was cloned from, and draws from apart."""

from __future__ import annotations

import random


def twin(chance: random.Random) -> random.Random:
    """Draws what `chance` would draw from now on."""
    other = random.Random()  # noqa: S311 - ids in a simulation
    other.setstate(chance.getstate())
    return other
