"""The identity of a hosted cluster: the nonce, unique ids, and uids of objects in it."""

from __future__ import annotations

from collections.abc import Mapping

from hcp_dr.engine.journal import RunState
from hcp_dr.hypershift.state import IDENTITY, NONCE, HostedIdentity
from hcp_dr.hypershift.steps import VERIFY_IDENTITY
from hcp_dr.kube.port import Kubernetes, Object, Resource
from hcp_dr.kube.resources import (
    CLUSTER_ROLE,
    CLUSTER_ROLE_BINDING,
    CLUSTER_VERSION,
    CONFIG_MAP,
    CUSTOM_RESOURCE_DEFINITION,
    DAEMON_SET,
    DEPLOYMENT,
    NAMESPACE,
    NODE,
    SERVICE,
    SERVICE_ACCOUNT,
)
from hcp_dr.objects.reading import condition, dig, name_of, uid_of
from hcp_dr.objects.sample import Sample, samples
from hcp_dr.upstream import KUBE_SYSTEM

WHERE = "default"
PARENT = "mgmt-parent-cluster"
"""The documented ConfigMap; its key `from` names the previous management cluster of the hosted cluster."""
NONCE_MARK = "hcp-dr-relocation"
SAMPLED: tuple[Resource, ...] = (
    CONFIG_MAP,
    SERVICE,
    SERVICE_ACCOUNT,
    DEPLOYMENT,
    DAEMON_SET,
    CLUSTER_ROLE,
    CLUSTER_ROLE_BINDING,
    CUSTOM_RESOURCE_DEFINITION,
)
"""Kinds whose content represents the whole: created by customers and by the product, in every namespace and outside of
namespaces. No Secrets: permission to list them is permission to read them."""


def read_identity(hosted: Kubernetes, wanted: Mapping[str, Sample] | None = None) -> HostedIdentity:
    """The current identity. Samples are chosen again, or looked up if some are `wanted`."""
    objects: dict[str, tuple[Object, ...]] = {resource.kind: hosted.list(resource).items for resource in SAMPLED}
    nodes = hosted.list(NODE).items
    return HostedIdentity(
        cluster_id=str(dig(hosted.find(CLUSTER_VERSION, "version"), "spec", "clusterID") or ""),
        namespaces={name_of(item): uid_of(item) for item in hosted.list(NAMESPACE).items},
        nodes={name_of(item): uid_of(item) for item in nodes},
        config_maps=len(objects[CONFIG_MAP.kind]),
        counts={kind: len(items) for kind, items in objects.items()},
        samples={place: each for items in objects.values() for place, each in samples(items, wanted).items()},
        not_ready=tuple(name_of(item) for item in nodes if condition(item, "Ready") != "True"),
    )


def nonce_of(hosted: Kubernetes) -> str | None:
    config_map = hosted.find(CONFIG_MAP, NONCE_MARK, WHERE)
    return None if config_map is None else str(dig(config_map, "data", "nonce") or "")


def proving_nonce(hosted: Kubernetes, memory: RunState) -> str | None:
    """The nonce read back. Once the content was proven by it, the uid of namespace kube-system stands for a nonce that
    another client deletes: the teardown must not end halfway."""
    found, identity = nonce_of(hosted), memory.get(IDENTITY)
    if found is not None or identity is None or VERIFY_IDENTITY not in memory.done:
        return found
    known = identity.namespaces.get(KUBE_SYSTEM)  # only a list of namespaces is permitted
    same = any(name_of(item) == KUBE_SYSTEM and uid_of(item) == known for item in hosted.list(NAMESPACE).items)
    return memory.get(NONCE) if same else None
