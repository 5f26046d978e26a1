"""The keys of a hosted cluster. An existing authority with its key is kept. A missing authority is created again, and
then clients of the old authority no longer trust the cluster. Leaves follow their authority.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Object
from hcp_dr_lab.standin import machine_config
from hcp_dr_lab.standin.change import Change
from hcp_dr_lab.standin.control_plane_operator import kubeconfigs, subjects
from hcp_dr_lab.standin.control_plane_operator.subjects import Leaf
from hcp_dr_lab.standin.shape import annotation, body, ensure
from hcp_dr_lab.standin.view import Pair, View

ISSUER_HASH = "hypershift.openshift.io/ca-hash"
SIGNING_KEY = "sa-signing-key"
KUBEADMIN_PASSWORD = "kubeadmin-password"  # noqa: S105 - the name of a Secret

AUTHORITIES = (
    "root-ca",
    "etcd-signer",
    "etcd-metrics-signer",
    "cluster-signer-ca",
    "kube-control-plane-signer",
    "kube-apiserver-to-kubelet-signer",
    "system-admin-signer",
    "customer-system-admin-signer",
    "sre-system-admin-signer",
    "hcco-signer",
    "konnectivity-signer",
    "kas-aggregator-client-signer",
    "kas-bootstrap-container-signer",
)
# Authorities for client certificates of the hosted API server. The rehearsal's kubelets have certificates of the root.
_CLIENT_AUTHORITIES = (
    "root-ca",
    "cluster-signer-ca",
    "kube-control-plane-signer",
    "kube-apiserver-to-kubelet-signer",
    "system-admin-signer",
    "customer-system-admin-signer",
    "sre-system-admin-signer",
    "hcco-signer",
    "kas-bootstrap-container-signer",
)
# ConfigMaps with certificates: name, key, authorities
_BUNDLES = (
    ("root-ca", "ca.crt", ("root-ca",)),
    ("etcd-ca", "ca.crt", ("etcd-signer",)),
    ("client-ca", "ca.crt", _CLIENT_AUTHORITIES),
    ("aggregator-client-ca", "ca.crt", ("kas-aggregator-client-signer",)),
)


@dataclass(frozen=True, slots=True)
class Keyring:
    """The existing authorities, or the authorities to be created."""

    view: View
    plane: Object
    authorities: Mapping[str, Pair]

    @property
    def namespace(self) -> str:
        namespace: str = self.plane["metadata"]["namespace"]
        return namespace


def reconcile(view: View, plane: Object) -> list[Change]:
    namespace = plane["metadata"]["namespace"]
    authorities: dict[str, Pair] = {}
    changes: list[Change] = []
    for name in AUTHORITIES:
        kept = _existing_pair(view.find(r.SECRET, name, namespace), "ca.crt", "ca.key")
        authorities[name] = kept or view.keys.authority(f"openshift {name}")
        changes += _secret(view, plane, name, _data(authorities[name], "ca.crt", "ca.key"))
    ring = Keyring(view, plane, authorities)
    for name, key, members in _BUNDLES:
        text = "".join(authorities[member].certificate.decode() for member in members)
        changes += ensure(view, r.CONFIG_MAP, body(r.CONFIG_MAP, name, namespace, owner=plane, data={key: text}))
    for name, content in machine_config.CORE_PIECES.items():
        labels = {machine_config.CORE: "true"}
        changes += ensure(
            view,
            r.CONFIG_MAP,
            body(r.CONFIG_MAP, name, namespace, labels=labels, owner=plane, data={"config": content}),
        )
    for leaf in subjects.leaves(plane):
        changes += _leaf(ring, leaf)
    for leaf in subjects.for_controllers(plane) if view.controllers is not None else ():
        changes += _leaf(ring, leaf)
    return changes + list(_others(ring))


def _leaf(ring: Keyring, leaf: Leaf) -> list[Change]:
    """Keep a leaf of the same authority and names, otherwise issue a new one. A kubeconfig embeds the certificate."""
    authority = ring.authorities[leaf.authority]
    mark = hashlib.sha256(authority.certificate + repr(leaf.subject).encode()).hexdigest()[:16]
    present = ring.view.find(r.SECRET, leaf.secret, ring.namespace)
    files = (leaf.kubeconfig,) if leaf.server else (leaf.certificate_file, leaf.key_file)
    if (
        present is not None
        and annotation(present, ISSUER_HASH) == mark
        and all(file in (present.get("data") or {}) for file in files)
    ):
        data = present["data"]
    else:
        pair = ring.view.keys.leaf(authority, leaf.subject)
        if leaf.server:
            text = kubeconfigs.render(leaf.server, ring.authorities["root-ca"].certificate, pair)
            data = {leaf.kubeconfig: encoded(text.encode())}
        else:
            data = _data(pair, leaf.certificate_file, leaf.key_file)
    return _secret(ring.view, ring.plane, leaf.secret, data, {ISSUER_HASH: mark}, leaf.labels)


def _others(ring: Keyring) -> Iterator[Change]:
    view, plane = ring.view, ring.plane
    present = view.find(r.SECRET, SIGNING_KEY, ring.namespace)
    files = ("service-account.pub", "service-account.key")
    pair = _existing_pair(present, *files) or view.keys.signing_key()
    yield from _secret(view, plane, SIGNING_KEY, _data(pair, *files))
    present = view.find(r.SECRET, KUBEADMIN_PASSWORD, ring.namespace)
    password = {"password": encoded(view.keys.word(23).encode())}
    yield from _secret(view, plane, KUBEADMIN_PASSWORD, present["data"] if present is not None else password)
    present = view.find(r.SECRET, "ignition-server-ca-cert", ring.namespace)
    pair = _existing_pair(present, "tls.crt", "tls.key") or view.keys.authority("ignition-server-ca")
    yield from _secret(view, plane, "ignition-server-ca-cert", _data(pair, "tls.crt", "tls.key"))


def _secret(  # noqa: PLR0917 - what a Secret has
    view: View,
    plane: Object,
    name: str,
    data: Mapping[str, str],
    annotations: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
) -> list[Change]:
    wanted = body(
        r.SECRET,
        name,
        plane["metadata"]["namespace"],
        labels=labels,
        annotations=annotations,
        owner=plane,
        data=dict(data),
    )
    return ensure(view, r.SECRET, wanted)


def _existing_pair(secret: Object | None, certificate_file: str, key_file: str) -> Pair | None:
    """Return the pair in a secret if both halves exist."""
    data = (secret or {}).get("data") or {}
    if certificate_file not in data or key_file not in data:
        return None
    return Pair(base64.b64decode(data[certificate_file]), base64.b64decode(data[key_file]))


def _data(pair: Pair, certificate_file: str, key_file: str) -> dict[str, str]:
    return {certificate_file: encoded(pair.certificate), key_file: encoded(pair.key)}


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()
