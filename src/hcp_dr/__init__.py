"""Carries a hosted cluster from one management cluster to another while its workers keep running."""

__version__ = "0.1.0"
"""The one place of the version: of the package, of `hcp-dr --version`, and of what is written into a backup folder."""
