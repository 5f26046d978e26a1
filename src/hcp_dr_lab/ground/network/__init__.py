"""DNS answers, zones and caches, routing by host names, and shared code of the region's TLS servers."""
