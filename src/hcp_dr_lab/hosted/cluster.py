"""Create a hosted cluster as its owner would: HostedCluster, NodePools and referenced Secrets; and wait for it.

All credentials are generated for this cluster and give access to nothing.
"""

from __future__ import annotations

import base64
import contextlib
import copy
import json
import secrets
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from hcp_dr import errors
from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Kubernetes, Object, Resource
from hcp_dr.objects import select
from hcp_dr_lab.ground import payload
from hcp_dr_lab.ground.aws_seed import NO_KUBELET, Seed
from hcp_dr_lab.ground.errors import LabError
from hcp_dr_lab.ground.layout import (
    AVAILABILITY_ZONE,
    AWS_ACCOUNT,
    AWS_REGION,
    HOSTED_DOMAIN,
    WORKER_SUBNET_CIDR,
    HostedClusterNames,
)
from hcp_dr_lab.ground.names import CLUSTER_API
from hcp_dr_lab.hosted import references
from hcp_dr_lab.hosted.secret import secret

RELEASE = payload.release("", "4.20.8")
ETCD_36_RELEASE = payload.release("etcdutl", "4.22.5")
ETCDCTL_ON_36_RELEASE = payload.release("etcdctl-on-36", "4.21.5")  # its etcd-init never ends
NEXT_RELEASE = payload.release("etcdutl", "5.0.0")
FIXED_RELEASE = payload.release("one-cluster", "4.23.1")
BALLAST_PREFIX = "/rehearsal/ballast/"  # of etcd's keys; the API's keys begin with /kubernetes.io or /registry
AVAILABLE_SECONDS = 120.0
NODES_SECONDS = 120.0
DELETE_SECONDS = 180.0
_PERIOD_SECONDS = 0.25
_API_SERVER = "app=kube-apiserver"
_UNDRAINED = (
    "machine.cluster.x-k8s.io/exclude-node-draining",
    "machine.cluster.x-k8s.io/exclude-wait-for-node-volume-detach",
)
_ROLES = (
    *("controlPlaneOperator", "imageRegistry", "ingress", "kubeCloudController", "network"),
    *("nodePoolManagement", "storage"),
)


class Unready(LabError):
    """A hosted cluster did not become available, or was not deleted, in time."""

    exit_code = 7


@dataclass(frozen=True, slots=True)
class Pool:
    """One NodePool, named after the cluster: `<cluster>-<suffix>`.

    Without kubelets the instances run and the Machines exist, but have no workers: they only increase the count.
    """

    replicas: int = 2
    suffix: str = "workers"
    upgrade: str = "Replace"  # or InPlace
    auto_repair: bool = False
    kubelets: bool = True


@dataclass(frozen=True, slots=True)
class Brought:
    """A user's own hosted cluster, adapted to the rehearsal (`hosted/manifest.py`), except for the identifiers of the
    region's network and zone.

    `inputs` are the Namespace, Secrets and ConfigMaps; `changes` describes the adaptations.
    """

    hosted_cluster: Object
    node_pools: tuple[Object, ...]
    inputs: tuple[Object, ...]
    changes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Options:
    """Options of a hosted cluster. `words` describes them."""

    release: str = RELEASE
    availability: str = "SingleReplica"  # or HighlyAvailable: three members
    pools: tuple[Pool, ...] = (Pool(),)
    publishing: str = "Route"  # of the API; or LoadBalancer
    encrypted: bool = False  # secrets in etcd, with the cluster's own key
    references: bool = False  # all objects that a HostedCluster and a NodePool can refer to
    neighbour: bool = False  # a second hosted cluster in the same namespace and zone
    etcd_ballast: int = 0  # bytes in etcd outside the API's prefix
    secrets: int = 0  # additional Secrets in the control plane namespace
    volume_size: str = "1Gi"
    brought: Brought | None = None  # replaces all fields above except neighbour, etcd_ballast and secrets

    @property
    def words(self) -> tuple[str, ...]:
        """The shape as text, for messages and for comparison between two runs of `up`."""
        given = (
            ("the user's own hosted cluster", self.brought is not None),
            (f"release {self.release.rpartition('/')[2]}", self.release != RELEASE),
            ("three etcd members", self.availability == "HighlyAvailable"),
            (f"NodePools {', '.join(map(_describe_pool, self.pools))}", self.pools != (Pool(),)),
            ("API behind a load balancer", self.publishing == "LoadBalancer"),
            ("encrypted etcd", self.encrypted),
            ("everything referenced", self.references),
            ("a neighbour", self.neighbour),
            (f"{self.etcd_ballast} bytes of ballast in etcd", self.etcd_ballast > 0),
            (f"{self.secrets} additional Secrets", self.secrets > 0),
        )
        return tuple(text for text, holds in given if holds)


_PLAIN = Options()


def _tag(image: str) -> str:
    return image.rpartition(":")[2]


def _describe_pool(pool: Pool) -> str:
    return f"{pool.suffix} ({pool.upgrade}, {pool.replicas}{'' if pool.kubelets else ' without kubelets'})"


def create(management: Kubernetes, names: HostedClusterNames, seed: Seed, options: Options = _PLAIN) -> Object:
    """Create all missing objects, and return the HostedCluster."""
    for resource, wanted in objects(names, seed, options):
        try:
            management.create(resource, wanted)
        except errors.AlreadyExists:
            continue
    return management.get(r.HOSTED_CLUSTER, names.name, names.namespace)


def population(name: str, options: Options = _PLAIN) -> tuple[tuple[HostedClusterNames, Options], ...]:
    """Return the hosted cluster to relocate, then its neighbour if any. `name` applies unless the user brings a
    cluster."""
    if options.brought is not None:
        names = HostedClusterNames.of(options.brought.hosted_cluster, options.brought.node_pools)
    else:
        names = HostedClusterNames(
            name,
            api_port=6443 if options.publishing == "LoadBalancer" else 443,
            node_pools=tuple(f"{name}-{pool.suffix}" for pool in options.pools),
        )
    first = (names, replace(options, neighbour=False))
    if not options.neighbour:
        return (first,)
    beside = HostedClusterNames(f"{names.name}2", names.namespace)
    return (first, (beside, Options(pools=(Pool(1),))))


def workers(options: Options) -> int:
    """Return the number of nodes when the hosted cluster is in service."""
    bare = sum(pool.replicas for pool in options.pools if not pool.kubelets)
    return replicas(options) if options.brought is not None else replicas(options) - bare


def replicas(options: Options) -> int:
    """Return the total number of Machines of the NodePools."""
    if options.brought is not None:
        return sum(pool["spec"]["replicas"] for pool in options.brought.node_pools)
    return sum(pool.replicas for pool in options.pools)


def objects(names: HostedClusterNames, seed: Seed, options: Options = _PLAIN) -> Iterator[tuple[Resource, Object]]:
    """Return the objects, referenced objects first. The names of Secrets do not contain the cluster's name."""
    yield r.NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": names.namespace}}
    if options.brought is not None:
        yield from _brought(options.brought, seed)
        return
    yield r.SECRET, _pull_secret(names)
    yield (
        r.SECRET,
        secret(names.namespace, _ssh_name(names), {"id_rsa.pub": f"ssh-ed25519 {_random(33)} core@rehearsal"}),
    )
    if options.encrypted:
        yield r.SECRET, secret(names.namespace, _encryption_name(names), {"key": secrets.token_bytes(32)})
    if options.references:
        yield from references.objects(names)
    yield r.HOSTED_CLUSTER, _hosted_cluster(names, seed, options)
    for pool in options.pools:
        yield r.NODE_POOL, _node_pool(names, seed, options, pool)


def counted_secrets(names: HostedClusterNames, options: Options = _PLAIN) -> Iterator[Object]:
    """Return additional Secrets of the control plane namespace: a relocation copies every such Secret separately,
    while the content of the hosted cluster is in the etcd snapshot."""
    for number in range(1, options.secrets + 1):
        name = f"counted-{number:05}"
        yield secret(names.control_plane_namespace, name, {"text": _random(64)})


def await_available(management: Kubernetes, names: HostedClusterNames, seconds: float = AVAILABLE_SECONDS) -> Object:
    """Wait until the control plane is Available and the kubeconfig exists."""

    def missing() -> str | None:
        found = management.get(r.HOSTED_CLUSTER, names.name, names.namespace)
        conditions = {entry["type"]: entry for entry in (found.get("status") or {}).get("conditions") or ()}
        if (conditions.get("Available") or {}).get("status") != "True":
            return _unavailable(management, names, conditions)
        if management.find(r.SECRET, admin_kubeconfig_name(names), names.namespace) is None:
            return f"Secret {names.namespace}/{admin_kubeconfig_name(names)}"
        return None

    _await(missing, seconds, f"hosted cluster {names.name} available")
    return management.get(r.HOSTED_CLUSTER, names.name, names.namespace)


def await_nodes(hosted: Kubernetes, count: int, seconds: float = NODES_SECONDS) -> tuple[Object, ...]:
    """Wait until the hosted cluster has exactly `count` nodes and all are Ready."""
    found: tuple[Object, ...] = ()

    def missing() -> str | None:
        nonlocal found
        try:
            found = hosted.list(r.NODE).items
        except errors.KubernetesError as error:
            return f"the hosted API: {error}"
        ready = [node["metadata"]["name"] for node in found if _is_ready(node)]
        return (
            None
            if len(ready) == len(found) == count
            else f"{count} Ready nodes; {len(ready)} of {len(found)} are Ready"
        )

    _await(missing, seconds, f"{count} nodes of {hosted.name} Ready")
    return found


def admin_kubeconfig(management: Kubernetes, names: HostedClusterNames) -> bytes:
    """Return the administrator's kubeconfig with the API's public name, as published by HyperShift."""
    found = management.get(r.SECRET, admin_kubeconfig_name(names), names.namespace)
    return base64.b64decode(found["data"]["kubeconfig"])


def admin_kubeconfig_name(names: HostedClusterNames) -> str:
    return f"{names.name}-admin-kubeconfig"


def delete(management: Kubernetes, names: HostedClusterNames, seconds: float = DELETE_SECONDS) -> None:
    """Delete the hosted cluster with its instances, as its owner would. Wait until only the namespace is left."""
    found = management.find(r.HOSTED_CLUSTER, names.name, names.namespace)
    if found is not None:
        inputs = list(_inputs(management, found))
        if management.find(r.SERVICE_ACCOUNT, CLUSTER_API, names.control_plane_namespace) is not None:
            _end_machines(management, names, found, seconds)
        _silence(management, names, seconds)
        management.delete(r.HOSTED_CLUSTER, names.name, names.namespace)
        for resource, name in inputs:
            with contextlib.suppress(errors.NotFound):
                management.delete(resource, name, names.namespace)

    def missing() -> str | None:
        left = [
            str(resource)
            for resource, name, namespace in (
                (r.HOSTED_CLUSTER, names.name, names.namespace),
                (r.CLUSTER, names.infra_id, names.control_plane_namespace),
                (r.HOSTED_CONTROL_PLANE, names.name, names.control_plane_namespace),
                (r.NAMESPACE, names.control_plane_namespace, None),
            )
            if management.find(resource, name, namespace) is not None
        ]
        return f"deletion of {', '.join(left)}" if left else None

    _await(missing, seconds, f"hosted cluster {names.name} deleted")


def _inputs(management: Kubernetes, hosted_cluster: Object) -> Iterator[tuple[Resource, str]]:
    """Return the Secrets and ConfigMaps that the HostedCluster and its NodePools refer to."""
    namespace = hosted_cluster["metadata"]["namespace"]
    pools = select.node_pools_of(hosted_cluster, management.list(r.NODE_POOL, namespace).items)
    yield from ((r.SECRET, name) for name in select.referenced_secrets(hosted_cluster))
    yield from ((r.CONFIG_MAP, name) for name in select.referenced_config_maps(hosted_cluster, pools))


def _end_machines(management: Kubernetes, names: HostedClusterNames, found: Object, seconds: float) -> None:
    """The real Cluster API deletes no Machine while the hosted API is silent: it drains and deletes the Node."""
    namespace = names.control_plane_namespace
    marks = {"metadata": {"annotations": dict.fromkeys(_UNDRAINED, "")}}
    for machine in management.list(r.MACHINE, namespace).items:
        management.patch(r.MACHINE, machine["metadata"]["name"], namespace, marks)
    for pool in select.node_pools_of(found, management.list(r.NODE_POOL, names.namespace).items):
        management.delete(r.NODE_POOL, pool["metadata"]["name"], names.namespace)

    def left() -> str | None:
        machines = [item["metadata"]["name"] for item in management.list(r.MACHINE, namespace).items]
        return f"end of {', '.join(machines)}" if machines else None

    _await(left, seconds, f"machines of {names.name} deleted")


def _silence(management: Kubernetes, names: HostedClusterNames, seconds: float) -> None:
    """Stop the API server at once. A graceful end takes two minutes, and a kubelet that already waits for the end does
    not accept a shorter grace period. The pause keeps the operator from starting the API server again, and does not
    block deletion."""
    namespace = names.control_plane_namespace
    management.patch(r.HOSTED_CLUSTER, names.name, names.namespace, {"spec": {"pausedUntil": "true"}})

    def unseen() -> str | None:
        plane = management.find(r.HOSTED_CONTROL_PLANE, names.name, namespace)
        paused = plane is None or _says(plane, "ReconciliationActive", "False")
        return None if paused else f"pause of HostedControlPlane {namespace}/{names.name}"

    def running() -> str | None:
        pods = [pod["metadata"]["name"] for pod in management.list(r.POD, namespace, labels=_API_SERVER).items]
        return f"end of {', '.join(pods)}" if pods else None

    _await(unseen, seconds, f"hosted cluster {names.name} paused")
    for pod in management.list(r.POD, namespace, labels=_API_SERVER).items:
        with contextlib.suppress(errors.NotFound):
            management.delete(r.POD, pod["metadata"]["name"], namespace, grace_seconds=1)
    with contextlib.suppress(errors.NotFound):
        management.patch(r.DEPLOYMENT, "kube-apiserver", namespace, {"spec": {"replicas": 0}})
    _await(running, seconds, f"API server of {names.name} stopped")


def _await(missing: Callable[[], str | None], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while (lacking := missing()) is not None:
        if time.monotonic() > deadline:
            raise Unready(
                f"Timed out after {seconds:.0f} s waiting for: {what}. Still missing: {lacking}. Nothing was changed. "
                "Check the stand-in's log and the pods of the control plane namespace."
            )
        time.sleep(_PERIOD_SECONDS)


def _unavailable(management: Kubernetes, names: HostedClusterNames, conditions: dict[str, Object]) -> str:
    """Describe the conditions that are not true, and the pods that are not ready."""
    untrue = [
        f"{kind} ({entry.get('message') or entry['reason']})"
        for kind, entry in sorted(conditions.items())
        if entry["status"] != "True" and kind not in ("Progressing", "Available")
    ]
    pods = [
        pod["metadata"]["name"]
        for pod in management.list(r.POD, names.control_plane_namespace).items
        if not _is_ready(pod)
    ]
    return "; ".join([*(untrue or ["its conditions"]), *([f"pods not ready: {', '.join(pods)}"] if pods else [])])


def _is_ready(subject: Object) -> bool:
    return _says(subject, "Ready", "True")


def _says(subject: Object, kind: str, status: str) -> bool:
    conditions = (subject.get("status") or {}).get("conditions") or ()
    return any(entry["type"] == kind and entry["status"] == status for entry in conditions)


def _hosted_cluster(names: HostedClusterNames, seed: Seed, options: Options) -> Object:
    spec: Object = {
        "release": {"image": options.release},
        "clusterID": str(uuid.uuid4()),
        "infraID": names.infra_id,
        "pullSecret": {"name": _pull_name(names)},
        "sshKey": {"name": _ssh_name(names)},
        "issuerURL": f"https://oidc.rehearsal.example/{names.infra_id}",
        "controllerAvailabilityPolicy": options.availability,
        "infrastructureAvailabilityPolicy": "SingleReplica",
        "dns": {"baseDomain": HOSTED_DOMAIN, "publicZoneID": seed.zone_id},
        "networking": {
            "networkType": "OVNKubernetes",
            "clusterNetwork": [{"cidr": "10.132.0.0/14"}],
            "serviceNetwork": [{"cidr": "172.31.0.0/16"}],
            "machineNetwork": [{"cidr": WORKER_SUBNET_CIDR}],
        },
        "etcd": {
            "managementType": "Managed",
            "managed": {
                "storage": {
                    "type": "PersistentVolume",
                    "persistentVolume": {"size": options.volume_size, "storageClassName": "gp3-csi"},
                }
            },
        },
        "platform": {
            "type": "AWS",
            "aws": {
                "region": AWS_REGION,
                "endpointAccess": "Public",
                "cloudProviderConfig": {
                    "vpc": seed.vpc_id,
                    "zone": AVAILABILITY_ZONE,
                    "subnet": {"id": seed.subnet_id},
                },
                "resourceTags": [{"key": f"kubernetes.io/cluster/{names.infra_id}", "value": "owned"}],
                "rolesRef": {
                    f"{role}ARN": f"arn:aws:iam::{AWS_ACCOUNT}:role/{names.infra_id}-{role}" for role in _ROLES
                },
            },
        },
        "services": [
            _published("APIServer", options.publishing, names.api_hostname),
            _published("OAuthServer", "Route", f"oauth-{names.name}.{HOSTED_DOMAIN}"),
            _published("Konnectivity", "Route", f"konnectivity-{names.name}.{HOSTED_DOMAIN}"),
            _published("Ignition", "Route", f"ignition-{names.name}.{HOSTED_DOMAIN}"),
        ],
    }
    if options.encrypted:
        key = {"activeKey": {"name": _encryption_name(names)}}
        spec["secretEncryption"] = {"type": "aescbc", "aescbc": key}
    if options.references:
        spec |= references.of_hosted_cluster(names)
    return {
        "apiVersion": r.HOSTED_CLUSTER.api_version,
        "kind": r.HOSTED_CLUSTER.kind,
        "metadata": {"name": names.name, "namespace": names.namespace},
        "spec": spec,
    }


def _published(service: str, kind: str, hostname: str) -> Object:
    field = {"Route": "route", "LoadBalancer": "loadBalancer"}[kind]
    return {"service": service, "servicePublishingStrategy": {"type": kind, field: {"hostname": hostname}}}


def _node_pool(names: HostedClusterNames, seed: Seed, options: Options, pool: Pool) -> Object:
    strategy: Object = {"replace": {"strategy": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}}
    if pool.upgrade == "InPlace":
        strategy = {"inPlace": {"maxUnavailable": 1}}
    aws: Object = {
        "instanceType": "m6i.large",
        "instanceProfile": f"{names.infra_id}-worker",
        "ami": seed.image_id,
        "subnet": {"id": seed.subnet_id},
        "rootVolume": {"size": 120, "type": "gp3"},
    }
    if not pool.kubelets:
        aws |= {"subnet": {"id": seed.wide_subnet_id or seed.subnet_id}, "resourceTags": [NO_KUBELET]}
    return {
        "apiVersion": r.NODE_POOL.api_version,
        "kind": r.NODE_POOL.kind,
        "metadata": {"name": f"{names.name}-{pool.suffix}", "namespace": names.namespace},
        "spec": {
            "clusterName": names.name,
            "replicas": pool.replicas,
            "arch": "amd64",
            "release": {"image": options.release},
            "management": {"upgradeType": pool.upgrade, "autoRepair": pool.auto_repair, **strategy},
            "platform": {"type": "AWS", "aws": aws},
            **(references.of_node_pool(names) if options.references else {}),
        },
    }


def _brought(brought: Brought, seed: Seed) -> Iterator[tuple[Resource, Object]]:
    """Return the user's objects with the region's network and zone."""
    kinds = {kind.kind: kind for kind in (r.NAMESPACE, r.SECRET, r.CONFIG_MAP)}
    for item in brought.inputs:
        yield kinds[item["kind"]], item
    hosted_cluster = copy.deepcopy(brought.hosted_cluster)
    spec = hosted_cluster["spec"]
    spec["dns"] |= {"publicZoneID": seed.zone_id}
    network = {"vpc": seed.vpc_id, "zone": AVAILABILITY_ZONE, "subnet": {"id": seed.subnet_id}}
    spec["platform"]["aws"]["cloudProviderConfig"] = network
    yield r.HOSTED_CLUSTER, hosted_cluster
    for item in brought.node_pools:
        pool = copy.deepcopy(item)
        pool["spec"]["platform"]["aws"] |= {"ami": seed.image_id, "subnet": {"id": seed.subnet_id}}
        yield r.NODE_POOL, pool


def _pull_secret(names: HostedClusterNames) -> Object:
    login = base64.b64encode(f"rehearsal:{_random(18)}".encode()).decode()
    document = json.dumps({"auths": {"registry.rehearsal.example": {"auth": login}}})
    return secret(names.namespace, _pull_name(names), {".dockerconfigjson": document}, "kubernetes.io/dockerconfigjson")


def _random(length: int) -> str:
    return base64.b64encode(secrets.token_bytes(length)).decode()


def _pull_name(names: HostedClusterNames) -> str:
    return f"registry-login-for-{names.name}"


def _ssh_name(names: HostedClusterNames) -> str:
    return f"node-access-for-{names.name}"


def _encryption_name(names: HostedClusterNames) -> str:
    return f"etcd-key-for-{names.name}"
