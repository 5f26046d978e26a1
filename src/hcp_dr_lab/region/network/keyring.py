"""TLS on both sides of the fault proxy, without a difference that client or server could notice.

The proxy presents a certificate for the server's name, signed by the server's own authority, to the client. To the
server it presents a certificate for the client's user and groups, signed by an authority that the server trusts. For a
client without a certificate (with a bearer token) the proxy presents none either. Before, the client's certificate is
verified with the authorities that the server currently uses. If the server cannot be verified with the authority at
hand, no certificate is created: the connection is passed through, and the client sees the server itself.
"""

from __future__ import annotations

import hashlib
import ssl
import threading
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import NameOID

from hcp_dr_lab.ground.pki import CertificateAuthority, KeyPair

USUAL_NAMES = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")


@dataclass(frozen=True, slots=True)
class Identity:
    """The user and the groups of a client's certificate."""

    user: str
    groups: tuple[str, ...]

    @classmethod
    def of(cls, certificate: bytes | None) -> Identity | None:
        """Parse DER; None if the client presented no certificate."""
        if certificate is None:
            return None
        subject = x509.load_der_x509_certificate(certificate).subject
        users = subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        groups = subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
        return cls(str(users[0].value) if users else "", tuple(sorted(str(group.value) for group in groups)))


@dataclass(frozen=True, slots=True)
class Authorities:
    """The authorities of one API server: `own` signs its certificate and possibly its clients'; `clients` is the PEM of
    trusted client authorities."""

    own: KeyPair
    clients: bytes


@dataclass(slots=True)
class Keyring:
    """The TLS contexts for one server with one set of authorities. `names` and `addresses` are the server's names for
    clients, `server_name` is the verified name; `folder` is for the keys, mode 0600."""

    server_name: str
    authorities: Authorities
    folder: Path
    names: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    guess: Identity | None = None  # the last client's identity: the next client usually has the same
    _contexts: dict[Identity | None, ssl.SSLContext] = field(default_factory=dict)
    _server: ssl.SSLContext | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def server_side(self) -> ssl.SSLContext:
        """Return the context for the client's connection."""
        with self._lock:
            if self._server is None:
                pair = self._authority().issue(
                    self.server_name, dns=(*self.names, *USUAL_NAMES), addresses=self.addresses, server=True
                )
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                self._load(context, "server", pair)
                context.verify_mode = ssl.CERT_OPTIONAL
                context.load_verify_locations(cadata=self.authorities.clients.decode("ascii"))
                context.set_alpn_protocols(["http/1.1"])
                self._server = context
            return self._server

    def client_side(self, identity: Identity | None) -> ssl.SSLContext:
        """Return the context for the connection to the server, with a client's identity."""
        with self._lock:
            if identity not in self._contexts:
                context = ssl.create_default_context(cadata=self.authorities.own.cert_pem.decode("ascii"))
                context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # Kubernetes' authorities lack required extensions
                context.set_alpn_protocols(["http/1.1"])
                if identity is not None:
                    pair = self._authority().issue(identity.user, organizations=identity.groups, client=True)
                    self._load(context, f"client-{len(self._contexts)}", pair)
                self._contexts[identity] = context
            return self._contexts[identity]

    def _authority(self) -> CertificateAuthority:
        return CertificateAuthority(self.authorities.own)

    def _load(self, context: ssl.SSLContext, name: str, pair: KeyPair) -> None:
        mark = hashlib.sha256(self.authorities.own.cert_pem).hexdigest()[:12]
        stem = self.folder / f"{self.server_name}-{mark}-{name}"
        pair.write(stem)
        context.load_cert_chain(f"{stem}.crt", f"{stem}.key")


def presented(transport_extra: object) -> Identity | None:
    """Return the client's identity on a connection after the handshake."""
    if not isinstance(transport_extra, ssl.SSLObject | ssl.SSLSocket):
        return None
    return Identity.of(transport_extra.getpeercert(binary_form=True))
