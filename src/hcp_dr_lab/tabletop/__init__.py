"""The rehearsal without processes: Kubernetes, AWS and machines in memory, behind the ports of the product."""
