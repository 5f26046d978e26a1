"""Hypothesis uses the same examples in every run, without deadlines. The garbage collector runs rarely."""

from __future__ import annotations

import gc

from hypothesis import settings

settings.register_profile("same-everywhere", deadline=None, derandomize=True, database=None)
settings.load_profile("same-everywhere")

# Thousands of tests and the modules under test stay until the end, and copies of a world are reference cycles: with the
# default thresholds garbage collection takes a tenth of the time of a relocation.
gc.set_threshold(250_000, 20, 20)


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()
