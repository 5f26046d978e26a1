"""Drills: a complete relocation, watched by the observer, in the region or on the tabletop."""
