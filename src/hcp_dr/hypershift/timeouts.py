"""How long steps wait, in seconds."""

from __future__ import annotations

PUBLISH_API = 1200.0
"""external-dns looks once a minute, and a resolver may keep the absence of a name for minutes."""
