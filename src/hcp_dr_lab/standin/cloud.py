"""The region's AWS for the operators: instances; other cloud resources are in `aws_fabric`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from hcp_dr_lab.ground.layout import AVAILABILITY_ZONE, AWS_REGION, Layout
from hcp_dr_lab.standin.aws_fabric import AwsFabric
from hcp_dr_lab.standin.change import RunInstance
from hcp_dr_lab.standin.view import CloudInstance

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ec2.type_defs import InstanceTypeDef


class Cloud:
    """EC2 of the region, with the region's credentials."""

    def __init__(self, layout: Layout) -> None:
        session = boto3.Session(region_name=AWS_REGION)
        key_id, key = _credentials(layout)

        def client(service: Any) -> Any:
            return session.client(
                service,
                endpoint_url=layout.inside_s3_endpoint if service == "s3" else layout.inside_aws_endpoint,
                verify=str(layout.ca_file),
                config=Config(
                    retries={"total_max_attempts": 2},
                    connect_timeout=5,
                    read_timeout=20,
                    proxies={},
                    s3={"addressing_style": "path"},
                ),
                aws_access_key_id=key_id,
                aws_secret_access_key=key,
            )

        self._client: EC2Client = client("ec2")
        self.fabric = AwsFabric({"ec2": self._client} | {name: client(name) for name in ("route53", "s3", "elbv2")})

    def instances(self) -> dict[str, CloudInstance]:
        found: dict[str, CloudInstance] = {}
        for page in self._client.get_paginator("describe_instances").paginate():
            for reservation in page["Reservations"]:
                for instance in reservation["Instances"]:
                    found[instance["InstanceId"]] = _instance(instance)
        return found

    def run(self, wanted: RunInstance) -> CloudInstance:
        tags: Any = [{"Key": key, "Value": value} for key, value in wanted.tags.items()]
        answer = self._client.run_instances(
            ImageId=wanted.image,
            InstanceType=wanted.instance_type,  # type: ignore[arg-type]
            MinCount=1,
            MaxCount=1,
            SubnetId=wanted.subnet,
            SecurityGroupIds=list(wanted.security_groups),
            UserData=wanted.user_data,
            TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
        )
        return _instance(answer["Instances"][0])

    def terminate(self, instance_id: str) -> None:
        self._client.terminate_instances(InstanceIds=[instance_id])


def _instance(instance: InstanceTypeDef) -> CloudInstance:
    return CloudInstance(
        instance_id=instance["InstanceId"],
        state=str(instance["State"]["Name"]),
        private_address=instance.get("PrivateIpAddress", ""),
        private_name=instance.get("PrivateDnsName", ""),
        zone=(instance.get("Placement") or {}).get("AvailabilityZone", AVAILABILITY_ZONE),
        tags={tag["Key"]: tag["Value"] for tag in instance.get("Tags", ())},
    )


def _credentials(layout: Layout) -> tuple[str, str]:
    """Read the region's credentials file, so that settings of the machine have no effect."""
    values = dict(
        line.split("=", 1)
        for line in layout.aws_credentials_file.read_text("utf-8").replace(" ", "").splitlines()
        if "=" in line
    )
    return values["aws_access_key_id"], values["aws_secret_access_key"]
