"""The hosted cluster's etcd: its members, its snapshot, and the restore by a URL."""
