"""Properties are tried on the same examples every time, however busy the machine is. Garbage is looked for rarely."""

from __future__ import annotations

import gc

from hypothesis import settings

settings.register_profile("same-everywhere", deadline=None, derandomize=True, database=None)
settings.load_profile("same-everywhere")

# Thousands of tests and the modules under test stay until the end, and copies of a world go in cycles: by default a
# tenth of the time of a relocation goes into the search for garbage.
gc.set_threshold(50_000, 20, 20)


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()
