"""Removes secrets from texts: signatures of presigned URLs, tokens, passwords, private keys quoted by libraries; and
characters that a terminal would obey. Every text for people and every text of the journal passes here."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from itertools import takewhile
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
    (re.compile(r"\bhcp-dr-key:[0-9a-f]+"), HIDDEN),
    (re.compile(r"\baGNwLWRyLWtl[\w+/=]*"), HIDDEN),  # the same in base64
    # API servers quote a refused value behind its path (apimachinery, field.Error): a text, or a whole object
    (
        re.compile(
            r'((?:Invalid|Unsupported|Duplicate) value: )(?:"(?:[^"\\]|\\.)+(?:"|\Z)|[\w.*&]*[\[{].*)', re.DOTALL
        ),
        rf"\1{HIDDEN}",
    ),
)
_BY_NAME = (
    re.compile(
        r"(\b[\w-]*(?:secret_?access_?key|token|password|passwd|key-data)[\"']?\s*[:=]\s*[\"']?)[^\s\"',}\]]+",
        re.IGNORECASE,
    ),
    rf"\1{HIDDEN}",
)
_RANDOM = re.compile(r"\b(?=[A-Z0-9]*[a-z])(?=[a-z0-9]*[A-Z])(?=[A-Za-z]*[0-9])[A-Za-z0-9]{10,}\b")
"""A word of small and capital letters and digits: people write no such words, and generated secrets have them."""
_SECRET_FIELD = re.compile(r"passw|token|secret|private", re.IGNORECASE)

_RECOGNIZED = 8
"""Characters by which a known secret is recognized in a text: a shorter value could be any word."""
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


@lru_cache(4096)
def without_keys(text: str) -> str:
    """Replace text with the form of a secret by `(hidden)`: for messages that quote a server. Most texts of a journal
    are words that repeat in every line."""
    for pattern, replacement in _BY_SHAPE:
        text = pattern.sub(replacement, text)
    return text


def without_secrets(text: str) -> str:
    """Also replace values with the name of a secret. May hide too much: for arbitrary output of other programs."""
    pattern, replacement = _BY_NAME
    return pattern.sub(replacement, without_keys(text))


def without_random_words(text: str) -> str:
    """As `without_secrets`, and without words that look random: for the output of programs that print credentials."""
    return _RANDOM.sub(HIDDEN, without_secrets(text))


def without_secret_fields(value: Any, field: str = "", parent: str = "") -> Any:
    """An object in which each text with the name or the form of a secret is replaced as a whole. `field` is the name of
    the value's field, `parent` that of the field around it."""
    match value:
        case dict():
            return {key: without_secret_fields(each, str(key), field) for key, each in value.items()}
        case list() | tuple():
            return [without_secret_fields(each, field, parent) for each in value]
        case str() if _is_secret_field(field, parent) or without_secrets(value) != value:
            return HIDDEN
        case _:
            return value


def _is_secret_field(field: str, parent: str) -> bool:
    return _SECRET_FIELD.search(field) is not None or (parent, field) == ("tls", "key")


def without(text: str, secrets: Iterable[str]) -> str:
    """Replace these values, and their beginnings: a quotation may be cut."""
    for secret in secrets:
        begin = text.find(secret[:_RECOGNIZED]) if len(secret) >= _RECOGNIZED else -1
        while begin >= 0:
            length = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(text[begin:], secret, strict=False)))
            text = text[:begin] + HIDDEN + text[begin + length :]
            begin = text.find(secret[:_RECOGNIZED], begin + len(HIDDEN))
    return text


def texts_in(value: Any) -> frozenset[str]:
    """Every text in an object, without its names of fields."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return frozenset[str]([value] if isinstance(value, str) else ()).union(*map(texts_in, inner))
