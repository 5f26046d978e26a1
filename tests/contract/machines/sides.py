"""The two sides of the contract: the roles of the rehearsal in memory, and the real controllers with a real API server.

Tests see a cluster through the product's port, and what EC2 says.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

import boto3

from hcp_dr import errors
from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Kubernetes, Object, Resource
from hcp_dr_lab.ground.names import CAPI_PROVIDER, CLUSTER_API
from hcp_dr_lab.standin.fabric import Fabric
from hcp_dr_lab.standin.pace import FAST
from hcp_dr_lab.standin.shape import body
from hcp_dr_lab.standin.view import Monitoring
from hcp_dr_lab.tabletop.aws import Machines
from hcp_dr_lab.tabletop.clock import Clock
from hcp_dr_lab.tabletop.keys import CannedKeys
from hcp_dr_lab.tabletop.kubernetes import ApiServer, Client, Store, collect
from hcp_dr_lab.tabletop.operators import Operators
from tests.contract.machines.real import Controllers

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

CONTROLLERS = (CLUSTER_API, CAPI_PROVIDER)
_PATIENCE = 100.0  # seconds; the AWS provider looks a minute later whether an instance is terminated
_ROUNDS = 400


@dataclass(frozen=True, slots=True)
class Place:
    """Where instances run."""

    vpc: str
    subnet: str
    group: str
    image: str


class Side(Protocol):
    """A management cluster with Cluster API and its AWS provider; the hosted API is the same one."""

    cluster: Kubernetes
    place: Place

    def start(self, namespace: str, *controllers: str) -> None:
        """Both, without a name. They act in this namespace."""
        ...

    def stop(self, namespace: str, *controllers: str) -> None:
        """Both, without a name."""
        ...

    def kubeconfig(self) -> str: ...

    def times(self) -> Object:
        """The times of a condition of a Node."""
        ...

    def instances(self, tag: str) -> dict[str, str]:
        """The states of instances with this tag, by id."""
        ...

    def protect(self, instance_id: str) -> None: ...

    def rename(self, instance_id: str) -> None:
        """Change the tag Name, as an administrator may."""
        ...

    def eventually(self, seen: Callable[[], object], what: str) -> None:
        """What controllers lead to."""
        ...


class Memory:
    """Begins as `prepared` is."""

    def __init__(self, prepared: Store) -> None:
        self._clock = Clock()
        self.server = ApiServer(prepared.clone(), now=self._clock.date)
        self.cluster: Kubernetes = Client(lambda: self.server, "contract", "https://memory")
        self.place = Place("vpc-1", "subnet-1", "sg-1", "ami-1")
        self._machines = Machines(now=self._clock.epoch)
        self._operators = Operators(
            self.server,
            Client(lambda: self.server, "contract", "https://memory", manager="stand-in"),
            self,
            clock=self._clock,
            machines=self._machines,
            fabric=Fabric(),
            keys=CannedKeys(random.Random(0)),  # noqa: S311 - names in a simulation
            pace=FAST,
            worker_security_group="sg-1",
            load_balancer_domain="",
        )

    def start(self, namespace: str, *controllers: str) -> None:
        for name in controllers or CONTROLLERS:
            with suppress(errors.AlreadyExists):
                spec = {"selector": {"matchLabels": {"app": name}}, "template": _template(name)}
                self.cluster.create(r.DEPLOYMENT, body(r.DEPLOYMENT, name, namespace, spec=spec))
            pod = body(r.POD, name, namespace, labels={"app": name}, spec=_template(name)["spec"])
            self.cluster.create(r.POD, pod)
            status = {"conditions": [{"type": "Ready", "status": "True"}]}
            self.cluster.patch(r.POD, name, namespace, {"status": status}, subresource="status")

    def stop(self, namespace: str, *controllers: str) -> None:
        for name in controllers or CONTROLLERS:
            self.cluster.delete(r.POD, name, namespace)

    def kubeconfig(self) -> str:
        return "{}"

    def times(self) -> Object:
        return {"lastTransitionTime": self._clock.date().strftime("%Y-%m-%dT%H:%M:%SZ")}

    def instances(self, tag: str) -> dict[str, str]:
        found = self._machines.instances().items()
        return {name: each.state for name, each in found if tag in each.tags}

    def protect(self, instance_id: str) -> None:
        self._machines.protect(instance_id, on=True)

    def rename(self, instance_id: str) -> None:
        self._machines.tag(instance_id, {"Name": "renamed"})

    def eventually(self, seen: Callable[[], object], what: str) -> None:
        for _ in range(_ROUNDS):
            if seen():
                return
            collect(self.server)
            if self._operators.due() <= self._clock.now():
                self._operators.turn()
            self._clock.seconds += 0.2
        raise AssertionError(f"not within {_ROUNDS} rounds: {what}\n" + "\n".join(self._operators.log[-20:]))

    # What the roles ask besides the API

    def hosted_nodes(self, namespace: str) -> tuple[Object, ...]:
        del namespace
        return self.cluster.list(r.NODE).items

    def monitoring(self, namespace: str) -> Monitoring | None:
        raise NotImplementedError

    def delete_hosted(self, namespace: str, resource: Resource, inside: str | None, name: str, uid: str) -> None:
        del namespace
        self.cluster.delete(resource, name, inside, uid=uid)

    def annotate_hosted_node(self, namespace: str, name: str, annotations: Mapping[str, str]) -> None:
        raise NotImplementedError

    def remove_volume(self, path: str) -> None:
        raise NotImplementedError


class Real:
    """On the controllers of the test run, which act in every namespace."""

    def __init__(self, controllers: Controllers) -> None:
        self._controllers = controllers
        self.cluster = controllers.control_plane.connect()
        self._ec2: EC2Client = boto3.client(
            "ec2",
            region_name="us-east-1",
            endpoint_url=controllers.aws,
            aws_access_key_id="contract",
            aws_secret_access_key="contract",
        )
        self.place = self._plant()

    def _plant(self) -> Place:
        vpc = self._ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
        subnet = self._ec2.create_subnet(VpcId=vpc, CidrBlock="10.9.1.0/24", AvailabilityZone="us-east-1a")
        group = self._ec2.create_security_group(GroupName="workers", Description="workers", VpcId=vpc)
        image = self._ec2.register_image(Name="worker")
        return Place(vpc, subnet["Subnet"]["SubnetId"], group["GroupId"], image["ImageId"])

    def start(self, namespace: str, *controllers: str) -> None:
        del namespace
        for name in controllers or CONTROLLERS:
            self._controllers.start(name)

    def stop(self, namespace: str, *controllers: str) -> None:
        del namespace
        for name in controllers or CONTROLLERS:
            self._controllers.stop(name)

    def kubeconfig(self) -> str:
        return self._controllers.control_plane.kubeconfig().read_text("utf-8")

    def times(self) -> Object:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return {"lastTransitionTime": now, "lastHeartbeatTime": now}

    def instances(self, tag: str) -> dict[str, str]:
        found = self._ec2.describe_instances(Filters=[{"Name": "tag-key", "Values": [tag]}])["Reservations"]
        return {each["InstanceId"]: str(each["State"]["Name"]) for group in found for each in group["Instances"]}

    def protect(self, instance_id: str) -> None:
        self._ec2.modify_instance_attribute(InstanceId=instance_id, DisableApiTermination={"Value": True})

    def rename(self, instance_id: str) -> None:
        self._ec2.create_tags(Resources=[instance_id], Tags=[{"Key": "Name", "Value": "renamed"}])

    def eventually(self, seen: Callable[[], object], what: str) -> None:
        deadline = time.monotonic() + _PATIENCE
        while not seen():
            assert time.monotonic() < deadline, f"not within {_PATIENCE:.0f} s: {what}\n{self._controllers.told()}"
            time.sleep(0.1)

    def close(self) -> None:
        self.cluster.close()


def _template(name: str) -> Object:
    return {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": name, "image": name}]}}
