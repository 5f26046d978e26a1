"""The values shared by all packages: the case of a relocation, and its ports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_type_hints

from hcp_dr.aws.port import Bucket, HostedZone, Identity, Instances
from hcp_dr.kube.port import Kubernetes
from hcp_dr.objects.archive import Archive
from hcp_dr.objects.naming import bucket_prefix, control_plane_namespace, snapshot_key

Side = Literal["source", "destination", "hosted"]
Dns = Literal["release", "takeover", "handover"]
"""How the DNS names move: the source's external-dns releases its records, or the records are deleted for it, or they
are handed over to the destination's external-dns without ever being absent."""
RELEASE: Dns = "release"
TAKEOVER: Dns = "takeover"
HANDOVER: Dns = "handover"

RELOCATION_ANNOTATION = "hcp-dr.openshift.io/relocation"
"""On each object that hcp-dr creates: the backup id of the relocation, to recognize its own objects."""

PREPARED_ANNOTATION = "hcp-dr.openshift.io/prepared"
"""On a control plane namespace that an administrator prepared for a relocation, with its roles: hcp-dr may claim it."""


class Unknown(str):
    """A value that is known only after earlier steps; `plan` prints its description."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"Unknown({str(self)!r})"


@dataclass(frozen=True, slots=True)
class Case:
    """The relocation of one hosted cluster between two management clusters. Discovered once, kept in the journal."""

    namespace: str
    name: str
    infra_id: str
    api_hostname: str
    source: str  # the management clusters' names, for messages and for mgmt-parent-cluster
    destination: str
    node_pools: tuple[str, ...]
    aws_region: str
    bucket: str
    zone_id: str
    domain: str  # external-dns's filter
    backup_id: str
    part_mib: int = 128  # a larger snapshot is uploaded in parts of this size
    documented_key: bool = False  # also copy the snapshot to the documented key
    # Identities, to detect a kubeconfig that leads to another cluster later; "" in journals of old versions.
    source_uid: str = ""  # of namespace kube-system of the management cluster
    destination_uid: str = ""
    hosted_cluster_uid: str = ""  # of the HostedCluster on the source
    source_context: str = ""  # of the kubeconfigs: a later change of a current-context changes nothing
    destination_context: str = ""
    hosted_context: str = ""
    source_server: str = ""  # of the kubeconfigs, and the digests of their certificate authorities: both may change
    destination_server: str = ""
    source_authority: str = ""
    destination_authority: str = ""
    account: str = ""  # of AWS: of the bucket's credentials
    zone_account: str = ""  # of the credentials for the zone, and of those for the instances
    instances_account: str = ""
    bucket_region: str = ""
    cluster_id: str = ""  # of the hosted cluster, from its HostedCluster and from ClusterVersion inside it

    @property
    def control_plane_namespace(self) -> str:
        return control_plane_namespace(self.namespace, self.name)

    @property
    def key_prefix(self) -> str:
        """The prefix of this backup in the bucket."""
        return bucket_prefix(self.namespace, self.name) + self.backup_id

    @property
    def snapshot_key(self) -> str:
        return snapshot_key(self.key_prefix)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Case:
        """Raises ValueError if the value is not one of `to_json`."""
        pools = value.get("node_pools")
        if not isinstance(pools, list | tuple) or not all(isinstance(pool, str) for pool in pools):
            raise ValueError("node_pools is not a list of strings")
        for name, kind in get_type_hints(cls).items():
            if name in value and kind in _TYPE_NAMES and not isinstance(value[name], kind):
                raise ValueError(f"{name} is not {_TYPE_NAMES[kind]}")
        try:
            return cls(**{**value, "node_pools": tuple(pools)})
        except TypeError as error:
            raise ValueError(str(error)) from error


_TYPE_NAMES = {str: "a string", int: "a number", bool: "true or false"}


@dataclass(frozen=True, slots=True)
class Ports:
    """All external systems that the product uses."""

    source: Kubernetes
    destination: Kubernetes
    hosted: Kubernetes  # by the fixed name of its API, on either side
    bucket: Bucket
    zone: HostedZone
    instances: Instances
    identity: Identity
    archive: Archive
    fresh_id: Callable[[], str]  # random, unguessable, letters and digits
    now: Callable[[], float]  # seconds since the epoch

    def cluster(self, side: Side) -> Kubernetes:
        match side:
            case "source":
                return self.source
            case "destination":
                return self.destination
            case "hosted":
                return self.hosted
