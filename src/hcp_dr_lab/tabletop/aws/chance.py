"""Random generators for clones: same state as the original's, independent draws."""

from __future__ import annotations

import random


def twin(chance: random.Random) -> random.Random:
    """Return a generator that draws the same values as `chance` from now on."""
    other = random.Random()  # noqa: S311 - ids in a simulation
    other.setstate(chance.getstate())
    return other
