"""sha256 in hexadecimal, as in files, and in base64, as in S3."""

from __future__ import annotations

import base64
import hashlib


def of_body(body: bytes) -> str:
    """The sha256 in base64."""
    return base64.b64encode(hashlib.sha256(body).digest()).decode()


def to_base64(sha256_hex: str) -> str:
    return base64.b64encode(bytes.fromhex(sha256_hex)).decode()


def to_hex(sha256_base64: str) -> str:
    return base64.b64decode(sha256_base64).hex()
