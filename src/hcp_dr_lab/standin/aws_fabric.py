"""The same cloud resources as in `fabric`, in the region's AWS services."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from hcp_dr_lab.ground.layout import AWS_REGION, OIDC_BUCKET
from hcp_dr_lab.standin.change import (
    AllowInto,
    CloudChange,
    CreateEndpoint,
    CreateEndpointService,
    CreateSecurityGroup,
    DeleteDocument,
    DeleteEndpoint,
    DeleteEndpointService,
    DeletePrivateRecord,
    DeleteSecurityGroup,
    PutDocument,
    PutPrivateRecord,
    RevokeRules,
)
from hcp_dr_lab.standin.view import Endpoint, EndpointService, SecurityGroup

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_route53 import Route53Client
    from mypy_boto3_s3 import S3Client

_GONE = ("deleted", "deleting")
_PRIVATE_TTL = 300


class AwsFabric:
    """`clients` maps the name of a service to its client."""

    def __init__(self, clients: Mapping[str, Any]) -> None:
        self._ec2: EC2Client = clients["ec2"]
        self._route53: Route53Client = clients["route53"]
        self._s3: S3Client = clients["s3"]
        self._elb: Any = clients["elbv2"]
        self._contents: dict[str, str] = {}  # documents by their ETag and key

    def parts(self) -> dict[str, Any]:
        """Return the fields of View with the same names. Raises ClientError, BotoCoreError."""
        return {
            "documents": self._documents(),
            "security_groups": {item.group_id: item for item in self._groups()},
            "endpoint_services": {item.service_id: item for item in self._services()},
            "endpoints": {item.endpoint_id: item for item in self._endpoints()},
            "private_records": self._records(),
        }

    def perform(self, change: CloudChange) -> None:
        """Perform a change. A security group in use stays, because AWS refuses its deletion. Raises ClientError,
        BotoCoreError."""
        match change:
            case PutDocument(key, content):
                self._put(key, content.encode())
            case DeleteDocument(key):
                self._s3.delete_object(Bucket=OIDC_BUCKET, Key=key)
            case CreateSecurityGroup():
                self._create_group(change)
            case AllowInto(group_id, rules):
                self._ec2.authorize_security_group_ingress(GroupId=group_id, IpPermissions=[_permission(rules)])
            case RevokeRules(group_id):
                self._revoke(group_id)
            case DeleteSecurityGroup(group_id):
                with _unless("DependencyViolation", "InvalidGroup.NotFound"):
                    self._ec2.delete_security_group(GroupId=group_id)
            case CreateEndpointService():
                self._create_service(change)
            case DeleteEndpointService(service_id):
                self._ec2.delete_vpc_endpoint_service_configurations(ServiceIds=[service_id])
            case CreateEndpoint():
                self._create_endpoint(change)
            case DeleteEndpoint(endpoint_id):
                self._ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint_id])
            case PutPrivateRecord(zone, name, value):
                self._change_record("UPSERT", self._zone(zone), name, value)
            case DeletePrivateRecord(zone, name):
                self._delete_record(zone, name)

    def _documents(self) -> dict[str, str]:
        found: dict[str, str] = {}
        try:
            pages = list(self._s3.get_paginator("list_objects_v2").paginate(Bucket=OIDC_BUCKET))
        except self._s3.exceptions.NoSuchBucket:
            return found
        for entry in (entry for page in pages for entry in page.get("Contents") or ()):
            key = entry["Key"]
            known = f"{entry['ETag']} {key}"
            if known not in self._contents:
                try:
                    content = self._s3.get_object(Bucket=OIDC_BUCKET, Key=key)["Body"].read()
                except self._s3.exceptions.NoSuchKey:
                    continue
                self._contents[known] = content.decode()
            found[key] = self._contents[known]
        return found

    def _put(self, key: str, content: bytes) -> None:
        try:
            self._s3.put_object(Bucket=OIDC_BUCKET, Key=key, Body=content, ContentType="application/json")
        except self._s3.exceptions.NoSuchBucket:
            self._s3.create_bucket(Bucket=OIDC_BUCKET)
            self._s3.put_object(Bucket=OIDC_BUCKET, Key=key, Body=content, ContentType="application/json")

    def _groups(self) -> Iterable[SecurityGroup]:
        for page in self._ec2.get_paginator("describe_security_groups").paginate():
            for group in page["SecurityGroups"]:
                permissions = group.get("IpPermissions") or ()
                rules = tuple(entry["CidrIp"] for item in permissions for entry in item.get("IpRanges") or ())
                yield SecurityGroup(group["GroupId"], group["GroupName"], rules, _tags(group.get("Tags")))

    def _create_group(self, change: CreateSecurityGroup) -> None:
        made = self._ec2.create_security_group(
            GroupName=change.name,
            Description="of a hosted cluster",
            VpcId=change.vpc,
            TagSpecifications=[_tagged("security-group", {**change.tags, "Name": change.name})],
        )
        if change.rules:
            self.perform(AllowInto(made["GroupId"], change.rules))

    def _revoke(self, group_id: str) -> None:
        group: Any = self._ec2.describe_security_groups(GroupIds=[group_id])["SecurityGroups"][0]
        if group.get("IpPermissions"):
            self._ec2.revoke_security_group_ingress(GroupId=group_id, IpPermissions=group["IpPermissions"])
        if group.get("IpPermissionsEgress"):
            self._ec2.revoke_security_group_egress(GroupId=group_id, IpPermissions=group["IpPermissionsEgress"])

    def _services(self) -> Iterable[EndpointService]:
        answer = self._ec2.describe_vpc_endpoint_service_configurations()
        for item in answer["ServiceConfigurations"]:
            arns = [*item.get("NetworkLoadBalancerArns", ()), *item.get("GatewayLoadBalancerArns", ())]
            name = arns[0].split("/")[-2] if arns else ""
            yield EndpointService(item["ServiceId"], item["ServiceName"], name)

    def _create_service(self, change: CreateEndpointService) -> None:
        """Create the service, and the load balancer, because the simulator has none."""
        subnets = [subnet["SubnetId"] for subnet in self._ec2.describe_subnets()["Subnets"]]
        made = self._elb.create_load_balancer(Name=change.load_balancer, Subnets=subnets[:1], Type="network")
        self._ec2.create_vpc_endpoint_service_configuration(
            NetworkLoadBalancerArns=[made["LoadBalancers"][0]["LoadBalancerArn"]],
            AcceptanceRequired=False,
            TagSpecifications=[_tagged("vpc-endpoint-service", change.tags)],
        )

    def _endpoints(self) -> Iterable[Endpoint]:
        for page in self._ec2.get_paginator("describe_vpc_endpoints").paginate():
            for item in page["VpcEndpoints"]:
                if str(item["State"]).lower() not in _GONE:
                    names = [entry.get("DnsName", "") for entry in item.get("DnsEntries") or ()]
                    tags = _tags(item.get("Tags"))
                    yield Endpoint(item["VpcEndpointId"], item["ServiceName"], names[0] if names else "", tags)

    def _create_endpoint(self, change: CreateEndpoint) -> None:
        self._ec2.create_vpc_endpoint(
            VpcId=change.vpc,
            ServiceName=change.service_name,
            VpcEndpointType="Interface",
            SubnetIds=list(change.subnets),
            SecurityGroupIds=[change.security_group],
            TagSpecifications=[_tagged("vpc-endpoint", change.tags)],
        )

    def _private_zones(self) -> dict[str, str]:
        """Return zone IDs by name without final dot."""
        pages = self._route53.get_paginator("list_hosted_zones").paginate()
        zones = [zone for page in pages for zone in page["HostedZones"]]
        return {zone["Name"].rstrip("."): zone["Id"] for zone in zones if zone.get("Config", {}).get("PrivateZone")}

    def _zone(self, name: str) -> str:
        """Return the zone's ID; create a missing zone, as `hypershift create infra` does."""
        found = self._private_zones().get(name)
        if found is not None:
            return found
        vpc = next(vpc["VpcId"] for vpc in self._ec2.describe_vpcs()["Vpcs"] if not vpc.get("IsDefault"))
        network: Any = {"VPCRegion": AWS_REGION, "VPCId": vpc}
        made = self._route53.create_hosted_zone(
            Name=name,
            CallerReference=name,
            VPC=network,
            HostedZoneConfig={"PrivateZone": True},
        )
        return made["HostedZone"]["Id"]

    def _records(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for zone in self._private_zones().values():
            for page in self._route53.get_paginator("list_resource_record_sets").paginate(HostedZoneId=zone):
                for record in page["ResourceRecordSets"]:
                    if record["Type"] == "CNAME":
                        name = record["Name"].rstrip(".").replace("\\052", "*")
                        found[name] = record["ResourceRecords"][0]["Value"]
        return found

    def _delete_record(self, zone: str, name: str) -> None:
        value = self._records().get(name)
        if value is not None:
            self._change_record("DELETE", self._zone(zone), name, value)

    def _change_record(self, action: Any, zone: str, name: str, value: str) -> None:
        record: Any = {"Name": name, "Type": "CNAME", "TTL": _PRIVATE_TTL, "ResourceRecords": [{"Value": value}]}
        batch: Any = {"Changes": [{"Action": action, "ResourceRecordSet": record}]}
        self._route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch=batch)


@contextlib.contextmanager
def _unless(*codes: str) -> Any:
    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] not in codes:
            raise


def _permission(rules: Iterable[str]) -> Any:
    return {"IpProtocol": "-1", "IpRanges": [{"CidrIp": rule} for rule in rules]}


def _tags(tags: Any) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in tags or ()}


def _tagged(kind: str, tags: Mapping[str, str]) -> Any:
    return {"ResourceType": kind, "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}
