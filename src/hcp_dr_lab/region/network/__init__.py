"""Name resolution, the proxy and the load balancers of the region."""
