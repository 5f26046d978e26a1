"""The step that `hcp-dr resume` carries out before the steps of the command."""
