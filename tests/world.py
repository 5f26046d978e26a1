"""A world in memory for relocating hosted cluster clusters/one from mgmt-1 to mgmt-2, with the neighbour clusters/one2
in the same namespace, zone and bucket."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hcp_dr.aws.port import Record
from hcp_dr.kube.port import Completed
from hcp_dr.kube.resources import AWS_CLUSTER, CLUSTER, HOSTED_CLUSTER, ROUTE
from tests.ports import CASE, MemoryInstances, MemoryKubernetes, MemoryZone, World

READY = {"conditions": [{"type": "Ready", "status": "True"}]}
ASKS = {"requests": {"cpu": "100m", "memory": "128Mi"}}
ROOM = {"allocatable": {"cpu": "8", "memory": "32Gi", "pods": "110"}}
URL_FIELD = {"type": "array", "maxItems": 1}
OPERATOR_IMAGE = "quay.example/control-plane-operator:1"
DNS_ARGUMENTS = ["--provider=aws", "--domain-filter=hosted.example", "--source=openshift-route"]


def schema_with(*path: str, value: Any) -> dict[str, Any]:
    """Return a schema that keeps any field, with this one defined."""
    for key in reversed(path):
        value = {"x-kubernetes-preserve-unknown-fields": True, "properties": {key: value}}
    return value  # type: ignore[no-any-return]


URL_CRD = {
    "CustomResourceDefinition hostedclusters.hypershift.openshift.io": {
        "status": {"storedVersions": ["v1beta1"]},
        "spec": {
            "group": HOSTED_CLUSTER.group,
            "scope": "Namespaced",
            "names": {"kind": HOSTED_CLUSTER.kind, "plural": HOSTED_CLUSTER.plural},
            "versions": [
                {
                    "name": HOSTED_CLUSTER.version,
                    "served": True,
                    "storage": True,
                    "schema": {
                        "openAPIV3Schema": schema_with(
                            *("spec", "etcd", "managed", "storage", "restoreSnapshotURL"), value=URL_FIELD
                        )
                    },
                }
            ],
        },
    }
}


def deployment(
    place: str, *pods: str, replicas: int | None = None, owners: Sequence[str] = (), **container: Any
) -> list[dict[str, Any]]:
    """A Deployment and its Ready pods."""
    namespace, _, name = place.partition("/")
    labels = {"app": name}
    spec = {
        "replicas": len(pods) if replicas is None else replicas,
        "selector": {"matchLabels": labels},
        "template": {"spec": {"containers": [{"name": name, **container}]}},
    }
    pod = {"labels": labels, "status": READY, "spec": {"containers": [{"name": name, "resources": ASKS, **container}]}}
    return [
        {f"Deployment {place}": {"owners": owners, "spec": spec, "status": {"readyReplicas": len(pods)}}},
        *({f"Pod {namespace}/{each}": {**pod, "owners": [f"Deployment {name}"]}} for each in pods),
    ]


def management(name: str, uid: str) -> MemoryKubernetes:
    """Return a management cluster with the objects that both have."""
    cluster = MemoryKubernetes(
        name,
        {"Namespace kube-system": {"uid": uid}},
        "Namespace hypershift",
        "StorageClass gp3",
        {"Node host": {"labels": {"role": "infra"}, "status": {**READY, **ROOM}}},
        {"ConfigMap hypershift/supported-versions": {"data": {"supported-versions": '{"versions":["4.21","4.20"]}'}}},
        URL_CRD,
        *deployment(
            "hypershift/operator", "operator-a", image="quay.example/hypershift:1", args=["--private-platform=AWS"]
        ),
        *deployment(
            "hypershift/external-dns",
            "external-dns-a",
            args=[*DNS_ARGUMENTS, f"--txt-owner-id={name}"],
            env=[{"name": "AWS_SHARED_CREDENTIALS_FILE", "value": "/etc/creds"}],
        ),
    )
    cluster.served = {resource.group: (resource.version,) for resource in (HOSTED_CLUSTER, CLUSTER, AWS_CLUSTER, ROUTE)}
    return cluster


def hosted_cluster(name: str, infra: str = "") -> list[Any]:
    """Return a hosted cluster's objects on its management cluster, both shared and own objects."""
    infra, own = infra or f"{name}-x7k2", f"clusters-{name}"
    label = {"cluster.x-k8s.io/cluster-name": infra}
    spec = {
        "infraID": infra,
        "controllerAvailabilityPolicy": "SingleReplica",
        "pullSecret": {"name": f"{name}-pull"},
        "additionalTrustBundle": {"name": f"{name}-trust"},
        "release": {"image": "quay.example/release:4.20.1"},
        "nodeSelector": {"role": "infra"},
        "platform": {"type": "AWS", "aws": {"region": "us-east-1"}},
        "etcd": {"managed": {"storage": {"type": "PersistentVolume", "persistentVolume": {"storageClassName": "gp3"}}}},
        "services": [
            {
                "service": service,
                "servicePublishingStrategy": {
                    "type": "Route",
                    "route": {"hostname": f"{host}-{name}.hosted.example"},
                },
            }
            for service, host in (
                *(("APIServer", "api"), ("OAuthServer", "oauth")),
                *(("Konnectivity", "konnectivity"), ("Ignition", "ignition")),
            )
        ],
    }
    available = {"conditions": [{"type": kind, "status": "True"} for kind in ("Available", "ValidAWSIdentityProvider")]}
    authority = {"data": {"ca.crt": "Y2VydA==", "ca.key": "a2V5"}}
    token = {
        "annotations": {
            "hypershift.openshift.io/nodePool": f"clusters/{name}-workers",
            "hypershift.openshift.io/ignition-config": "true",
        }
    }
    machines: list[Any] = [
        item
        for number in ("1", "2")
        for item in (
            {
                f"Machine {own}/w-{number}": {
                    "labels": label,
                    "owners": [f"MachineSet {name}-workers-abc"],
                    "spec": {"clusterName": infra, "providerID": f"aws:///us-east-1a/i-{name}-{number}"},
                    "status": {"nodeRef": {"name": f"w-{number}"}},
                }
            },
            {
                f"AWSMachine {own}/w-{number}": {
                    "labels": label,
                    "owners": [f"Machine w-{number}"],
                    "spec": {"providerID": f"aws:///us-east-1a/i-{name}-{number}"},
                }
            },
        )
    ]
    planes = [f"HostedControlPlane {name}"]
    containers = [{"name": "etcd", "image": "quay.example/etcd:1", "resources": ASKS}]
    etcd = {"labels": {"app": "etcd"}, "status": READY, "spec": {"containers": containers}}
    return [
        {f"HostedCluster clusters/{name}": {"spec": spec, "status": available}},
        {
            f"NodePool clusters/{name}-workers": {
                "spec": {"clusterName": name, "replicas": 2},
                "status": {"version": "4.20.1"},
                "owners": [f"HostedCluster {name}"],
            }
        },
        {f"Secret clusters/{name}-pull": {"data": {".dockerconfigjson": "e30="}}},
        {f"ConfigMap clusters/{name}-trust": {"data": {"ca-bundle.crt": "certificate"}}},
        {f"Secret clusters/{name}-admin-kubeconfig": {"data": {"kubeconfig": "e30="}}},
        f"Namespace {own}",
        {f"Secret {own}/root-ca": authority},
        {f"Secret {own}/etcd-signer": authority},
        {f"Secret {own}/sa-signing-key": {"data": {"service-account.key": "a2V5"}}},
        {f"Secret {own}/token-{name}-workers-1": {**token, "data": {"token": "dA=="}}},
        {f"Secret {own}/builder-dockercfg": {"type": "kubernetes.io/dockercfg"}},
        {f"ConfigMap {own}/ignition-config": {"labels": {"hypershift.openshift.io/core-ignition-config": "true"}}},
        {f"ConfigMap {own}/kas-config": {"owners": planes}},
        f"HostedControlPlane {own}/{name}",
        {f"Cluster {own}/{infra}": {"spec": {}, "owners": [f"HostedControlPlane {name}"]}},
        {f"AWSCluster {own}/{name}": {"owners": [f"Cluster {infra}"]}},
        {f"AWSMachineTemplate {own}/{name}-workers-1a2b": {"owners": [f"Cluster {infra}"]}},
        {f"MachineDeployment {own}/{name}-workers": {"labels": label, "owners": [f"Cluster {infra}"]}},
        {f"MachineSet {own}/{name}-workers-abc": {"labels": label, "owners": [f"MachineDeployment {name}-workers"]}},
        *machines,
        *deployment(f"{own}/control-plane-operator", "cpo-a", owners=planes, image=OPERATOR_IMAGE),
        *deployment(f"{own}/kube-apiserver", "kas-a", owners=planes),
        *deployment(f"{own}/openshift-apiserver", "oas-a", owners=planes),
        *deployment(f"{own}/openshift-oauth-apiserver", "oauth-a", owners=planes),
        *deployment(f"{own}/capi-provider", "capi-a", owners=planes),
        {
            f"StatefulSet {own}/etcd": {
                "owners": planes,
                "spec": {
                    "replicas": 1,
                    "selector": {"matchLabels": {"app": "etcd"}},
                    "template": {"spec": etcd["spec"]},
                },
            }
        },
        {f"Pod {own}/etcd-0": {**etcd, "owners": ["StatefulSet etcd"]}},
        {f"Route {own}/kube-apiserver": {"owners": planes, "spec": {"host": f"api-{name}.hosted.example"}}},
        {f"Route {own}/oauth": {"owners": planes, "spec": {"host": f"oauth-{name}.hosted.example"}}},
    ]


def records(name: str, owner: str) -> tuple[Record, ...]:
    text = f'"heritage=external-dns,external-dns/owner={owner},external-dns/resource=route/clusters-{name}/api"'
    return (
        Record(f"api-{name}.hosted.example", "A", 60, ("10.0.0.1",)),
        Record(f"api-{name}-external-dns.hosted.example", "TXT", 60, (text,)),
        Record(f"a-api-{name}-external-dns.hosted.example", "TXT", 60, (text,)),
    )


def inside() -> MemoryKubernetes:
    """Return the hosted cluster's own API."""
    nodes: list[Any] = [
        {f"Node w-{number}": {"status": READY, "spec": {"providerID": f"aws:///us-east-1a/i-one-{number}"}}}
        for number in ("1", "2")
    ]
    leases: list[Any] = [
        {f"Lease kube-node-lease/w-{number}": {"spec": {"renewTime": "10:00:00"}}} for number in ("1", "2")
    ]
    return MemoryKubernetes(
        "hosted",
        "Namespace default",
        "ConfigMap default/kube-root-ca.crt",
        {
            "ClusterVersion version": {
                "spec": {"clusterID": "id-of-one"},
                "status": {"history": [{"version": "4.20.1"}]},
            }
        },
        *nodes,
        *leases,
        {"Pod openshift-ovn-kubernetes/ovnkube-a": {"status": READY}},
    )


def shown(command: Sequence[str], stdin: bytes | None) -> Completed:
    """Answer commands: in the images, etcd-init calls an etcdctl that supports restore; the bucket has its probe; all
    other commands succeed."""
    del stdin
    text = str(command[-1])
    answers = {
        "/usr/bin/control-plane-operator": b"etcdctl snapshot restore\n",
        "--help": b"has etcdctl\ncan etcdctl\n",
        "| curl ": b"probe\n200 ",
    }
    return Completed(0, next((answer for part, answer in answers.items() if part in text), b""), b"")


def reads(call: tuple[Any, ...]) -> bool:
    """Return whether the call reads the restore tools or etcd's status in a pod."""
    script = call[4][-1] if call[0] == "execute" else ""
    reading = "--help" in script or script.startswith("LC_ALL=C grep ") or script.endswith("endpoint status -w json")
    return ">" not in script.replace("2>&1", "") and reading


def relocatable(name: str = "one", beside: str = "one2", infra: str = "", infra_beside: str = "") -> World:
    source, destination = management("source", "uid-of-mgmt-1"), management("destination", "uid-of-mgmt-2")
    for item in ("Namespace clusters", *hosted_cluster(name, infra), *hosted_cluster(beside, infra_beside)):
        source.put(item)
    source.script = shown
    hosted = inside()
    hosted.server = f"https://api-{name}.hosted.example:6443"
    ids = [f"i-{each}-{number}" for each in (name, beside) for number in ("1", "2")]
    return World(
        source=source,
        destination=destination,
        hosted=hosted,
        zone=MemoryZone((*records(name, "source"), *records(beside, "source"))),
        instances=MemoryInstances(dict.fromkeys(ids, False)),
    )


__all__ = ["CASE", "reads", "relocatable"]
