"""What makes a hosted cluster this very cluster: the nonce, ids given once, and uids of what is in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from hcp_dr.kube.port import Kubernetes
from hcp_dr.kube.resources import CLUSTER_VERSION, CONFIG_MAP, NAMESPACE, NODE
from hcp_dr.objects.reading import dig, name_of, uid_of

WHERE = "default"
PARENT = "mgmt-parent-cluster"
"""The documented ConfigMap; its key `from` names the management cluster that the hosted cluster comes from."""
NONCE = "hcp-dr-relocation"


@dataclass(frozen=True, slots=True)
class Identity:
    """uids by name; counts of all objects of a kind."""

    cluster_id: str
    namespaces: Mapping[str, str]
    nodes: Mapping[str, str]
    config_maps: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Identity:
        return cls(**value)


def look_at(hosted: Kubernetes) -> Identity:
    return Identity(
        cluster_id=str(dig(hosted.find(CLUSTER_VERSION, "version"), "spec", "clusterID") or ""),
        namespaces={name_of(item): uid_of(item) for item in hosted.list(NAMESPACE).items},
        nodes={name_of(item): uid_of(item) for item in hosted.list(NODE).items},
        config_maps=len(hosted.list(CONFIG_MAP).items),
    )


def nonce_of(hosted: Kubernetes) -> str | None:
    found = hosted.find(CONFIG_MAP, NONCE, WHERE)
    return None if found is None else str(dig(found, "data", "nonce") or "")
