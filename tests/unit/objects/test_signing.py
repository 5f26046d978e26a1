"""A public key is found in a published key set, whichever kind it is, and another one is not."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from hcp_dr.objects.signing import publishes

RSA = [rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key() for _ in range(2)]
EC = [ec.generate_private_key(ec.SECP256R1()).public_key() for _ in range(2)]


def pem(key: Any) -> bytes:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    found: bytes = key.public_bytes(serialization.Encoding.PEM, form)
    return found


def url(number: int, length: int | None = None) -> str:
    size = length or (number.bit_length() + 7) // 8
    return base64.urlsafe_b64encode(number.to_bytes(size, "big")).rstrip(b"=").decode()


def jwk(key: Any) -> dict[str, str]:
    numbers = key.public_numbers()
    if isinstance(key, rsa.RSAPublicKey):
        return {"kty": "RSA", "use": "sig", "n": url(numbers.n), "e": url(numbers.e)}
    return {"kty": "EC", "crv": "P-256", "x": url(numbers.x, 32), "y": url(numbers.y, 32)}


def key_set(*keys: dict[str, str]) -> bytes:
    return json.dumps({"keys": list(keys)}).encode()


@pytest.mark.parametrize("kind", [RSA, EC], ids=["RSA", "EC"])
def test_a_key_is_found_among_others(kind: list[Any]) -> None:
    mine, other = kind
    odd = {"kty": "oct", "k": "c2VjcmV0"}
    assert publishes(key_set(odd, jwk(other), jwk(mine)), pem(mine))
    assert not publishes(key_set(odd, jwk(other)), pem(mine))
    assert not publishes(key_set(), pem(mine))


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"keys": {}}', b'{"keys": [{"kty": "RSA", "n": "x"}]}'])
def test_what_is_no_key_set_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        publishes(text, pem(RSA[0]))


@pytest.mark.parametrize("text", [b"", b"key", b"-----BEGIN PUBLIC KEY-----\n?\n-----END PUBLIC KEY-----\n"])
def test_what_is_no_key_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        publishes(key_set(jwk(RSA[0])), text)
