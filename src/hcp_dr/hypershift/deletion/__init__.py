"""Deletion on the source, rollback on the destination, and the point of no return between them."""
