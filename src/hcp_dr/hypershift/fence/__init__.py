"""The fence: the state in which nothing writes to the source's etcd, its watch, and its removal."""
