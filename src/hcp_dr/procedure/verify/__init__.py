"""Proof that the destination serves this very cluster. Reads only; the teardown refuses without this proof."""
