"""Both sights of a region tell the same of the same: the one that asks AWS (played by moto), and the one in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import boto3
import pytest
from moto import mock_aws

from hcp_dr_lab.ground import aws_seed
from hcp_dr_lab.ground.aws_seed import Seed
from hcp_dr_lab.ground.layout import AWS_REGION, BUCKET, HOSTED_DOMAIN, OIDC_BUCKET, Layout
from hcp_dr_lab.observer.evidence import Belongings, Replicas, Seen, Sight, Topic
from hcp_dr_lab.observer.look import Reader
from hcp_dr_lab.observer.region import RegionCloud
from hcp_dr_lab.observer.source import Cloud, Record
from hcp_dr_lab.observer.tabletop import MemoryCloud, MemorySource
from hcp_dr_lab.region.cloud import clients
from hcp_dr_lab.standin.change import AllowInto, CreateSecurityGroup, RunInstance
from hcp_dr_lab.tabletop.world import NAME, World

OWNED = {"kubernetes.io/cluster/infra": "owned"}


def of_aws(layout: Layout) -> Cloud:
    """One instance and one security group of the hosted cluster, and others of nobody."""
    made: dict[str, Any] = {name: boto3.client(name, region_name=AWS_REGION) for name in ("ec2", "s3", "route53")}
    for name in (BUCKET, OIDC_BUCKET):
        made["s3"].create_bucket(Bucket=name)
    zone = made["route53"].create_hosted_zone(Name=HOSTED_DOMAIN, CallerReference="1")["HostedZone"]["Id"]
    aws_seed.publish(layout, Seed(zone, "", "", "", ""))
    tags = [{"Key": key, "Value": value} for key, value in OWNED.items()]
    for given in (tags, [{"Key": "Name", "Value": "another"}]):
        made["ec2"].run_instances(
            ImageId="ami-1", MinCount=1, MaxCount=1, TagSpecifications=[{"ResourceType": "instance", "Tags": given}]
        )
    vpc = made["ec2"].create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    made["ec2"].create_security_group(
        GroupName="mine",
        Description="mine",
        VpcId=vpc,
        TagSpecifications=[{"ResourceType": "security-group", "Tags": tags}],
    )
    [mine] = RegionCloud(layout).instances("infra")
    made["ec2"].modify_instance_attribute(InstanceId=mine, DisableApiTermination={"Value": True})
    return RegionCloud(layout)


def in_memory() -> Cloud:
    world = World()
    for tags in (OWNED, {}):
        world.cloud.machines.run(
            RunInstance("ami-1", "m5.large", "subnet-1", ("sg",), "", tags),
        )
    world.cloud.fabric.perform(CreateSecurityGroup("mine", "vpc-1", (), OWNED))
    [group] = world.cloud.fabric.security_groups
    world.cloud.fabric.perform(AllowInto(group, ("10.0.0.0/8",)))
    world.clock.spend(60)
    cloud = MemoryCloud(world)
    [mine] = cloud.instances("infra")
    world.cloud.machines.protect(mine, on=True)
    return cloud


@pytest.fixture(params=["aws", "memory"])
def cloud(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    if request.param == "memory":
        yield in_memory()
        return
    for name in ("ec2", "s3", "route53"):
        monkeypatch.setattr(clients, name, lambda _layout, name=name: boto3.client(name, region_name=AWS_REGION))
    with mock_aws():
        yield of_aws(Layout("unit", 0, tmp_path))


def test_what_is_the_hosted_clusters_is_found_by_its_tag(cloud: Cloud) -> None:
    [(instance_id, state)] = cloud.instances("infra").items()
    assert state == "running"
    assert cloud.is_protected(instance_id)
    assert dict(cloud.instances("another")) == {}
    [(_, rules)] = cloud.security_groups("infra")
    assert len(rules) == 1


@pytest.mark.parametrize("bucket", [BUCKET, OIDC_BUCKET])
def test_objects_are_told_apart_by_their_content(cloud: Cloud, bucket: str) -> None:
    before = dict(cloud.objects(bucket))
    cloud.put_object(bucket, "infra/a", b"one")
    [(key, first)] = cloud.objects(bucket, "infra/")
    assert key == f"{bucket}/infra/a"
    cloud.put_object(bucket, "infra/a", b"two")
    assert dict(cloud.objects(bucket, "infra/")) != {key: first}
    cloud.delete_object(bucket, "infra/a")
    assert dict(cloud.objects(bucket)) == before


def test_records_come_and_go(cloud: Cloud) -> None:
    before = set(cloud.records())
    records = (Record("a", "CNAME", f"b.{HOSTED_DOMAIN}."), Record("cname-a", "TXT", '"heritage=external-dns"'))
    cloud.change("UPSERT", records)
    assert set(cloud.records()) - before == {(one.full_name, one.kind, (one.value,)) for one in records}
    cloud.change("UPSERT", records)
    cloud.change("DELETE", records)
    cloud.change("DELETE", ())
    assert set(cloud.records()) == before


def test_everything_is_all_that_a_verdict_asks_for() -> None:
    world = World.prepared()
    names = world.residents[NAME].names
    source = MemorySource(world, NAME, NAME)
    seen: list[Seen] = []
    look = Reader(source, names, seen.append, run="seen", neighbour=names)
    look.sentinels.place()
    for part in look.everything():
        part()
    assert {one.topic for one in seen if isinstance(one, Belongings)} == set(get_args(Topic))
    assert all(one.things for one in seen if isinstance(one, Belongings))
    assert {(one.side, one.deployment) for one in seen if isinstance(one, Replicas)} == {
        (side, deployment) for side in ("mgmt-1", "mgmt-2") for deployment in ("operator", "external-dns")
    }
    sights = [one for one in seen if isinstance(one, Sight)]
    assert all(any(getattr(one, name) for one in sights) for name in Sight.__slots__ if name != "at")
    look.sentinels.remove()
    world.clock.spend(30)
    assert look.sentinels.look() == {}


def test_what_looks_the_same_is_not_told_again_for_a_while() -> None:
    world = World.prepared()
    seen: list[Seen] = []
    look = Reader(MemorySource(world, NAME, None), world.residents[NAME].names, seen.append, run="seen", neighbour=None)
    look.instances()
    world.clock.spend(5)
    look.instances()
    assert len(seen) == 1
    world.clock.spend(6)
    look.instances()
    assert len(seen) == 2
