"""What `hcp-dr resume` does before it continues the steps of the command."""
