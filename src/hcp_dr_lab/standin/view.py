"""What a role sees when it is called: objects, instances, hosted nodes, the time, and a maker of keys.

A role gets all of it as a value, so that the same role runs against a real API server and in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from hcp_dr.kube.port import Object, Resource
from hcp_dr.kube.resources import CONFIG_MAP, DEPLOYMENT, POD
from hcp_dr_lab.standin.pace import CONFIG_MAP_NAME, CONFIG_MAP_NAMESPACE, FAST, Pace, changed_by

Key = tuple[str | None, str]  # namespace and name


@dataclass(frozen=True, slots=True)
class CloudInstance:
    """An EC2 instance. `state` is EC2's word: pending, running, shutting-down, terminated, stopping, stopped."""

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
    """A security group of the VPC. `rules` are what it lets in, as CIDRs; without any it lets nobody in."""

    group_id: str
    name: str
    rules: tuple[str, ...]
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class EndpointService:
    """A VPC endpoint service of a management cluster: the private way to one of its load balancers, named by it."""

    service_id: str
    service_name: str
    load_balancer: str


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A VPC endpoint beside the workers: where the private way begins. `service_name` is where it leads."""

    endpoint_id: str
    service_name: str
    dns_name: str
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Monitoring:
    """A hosted cluster's openshift-monitoring, as its own API tells: StatefulSet prometheus-k8s, where it has one, and
    all claims and pods of that namespace."""

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
    """Who a leaf certificate speaks for, and under which names it serves. No names: a client's certificate."""

    common_name: str
    organizations: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    client: bool = True


class KeyMaker(Protocol):
    """Where everything random comes from."""

    def authority(self, name: str) -> Pair: ...

    def leaf(self, authority: Pair, subject: Subject) -> Pair: ...

    def signing_key(self) -> Pair:
        """A key for service account tokens; its public half, PEM, in place of a certificate."""
        ...

    def public_key(self, private: bytes) -> bytes:
        """The public half of a signing key, both PEM."""
        ...

    def word(self, length: int) -> str:
        """Random lower case letters and digits."""
        ...

    def json_web_key(self, public: bytes) -> Mapping[str, str]:
        """The public half of a signing key as its JSON Web Key; its `kid` is a hash of the key."""
        ...


@dataclass(frozen=True, slots=True)
class View:
    """One management cluster at one moment, and what of the cloud its operators look at.

    Of the cloud's parts that are None this host tells nothing, and the roles leave them alone.
    """

    objects: Mapping[Resource, Mapping[Key, Object]]
    now: datetime
    keys: KeyMaker
    volumes: str = "/var/lib/volumes"  # the folder behind hostPath volumes
    worker_security_group: str = ""  # of the VPC, in which workers are put when a pool names none
    instances: Mapping[str, CloudInstance] = field(default_factory=dict)
    hosted_nodes: Mapping[str, Sequence[Object]] = field(default_factory=dict)  # by control plane namespace
    monitoring: Mapping[str, Monitoring] = field(default_factory=dict)  # likewise; where its recovery is asked for
    pace: Pace = FAST  # of the host; see `paced`
    load_balancer_domain: str = ""  # under which load balancers get their names; empty: somebody else names them
    documents: Mapping[str, str] | None = None  # of the OIDC bucket, by key
    security_groups: Mapping[str, SecurityGroup] | None = None  # by id
    endpoint_services: Mapping[str, EndpointService] | None = None  # by id
    endpoints: Mapping[str, Endpoint] | None = None  # by id
    private_records: Mapping[str, str] | None = None  # CNAMEs of the private zones, by full name

    def find(self, resource: Resource, name: str, namespace: str | None = None) -> Object | None:
        return self.objects.get(resource, {}).get((namespace, name))

    @property
    def paced(self) -> Pace:
        """The host's pace with what a ConfigMap of this management cluster changes."""
        return changed_by(self.pace, self.find(CONFIG_MAP, CONFIG_MAP_NAME, CONFIG_MAP_NAMESPACE))

    def all(self, resource: Resource, namespace: str | None = None) -> Iterator[Object]:
        """In the order of their names; namespace None means everywhere."""
        found = self.objects.get(resource, {})
        keys = [key for key in found if namespace is None or key[0] == namespace]
        for key in sorted(keys, key=lambda key: (key[0] or "", key[1])):
            yield found[key]

    def active(self, namespace: str, deployment: str) -> bool:
        """Whether a process of this Deployment lives: a Ready pod of it, also one that is about to stop."""
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
