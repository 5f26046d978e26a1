"""The key that signs a hosted cluster's service account tokens, beside the key set by which AWS checks them.

The documents that HyperShift publishes hold a JSON web key set (RFC 7517); the Secret holds the public key as PEM.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

KEY_SET = "/openid/v1/jwks"
"""Below the infrastructure id in the operator's bucket."""


def publishes(key_set: bytes, public_pem: bytes) -> bool:
    """Whether the key is one of the set. Raises ValueError where either is not readable."""
    der = _der(public_pem)
    found = json.loads(key_set)
    keys = found.get("keys") if isinstance(found, Mapping) else None
    if not isinstance(keys, list):
        raise ValueError("it is no key set")
    return any(isinstance(key, Mapping) and _end_of(key) and der.endswith(_end_of(key)) for key in keys)


def _der(pem: bytes) -> bytes:
    lines = [line.strip() for line in pem.splitlines() if line.strip()]
    if len(lines) < 3 or not lines[0].startswith(b"-----BEGIN") or not lines[-1].startswith(b"-----END"):
        raise ValueError("it is no PEM")
    return base64.b64decode(b"".join(lines[1:-1]), validate=True)


def _end_of(key: Mapping[str, Any]) -> bytes:
    """How a SubjectPublicKeyInfo of this key ends: with the whole key. Empty for kinds that are not known."""
    try:
        match key.get("kty"):
            case "RSA":
                return _encoded(0x30, _integer(_bytes(key["n"])) + _integer(_bytes(key["e"])))
            case "EC":
                return b"\x04" + _bytes(key["x"]) + _bytes(key["y"])
    except (KeyError, binascii.Error) as error:
        raise ValueError("it holds a key that cannot be read") from error
    return b""


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _integer(value: bytes) -> bytes:
    stripped = value.lstrip(b"\0")
    return _encoded(0x02, (b"\0" if not stripped or stripped[0] & 0x80 else b"") + stripped)


def _encoded(tag: int, content: bytes) -> bytes:
    """In DER."""
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    told = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(told))) + told + content
