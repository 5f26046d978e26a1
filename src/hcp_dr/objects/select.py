"""Selects the objects of a hosted cluster: by reference, label, annotation and owner, never by a name's prefix."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from hcp_dr.kube.port import Object
from hcp_dr.objects.reading import annotations_of, dig, labels_of, name_of
from hcp_dr.upstream import (
    CLUSTER_NAME_LABEL,
    CORE_IGNITION_CONFIG_LABEL,
    NODE_POOL_ANNOTATION,
    NTO_GENERATED_CONFIG_LABEL,
    REFERENCED_RESOURCE_PREFIX,
)

_CONTROL_PLANE_CONFIG_LABELS = (
    CORE_IGNITION_CONFIG_LABEL,
    NTO_GENERATED_CONFIG_LABEL,
)

_SECRET_KEYS = frozenset(
    {
        "pullSecret",
        "sshKey",
        "activeKey",
        "backupKey",
        "auditWebhook",
        "serviceAccountSigningKey",
        "kubeConfig",
        "servingCertificate",
        "clientSecret",
        "fileData",
        "bindPassword",
        "tlsClientCert",
        "tlsClientKey",
        "credentials",
        "servingCertKeyPairSecret",
        *("login", "error", "providerSelection"),  # OAuth templates
    }
)
_CONFIG_MAP_KEYS = frozenset(
    {
        "additionalTrustBundle",
        "additionalTrustedCA",
        "ca",
        "clientCA",
        "issuerCertificateAuthority",
        "oauthMetadata",
        "policy",
        "trustedCA",
    }
)


def node_pools_of(hosted_cluster: Object, pools: Iterable[Object]) -> tuple[Object, ...]:
    """The NodePools that name the cluster in their spec; `pools` are in the HostedCluster's namespace."""
    return tuple(pool for pool in pools if dig(pool, "spec", "clusterName") == name_of(hosted_cluster))


def _references(value: Any, keys: frozenset[str]) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key in keys and isinstance(inner, Mapping) and isinstance(inner.get("name"), str) and inner["name"]:
                yield inner["name"]
            else:
                yield from _references(inner, keys)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner, keys)


def referenced_secrets(hosted_cluster: Object) -> frozenset[str]:
    """The names of the Secrets in the spec."""
    return frozenset(_references(hosted_cluster.get("spec"), _SECRET_KEYS))


def referenced_config_maps(hosted_cluster: Object, pools: Iterable[Object]) -> frozenset[str]:
    """The names of the ConfigMaps in the cluster's spec and in config and tuningConfig of its NodePools."""
    entries = [entry for pool in pools for key in ("config", "tuningConfig") for entry in dig(pool, "spec", key) or ()]
    configs = (entry["name"] for entry in entries if entry.get("name"))
    return frozenset((*_references(hosted_cluster.get("spec"), _CONFIG_MAP_KEYS), *configs))


def reference_mark(name: str) -> str:
    """The HyperShift operator's annotation on objects that the HostedCluster with this name refers to."""
    return f"{REFERENCED_RESOURCE_PREFIX}{name}"


def inputs_of(hosted_cluster: Object, referenced: frozenset[str], candidates: Iterable[Object]) -> tuple[Object, ...]:
    """The Secrets or ConfigMaps in the HostedCluster's namespace that the HostedCluster refers to: by name in its spec,
    or with the HyperShift operator's referenced-resource annotation for this cluster."""
    annotation = reference_mark(name_of(hosted_cluster))
    return tuple(item for item in candidates if name_of(item) in referenced or annotation in annotations_of(item))


def is_token_secret(secret: Object) -> bool:
    """Whether the secret is a token-* or user-data-* secret: these have an annotation with their NodePool."""
    return NODE_POOL_ANNOTATION in annotations_of(secret)


def travels(secret: Object) -> bool:
    """Whether a secret of the control plane namespace is carried: secrets of service accounts are recreated instead."""
    return secret.get("type") not in (
        "kubernetes.io/service-account-token",
        "kubernetes.io/dockercfg",
    ) and "kubernetes.io/service-account.name" not in annotations_of(secret)


def control_plane_config_maps(config_maps: Iterable[Object]) -> tuple[Object, ...]:
    """The ConfigMaps of the control plane namespace in the NodePools' hash; if one is missing, the NodePool rolls."""
    return tuple(
        item for item in config_maps if any(label in labels_of(item) for label in _CONTROL_PLANE_CONFIG_LABELS)
    )


def of_infrastructure(infra_id: str, items: Iterable[Object]) -> tuple[Object, ...]:
    """The Cluster API objects of one cluster: by spec.clusterName, the cluster-name label, or an owner reference to the
    Cluster."""
    return tuple(
        item
        for item in items
        if dig(item, "spec", "clusterName") == infra_id
        or labels_of(item).get(CLUSTER_NAME_LABEL) == infra_id
        or any(
            owner.get("kind") == "Cluster" and owner.get("name") == infra_id
            for owner in item["metadata"].get("ownerReferences") or ()
        )
    )
