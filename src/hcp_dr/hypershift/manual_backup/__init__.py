"""A backup made with the documented commands."""
