"""Etcd of a hosted cluster: the StatefulSet, its services, and the init container that restores a snapshot.

When the snapshot counts as restored, the init container is removed from the template, so that etcd rolls again (rule
C6; v2/etcd/statefulset.go:132-137). The hosted release determines the script, and whether it runs before or after a
lost member rejoins its cluster (rule C4).
"""

from __future__ import annotations

from typing import Any

from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Object
from hcp_dr_lab.ground import payload
from hcp_dr_lab.standin.change import Change
from hcp_dr_lab.standin.control_plane_operator.etcd_shape import member_count
from hcp_dr_lab.standin.control_plane_operator.scripts import ETCD, RESET_MEMBER
from hcp_dr_lab.standin.shape import ABSENT, body, ensure, is_true
from hcp_dr_lab.standin.view import View
from hcp_dr_lab.standin.workload import Container, pod_spec

DATA = "/var/lib/data"
_CLIENT, _PEER, _METRICS = 2379, 2380, 2381
_QUOTA = 8589934592
_LABELS = {"app": "etcd"}
_ENVIRONMENT = [
    {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
    {"name": "NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
]
_TLS = "/etc/etcd/tls"
_STATE_MOUNT = {"name": "cluster-state", "mountPath": "/etc/etcd/clusterstate"}
_DATA_MOUNT = {"name": "data", "mountPath": DATA}


def reconcile(view: View, plane: Object) -> list[Change]:
    namespace = plane["metadata"]["namespace"]
    changes = ensure(view, r.SERVICE, _service(plane, "etcd-client", {"name": "etcd-client", "port": _CLIENT}))
    discovery = _service(plane, "etcd-discovery", {"name": "peer", "port": _PEER})
    discovery["spec"]["publishNotReadyAddresses"] = True
    changes += ensure(view, r.SERVICE, discovery)
    wanted = _stateful_set(plane)
    present = view.find(r.STATEFUL_SET, "etcd", namespace)
    if present is not None:  # these fields are immutable after creation
        for field in ("volumeClaimTemplates", "podManagementPolicy", "serviceName", "selector"):
            wanted["spec"].pop(field)
        if "initContainers" not in wanted["spec"]["template"]["spec"]:
            wanted["spec"]["template"]["spec"]["initContainers"] = ABSENT
    return changes + ensure(view, r.STATEFUL_SET, wanted)


def restore_url(plane: Object) -> str | None:
    urls = ((plane["spec"]["etcd"].get("managed") or {}).get("storage") or {}).get("restoreSnapshotURL") or ()
    return urls[0] if urls else None


def is_available(view: View, plane: Object) -> bool:
    """Return whether a quorum of members is ready."""
    return _ready_members(view, plane) > member_count(plane) // 2


def counts_as_restored(view: View, plane: Object) -> bool:
    """Return whether every member serves and etcd-init succeeded in every pod. This does not prove a restore."""
    if _ready_members(view, plane) < member_count(plane):
        return False
    pods = [
        pod
        for pod in view.all(r.POD, plane["metadata"]["namespace"])
        if (pod["metadata"].get("labels") or {}).get("app") == "etcd"
    ]
    ended = [
        status.get("ready", False)
        for pod in pods
        for status in (pod.get("status") or {}).get("initContainerStatuses") or ()
        if status["name"] == "etcd-init"
    ]
    return len(ended) == member_count(plane) and all(ended)


def _ready_members(view: View, plane: Object) -> int:
    found = view.find(r.STATEFUL_SET, "etcd", plane["metadata"]["namespace"])
    ready: int = ((found or {}).get("status") or {}).get("readyReplicas", 0)
    return ready


def _service(plane: Object, name: str, port: Object) -> Object:
    spec = {"clusterIP": "None", "selector": _LABELS, "ports": [port | {"protocol": "TCP", "targetPort": port["port"]}]}
    return body(r.SERVICE, name, plane["metadata"]["namespace"], owner=plane, spec=spec)


def _stateful_set(plane: Object) -> Object:
    image = payload.of(plane["spec"]["releaseImage"]).etcd
    extra: dict[str, Any] = {"terminationGracePeriodSeconds": 30}
    first = _init_containers(plane, image)
    if first:
        extra["initContainers"] = [container.manifest() for container in first]
    if _highly_available(plane):
        extra["volumes"] = [{"name": "cluster-state", "emptyDir": {}}]
    storage = plane["spec"]["etcd"]["managed"]["storage"]
    return body(
        r.STATEFUL_SET,
        "etcd",
        plane["metadata"]["namespace"],
        labels=_LABELS,
        owner=plane,
        spec={
            "serviceName": "etcd-discovery",
            "replicas": member_count(plane),
            "podManagementPolicy": "Parallel",
            "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
            "selector": {"matchLabels": _LABELS},
            "template": {"metadata": {"labels": _LABELS}, "spec": pod_spec((_member(plane, image),), **extra)},
            "volumeClaimTemplates": [_claim(storage.get("persistentVolume") or {})],
        },
    )


def _init_containers(plane: Object, image: str) -> list[Container]:
    """Return the init containers: etcd-init last in releases without the fix, before reset-member in fixed releases."""
    release = payload.of(plane["spec"]["releaseImage"])
    fixed = release.one_cluster
    containers: list[Container] = []
    if _highly_available(plane):
        containers.append(
            Container(
                "reset-member",
                ("/usr/bin/bash", "-c", RESET_MEMBER),
                image,
                secrets=(("etcd-server-tls", f"{_TLS}/server"),),
                config_maps=(("etcd-ca", f"{_TLS}/etcd-ca"),),
                extra={"env": _ENVIRONMENT, "volumeMounts": [_DATA_MOUNT, _STATE_MOUNT]},
            )
        )
    url = restore_url(plane)
    if url is not None and not is_true(plane, "EtcdSnapshotRestored"):
        environment = [
            {"name": "RESTORE_URL_ETCD", "value": url},
            *([*_ENVIRONMENT, {"name": "INITIAL_CLUSTER", "value": _initial_cluster(plane)}] if fixed else ()),
        ]
        init = Container(
            "etcd-init",
            ("/usr/bin/bash", "-c", release.etcd_init),
            image,
            extra={"env": environment, "volumeMounts": [_DATA_MOUNT]},
        )
        containers.insert(0 if fixed else len(containers), init)
    return containers


def _initial_cluster(plane: Object) -> str:
    namespace = plane["metadata"]["namespace"]
    members = [f"etcd-{number}" for number in range(member_count(plane))]
    return ",".join(f"{member}=https://{member}.etcd-discovery.{namespace}.svc:{_PEER}" for member in members)


def _highly_available(plane: Object) -> bool:
    return member_count(plane) > 1


def _member(plane: Object, image: str) -> Container:
    available = _highly_available(plane)
    discovery = "etcd-discovery.$(NAMESPACE).svc"
    tls = _TLS
    arguments = (
        f"--data-dir={DATA}",
        "--name=$(POD_NAME)",
        f"--initial-advertise-peer-urls=https://$(POD_NAME).{discovery}:{_PEER}",
        f"--listen-peer-urls=https://0.0.0.0:{_PEER}",
        f"--listen-client-urls=https://0.0.0.0:{_CLIENT}",
        f"--advertise-client-urls=https://$(POD_NAME).etcd-client.$(NAMESPACE).svc:{_CLIENT}",
        f"--listen-metrics-urls=http://0.0.0.0:{_METRICS}",
        "--initial-cluster-token=etcd-cluster",
        f"--initial-cluster={_initial_cluster(plane)}",
        f"--quota-backend-bytes={_QUOTA}",
        "--client-cert-auth=true",
        f"--cert-file={tls}/server/server.crt",
        f"--key-file={tls}/server/server.key",
        f"--trusted-ca-file={tls}/etcd-ca/ca.crt",
        "--peer-client-cert-auth=true",
        f"--peer-cert-file={tls}/peer/peer.crt",
        f"--peer-key-file={tls}/peer/peer.key",
        f"--peer-trusted-ca-file={tls}/etcd-ca/ca.crt",
    )
    alone = ("/usr/bin/etcd", *arguments, "--initial-cluster-state=new")
    return Container(
        "etcd",
        ("/usr/bin/bash", "-c", ETCD, "etcd", *arguments) if available else alone,
        image,
        secrets=(
            ("etcd-server-tls", f"{tls}/server"),
            ("etcd-peer-tls", f"{tls}/peer"),
            ("etcd-client-tls", f"{tls}/client"),
        ),
        config_maps=(("etcd-ca", f"{tls}/etcd-ca"),),
        extra={
            "env": _ENVIRONMENT,
            "ports": [
                {"name": "client", "containerPort": _CLIENT},
                {"name": "peer", "containerPort": _PEER},
                {"name": "metrics", "containerPort": _METRICS},
            ],
            "readinessProbe": {
                "httpGet": {"path": "/health", "port": _METRICS},
                "periodSeconds": 1,
                "timeoutSeconds": 3,
                "failureThreshold": 3,
            },
            "volumeMounts": [_DATA_MOUNT, _STATE_MOUNT] if available else [_DATA_MOUNT],
        },
    )


def _claim(volume: Object) -> Object:
    spec: Object = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": volume.get("size", "8Gi")}},
    }
    if volume.get("storageClassName"):
        spec["storageClassName"] = volume["storageClassName"]
    return {"metadata": {"name": "data"}, "spec": spec}
