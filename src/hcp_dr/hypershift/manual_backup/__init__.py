"""A backup that was made with the documented commands."""
