"""The changes that a role can request: a closed set of values, performed by the role's host."""

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
    """A merge patch. With metadata.resourceVersion in the body it applies only to this version."""

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
    """Delete an object inside the hosted cluster with its control plane in `namespace`. `inside` is the object's own
    namespace."""

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
    """Write annotations to a Node inside the hosted cluster, and reboot its instance."""

    namespace: str
    name: str
    instance_id: str
    annotations: Mapping[str, str]
    why: str

    def __str__(self) -> str:
        return f"REBOOT Node {self.name} of the hosted cluster in {self.namespace}: {self.why}"


@dataclass(frozen=True, slots=True)
class RemoveFolder:
    """Remove the folder of a volume."""

    path: str

    def __str__(self) -> str:
        return f"remove the folder {self.path}"


@dataclass(frozen=True, slots=True)
class PutDocument:
    """Put an object into the OIDC bucket, regardless of the previous owner."""

    key: str
    content: str = field(repr=False)

    def __str__(self) -> str:
        return f"upload the OIDC document {self.key}"


@dataclass(frozen=True, slots=True)
class DeleteDocument:
    """Delete an object of the OIDC bucket, if present."""

    key: str
    why: str

    def __str__(self) -> str:
        return f"DELETE the OIDC document {self.key}: {self.why}"


@dataclass(frozen=True, slots=True)
class CreateSecurityGroup:
    """Create a security group in a VPC that allows ingress from these CIDRs; the tag Name is the name."""

    name: str
    vpc: str
    rules: tuple[str, ...]
    tags: Mapping[str, str]

    def __str__(self) -> str:
        return f"create the security group {self.name}"


@dataclass(frozen=True, slots=True)
class AllowInto:
    """Allow ingress from these CIDRs into a security group."""

    group_id: str
    rules: tuple[str, ...]

    def __str__(self) -> str:
        return f"allow {', '.join(self.rules)} into the security group {self.group_id}"


@dataclass(frozen=True, slots=True)
class RevokeRules:
    """Revoke all rules of a security group, for ingress and egress."""

    group_id: str
    why: str

    def __str__(self) -> str:
        return f"REVOKE all rules of the security group {self.group_id}: {self.why}"


@dataclass(frozen=True, slots=True)
class DeleteSecurityGroup:
    """Delete a security group. AWS refuses (DependencyViolation) while the group is in use; then the group stays."""

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
        return f"create a VPC endpoint to {self.service_name}"


@dataclass(frozen=True, slots=True)
class DeleteEndpoint:
    endpoint_id: str
    why: str

    def __str__(self) -> str:
        return f"DELETE the VPC endpoint {self.endpoint_id}: {self.why}"


@dataclass(frozen=True, slots=True)
class PutPrivateRecord:
    """Upsert a CNAME with a TTL of 300 seconds in a private zone; a missing zone is created."""

    zone: str
    name: str
    value: str

    def __str__(self) -> str:
        return f"private record {self.name} -> {self.value}"


@dataclass(frozen=True, slots=True)
class DeletePrivateRecord:
    """Delete a CNAME by name, regardless of its target, if present."""

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
"""Changes of cloud resources that View has as documents, security groups, endpoints and private records."""

Change = (
    Create | Patch | Delete | RunInstance | TerminateInstance | DeleteHosted | RebootNode | RemoveFolder | CloudChange
)


def place(resource: Resource, metadata: Mapping[str, str | None]) -> str:
    namespace, name = metadata.get("namespace"), metadata["name"]
    return f"{resource.kind} {namespace}/{name}" if namespace else f"{resource.kind} {name}"


def _paths(body: Object, depth: int = 2) -> list[str]:
    """List the fields in a patch without values, because values may be secret."""
    paths: list[str] = []
    for key, value in body.items():
        if key == "resourceVersion":
            continue
        inner = _paths(value, depth - 1) if isinstance(value, dict) and depth > 1 else []
        paths += [f"{key}.{path}" for path in inner] or [key]
    return paths
