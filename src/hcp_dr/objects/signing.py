"""Compares the signing key of a hosted cluster's service account tokens with the key set that AWS uses to verify them.

HyperShift publishes a JSON web key set (RFC 7517) in its OIDC documents; the Secret contains the public key as PEM.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

KEY_SET = "/openid/v1/jwks"
"""The key in the operator's bucket, below the infraID."""


def publishes(key_set: bytes, public_pem: bytes) -> bool:
    """Whether the key set contains the key. Raises ValueError if the set or the key is not readable."""
    der = _der(public_pem)
    document = json.loads(key_set)
    keys = document.get("keys") if isinstance(document, Mapping) else None
    if not isinstance(keys, list):
        raise ValueError("it is not a key set")
    return any(isinstance(key, Mapping) and _der_suffix(key) and der.endswith(_der_suffix(key)) for key in keys)


def _der(pem: bytes) -> bytes:
    lines = [line.strip() for line in pem.splitlines() if line.strip()]
    if len(lines) < 3 or not lines[0].startswith(b"-----BEGIN") or not lines[-1].startswith(b"-----END"):
        raise ValueError("it is not PEM")
    return base64.b64decode(b"".join(lines[1:-1]), validate=True)


def _der_suffix(key: Mapping[str, Any]) -> bytes:
    """The end of the key's SubjectPublicKeyInfo, with the complete key. Empty for unknown kinds of key."""
    try:
        match key.get("kty"):
            case "RSA":
                return _encoded(0x30, _integer(_bytes(key["n"])) + _integer(_bytes(key["e"])))
            case "EC":
                return b"\x04" + _bytes(key["x"]) + _bytes(key["y"])
    except (KeyError, binascii.Error) as error:
        raise ValueError("it contains a key that is not readable") from error
    return b""


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _integer(value: bytes) -> bytes:
    stripped = value.lstrip(b"\0")
    return _encoded(0x02, (b"\0" if not stripped or stripped[0] & 0x80 else b"") + stripped)


def _encoded(tag: int, content: bytes) -> bytes:
    """A tag, length and content in DER."""
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    long_length = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(long_length))) + long_length + content
