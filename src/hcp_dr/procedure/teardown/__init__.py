"""Removal from the source (8.6.4), only after the destination is proven, and by one protocol (`procedure.removal`)."""
