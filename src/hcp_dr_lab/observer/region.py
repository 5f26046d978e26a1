"""The observer's source for the real region: requests to the AWS part and the APIs, on separate connections."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

from hcp_dr.kube.client import connect
from hcp_dr.kube.port import Kubernetes
from hcp_dr.kube.stored import as_stored
from hcp_dr_lab.ground.aws_seed import seeded
from hcp_dr_lab.ground.layout import MANAGEMENT_CLUSTERS, Layout
from hcp_dr_lab.ground.workers import workers
from hcp_dr_lab.observer.source import Record
from hcp_dr_lab.region.cloud import clients
from hcp_dr_lab.region.machines.hypervisor import parse

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import FilterTypeDef


class RegionCloud:
    """Implements source.Cloud."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._ec2 = clients.ec2(layout)

    def instances(self, infra_id: str) -> dict[str, str]:
        pages = self._ec2.get_paginator("describe_instances").paginate(Filters=[_owned(infra_id)])
        return {instance.instance_id: instance.state for page in pages for instance in parse(page)}

    def is_protected(self, instance_id: str) -> bool:
        answer = self._ec2.describe_instance_attribute(Attribute="disableApiTermination", InstanceId=instance_id)
        return bool(answer["DisableApiTermination"].get("Value"))

    def security_groups(self, infra_id: str) -> Iterator[tuple[str, Sequence[Any]]]:
        for group in self._ec2.describe_security_groups(Filters=[_owned(infra_id)])["SecurityGroups"]:
            yield group["GroupId"], (*group.get("IpPermissions", ()), *group.get("IpPermissionsEgress", ()))

    def objects(self, bucket: str, prefix: str = "") -> Iterator[tuple[str, str]]:
        client = clients.s3(self._layout)
        try:
            for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
                for entry in page.get("Contents", ()):
                    yield f"{bucket}/{entry['Key']}", f"{entry['ETag']} {entry['Size']}"
        except client.exceptions.NoSuchBucket:
            return

    def put_object(self, bucket: str, key: str, body: bytes) -> None:
        clients.s3(self._layout).put_object(Bucket=bucket, Key=key, Body=body)

    def delete_object(self, bucket: str, key: str) -> None:
        clients.s3(self._layout).delete_object(Bucket=bucket, Key=key)

    def records(self) -> Iterator[tuple[str, str, tuple[str, ...]]]:
        client, zone_id = clients.route53(self._layout), seeded(self._layout).zone_id
        for page in client.get_paginator("list_resource_record_sets").paginate(HostedZoneId=zone_id):
            for record in page["ResourceRecordSets"]:
                values = tuple(entry["Value"] for entry in record.get("ResourceRecords", ()))
                yield record["Name"], record["Type"], values

    def change(self, action: Literal["UPSERT", "DELETE"], records: Sequence[Record]) -> None:
        if not records:
            return
        changes: Any = [
            {
                "Action": action,
                "ResourceRecordSet": {
                    "Name": record.full_name,
                    "Type": record.kind,
                    "TTL": 60,
                    "ResourceRecords": [{"Value": record.value}],
                },
            }
            for record in records
        ]
        clients.route53(self._layout).change_resource_record_sets(
            HostedZoneId=seeded(self._layout).zone_id, ChangeBatch={"Changes": changes}
        )


class RegionSource:
    """Implements source.Source."""

    def __init__(self, layout: Layout, hosted: Kubernetes, neighbour: Kubernetes | None) -> None:
        self._layout = layout
        self.cloud = RegionCloud(layout)
        self.sides = tuple(as_stored(connect(layout.inside_kubeconfig(one), one.name)) for one in MANAGEMENT_CLUSTERS)
        self.hosted = hosted
        self.neighbour = neighbour

    def now(self) -> float:
        return time.time()

    def boot_ids(self, infra_id: str) -> dict[str, str]:
        living = [worker for worker in workers(self._layout).values() if worker.infra_id == infra_id]
        return {worker.name: worker.boot_id for worker in living}


def _owned(infra_id: str) -> FilterTypeDef:
    return {"Name": f"tag:kubernetes.io/cluster/{infra_id}", "Values": ["owned"]}
