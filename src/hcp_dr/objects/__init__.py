"""Pure functions over Kubernetes objects: which belong to a hosted cluster, who owns whom, what may travel, where it is
kept. No sockets, no files, no clock live here."""
