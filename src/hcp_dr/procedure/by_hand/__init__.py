"""For a backup made with the documented commands instead of `hcp-dr backup`: the backup is judged, accepted, restored
like any other backup, and recognized once the hosted cluster serves on the destination."""
