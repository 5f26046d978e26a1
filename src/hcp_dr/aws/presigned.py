"""Reads the fields of a presigned URL; pure, no requests."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit


def ends_at(url: str) -> float | None:
    """The expiry of the signature, in seconds since the epoch; None if the URL has none (S3's "Authenticating Requests:
    Using Query Parameters"). A URL signed by a session may expire earlier, with the session."""
    query = parse_qs(urlsplit(url).query)
    try:
        signed = datetime.strptime(query["X-Amz-Date"][0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        return signed.timestamp() + int(query["X-Amz-Expires"][0])
    except (KeyError, ValueError):
        return None


def by_session(url: str) -> bool:
    """Whether the URL was signed with the keys of a session, and so expires with the session."""
    return "X-Amz-Security-Token" in parse_qs(urlsplit(url).query)
