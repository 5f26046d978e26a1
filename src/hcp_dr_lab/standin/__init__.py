"""The operators of a management cluster, played by their rules: HyperShift's two, Cluster API, its AWS provider.

Each role is a pure function from a view of the cluster to the changes it wants; a host performs them.
"""
