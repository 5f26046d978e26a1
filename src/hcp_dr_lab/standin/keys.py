"""Real keys and certificates for the stand-in's roles."""

from __future__ import annotations

import base64
import hashlib
import secrets
import string
from collections.abc import Mapping

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from hcp_dr_lab.ground.pki import CertificateAuthority, signing_key
from hcp_dr_lab.standin.view import Pair, Subject

_LETTERS = string.ascii_lowercase + string.digits


class Keys:
    """Implements view.KeyMaker."""

    def authority(self, name: str) -> Pair:
        made = CertificateAuthority.create(name)
        return Pair(made.cert_pem, made.key_pem)

    def leaf(self, authority: Pair, subject: Subject) -> Pair:
        made = CertificateAuthority.load(authority.certificate, authority.key).issue(
            subject.common_name,
            organizations=subject.organizations,
            dns=subject.names,
            addresses=subject.addresses,
            client=subject.client,
            server=bool(subject.names or subject.addresses),
        )
        return Pair(made.cert_pem, made.key_pem)

    def signing_key(self) -> Pair:
        private = signing_key()
        return Pair(self.public_key(private), private)

    def public_key(self, private: bytes) -> bytes:
        public = serialization.load_pem_private_key(private, password=None).public_key()
        encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        return public.public_bytes(encoding, form)

    def json_web_key(self, public: bytes) -> Mapping[str, str]:
        key = serialization.load_pem_public_key(public)
        if not isinstance(key, ec.EllipticCurvePublicKey):
            raise TypeError("the rehearsal's keys for service account tokens are elliptic curve keys")
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        digest = hashlib.sha256(key.public_bytes(serialization.Encoding.DER, form)).digest()
        point = key.public_numbers()
        return {
            "kty": "EC",
            "crv": "P-256",
            "alg": "ES256",
            "use": "sig",
            "kid": _base64url(digest),
            "x": _base64url(point.x.to_bytes(32, "big")),
            "y": _base64url(point.y.to_bytes(32, "big")),
        }

    def word(self, length: int) -> str:
        return "".join(secrets.choice(_LETTERS) for _ in range(length))


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
