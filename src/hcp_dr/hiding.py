"""What must not be in any text: keys to the bucket, tokens, passwords, private keys, wherever a library quotes them."""

from __future__ import annotations

import re

_HIDDEN = "(hidden)"
_BY_SHAPE = (
    # A presigned URL is a key to the bucket while it lives.
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
    """The text with `(hidden)` in the place of what has the shape of a secret: for sentences that quote a server."""
    for secret, instead in _BY_SHAPE:
        text = secret.sub(instead, text)
    return text


def without_secrets(text: str) -> str:
    """And of what is named like one. It may hide too much: for what a foreign library says, whatever it is."""
    secret, instead = _BY_NAME
    return secret.sub(instead, without_keys(text))
