"""Reads a raw response of S3; pure, no requests.

curl and other clients do not report a redirect as an error, although nothing was fetched or stored. So the HTTP status
decides.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from hcp_dr.errors import RESUME

_CODE = re.compile("<Code>([^<]*)</Code>")
_MESSAGE = re.compile("<Message>([^<]*)</Message>")
_ENDPOINT = re.compile("<Endpoint>([^<]*)</Endpoint>")
_HOST = re.compile(r"[a-z0-9][a-z0-9.-]{0,253}")
_MAX_LENGTH = 200

REDIRECTED = (
    "The request did not reach the bucket's endpoint: check AWS_REGION, AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL and any "
    "proxy; the name of a new bucket can take some hours to reach all regions. "
    f"Then run {RESUME}."
)
"""What to do after a redirect by S3 or by a proxy."""


@dataclass(frozen=True, slots=True)
class Page:
    """A response: its HTTP `status`, and S3's error `code` and `message`, "" if absent. `host` is the target of a
    redirect, "" if unknown: never the URL, which may contain a signature."""

    status: int
    code: str
    message: str
    host: str

    @property
    def redirects(self) -> bool:
        return self.status in (301, 302, 303, 307, 308)

    def reason(self) -> str:
        """The response as the reason of an error."""
        status = f"{self.status} {self.code}".strip()
        if self.redirects:
            return f"{status}, a redirect to {self.host or 'an unknown host'}"
        return f"{status}: {self.message}" if self.message else status


def read(status: int, body: bytes, location: str = "") -> Page:
    """`location` is the Location header, "" if absent: then S3 names the endpoint in the body."""
    text = body[:65536].decode(errors="replace")
    code, message, endpoint = (
        " ".join(match[1].split())[:_MAX_LENGTH] if (match := pattern.search(text)) else ""
        for pattern in (_CODE, _MESSAGE, _ENDPOINT)
    )
    return Page(status, code, message.rstrip("."), host_of(location) or host_of(f"//{endpoint}"))


def host_of(address: str) -> str:
    """The host of a URL; "" if the URL has none, or none that is safe to print."""
    try:
        host = urlsplit(address).hostname or ""
    except ValueError:
        return ""
    return host if _HOST.fullmatch(host) else ""
