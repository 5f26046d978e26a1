"""Sentinels: objects that the observer creates under other owners before a relocation, with deceptive names.

The names have nearly the prefixes or suffixes of the hosted cluster's own objects, because tools that select by prefix
or suffix select too much. No operator of the region has a reason to modify a sentinel.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hcp_dr import errors
from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Kubernetes, Object, Resource
from hcp_dr_lab.ground.layout import BUCKET, HOSTED_DOMAIN, OIDC_BUCKET, HostedClusterNames
from hcp_dr_lab.ground.names import OPERATOR_NAMESPACE
from hcp_dr_lab.observer.belongings import Things, digest, fingerprint, words
from hcp_dr_lab.observer.leftovers import OWNER_NAME, OWNER_NAMESPACE
from hcp_dr_lab.observer.source import Record, Source
from hcp_dr_lab.observer.writer import LABEL
from hcp_dr_lab.standin.hypershift_operator.permissions import ROUTER_NAMESPACES

STRANGER = "a-stranger"
"""The external-dns owner ID of the records; no external-dns uses this ID."""

_RBAC = "rbac.authorization.k8s.io"
_NAMESPACED: tuple[Resource, ...] = (r.CONFIG_MAP, r.SECRET, r.ROLE, r.ROLE_BINDING)
_CLUSTER_WIDE: tuple[Resource, ...] = (r.NAMESPACE, r.CLUSTER_ROLE, r.CLUSTER_ROLE_BINDING)


@dataclass(frozen=True, slots=True)
class Sentinels:
    """The sentinels of one observation; `run` is part of every name."""

    source: Source
    names: HostedClusterNames
    run: str

    @property
    def beside(self) -> str:
        """A namespace with the control plane namespace's name as prefix."""
        return f"{self.names.control_plane_namespace}-beside-{self.run}"

    def place(self) -> None:
        """Create the sentinels. Can be repeated."""
        for side in self.source.sides:
            for kind, wanted in self._objects(side):
                with contextlib.suppress(errors.AlreadyExists):
                    side.create(kind, wanted)
        for bucket, key in self._keys():
            self.source.cloud.put_object(bucket, key, f"sentinel {key}\n".encode())
        self.source.cloud.change("UPSERT", self.records())

    def look(self) -> Things:
        """Read all present sentinels. Raises the adapters' errors."""
        things: Things = {}
        for side in self.source.sides:
            for kind in (*_NAMESPACED, *_CLUSTER_WIDE):
                found = side.list(kind, labels=f"{LABEL}={self.run}").items
                things |= {words(side.name, kind, item): fingerprint(item) for item in found}
        for bucket in {bucket for bucket, _ in self._keys()}:
            stored = self.source.cloud.objects(bucket)
            things |= {f"s3 {key}": print_ for key, print_ in stored if self.run in key}
        there = {(name, kind): values for name, kind, values in self.source.cloud.records()}
        for record in self.records():
            if (values := there.get((record.full_name, record.kind))) is not None:
                things[f"record {record.full_name} {record.kind}"] = digest(values)
        return things

    def remove(self) -> None:
        """Remove the present sentinels of this observation."""
        for side in self.source.sides:
            for kind in (*_NAMESPACED, *_CLUSTER_WIDE):
                for item in side.list(kind, labels=f"{LABEL}={self.run}").items:
                    with contextlib.suppress(errors.NotFound, errors.Conflict):
                        side.delete(kind, item["metadata"]["name"], item["metadata"].get("namespace"))
        for bucket, key in self._keys():
            self.source.cloud.delete_object(bucket, key)
        there = {(name, kind): values for name, kind, values in self.source.cloud.records()}
        self.source.cloud.change(
            "DELETE",
            tuple(record for record in self.records() if there.get((record.full_name, record.kind)) == (record.value,)),
        )

    def records(self) -> tuple[Record, ...]:
        """Return another cluster's API under another owner; a name that a stranger claims for a namespace with the same
        name in another management cluster; and a name without an owner."""
        names = self.names
        address = f"elsewhere.{HOSTED_DOMAIN}."
        found = [Record(f"{names.name}-{self.run}", "CNAME", address)]
        for host, place in (
            (f"api-{names.name}-{self.run}", f"{names.control_plane_namespace}-beside"),
            (f"twin-{names.name}-{self.run}", names.control_plane_namespace),
        ):
            resource = f"external-dns/resource=route/{place}/kube-apiserver"
            claim = f'"heritage=external-dns,external-dns/owner={STRANGER},{resource}"'
            found += [Record(host, "CNAME", address), Record(f"cname-{host}-external-dns", "TXT", claim)]
        return tuple(found)

    def _keys(self) -> Iterator[tuple[str, str]]:
        names = self.names
        yield BUCKET, f"hcp-dr/{names.namespace}/{names.name}-{self.run}/20200101-000000/snapshot.db"
        yield BUCKET, f"{names.name}-{self.run}-etcd-0-snapshot.db"
        if next(iter(self.source.cloud.objects(OIDC_BUCKET)), None) is not None:  # created with the first document
            yield OIDC_BUCKET, f"{names.infra_id}-{self.run}/.well-known/openid-configuration"

    def _objects(self, side: Kubernetes) -> Iterator[tuple[Resource, Object]]:
        """Return objects with the hosted cluster's name as prefix, and roles of a cluster with a similar name."""
        name = f"{self.names.name}-{self.run}"
        yield r.NAMESPACE, self._body(r.NAMESPACE, self.beside)
        places = [self.beside, OPERATOR_NAMESPACE, ROUTER_NAMESPACES[0]]
        if side.find(r.NAMESPACE, self.names.namespace) is not None:
            places.append(self.names.namespace)
        for place in places:
            yield r.CONFIG_MAP, self._body(r.CONFIG_MAP, name, place, data={"text": f"of {STRANGER}"})
            yield r.SECRET, self._body(r.SECRET, name, place, stringData={"text": f"of {STRANGER}"})
        role = f"control-plane-operator-{self.names.control_plane_namespace}-{self.run}"
        rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}]
        subjects = [{"kind": "ServiceAccount", "name": "default", "namespace": self.beside}]
        for kind, bound in ((r.ROLE, r.ROLE_BINDING), (r.CLUSTER_ROLE, r.CLUSTER_ROLE_BINDING)):
            where = ROUTER_NAMESPACES[0] if kind.namespaced else None
            yield kind, self._body(kind, role, where, rules=rules)
            reference = {"apiGroup": _RBAC, "kind": kind.kind, "name": role}
            yield bound, self._body(bound, role, where, subjects=subjects, roleRef=reference)

    def _body(self, kind: Resource, name: str, namespace: str | None = None, **rest: Any) -> Object:
        owner = {OWNER_NAMESPACE: self.names.namespace, OWNER_NAME: f"{self.names.name}-{self.run}"}
        metadata: Object = {"name": name, "labels": {LABEL: self.run} | owner}
        if namespace is not None:
            metadata["namespace"] = namespace
        return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, **rest}
