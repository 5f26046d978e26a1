"""What an answer of S3 says that no library has read: pure, nobody is asked.

A redirect is neither a success nor an error for whoever only asks whether the request failed: nothing was fetched, and
nothing was stored. So each answer counts by its status.
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
_LONGEST = 200

REDIRECTED = (
    "The request went to a place that is not the bucket's: look at AWS_REGION, AWS_ENDPOINT_URL_S3 and "
    "AWS_ENDPOINT_URL, and at proxies on the way; a bucket that was just made is known everywhere after some hours. "
    f"Then run {RESUME}."
)
"""What to do where S3, or somebody on the way to it, redirects."""


@dataclass(frozen=True, slots=True)
class Page:
    """`status` is HTTP's; `code` and `message` are S3's words, "" where it has none. `place` is the host to which a
    redirect leads, "" where it does not say: never the whole address, which may carry a signature."""

    status: int
    code: str
    message: str
    place: str

    @property
    def redirects(self) -> bool:
        return self.status in (301, 302, 303, 307, 308)

    def told(self) -> str:
        """As the reason of an error."""
        words = f"{self.status} {self.code}".strip()
        if self.redirects:
            return f"{words}, a redirect to {self.place or 'a place that it does not name'}"
        return f"{words}: {self.message}" if self.message else words


def read(status: int, body: bytes, location: str = "") -> Page:
    """`location` is the header of that name, "" where there is none: S3 names the place in its page then."""
    text = body[:65536].decode(errors="replace")
    code, message, endpoint = (
        " ".join(found[1].split())[:_LONGEST] if (found := wanted.search(text)) else ""
        for wanted in (_CODE, _MESSAGE, _ENDPOINT)
    )
    return Page(status, code, message.rstrip("."), host_of(location) or host_of(f"//{endpoint}"))


def host_of(address: str) -> str:
    """ "" where it has none that may be shown."""
    try:
        host = urlsplit(address).hostname or ""
    except ValueError:
        return ""
    return host if _HOST.fullmatch(host) else ""
