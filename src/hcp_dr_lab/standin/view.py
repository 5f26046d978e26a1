"""The input of a role: objects, instances, hosted nodes, the time, and a source of keys.

A role gets its input as a value, so that the same role runs against a real API server and in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from hcp_dr.kube.port import Object, Resource
from hcp_dr.kube.resources import CONFIG_MAP, DEPLOYMENT, POD
from hcp_dr_lab.ground.names import OPERATOR_NAMESPACE, SERVER_VERSION, SUPPORTED_VERSIONS
from hcp_dr_lab.ground.releases import NEWEST, RELEASES, OperatorRelease
from hcp_dr_lab.standin.pace import CONFIG_MAP_NAME, CONFIG_MAP_NAMESPACE, FAST, Pace, changed_by

Key = tuple[str | None, str]  # namespace and name


@dataclass(frozen=True, slots=True)
class CloudInstance:
    """An EC2 instance. `state` is EC2's state: pending, running, shutting-down, terminated, stopping, stopped."""

    instance_id: str
    state: str
    private_address: str
    private_name: str
    zone: str
    tags: Mapping[str, str]

    @property
    def provider_id(self) -> str:
        return f"aws:///{self.zone}/{self.instance_id}"


@dataclass(frozen=True, slots=True)
class SecurityGroup:
    """A security group of the VPC. `rules` are the CIDRs allowed for ingress; without rules no ingress is allowed."""

    group_id: str
    name: str
    rules: tuple[str, ...]
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class EndpointService:
    """A VPC endpoint service of a management cluster: the private connection to one of its load balancers."""

    service_id: str
    service_name: str
    load_balancer: str


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A VPC endpoint in the workers' VPC: the client side of a private connection to `service_name`."""

    endpoint_id: str
    service_name: str
    dns_name: str
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Monitoring:
    """A hosted cluster's openshift-monitoring, read from the hosted API: StatefulSet prometheus-k8s, if present, and
    all claims and pods of the namespace."""

    prometheus: Object | None
    claims: Sequence[Object]
    pods: Sequence[Object]


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its private key, both PEM."""

    certificate: bytes
    key: bytes


@dataclass(frozen=True, slots=True)
class Subject:
    """The subject of a leaf certificate, and its server names. Without names it is a client's certificate."""

    common_name: str
    organizations: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    client: bool = True


class KeyMaker(Protocol):
    """The source of all random values."""

    def authority(self, name: str) -> Pair: ...

    def leaf(self, authority: Pair, subject: Subject) -> Pair: ...

    def signing_key(self) -> Pair:
        """Create a key for service account tokens, with the public half (PEM) instead of a certificate."""
        ...

    def public_key(self, private: bytes) -> bytes:
        """Return the public half of a signing key, both PEM."""
        ...

    def word(self, length: int) -> str:
        """Return random lower case letters and digits."""
        ...

    def json_web_key(self, public: bytes) -> Mapping[str, str]:
        """Return the public half of a signing key as JSON Web Key; `kid` is a hash of the key."""
        ...


@dataclass(frozen=True, slots=True)
class View:
    """The state of one management cluster at one time, and of the cloud resources that its operators read.

    Cloud resources that are None are not provided by this host, and roles ignore them.
    """

    objects: Mapping[Resource, Mapping[Key, Object]]
    now: datetime
    keys: KeyMaker
    volumes: str = "/var/lib/volumes"  # the folder of hostPath volumes
    worker_security_group: str = ""  # of the VPC, for workers of pools without a security group
    instances: Mapping[str, CloudInstance] = field(default_factory=dict)
    hosted_nodes: Mapping[str, Sequence[Object]] = field(default_factory=dict)  # by control plane namespace
    monitoring: Mapping[str, Monitoring] = field(default_factory=dict)  # likewise; only for requested recoveries
    pace: Pace = FAST  # the host's pace; see `paced`
    controllers: Mapping[str, str] | None = None  # environment of the real controllers' pods; None: they are played
    load_balancer_domain: str = ""  # parent domain of load balancers' names; if empty, another component names them
    documents: Mapping[str, str] | None = None  # of the OIDC bucket, by key
    security_groups: Mapping[str, SecurityGroup] | None = None  # by id
    endpoint_services: Mapping[str, EndpointService] | None = None  # by id
    endpoints: Mapping[str, Endpoint] | None = None  # by id
    private_records: Mapping[str, str] | None = None  # CNAMEs of the private zones, by full name

    def find(self, resource: Resource, name: str, namespace: str | None = None) -> Object | None:
        return self.objects.get(resource, {}).get((namespace, name))

    @property
    def release(self) -> OperatorRelease:
        """The release of this management cluster's operator, as it publishes it."""
        published = self.find(CONFIG_MAP, SUPPORTED_VERSIONS, OPERATOR_NAMESPACE) or {}
        version = str((published.get("data") or {}).get(SERVER_VERSION) or "")
        return RELEASES.get(version.rpartition(".")[0], RELEASES[NEWEST])

    @property
    def paced(self) -> Pace:
        """The host's pace with the overrides in this management cluster's ConfigMap."""
        return changed_by(self.pace, self.find(CONFIG_MAP, CONFIG_MAP_NAME, CONFIG_MAP_NAMESPACE))

    def all(self, resource: Resource, namespace: str | None = None) -> Iterator[Object]:
        """Return objects in order of names; namespace None means all namespaces."""
        found = self.objects.get(resource, {})
        keys = [key for key in found if namespace is None or key[0] == namespace]
        for key in sorted(keys, key=lambda key: (key[0] or "", key[1])):
            yield found[key]

    def active(self, namespace: str, deployment: str) -> bool:
        """Return whether this Deployment has a running process: a Ready pod, even if it is terminating."""
        owner = self.find(DEPLOYMENT, deployment, namespace)
        if owner is None:
            return False
        wanted: Mapping[str, str] = owner["spec"]["selector"].get("matchLabels") or {}
        return any(
            is_ready(pod)
            for pod in self.all(POD, namespace)
            if wanted.items() <= (pod["metadata"].get("labels") or {}).items()
        )


def is_ready(pod: Object) -> bool:
    return condition_status(pod, "Ready") == "True"


def condition_status(subject: Object, kind: str) -> str | None:
    conditions = (subject.get("status") or {}).get("conditions") or ()
    return next((entry["status"] for entry in conditions if entry["type"] == kind), None)
