"""A management cluster: its control plane, and what is installed on it before the first hosted cluster."""
