"""DNS answers, zones and caches, routing by host names, and what the TLS servers of the region share."""
