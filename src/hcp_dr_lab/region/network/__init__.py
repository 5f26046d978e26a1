"""Names, the proxy and the load balancers: how anything in the region finds and reaches anything else."""
