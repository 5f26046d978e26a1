"""Keys and certificates for the tabletop: real keys, created once in a process and shared by all worlds.

A second request for the same authority returns another authority, as required; a leaf of the same authority for the
same subject is the same.
"""

from __future__ import annotations

import random
import string
from collections import Counter
from collections.abc import Mapping
from functools import cache, lru_cache

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from hcp_dr_lab.standin.keys import Keys
from hcp_dr_lab.standin.view import Pair, Subject

_MAKER = Keys()
_LETTERS = string.ascii_lowercase + string.digits
_END = b"-----END CERTIFICATE-----\n"


class CannedKeys:
    """Implements view.KeyMaker. Random values come from `chance`, so that a world is repeatable."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._asked: Counter[str] = Counter()

    def authority(self, name: str) -> Pair:
        self._asked[name] += 1
        return _authority(name, self._asked[name])

    def leaf(self, authority: Pair, subject: Subject) -> Pair:
        return _leaf(authority, subject)

    def signing_key(self) -> Pair:
        self._asked["signing key"] += 1
        return _signing_key(self._asked["signing key"])

    def public_key(self, private: bytes) -> bytes:
        return _public_key(private)

    def json_web_key(self, public: bytes) -> Mapping[str, str]:
        return _json_web_key(public)

    def word(self, length: int) -> str:
        return "".join(self._chance.choices(_LETTERS, k=length))


@cache
def _authority(name: str, number: int) -> Pair:
    del number
    return _MAKER.authority(name)


@lru_cache(maxsize=4096)
def _leaf(authority: Pair, subject: Subject) -> Pair:
    return _MAKER.leaf(authority, subject)


@cache
def _signing_key(number: int) -> Pair:
    del number
    return _MAKER.signing_key()


@cache
def _public_key(private: bytes) -> bytes:
    return _MAKER.public_key(private)


@cache
def _json_web_key(public: bytes) -> Mapping[str, str]:
    return _MAKER.json_web_key(public)


@lru_cache(maxsize=4096)
def trusts(bundle: bytes, certificate: bytes) -> bool:
    """Return whether an authority of the bundle (PEM) signed the certificate (PEM). Names and dates are not checked."""
    leaf = x509.load_pem_x509_certificate(certificate)
    for part in bundle.split(_END):
        if not part.strip():
            continue
        try:
            leaf.verify_directly_issued_by(x509.load_pem_x509_certificate(part + _END))
        except (ValueError, TypeError, InvalidSignature):
            continue
        return True
    return False
