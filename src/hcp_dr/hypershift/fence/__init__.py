"""The fence: no client writes to the source's etcd. How to prove, watch and lift it."""
