"""The DNS records of a hosted cluster: their owners, takeover, handover, and external-dns itself."""
