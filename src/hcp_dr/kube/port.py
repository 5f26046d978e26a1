"""What the product asks of a Kubernetes API, and nothing more.

Objects are the API's own JSON as dictionaries, so that nothing is lost on the way from one cluster to the
other. Every method raises the classes of `hcp_dr.errors` and no other: the adapters map.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

Object = dict[str, Any]
PatchBody = Mapping[str, Any] | Sequence[Mapping[str, Any]]
Propagation = Literal["Foreground", "Background", "Orphan"]

FIELD_MANAGER = "hcp-dr"
"""As whom the product writes, in managedFields."""


@dataclass(frozen=True, slots=True, order=True)
class Resource:
    """A kind of object with the one API version in which it is read and written."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    def __str__(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural


@dataclass(frozen=True, slots=True)
class Listing:
    """One consistent list: all pages, and the resourceVersion from which a watch goes on."""

    items: tuple[Object, ...]
    resource_version: str


@dataclass(frozen=True, slots=True)
class Event:
    """One watch event. `type` is ADDED, MODIFIED, DELETED or BOOKMARK."""

    type: str
    object: Object


@dataclass(frozen=True, slots=True)
class Completed:
    """A command that ran in a container to its end."""

    exit_code: int
    stdout: bytes
    stderr: bytes


class Kubernetes(Protocol):
    """One cluster. `name` is the word for it in messages: source, destination, hosted."""

    @property
    def name(self) -> str: ...

    @property
    def server(self) -> str:
        """The URL of the API server, for telling clusters apart."""
        ...

    @property
    def unverified(self) -> str:
        """Why nobody can know whether it is this server that answers, and whether somebody listens; "" where its
        certificate is checked."""
        ...

    def get(self, resource: Resource, name: str, namespace: str | None = None) -> Object:
        """Raises NotFound."""
        ...

    def find(self, resource: Resource, name: str, namespace: str | None = None) -> Object | None:
        """As get, but None where the object, or its kind, is not there."""
        ...

    def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        labels: str | None = None,
        fields: str | None = None,
    ) -> Listing:
        """All objects of all pages; namespace None means every namespace. Items carry apiVersion and kind."""
        ...

    def create(self, resource: Resource, body: Object) -> Object:
        """The namespace is that of body.metadata. Raises AlreadyExists, Invalid."""
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
        """A mapping is a merge patch, a sequence a JSON patch. metadata.resourceVersion in a merge patch makes
        it conditional. Raises Conflict, NotFound, Invalid (also for a failed JSON patch test).
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
        """uid is a precondition (Conflict when another object has the name by now). Raises NotFound."""
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
        """Events after resource_version; ends after so many seconds, at least one. Raises Expired: list again."""
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
        """Run a command in a container. A non-zero exit code is a result, not an error. stdin is sent, and closed
        if the API server can (Kubernetes 1.30 and newer): let the command read so many bytes, not to the end.
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
        """A SelfSubjectAccessReview of the caller, for all objects or for the one of that name."""
        ...

    def versions(self, group: str) -> tuple[str, ...]:
        """Served versions of an API group, the preferred one first; empty where the group is not served."""
        ...

    def close(self) -> None: ...
