"""Drills: the whole relocation with the observer beside it, in the region or on the tabletop."""
