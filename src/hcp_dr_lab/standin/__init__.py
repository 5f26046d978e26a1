"""Stand-ins for the operators of a management cluster: HyperShift's two operators, Cluster API and its AWS provider.

Every role is a pure function from a view of the cluster to the desired changes; a host performs the changes.
"""
