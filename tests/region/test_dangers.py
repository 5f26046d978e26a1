"""The region bites as the real one does: what a careless relocation would lose is lost here too."""

from __future__ import annotations

import http.client
import ssl
from contextlib import closing
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from hcp_dr.kube.resources import AWS_MACHINE
from hcp_dr_lab.drill import region as drill
from hcp_dr_lab.ground.aws_seed import seeded
from hcp_dr_lab.ground.layout import AWS_REGION, BUCKET, MANAGEMENT_CLUSTERS, Layout
from hcp_dr_lab.ground.workers import workers
from hcp_dr_lab.region.cloud import clients
from hcp_dr_lab.region.cloud.storage import credentials
from tests.region.conftest import Hosted, eventually, management

FIRST = MANAGEMENT_CLUSTERS[0]


def test_deleting_a_machine_terminates_its_instance_and_worker(hosted: Hosted) -> None:
    """While capi-provider runs, an AWSMachine takes its instance with it; the worker dies, the other one lives.

    The observer, who is there all the time, sees it and judges it.
    """
    names = hosted.names
    observation = drill.Observation(hosted.layout, names.name, 1)
    observation.begin()
    observation.await_writes()
    with management(hosted.layout, FIRST) as plane:
        machines = plane.list(AWS_MACHINE, names.control_plane_namespace).items
        victim, survivor = (machine["spec"]["instanceID"] for machine in machines)
        survivor_before = workers(hosted.layout)[survivor]
        plane.delete(AWS_MACHINE, machines[0]["metadata"]["name"], names.control_plane_namespace)

    def state() -> str:
        answer = clients.ec2(hosted.layout, outside=True).describe_instances(InstanceIds=[victim])
        return answer["Reservations"][0]["Instances"][0]["State"]["Name"]

    eventually(lambda: state() == "terminated", 60, "the instance is terminated")
    eventually(lambda: workers(hosted.layout)[victim].state == "terminated", 10, "the worker is killed")
    assert workers(hosted.layout)[survivor] == survivor_before
    verdict = observation.conclude()
    assert verdict.instances_terminated == (victim,)
    assert verdict.lost == ()
    assert f"HostedCluster {names.namespace}/{names.name}" in verdict.source_left
    assert f"TXT cname-api-{names.name}" in " ".join(verdict.source_left)
    assert not verdict.passed


def test_termination_protection_is_honoured(region: Layout) -> None:
    ec2 = clients.ec2(region, outside=True)
    seed = seeded(region)
    started = ec2.run_instances(ImageId=seed.image_id, MinCount=1, MaxCount=1, SubnetId=seed.subnet_id)
    instance = started["Instances"][0]["InstanceId"]
    ec2.modify_instance_attribute(InstanceId=instance, DisableApiTermination={"Value": True})
    with pytest.raises(ClientError, match="OperationNotPermitted"):
        ec2.terminate_instances(InstanceIds=[instance])
    ec2.modify_instance_attribute(InstanceId=instance, DisableApiTermination={"Value": False})
    ec2.terminate_instances(InstanceIds=[instance])


def test_a_presigned_url_opens_exactly_what_it_was_signed_for(region: Layout) -> None:
    granted = credentials(region)
    s3 = boto3.client(
        "s3",
        endpoint_url=region.s3_endpoint,
        verify=str(region.ca_file),
        region_name=AWS_REGION,
        aws_access_key_id=granted.access_key_id,
        aws_secret_access_key=granted.secret_access_key,
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
    )
    with closing(s3):
        url = s3.generate_presigned_url("put_object", Params={"Bucket": BUCKET, "Key": "probe"}, ExpiresIn=60)
        assert _put(region, url) == 200
        assert _put(region, url.replace("probe", "other")) == 403
        assert _put(region, url.replace("X-Amz-Expires=60", "X-Amz-Expires=6000")) == 403
        assert s3.get_object(Bucket=BUCKET, Key="probe")["Body"].read() == b"content"
        s3.delete_object(Bucket=BUCKET, Key="probe")


def _put(region: Layout, url: str) -> int:
    parts = urlsplit(url)
    context = ssl.create_default_context(cafile=region.ca_file)
    connection = http.client.HTTPSConnection(parts.hostname or "", parts.port, context=context, timeout=10)
    try:
        connection.request("PUT", f"{parts.path}?{parts.query}", b"content")
        return connection.getresponse().status
    finally:
        connection.close()
