"""sha256 as people and files have it (hexadecimal) and as S3 has it (base64)."""

from __future__ import annotations

import base64
import hashlib


def of_body(body: bytes) -> str:
    """base64."""
    return base64.b64encode(hashlib.sha256(body).digest()).decode()


def to_base64(sha256_hex: str) -> str:
    return base64.b64encode(bytes.fromhex(sha256_hex)).decode()


def to_hex(sha256_base64: str) -> str:
    return base64.b64decode(sha256_base64).hex()
