"""A management cluster: the control plane, and the installation before the first hosted cluster."""
