"""What a presigned URL says of itself: pure reading, nobody is asked."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit


def ends_at(url: str) -> float | None:
    """When its signature expires, in seconds since the epoch; None where it does not say (S3's "Authenticating
    Requests: Using Query Parameters"). A session that signed it may end sooner."""
    query = parse_qs(urlsplit(url).query)
    try:
        signed = datetime.strptime(query["X-Amz-Date"][0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        return signed.timestamp() + int(query["X-Amz-Expires"][0])
    except (KeyError, ValueError):
        return None


def by_session(url: str) -> bool:
    """Whether it was signed with the keys of a session, with which it ends."""
    return "X-Amz-Security-Token" in parse_qs(urlsplit(url).query)
