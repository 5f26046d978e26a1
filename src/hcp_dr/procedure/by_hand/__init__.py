"""A backup that was made with the documented commands instead of `hcp-dr backup`: judged, accepted, and, when it serves
on the destination, recognized. In between it is restored like any other."""
