"""TLS on both sides of the fault proxy, so that neither side is told a lie it could notice.

To the client the proxy shows a certificate for the server's name from the server's own authority. To the server it
shows a certificate for the same user and groups as the client's own, from an authority whose clients the server
believes; whoever has none, because a bearer token speaks for it, has none there either. What the client's certificate
is worth is checked before, against the authorities that the server goes by at this moment. Nothing is made where the
server behind does not prove itself to the authority at hand: that connection is passed on untouched, and the client
sees the truth.
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
    """The user and the groups that a client's certificate speaks for."""

    user: str
    groups: tuple[str, ...]

    @classmethod
    def of(cls, certificate: bytes | None) -> Identity | None:
        """From DER; None where the client showed none."""
        if certificate is None:
            return None
        subject = x509.load_der_x509_certificate(certificate).subject
        users = subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        groups = subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
        return cls(str(users[0].value) if users else "", tuple(sorted(str(group.value) for group in groups)))


@dataclass(frozen=True, slots=True)
class Authorities:
    """Of one API server: `own` signs its certificate and may sign its clients'; `clients` is what it believes, PEM."""

    own: KeyPair
    clients: bytes


@dataclass(slots=True)
class Keyring:
    """The contexts for one server under one set of authorities. `names` and `addresses` are what clients may call it,
    `server_name` is what it proves to be; `folder` takes the keys, mode 0600."""

    server_name: str
    authorities: Authorities
    folder: Path
    names: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    guess: Identity | None = None  # whom the last client was: the next one is most often the same
    _contexts: dict[Identity | None, ssl.SSLContext] = field(default_factory=dict)
    _server: ssl.SSLContext | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def server_side(self) -> ssl.SSLContext:
        """For the client's connection."""
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
        """For the connection to the server, in the name of a client."""
        with self._lock:
            if identity not in self._contexts:
                context = ssl.create_default_context(cadata=self.authorities.own.cert_pem.decode("ascii"))
                context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # Kubernetes' authorities lack what it asks for
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
    """Of the TLS object of a connection whose handshake is done."""
    if not isinstance(transport_extra, ssl.SSLObject | ssl.SSLSocket):
        return None
    return Identity.of(transport_extra.getpeercert(binary_form=True))
