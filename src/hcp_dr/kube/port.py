"""The part of the Kubernetes API that the product uses.

Objects are the API's own JSON as dictionaries, so that no field is lost between the clusters. Every method raises only
classes of `hcp_dr.errors`: the adapters translate errors.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

Object = dict[str, Any]
PatchBody = Mapping[str, Any] | Sequence[Mapping[str, Any]]
Propagation = Literal["Foreground", "Background", "Orphan"]

FIELD_MANAGER = "hcp-dr"
"""The product's field manager, in managedFields."""


@dataclass(frozen=True, slots=True, order=True)
class Resource:
    """A kind of object, with the API version that the product reads and writes. For kinds of Cluster API it is the
    newest version; each cluster is asked for the version that it stores (kube/stored.py), unless it is `pinned`."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    pinned: bool = field(default=False, compare=False)

    def at(self, version: str) -> Resource:
        """The same kind in exactly this version."""
        return replace(self, version=version, pinned=True)

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    def __str__(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural


@dataclass(frozen=True, slots=True)
class Listing:
    """One consistent list: the objects of all pages, and the resourceVersion to start a watch from."""

    items: tuple[Object, ...]
    resource_version: str


@dataclass(frozen=True, slots=True)
class Event:
    """One watch event. `type` is ADDED, MODIFIED, DELETED or BOOKMARK."""

    type: str
    object: Object


@dataclass(frozen=True, slots=True)
class Completed:
    """The result of a command in a container."""

    exit_code: int
    stdout: bytes
    stderr: bytes


class Kubernetes(Protocol):
    """One cluster. `name` is its name in messages: source, destination, hosted."""

    @property
    def name(self) -> str: ...

    @property
    def server(self) -> str:
        """The URL of the API server, to distinguish clusters."""
        ...

    @property
    def context(self) -> str:
        """The name of its context in the kubeconfig, "" for a cluster without a kubeconfig."""
        ...

    @property
    def authority(self) -> str:
        """The sha256 digest of the certificate authorities in the kubeconfig, "" if the system's authorities are used
        or the server is not verified."""
        ...

    @property
    def unverified(self) -> str:
        """Why neither the server's identity nor the secrecy of the connection is certain; "" if the server's
        certificate is verified."""
        ...

    def get(self, resource: Resource, name: str, namespace: str | None = None) -> Object:
        """Raises NotFound."""
        ...

    def find(self, resource: Resource, name: str, namespace: str | None = None) -> Object | None:
        """As get, but None if the object or its kind does not exist."""
        ...

    def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        labels: str | None = None,
        fields: str | None = None,
    ) -> Listing:
        """The objects of all pages; namespace None means every namespace. Items have apiVersion and kind."""
        ...

    def create(self, resource: Resource, body: Object) -> Object:
        """Create the object in the namespace of body.metadata. Raises AlreadyExists, Invalid (also for a field that the
        API server does not know and would drop).
        """
        ...

    def try_create(self, resource: Resource, body: Object) -> None:
        """A dry run of create: the API server defaults, validates and admits the object, and stores nothing. Raises the
        errors of create, AlreadyExists last.
        """
        ...

    def replace(self, resource: Resource, body: Object, *, subresource: str | None = None) -> Object:
        """PUT; conditional when body.metadata.resourceVersion is set. Raises Conflict, NotFound, Invalid."""
        ...

    def patch(
        self,
        resource: Resource,
        name: str,
        namespace: str | None,
        patch: PatchBody,
        *,
        subresource: str | None = None,
    ) -> Object:
        """A mapping is a merge patch, a sequence a JSON patch. A merge patch with metadata.resourceVersion is
        conditional. Raises Conflict, NotFound, Invalid (also for a failed JSON patch test).
        """
        ...

    def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str | None = None,
        *,
        uid: str | None = None,
        grace_seconds: int | None = None,
        propagation: Propagation = "Background",
    ) -> None:
        """uid is a precondition (Conflict if a newer object has the same name). Raises NotFound."""
        ...

    def watch(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        resource_version: str,
        seconds: float,
        labels: str | None = None,
    ) -> Iterator[Event]:
        """Events after resource_version, for this number of seconds, at least one. After Expired, list again."""
        ...

    def execute(
        self,
        namespace: str,
        pod: str,
        container: str,
        command: Sequence[str],
        *,
        stdin: bytes | None = None,
        seconds: float = 60,
    ) -> Completed:
        """Run a command in a container. A non-zero exit code is a result, not an error. API servers before Kubernetes
        1.30 cannot close stdin: let the command read a known number of bytes instead of reading to the end.
        """
        ...

    def may(
        self,
        verb: str,
        resource: Resource,
        namespace: str | None = None,
        *,
        subresource: str | None = None,
        name: str | None = None,
    ) -> bool:
        """Ask the API server with a SelfSubjectAccessReview, for all objects or for the object with this name."""
        ...

    def versions(self, group: str) -> tuple[str, ...]:
        """The served versions of an API group, the preferred version first; empty if the group is not served."""
        ...

    def close(self) -> None: ...
