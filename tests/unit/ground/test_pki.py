from __future__ import annotations

import stat
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import PolicyBuilder, Store

from hcp_dr_lab.ground.pki import CertificateAuthority, KeyPair


def test_a_server_certificate_is_verified_by_its_authority() -> None:
    authority = CertificateAuthority.create("test-ca")
    pair = authority.issue("server", dns=("api.example",), addresses=("10.0.0.1",), server=True)
    store = Store([x509.load_pem_x509_certificate(authority.cert_pem)])
    leaf = x509.load_pem_x509_certificate(pair.cert_pem)
    for subject in (x509.DNSName("api.example"),):
        chain = PolicyBuilder().store(store).build_server_verifier(subject).verify(leaf, [])
        assert chain[0] == leaf


def test_a_client_certificate_has_its_organizations_and_use() -> None:
    pair = CertificateAuthority.create("test-ca").issue("someone", organizations=("system:masters",), client=True)
    leaf = x509.load_pem_x509_certificate(pair.cert_pem)
    assert leaf.subject.rfc4514_string() == "CN=someone,O=system:masters"
    uses = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(uses) == [ExtendedKeyUsageOID.CLIENT_AUTH]


def test_a_loaded_authority_goes_on_issuing() -> None:
    created = CertificateAuthority.create("test-ca")
    pair = CertificateAuthority.load(created.cert_pem, created.key_pem).issue("server", dns=("a.example",), server=True)
    leaf = x509.load_pem_x509_certificate(pair.cert_pem)
    public_key = x509.load_pem_x509_certificate(created.cert_pem).public_key()
    assert isinstance(public_key, ec.EllipticCurvePublicKey)
    assert leaf.signature_hash_algorithm is not None
    public_key.verify(leaf.signature, leaf.tbs_certificate_bytes, ec.ECDSA(leaf.signature_hash_algorithm))


def test_keys_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    pair = CertificateAuthority.create("test-ca").pair
    pair.write(tmp_path / "deep" / "ca.region")
    assert stat.S_IMODE((tmp_path / "deep" / "ca.region.key").stat().st_mode) == 0o600
    assert KeyPair.read(tmp_path / "deep" / "ca.region") == pair
