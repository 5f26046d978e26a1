"""What a role may want done: a closed set of values, performed by whoever hosts the role."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hcp_dr.kube.port import Object, Propagation, Resource


@dataclass(frozen=True, slots=True)
class Create:
    resource: Resource
    body: Object

    def __str__(self) -> str:
        return f"create {place(self.resource, self.body['metadata'])}"


@dataclass(frozen=True, slots=True)
class Patch:
    """A merge patch. With metadata.resourceVersion in the body it holds for that version only."""

    resource: Resource
    name: str
    namespace: str | None
    body: Object
    subresource: str | None = None
    why: str = ""

    def __str__(self) -> str:
        part = f" ({self.subresource})" if self.subresource else ""
        reason = self.why or ", ".join(_paths(self.body))
        return f"patch {place(self.resource, {'namespace': self.namespace, 'name': self.name})}{part}: {reason}"


@dataclass(frozen=True, slots=True)
class Delete:
    resource: Resource
    name: str
    namespace: str | None
    uid: str
    why: str
    propagation: Propagation = "Background"

    def __str__(self) -> str:
        return f"delete {place(self.resource, {'namespace': self.namespace, 'name': self.name})}: {self.why}"


@dataclass(frozen=True, slots=True)
class RunInstance:
    image: str
    instance_type: str
    subnet: str
    security_groups: tuple[str, ...]
    user_data: str = field(repr=False)
    tags: Mapping[str, str]

    def __str__(self) -> str:
        return f"run an instance for {self.tags.get('Name')}"


@dataclass(frozen=True, slots=True)
class TerminateInstance:
    instance_id: str
    why: str

    def __str__(self) -> str:
        return f"TERMINATE instance {self.instance_id}: {self.why}"


@dataclass(frozen=True, slots=True)
class DeleteHostedNode:
    """Delete a Node inside the hosted cluster."""

    namespace: str
    name: str
    uid: str

    def __str__(self) -> str:
        return f"delete Node {self.name} of the hosted cluster in {self.namespace}"


@dataclass(frozen=True, slots=True)
class RemoveFolder:
    """Remove the folder behind a volume."""

    path: str

    def __str__(self) -> str:
        return f"remove the folder {self.path}"


Change = Create | Patch | Delete | RunInstance | TerminateInstance | DeleteHostedNode | RemoveFolder


def place(resource: Resource, metadata: Mapping[str, str | None]) -> str:
    namespace, name = metadata.get("namespace"), metadata["name"]
    return f"{resource.kind} {namespace}/{name}" if namespace else f"{resource.kind} {name}"


def _paths(body: Object, depth: int = 2) -> list[str]:
    """Which fields a patch touches, never their values: they may be secret."""
    paths: list[str] = []
    for key, value in body.items():
        if key == "resourceVersion":
            continue
        inner = _paths(value, depth - 1) if isinstance(value, dict) and depth > 1 else []
        paths += [f"{key}.{path}" for path in inner] or [key]
    return paths
