"""Removes secrets from texts: signatures of presigned URLs, tokens, passwords, private keys quoted by libraries."""

from __future__ import annotations

import re

_HIDDEN = "(hidden)"
_BY_SHAPE = (
    # A presigned URL gives access to the bucket until it expires.
    (re.compile(r"(X-Amz-(?:Signature|Credential|Security-Token)=)[^&\s\"']+", re.IGNORECASE), rf"\1{_HIDDEN}"),
    (re.compile(r"\b(Bearer +)[^\s\"'\\]+"), rf"\1{_HIDDEN}"),
    (re.compile(r"\b(Basic +)(?=\S*[A-Z0-9=])[A-Za-z0-9+/]{4,}=*"), rf"\1{_HIDDEN}"),
    (re.compile(r"\bsha256~[\w-]+"), _HIDDEN),  # an OpenShift token
    (re.compile(r"\beyJ[\w-]{8,}(?:\.[\w-]*)*"), _HIDDEN),  # a JWT
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL), _HIDDEN),
    (re.compile(r"\bLS0tLS1CRUdJTi[\w+/=]*"), _HIDDEN),  # PEM in base64
    (re.compile(r"(://)[^/\s\"'@]+@"), rf"\1{_HIDDEN}@"),
)
_BY_NAME = (
    re.compile(
        r"(\b[\w-]*(?:secret_?access_?key|token|password|passwd|key-data)[\"']?\s*[:=]\s*[\"']?)[^\s\"',}\]]+",
        re.IGNORECASE,
    ),
    rf"\1{_HIDDEN}",
)


def without_keys(text: str) -> str:
    """Replace text with the form of a secret by `(hidden)`: for messages that quote a server."""
    for pattern, replacement in _BY_SHAPE:
        text = pattern.sub(replacement, text)
    return text


def without_secrets(text: str) -> str:
    """Also replace values with the name of a secret. May hide too much: for arbitrary output of other programs."""
    pattern, replacement = _BY_NAME
    return pattern.sub(replacement, without_keys(text))
