"""Removes secrets from texts: signatures of presigned URLs, tokens, passwords, private keys quoted by libraries; and
characters that a terminal would obey. Every text for people and every text of the journal passes here."""

from __future__ import annotations

import re
from typing import Any

HIDDEN = "(hidden)"
_BY_SHAPE = (
    # A presigned URL gives access to the bucket until it expires.
    (re.compile(r"(X-Amz-(?:Signature|Credential|Security-Token)=)[^&\s\"']+", re.IGNORECASE), rf"\1{HIDDEN}"),
    (re.compile(r"\b(Bearer +)[^\s\"'\\]+"), rf"\1{HIDDEN}"),
    (re.compile(r"\b(Basic +)(?=\S*[A-Z0-9=])[A-Za-z0-9+/]{4,}=*"), rf"\1{HIDDEN}"),
    (re.compile(r"\bsha256~[\w-]+"), HIDDEN),  # an OpenShift token
    (re.compile(r"\beyJ[\w-]{8,}(?:\.[\w-]*)*"), HIDDEN),  # a JWT
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL), HIDDEN),
    (re.compile(r"\bLS0tLS1CRUdJTi[\w+/=]*"), HIDDEN),  # PEM in base64
    (re.compile(r"(://)[^/\s\"'@]+@"), rf"\1{HIDDEN}@"),
)
_BY_NAME = (
    re.compile(
        r"(\b[\w-]*(?:secret_?access_?key|token|password|passwd|key-data)[\"']?\s*[:=]\s*[\"']?)[^\s\"',}\]]+",
        re.IGNORECASE,
    ),
    rf"\1{HIDDEN}",
)


_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Control characters except tab and line feed, and those that change the direction of text."""


def safe(value: Any) -> Any:
    """A text, or every text in lists and mappings, without the form of a secret and with control characters escaped."""
    match value:
        case str():
            return _CONTROL.sub(lambda found: ascii(found[0])[1:-1], without_keys(value))
        case dict():
            return {safe(key): safe(each) for key, each in value.items()}
        case list() | tuple():
            return [safe(each) for each in value]
        case _:
            return value


def without_keys(text: str) -> str:
    """Replace text with the form of a secret by `(hidden)`: for messages that quote a server."""
    for pattern, replacement in _BY_SHAPE:
        text = pattern.sub(replacement, text)
    return text


def without_secrets(text: str) -> str:
    """Also replace values with the name of a secret. May hide too much: for arbitrary output of other programs."""
    pattern, replacement = _BY_NAME
    return pattern.sub(replacement, without_keys(text))
