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
class DeleteHosted:
    """Delete an object inside the hosted cluster whose control plane is in `namespace`; `inside` is its own."""

    namespace: str
    resource: Resource
    inside: str | None
    name: str
    uid: str
    why: str

    def __str__(self) -> str:
        what = place(self.resource, {"namespace": self.inside, "name": self.name})
        return f"DELETE {what} of the hosted cluster in {self.namespace}: {self.why}"


@dataclass(frozen=True, slots=True)
class RebootNode:
    """Write these annotations to a Node inside the hosted cluster, and reboot the instance under it."""

    namespace: str
    name: str
    instance_id: str
    annotations: Mapping[str, str]
    why: str

    def __str__(self) -> str:
        return f"REBOOT Node {self.name} of the hosted cluster in {self.namespace}: {self.why}"


@dataclass(frozen=True, slots=True)
class RemoveFolder:
    """Remove the folder behind a volume."""

    path: str

    def __str__(self) -> str:
        return f"remove the folder {self.path}"


@dataclass(frozen=True, slots=True)
class PutDocument:
    """Put an object into the OIDC bucket, whoever's it was."""

    key: str
    content: str = field(repr=False)

    def __str__(self) -> str:
        return f"upload the OIDC document {self.key}"


@dataclass(frozen=True, slots=True)
class DeleteDocument:
    """Delete an object of the OIDC bucket; harmless where it is absent."""

    key: str
    why: str

    def __str__(self) -> str:
        return f"DELETE the OIDC document {self.key}: {self.why}"


@dataclass(frozen=True, slots=True)
class CreateSecurityGroup:
    """Create a security group in a VPC that lets these CIDRs in; its tag Name is its name."""

    name: str
    vpc: str
    rules: tuple[str, ...]
    tags: Mapping[str, str]

    def __str__(self) -> str:
        return f"create the security group {self.name}"


@dataclass(frozen=True, slots=True)
class AllowInto:
    """Let these CIDRs into a security group."""

    group_id: str
    rules: tuple[str, ...]

    def __str__(self) -> str:
        return f"let {', '.join(self.rules)} into the security group {self.group_id}"


@dataclass(frozen=True, slots=True)
class RevokeRules:
    """Take every rule away from a security group, those for what goes out too."""

    group_id: str
    why: str

    def __str__(self) -> str:
        return f"REVOKE all rules of the security group {self.group_id}: {self.why}"


@dataclass(frozen=True, slots=True)
class DeleteSecurityGroup:
    """Delete a security group. AWS refuses (DependencyViolation) while something is in it: then it stays."""

    group_id: str
    why: str

    def __str__(self) -> str:
        return f"DELETE the security group {self.group_id}: {self.why}"


@dataclass(frozen=True, slots=True)
class CreateEndpointService:
    load_balancer: str
    tags: Mapping[str, str]

    def __str__(self) -> str:
        return f"create a VPC endpoint service of the load balancer {self.load_balancer}"


@dataclass(frozen=True, slots=True)
class DeleteEndpointService:
    service_id: str
    why: str

    def __str__(self) -> str:
        return f"delete the VPC endpoint service {self.service_id}: {self.why}"


@dataclass(frozen=True, slots=True)
class CreateEndpoint:
    service_name: str
    vpc: str
    subnets: tuple[str, ...]
    security_group: str
    tags: Mapping[str, str]

    def __str__(self) -> str:
        return f"create a VPC endpoint that leads to {self.service_name}"


@dataclass(frozen=True, slots=True)
class DeleteEndpoint:
    endpoint_id: str
    why: str

    def __str__(self) -> str:
        return f"DELETE the VPC endpoint {self.endpoint_id}: {self.why}"


@dataclass(frozen=True, slots=True)
class PutPrivateRecord:
    """Upsert a CNAME of 300 seconds in a private zone, which is made where it is absent."""

    zone: str
    name: str
    value: str

    def __str__(self) -> str:
        return f"private record {self.name} -> {self.value}"


@dataclass(frozen=True, slots=True)
class DeletePrivateRecord:
    """Delete a CNAME by its name, whatever it points to; harmless where it is absent."""

    zone: str
    name: str
    why: str

    def __str__(self) -> str:
        return f"DELETE the private record {self.name}: {self.why}"


CloudChange = (
    PutDocument
    | DeleteDocument
    | CreateSecurityGroup
    | AllowInto
    | RevokeRules
    | DeleteSecurityGroup
    | CreateEndpointService
    | DeleteEndpointService
    | CreateEndpoint
    | DeleteEndpoint
    | PutPrivateRecord
    | DeletePrivateRecord
)
"""What changes the parts of the cloud that View has as documents, security groups, endpoints and private records."""

Change = (
    Create | Patch | Delete | RunInstance | TerminateInstance | DeleteHosted | RebootNode | RemoveFolder | CloudChange
)


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
