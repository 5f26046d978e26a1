"""What an AWS service answers when it refuses, with its own words."""

from __future__ import annotations


class Refusal(Exception):
    """`code` is the service's own word for it, `http` the status of the answer."""

    def __init__(self, code: str, message: str, http: int = 400) -> None:
        self.code = code
        self.message = message
        self.http = http
        super().__init__(f"{code}: {message}")


class Silence(Exception):
    """No answer came: a connection refused, reset, or cut in the middle. What was asked may have been done."""
