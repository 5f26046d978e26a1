"""Read the things that a relocation must leave unchanged: a description with a fingerprint that reveals no secret."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any

from hcp_dr.errors import NotFound
from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Kubernetes, Object, Resource
from hcp_dr_lab.ground.layout import HOSTED_DOMAIN, OIDC_BUCKET, HostedClusterNames
from hcp_dr_lab.observer.source import Cloud, Source
from hcp_dr_lab.standin.pki_operator import SIGNERS

Things = dict[str, str]

_CONTENT = (r.CONFIG_MAP, r.SERVICE_ACCOUNT)
_NOT_CUSTOMERS = ("default", "observer", "kube-", "openshift-")
OF_CONTROL_PLANE = (
    r.HOSTED_CONTROL_PLANE,
    r.CLUSTER,
    r.MACHINE_DEPLOYMENT,
    r.MACHINE_SET,
    r.MACHINE,
    r.MACHINE_HEALTH_CHECK,
    r.AWS_CLUSTER,
    r.AWS_MACHINE,
    r.AWS_MACHINE_TEMPLATE,
    r.AWS_ENDPOINT_SERVICE,
    r.ROUTE,
    r.DEPLOYMENT,
    r.STATEFUL_SET,
    r.PERSISTENT_VOLUME_CLAIM,
    r.CONFIG_MAP,
    r.SECRET,
)
_ROTATING = ("token-", "user-data-", *SIGNERS)
"""Prefixes of Secrets that HyperShift changes at any time."""

_VOLATILE = ("resourceVersion", "generation", "managedFields")


def fingerprint(item: Object) -> str:
    """Return the uid and a digest of all fields except status and versions."""
    metadata = {name: value for name, value in item["metadata"].items() if name not in _VOLATILE}
    rest = {name: value for name, value in item.items() if name not in ("metadata", "status")}
    return f"{item['metadata'].get('uid', '')} {digest([metadata, rest])}"


def digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]


def words(side: str, kind: Resource, item: Object) -> str:
    """Describe an object, such as `mgmt-1 Secret clusters/pull`."""
    metadata = item["metadata"]
    place = f"{metadata['namespace']}/" if metadata.get("namespace") else ""
    return f"{side} {kind.kind} {place}{metadata['name']}"


def content(hosted: Kubernetes) -> Things:
    """Read the customers' objects in the hosted cluster, the namespaces and the version, without system namespaces."""
    things = {
        words("hosted", kind, item): fingerprint(item)
        for kind in _CONTENT
        for item in hosted.list(kind).items
        if not item["metadata"]["namespace"].startswith(_NOT_CUSTOMERS)
    }
    for kind in (r.NAMESPACE, r.CLUSTER_VERSION, r.CUSTOM_RESOURCE_DEFINITION):
        things |= {words("hosted", kind, item): item["metadata"]["uid"] for item in hosted.list(kind).items}
    return things


def volumes(hosted: Kubernetes) -> Things:
    """Read every PersistentVolumeClaim of the hosted cluster: uid, bound volume, and whether deletion has begun. A
    claim that was deleted and created again has another uid and an empty volume."""
    return {
        words("hosted", r.PERSISTENT_VOLUME_CLAIM, item): " ".join(
            (
                item["metadata"]["uid"],
                item["spec"].get("volumeName") or "unbound",
                *(["being deleted"] if "deletionTimestamp" in item["metadata"] else []),
            )
        )
        for item in hosted.list(r.PERSISTENT_VOLUME_CLAIM).items
    }


def cloud(aws: Cloud, names: HostedClusterNames) -> Things:
    """Read a hosted cluster's OIDC documents, and the workers' security groups with rules."""
    things = {f"s3 {key}": print_ for key, print_ in aws.objects(OIDC_BUCKET, f"{names.infra_id}/")}
    for group_id, rules in aws.security_groups(names.infra_id):
        things[f"security group {group_id}"] = digest(sorted(map(digest, rules)))
    return things


def neighbour(source: Source, names: HostedClusterNames) -> Things:
    """Read another hosted cluster on both management clusters: objects, pods, instances, records, documents; and nodes
    and pods through its own API."""
    aws, hosted = source.cloud, source.neighbour
    things = cloud(aws, names) | dict(_instances(aws, names)) | dict(_records_of(aws, names))
    for side in source.sides:
        things |= _on_side(side, names)
    if hosted is not None:
        for node in hosted.list(r.NODE).items:
            things[words(names.name, r.NODE, node)] = (
                f"{node['metadata']['uid']} {node['status']['nodeInfo']['bootID']}"
            )
        things |= {words(names.name, r.POD, pod): _lived(pod) for pod in hosted.list(r.POD).items}
    return things


def _on_side(side: Kubernetes, names: HostedClusterNames) -> Things:
    place = names.control_plane_namespace
    found = {
        words(side.name, kind, item): fingerprint(item)
        for kind in (r.HOSTED_CLUSTER, r.NODE_POOL)
        for item in _list(side, kind, names.namespace)
        if names.name in (item["metadata"]["name"], item["spec"].get("clusterName"))
    }
    for kind in OF_CONTROL_PLANE:
        found |= {
            words(side.name, kind, item): fingerprint(item)
            for item in _list(side, kind, place)
            if kind != r.SECRET or not item["metadata"]["name"].startswith(_ROTATING)
        }
    return found | {words(side.name, r.POD, pod): _lived(pod) for pod in _list(side, r.POD, place)}


def _lived(pod: Object) -> str:
    """Return the pod's uid and the number of container restarts."""
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    restarts = sum(status.get("restartCount", 0) for status in statuses)
    return f"{pod['metadata']['uid']} {restarts} restarts"


def _instances(aws: Cloud, names: HostedClusterNames) -> Iterator[tuple[str, str]]:
    for instance_id, state in aws.instances(names.infra_id).items():
        yield f"instance {instance_id}", f"{state} {aws.is_protected(instance_id)}"


def _records_of(aws: Cloud, names: HostedClusterNames) -> Iterator[tuple[str, str]]:
    """Return the records of the published services: api-NAME, cname-api-NAME-external-dns, and so on."""
    mine = re.compile(rf"[a-z-]*-{re.escape(names.name)}(-external-dns)?\.{re.escape(HOSTED_DOMAIN)}\.")
    for name, kind, values in aws.records():
        if mine.fullmatch(name):
            yield f"record {name} {kind}", digest(values)


def _list(side: Kubernetes, kind: Resource, namespace: str) -> tuple[Object, ...]:
    try:
        return side.list(kind, namespace).items
    except NotFound:
        return ()
