"""Deleting on the source, rolling back on the destination, and the point of no return between them."""
