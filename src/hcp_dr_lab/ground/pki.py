"""Certificates of the region. Elliptic curve keys, because a region creates about fifty key pairs at every start."""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_LIFETIME = dt.timedelta(days=3650)
_CLOCK_SKEW = dt.timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate and its private key, both PEM."""

    cert_pem: bytes
    key_pem: bytes

    def write(self, stem: Path) -> None:
        """Write `stem`.crt and `stem`.key; the key is readable only by its owner."""
        stem.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        stem.with_name(stem.name + ".crt").write_bytes(self.cert_pem)
        write_secret(stem.with_name(stem.name + ".key"), self.key_pem)

    @classmethod
    def read(cls, stem: Path) -> Self:
        return cls(stem.with_name(stem.name + ".crt").read_bytes(), stem.with_name(stem.name + ".key").read_bytes())


@dataclass(frozen=True, slots=True)
class CertificateAuthority:
    """A self-signed authority that issues leaf certificates."""

    pair: KeyPair

    @classmethod
    def create(cls, name: str) -> Self:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = (
            _builder(subject, subject, key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_key_usage(authority=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        )
        return cls(_sign(builder, key, key))

    @classmethod
    def load(cls, cert_pem: bytes, key_pem: bytes) -> Self:
        return cls(KeyPair(cert_pem, key_pem))

    @property
    def cert_pem(self) -> bytes:
        return self.pair.cert_pem

    @property
    def key_pem(self) -> bytes:
        return self.pair.key_pem

    def issue(
        self,
        common_name: str,
        *,
        organizations: Sequence[str] = (),
        dns: Sequence[str] = (),
        addresses: Sequence[str] = (),
        client: bool = False,
        server: bool = False,
    ) -> KeyPair:
        """Issue a leaf certificate for the subject with these names and uses."""
        authority = x509.load_pem_x509_certificate(self.pair.cert_pem)
        authority_key = serialization.load_pem_private_key(self.pair.key_pem, password=None)
        if not isinstance(authority_key, ec.EllipticCurvePrivateKey):
            raise TypeError(f"the authority {authority.subject.rfc4514_string()} has no elliptic curve key")
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name(
            [
                *(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization) for organization in organizations),
                x509.NameAttribute(NameOID.COMMON_NAME, common_name),
            ]
        )
        builder = (
            _builder(subject, authority.subject, key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(authority=False), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False
            )
        )
        uses = [ExtendedKeyUsageOID.CLIENT_AUTH] * client + [ExtendedKeyUsageOID.SERVER_AUTH] * server
        if uses:
            builder = builder.add_extension(x509.ExtendedKeyUsage(uses), critical=False)
        names: list[x509.GeneralName] = [x509.DNSName(name) for name in dns]
        names += [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return _sign(builder, key, authority_key)


def signing_key() -> bytes:
    """Create a private key for signing service account tokens, in the PEM form that Kubernetes accepts as private and
    as public key."""
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )


def write_secret(path: Path, content: bytes) -> None:
    """Write a file that is readable only by its owner from its creation on."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_bytes(content)


def _builder(subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + _LIFETIME)
    )


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _sign(
    builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey, authority_key: ec.EllipticCurvePrivateKey
) -> KeyPair:
    certificate = builder.sign(authority_key, hashes.SHA256())
    return KeyPair(certificate.public_bytes(serialization.Encoding.PEM), _pem(key))


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
