"""A hosted cluster to create, as its owner would: HostedCluster, NodePools and the secrets they name; and its waits.

All credentials in it are generated for this cluster and open nothing.
"""

from __future__ import annotations

import base64
import contextlib
import json
import secrets
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from hcp_dr import errors
from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Kubernetes, Object, Resource
from hcp_dr_lab.errors import LabError
from hcp_dr_lab.region.cloud.aws import Seed
from hcp_dr_lab.region.layout import (
    AVAILABILITY_ZONE,
    AWS_ACCOUNT,
    AWS_REGION,
    HOSTED_DOMAIN,
    WORKER_SUBNET_CIDR,
    HostedClusterNames,
)

RELEASE = "registry.rehearsal.example/ocp-release:4.20.8-x86_64"
AVAILABLE_SECONDS = 120.0
NODES_SECONDS = 120.0
DELETE_SECONDS = 180.0
_PERIOD_SECONDS = 0.25
_API_SERVER = "app=kube-apiserver"
_ROLES = (
    *("controlPlaneOperator", "imageRegistry", "ingress", "kubeCloudController", "network"),
    *("nodePoolManagement", "storage"),
)


class Unready(LabError):
    """A hosted cluster did not come up or did not go in time."""

    exit_code = 7


@dataclass(frozen=True, slots=True)
class Pool:
    """One NodePool; without a name it gets the cluster's."""

    replicas: int = 2
    name: str = ""
    auto_repair: bool = False


@dataclass(frozen=True, slots=True)
class Options:
    """What may differ from one hosted cluster to the other."""

    release: str = RELEASE
    availability: str = "SingleReplica"
    pools: tuple[Pool, ...] = (Pool(),)
    encrypted: bool = False  # secrets in etcd, with a key of the cluster's own
    volume_size: str = "1Gi"


_PLAIN = Options()


def create(management: Kubernetes, names: HostedClusterNames, seed: Seed, options: Options = _PLAIN) -> Object:
    """Create all that is not there; the HostedCluster as it is then."""
    for resource, wanted in objects(names, seed, options):
        try:
            management.create(resource, wanted)
        except errors.AlreadyExists:
            continue
    return management.get(r.HOSTED_CLUSTER, names.name, names.namespace)


def objects(names: HostedClusterNames, seed: Seed, options: Options = _PLAIN) -> Iterator[tuple[Resource, Object]]:
    """What is referred to comes first. The names of the secrets tell nothing about the cluster's."""
    yield r.NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": names.namespace}}
    yield r.SECRET, _pull_secret(names)
    yield r.SECRET, _secret(names, _ssh_name(names), {"id_rsa.pub": f"ssh-ed25519 {_random(33)} core@rehearsal"})
    if options.encrypted:
        yield r.SECRET, _secret(names, _encryption_name(names), {"key": secrets.token_bytes(32)})
    yield r.HOSTED_CLUSTER, _hosted_cluster(names, seed, options)
    for pool in options.pools:
        yield r.NODE_POOL, _node_pool(names, seed, options, pool)


def await_available(management: Kubernetes, names: HostedClusterNames, seconds: float = AVAILABLE_SECONDS) -> Object:
    """Until the control plane says that it is available and its kubeconfig is handed out."""

    def missing() -> str | None:
        found = management.get(r.HOSTED_CLUSTER, names.name, names.namespace)
        conditions = {entry["type"]: entry for entry in (found.get("status") or {}).get("conditions") or ()}
        if (conditions.get("Available") or {}).get("status") != "True":
            return _unavailable(management, names, conditions)
        if management.find(r.SECRET, admin_kubeconfig_name(names), names.namespace) is None:
            return f"Secret {names.namespace}/{admin_kubeconfig_name(names)}"
        return None

    _await(missing, seconds, f"the hosted cluster {names.name} is available")
    return management.get(r.HOSTED_CLUSTER, names.name, names.namespace)


def await_nodes(hosted: Kubernetes, count: int, seconds: float = NODES_SECONDS) -> tuple[Object, ...]:
    """Until exactly so many nodes are Ready in the hosted cluster."""
    found: tuple[Object, ...] = ()

    def missing() -> str | None:
        nonlocal found
        try:
            found = hosted.list(r.NODE).items
        except errors.KubernetesError as error:
            return f"the hosted API: {error}"
        ready = [node["metadata"]["name"] for node in found if _is_ready(node)]
        return None if len(ready) == len(found) == count else f"{count} nodes Ready; {len(ready)} of {len(found)} are"

    _await(missing, seconds, f"{count} nodes of {hosted.name} are Ready")
    return found


def admin_kubeconfig(management: Kubernetes, names: HostedClusterNames) -> bytes:
    """The administrator's kubeconfig by the API's public name, as HyperShift hands it out."""
    secret = management.get(r.SECRET, admin_kubeconfig_name(names), names.namespace)
    return base64.b64decode(secret["data"]["kubeconfig"])


def admin_kubeconfig_name(names: HostedClusterNames) -> str:
    return f"{names.name}-admin-kubeconfig"


def delete(management: Kubernetes, names: HostedClusterNames, seconds: float = DELETE_SECONDS) -> None:
    """Delete it the way its owner would: its instances go with it. Waits until nothing is left but the namespace."""
    if management.find(r.HOSTED_CLUSTER, names.name, names.namespace) is not None:
        _silence(management, names, seconds)
    for resource, name in (
        (r.HOSTED_CLUSTER, names.name),
        (r.SECRET, _pull_name(names)),
        (r.SECRET, _ssh_name(names)),
        (r.SECRET, _encryption_name(names)),
    ):
        if management.find(resource, name, names.namespace) is not None:
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
        return f"the end of {', '.join(left)}" if left else None

    _await(missing, seconds, f"the hosted cluster {names.name} is gone")


def _silence(management: Kubernetes, names: HostedClusterNames, seconds: float) -> None:
    """End the API server at once: left to itself it takes two minutes, and a kubelet that has begun to wait for it
    does not hear of a shorter time. The pause keeps its operator from bringing it back; it holds no deletion up."""
    namespace = names.control_plane_namespace
    management.patch(r.HOSTED_CLUSTER, names.name, names.namespace, {"spec": {"pausedUntil": "true"}})

    def unseen() -> str | None:
        plane = management.find(r.HOSTED_CONTROL_PLANE, names.name, namespace)
        paused = plane is None or _says(plane, "ReconciliationActive", "False")
        return None if paused else f"the pause of HostedControlPlane {namespace}/{names.name}"

    def running() -> str | None:
        pods = [pod["metadata"]["name"] for pod in management.list(r.POD, namespace, labels=_API_SERVER).items]
        return f"the end of {', '.join(pods)}" if pods else None

    _await(unseen, seconds, f"the hosted cluster {names.name} is paused")
    for pod in management.list(r.POD, namespace, labels=_API_SERVER).items:
        with contextlib.suppress(errors.NotFound):
            management.delete(r.POD, pod["metadata"]["name"], namespace, grace_seconds=1)
    with contextlib.suppress(errors.NotFound):
        management.patch(r.DEPLOYMENT, "kube-apiserver", namespace, {"spec": {"replicas": 0}})
    _await(running, seconds, f"the API server of {names.name} has ended")


def _await(missing: Callable[[], str | None], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while (lacking := missing()) is not None:
        if time.monotonic() > deadline:
            raise Unready(
                f"Waited {seconds:.0f} s until {what}; missing still: {lacking}. Everything was left as it is. "
                "Look at the stand-in's log and the pods of the control plane namespace."
            )
        time.sleep(_PERIOD_SECONDS)


def _unavailable(management: Kubernetes, names: HostedClusterNames, conditions: dict[str, Object]) -> str:
    """Which conditions are not true, and which pods are not ready."""
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
            _route("APIServer", names.api_hostname),
            _route("OAuthServer", f"oauth-{names.name}.{HOSTED_DOMAIN}"),
            _route("Konnectivity", f"konnectivity-{names.name}.{HOSTED_DOMAIN}"),
            _route("Ignition", f"ignition-{names.name}.{HOSTED_DOMAIN}"),
        ],
    }
    if options.encrypted:
        key = {"activeKey": {"name": _encryption_name(names)}}
        spec["secretEncryption"] = {"type": "aescbc", "aescbc": key}
    return {
        "apiVersion": r.HOSTED_CLUSTER.api_version,
        "kind": r.HOSTED_CLUSTER.kind,
        "metadata": {"name": names.name, "namespace": names.namespace},
        "spec": spec,
    }


def _route(service: str, hostname: str) -> Object:
    return {"service": service, "servicePublishingStrategy": {"type": "Route", "route": {"hostname": hostname}}}


def _node_pool(names: HostedClusterNames, seed: Seed, options: Options, pool: Pool) -> Object:
    return {
        "apiVersion": r.NODE_POOL.api_version,
        "kind": r.NODE_POOL.kind,
        "metadata": {"name": pool.name or names.node_pool, "namespace": names.namespace},
        "spec": {
            "clusterName": names.name,
            "replicas": pool.replicas,
            "arch": "amd64",
            "release": {"image": options.release},
            "management": {
                "upgradeType": "Replace",
                "autoRepair": pool.auto_repair,
                "replace": {"strategy": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            },
            "platform": {
                "type": "AWS",
                "aws": {
                    "instanceType": "m6i.large",
                    "instanceProfile": f"{names.infra_id}-worker",
                    "ami": seed.image_id,
                    "subnet": {"id": seed.subnet_id},
                    "rootVolume": {"size": 120, "type": "gp3"},
                },
            },
        },
    }


def _pull_secret(names: HostedClusterNames) -> Object:
    login = base64.b64encode(f"rehearsal:{_random(18)}".encode()).decode()
    document = json.dumps({"auths": {"registry.rehearsal.example": {"auth": login}}})
    return _secret(names, _pull_name(names), {".dockerconfigjson": document}, "kubernetes.io/dockerconfigjson")


def _secret(names: HostedClusterNames, name: str, content: dict[str, str | bytes], kind: str = "Opaque") -> Object:
    data = {
        key: base64.b64encode(value if isinstance(value, bytes) else value.encode()).decode()
        for key, value in content.items()
    }
    metadata = {"name": name, "namespace": names.namespace}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": kind, "data": data}


def _random(length: int) -> str:
    return base64.b64encode(secrets.token_bytes(length)).decode()


def _pull_name(names: HostedClusterNames) -> str:
    return f"registry-login-for-{names.name}"


def _ssh_name(names: HostedClusterNames) -> str:
    return f"node-access-for-{names.name}"


def _encryption_name(names: HostedClusterNames) -> str:
    return f"etcd-key-for-{names.name}"
