"""Proof that the destination serves this very cluster. Reads only; teardown refuses without it."""
