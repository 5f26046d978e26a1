"""An error response of an AWS service, with the service's own code and message."""

from __future__ import annotations


class Refusal(Exception):
    """`code` is the service's error code, `http` the HTTP status."""

    def __init__(self, code: str, message: str, http: int = 400) -> None:
        self.code = code
        self.message = message
        self.http = http
        super().__init__(f"{code}: {message}")


class Silence(Exception):
    """No response: the connection was refused, reset, or cut in the middle. The request may have been processed."""
