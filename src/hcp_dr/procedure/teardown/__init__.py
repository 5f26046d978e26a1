"""Removal from the source (8.6.4), only after the verification of the destination, and by one protocol
(`hypershift.deletion.protocol`)."""
