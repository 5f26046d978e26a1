"""Keys and certificates for real: what the stand-in gives to its roles."""

from __future__ import annotations

import secrets
import string

from cryptography.hazmat.primitives import serialization

from hcp_dr_lab.region.pki import CertificateAuthority, signing_key
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
        public = serialization.load_pem_private_key(private, password=None).public_key()
        encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        return Pair(public.public_bytes(encoding, form), private)

    def word(self, length: int) -> str:
        return "".join(secrets.choice(_LETTERS) for _ in range(length))
