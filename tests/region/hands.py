"""Actions that engineers do by hand with kubectl and aws, for tests that provoke the region's dangers."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import boto3
from botocore.config import Config

from hcp_dr.errors import KubernetesError, NotFound
from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Kubernetes, Object, Resource
from hcp_dr_lab.ground import names as standin_names
from hcp_dr_lab.ground.aws_seed import seeded
from hcp_dr_lab.ground.layout import AWS_REGION, OIDC_BUCKET, HostedClusterNames, Layout
from hcp_dr_lab.ground.workers import Worker, workers
from hcp_dr_lab.region.cloud import clients
from hcp_dr_lab.region.cloud.storage import credentials
from hcp_dr_lab.standin import pace
from hcp_dr_lab.standin.hypershift_operator.documents import keys_of
from tests.region.conftest import eventually

OPERATOR = (standin_names.OPERATOR, standin_names.OPERATOR_NAMESPACE)


def aws(layout: Layout, service: Any) -> Any:
    """Return a client of the region's AWS, including S3, for use from this host."""
    granted = credentials(layout)
    return boto3.client(
        service,
        endpoint_url=layout.s3_endpoint if service == "s3" else layout.aws_endpoint,
        verify=str(layout.ca_file),
        region_name=AWS_REGION,
        aws_access_key_id=granted.access_key_id,
        aws_secret_access_key=granted.secret_access_key,
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}) if service == "s3" else None,
    )


def scale(cluster: Kubernetes, name: str, namespace: str, replicas: int) -> None:
    cluster.patch(r.DEPLOYMENT, name, namespace, {"spec": {"replicas": replicas}})


def pods(cluster: Kubernetes, name: str, namespace: str) -> tuple[Object, ...]:
    return tuple(cluster.list(r.POD, namespace, labels=f"app={name}").items)


@contextmanager
def without_operator(cluster: Kubernetes) -> Iterator[None]:
    """Run the block without a pod of the HyperShift operator. The operator is ready again afterwards."""
    scale(cluster, *OPERATOR, 0)
    eventually(lambda: not pods(cluster, *OPERATOR), 30, "the operator's pod has ended")
    try:
        yield
    finally:
        operator_back(cluster)


def operator_back(cluster: Kubernetes) -> None:
    scale(cluster, *OPERATOR, 1)

    def ready() -> bool:
        found = cluster.get(r.DEPLOYMENT, *OPERATOR).get("status") or {}
        return bool(found.get("readyReplicas", 0) == found.get("replicas", 0) == 1)

    eventually(ready, 30, "the operator is ready again")


def pause(cluster: Kubernetes, resource: Resource, name: str, namespace: str, until: str | None = "true") -> None:
    cluster.patch(resource, name, namespace, {"spec": {"pausedUntil": until}})


def refused(act: Callable[[], object]) -> str:
    """Return the API server's refusal; empty if it does not refuse."""
    try:
        act()
    except NotFound:
        raise
    except KubernetesError as error:
        return str(error)
    return ""


@contextmanager
def at_a_pace(cluster: Kubernetes, seconds: Mapping[str, float]) -> Iterator[None]:
    """Run the block with these delays of the operators and the cloud of this management cluster."""
    metadata = {"name": pace.CONFIG_MAP_NAME, "namespace": pace.CONFIG_MAP_NAMESPACE}
    told = {name: str(number) for name, number in seconds.items()}
    cluster.create(r.CONFIG_MAP, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": told})
    try:
        yield
    finally:
        with suppress(NotFound):
            cluster.delete(r.CONFIG_MAP, pace.CONFIG_MAP_NAME, pace.CONFIG_MAP_NAMESPACE)


def copied(item: Object, **metadata: Any) -> Object:
    """Return an object prepared only according to the first half of the procedure: no uid, no status, no finalizers."""
    made = copy.deepcopy(item)
    made.pop("status", None)
    kept = {key: made["metadata"][key] for key in ("name", "namespace", "labels") if key in made["metadata"]}
    made["metadata"] = {**kept, **metadata}
    return made


def workers_of(layout: Layout, names: HostedClusterNames) -> dict[str, Worker]:
    """Return the running workers of a hosted cluster, by instance."""
    return {
        instance: worker
        for instance, worker in workers(layout).items()
        if worker.infra_id == names.infra_id and worker.state != "terminated"
    }


def documents(layout: Layout, names: HostedClusterNames) -> dict[str, str]:
    """Return a hosted cluster's OIDC documents in the bucket."""
    s3 = aws(layout, "s3")
    found = {}
    for key in keys_of(names.infra_id):
        with suppress(s3.exceptions.NoSuchKey):
            found[key] = s3.get_object(Bucket=OIDC_BUCKET, Key=key)["Body"].read().decode()
    return found


def condition_status(item: Object, condition: str) -> str | None:
    """Return the status of a condition."""
    conditions = (item.get("status") or {}).get("conditions") or ()
    return next((entry["status"] for entry in conditions if entry["type"] == condition), None)


Zone = dict[tuple[str, str], tuple[str, ...]]
"""Values by name and type."""


def zone(layout: Layout) -> Zone:
    """Return all records of the zone."""
    return {
        (record["Name"], record["Type"]): tuple(entry["Value"] for entry in record.get("ResourceRecords", ()))
        for record in record_sets(layout)
    }


def record_sets(layout: Layout) -> list[Any]:
    """Return all records in Route53's format."""
    pages = clients.route53(layout, outside=True).get_paginator("list_resource_record_sets")
    found = pages.paginate(HostedZoneId=seeded(layout).zone_id)
    return [record for page in found for record in page["ResourceRecordSets"]]


def is_protected(layout: Layout, instance: str) -> bool:
    """Return whether EC2 would refuse to terminate the instance."""
    answer = aws(layout, "ec2").describe_instance_attribute(InstanceId=instance, Attribute="disableApiTermination")
    return bool(answer["DisableApiTermination"]["Value"])


def keepers(records: Zone, names: HostedClusterNames) -> set[str]:
    """Return the external-dns owners of names for objects of the hosted cluster's control plane."""
    found = set()
    for (_, kind), values in records.items():
        fields = dict(each.partition("=")[::2] for each in "".join(values).strip('"').split(","))
        if kind == "TXT" and f"/{names.control_plane_namespace}/" in fields.get("external-dns/resource", ""):
            found.add(fields["external-dns/owner"])
    return found
