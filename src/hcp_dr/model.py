"""The values that all rooms share: which relocation this is, and through which ports it reaches the world."""

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
"""How the names move: the source's external-dns releases its records, or they are taken from it, or handed from it to
the destination's without ever being away."""
RELEASE: Dns = "release"
TAKEOVER: Dns = "takeover"
HANDOVER: Dns = "handover"

RELOCATION_ANNOTATION = "hcp-dr.openshift.io/relocation"
"""On what the tool creates: the backup id of the relocation that created it, so that it knows its own."""

PREPARED_ANNOTATION = "hcp-dr.openshift.io/prepared"
"""On a control plane namespace that an administrator made for a relocation, with the roles in it: it may be claimed."""


class Unknown(str):
    """A value that is known only when the steps before were done; `plan` prints it as what it will be."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"Later({str(self)!r})"


@dataclass(frozen=True, slots=True)
class Case:
    """One hosted cluster on its way from one management cluster to another. Found out once, kept in the journal."""

    namespace: str
    name: str
    infra_id: str
    api_hostname: str
    source: str  # the management clusters' names, for people and for mgmt-parent-cluster
    destination: str
    node_pools: tuple[str, ...]
    aws_region: str
    bucket: str
    zone_id: str
    domain: str  # external-dns's filter
    backup_id: str
    part_mib: int = 128  # a snapshot that is larger goes to the bucket in parts of so many MiB
    documented_key: bool = False  # the snapshot goes under the documented key too
    # Who is who, whatever the kubeconfigs lead to later; "" in journals that were begun before they were kept.
    source_uid: str = ""  # of namespace kube-system of the management cluster
    destination_uid: str = ""
    hosted_cluster_uid: str = ""  # of the HostedCluster on the source
    cluster_id: str = ""  # of the hosted cluster, as its HostedCluster says and ClusterVersion inside tells

    @property
    def control_plane_namespace(self) -> str:
        return control_plane_namespace(self.namespace, self.name)

    @property
    def key_prefix(self) -> str:
        """Where this backup is in the bucket."""
        return bucket_prefix(self.namespace, self.name) + self.backup_id

    @property
    def snapshot_key(self) -> str:
        return snapshot_key(self.key_prefix)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Case:
        """Raises ValueError where it is not what `to_json` made."""
        pools = value.get("node_pools")
        if not isinstance(pools, list | tuple) or not all(isinstance(pool, str) for pool in pools):
            raise ValueError("node_pools is not a list of texts")
        for name, kind in get_type_hints(cls).items():
            if name in value and kind in _WORDS and not isinstance(value[name], kind):
                raise ValueError(f"{name} is not {_WORDS[kind]}")
        try:
            return cls(**{**value, "node_pools": tuple(pools)})
        except TypeError as error:
            raise ValueError(str(error)) from error


_WORDS = {str: "a text", int: "a number", bool: "true or false"}


@dataclass(frozen=True, slots=True)
class Ports:
    """Everything through which the product touches the world."""

    source: Kubernetes
    destination: Kubernetes
    hosted: Kubernetes  # by the fixed API name, whichever side answers
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
