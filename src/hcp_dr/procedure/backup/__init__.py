"""From a running hosted cluster to a fenced one whose data is in the bucket and whose names are free (8.6.2)."""
