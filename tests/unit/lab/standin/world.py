"""A management cluster of plain objects: performs the roles' changes, and simulates the required parts of
Kubernetes."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Object, Resource
from hcp_dr_lab.ground.aws_seed import Seed
from hcp_dr_lab.ground.layout import HostedClusterNames
from hcp_dr_lab.ground.names import OPERATOR_NAMESPACE
from hcp_dr_lab.hosted.cluster import Options, objects
from hcp_dr_lab.standin.change import (
    Change,
    Create,
    Delete,
    DeleteHosted,
    Patch,
    RebootNode,
    RemoveFolder,
    RunInstance,
    TerminateInstance,
)
from hcp_dr_lab.standin.fabric import Fabric
from hcp_dr_lab.standin.hypershift_operator.permissions import DASHBOARDS, ROUTER_NAMESPACES
from hcp_dr_lab.standin.install import operator
from hcp_dr_lab.standin.pace import Pace
from hcp_dr_lab.standin.roles import CONTROLLERS, ROLES
from hcp_dr_lab.standin.view import CloudInstance, Key, Monitoring, Pair, Subject, View

NAMES = HostedClusterNames("shop")
PLANE = NAMES.control_plane_namespace
SEED = Seed(zone_id="Z1", vpc_id="vpc-1", subnet_id="subnet-1", security_group_id="sg-1", image_id="ami-1")
_WORLDS = itertools.count(1)
AT_ONCE = Pace(load_balancer=0, load_balancer_cleanup=0, tuning=0)


class Numbers:
    """A KeyMaker with numbers as keys, unique across worlds."""

    def __init__(self) -> None:
        self._count = itertools.count(1000 * next(_WORLDS))

    def authority(self, name: str) -> Pair:
        return self._pair(f"authority {name}")

    def leaf(self, authority: Pair, subject: Subject) -> Pair:
        return self._pair(f"{subject.common_name} by {authority.certificate.decode()}")

    def signing_key(self) -> Pair:
        return self._pair("signing key")

    def word(self, length: int) -> str:
        return f"{next(self._count):0{length}d}"

    def json_web_key(self, public: bytes) -> Mapping[str, str]:
        return {"kid": public.decode().strip()}

    def public_key(self, private: bytes) -> bytes:
        return b"public " + private

    def _pair(self, text: str) -> Pair:
        number = next(self._count)
        return Pair(f"{text} {number}\n".encode(), f"key {number}\n".encode())


class World:
    """One management cluster. `instances` and `fabric` may be shared with another World, like the cloud."""

    def __init__(self, instances: dict[str, CloudInstance] | None = None, fabric: Fabric | None = None) -> None:
        self.fabric = fabric or Fabric()
        self.pace = AT_ONCE
        self.controllers: Mapping[str, str] | None = None
        self.objects: dict[Resource, dict[Key, Object]] = {}
        self.instances: dict[str, CloudInstance] = {} if instances is None else instances
        self.groups_of: dict[str, tuple[str, ...]] = {}
        self.protected: set[str] = set()
        self.hosted_nodes: dict[str, Sequence[Object]] = {}
        self.monitoring: dict[str, Monitoring] = {}
        self.done: list[Change] = []
        self.refused: list[Change] = []
        self.now = datetime(2026, 11, 22, 12, tzinfo=UTC)
        self.keys = Numbers()
        self._last_instance = 0
        self._numbers = itertools.count(1)
        for namespace in (OPERATOR_NAMESPACE, *ROUTER_NAMESPACES, DASHBOARDS):
            self.create(r.NAMESPACE, {"metadata": {"name": namespace}})
        self.create(r.DEPLOYMENT, operator())

    def view(self) -> View:
        return View(
            objects=self.objects,
            now=self.now,
            keys=self.keys,
            instances=dict(self.instances),
            hosted_nodes=self.hosted_nodes,
            monitoring=self.monitoring,
            pace=self.pace,
            controllers=self.controllers,
            load_balancer_domain="elb.example",
            **self.fabric.parts(),
        )

    def create(self, resource: Resource, wanted: Object) -> Object:
        item = {"apiVersion": resource.api_version, "kind": resource.kind, **copy.deepcopy(wanted)}
        number = next(self._numbers)
        metadata = item["metadata"]
        metadata.setdefault("uid", f"uid-{id(self)}-{number}")
        created = self.now - timedelta(seconds=1) + timedelta(microseconds=number)
        metadata.setdefault("creationTimestamp", created.isoformat())
        metadata |= {"generation": 1, "resourceVersion": str(number)}
        key = (metadata.get("namespace"), metadata["name"])
        found = self.objects.setdefault(resource, {})
        if key in found:
            raise ValueError(f"{resource} {key} already exists")
        found[key] = item
        return item

    def create_hosted_cluster(self, options: Options | None = None) -> None:
        for resource, wanted in objects(NAMES, SEED, options or Options()):
            self.create(resource, wanted)

    def get(self, resource: Resource, name: str, namespace: str | None = None) -> Object:
        return self.objects[resource][namespace, name]

    def only(self, resource: Resource, namespace: str | None = PLANE) -> Object:
        (found,) = self.all(resource, namespace)
        return found

    def all(self, resource: Resource, namespace: str | None = PLANE) -> list[Object]:
        return [item for (place, _), item in self.objects.get(resource, {}).items() if place == namespace]

    def patch(self, resource: Resource, name: str, namespace: str | None, change: Object) -> None:
        self._patch(Patch(resource, name, namespace, change))

    def delete(self, resource: Resource, name: str, namespace: str | None = None) -> None:
        item = self.get(resource, name, namespace)
        if item["metadata"].get("finalizers"):
            item["metadata"].setdefault("deletionTimestamp", self.now.isoformat())
        else:
            del self.objects[resource][namespace, name]

    def settle(self, rounds: int = 60) -> None:
        """Run the roles until no role requests a change."""
        for _ in range(rounds):
            wanted = self.play_once()
            if not wanted:
                return
        raise AssertionError(f"the roles do not settle; the last changes: {[str(change) for change in wanted]}")

    def play_once(self) -> list[Change]:
        """Run all roles once; return the requested changes."""
        self._play_kubernetes()
        roles = [decide for role, decide in ROLES if role not in CONTROLLERS or self.controllers is None]
        return [change for role in roles for change in self._perform(role(self.view()))]

    def _perform(self, changes: list[Change]) -> list[Change]:
        """Return the performed changes, without changes that EC2 refused, which are requested repeatedly."""
        done = []
        for change in changes:
            match change:
                case Create(resource, body):
                    self.create(resource, body)
                case Patch():
                    self._patch(change)
                case Delete(resource, name, namespace):
                    self.delete(resource, name, namespace)
                case RunInstance():
                    self._run(change)
                case DeleteHosted(plane, _, _, _, uid):
                    self._delete_inside(plane, uid)
                case RemoveFolder():
                    pass
                case RebootNode(_, name, _, annotations):
                    self._reboot(name, annotations)
                case TerminateInstance(instance_id) if instance_id in self.protected:
                    self.refused.append(change)
                    continue
                case TerminateInstance(instance_id):
                    del self.instances[instance_id]
                    self.groups_of.pop(instance_id, None)
                case _:
                    in_use = [group for groups in self.groups_of.values() for group in groups]
                    if not self.fabric.perform(change, groups_in_use=in_use):
                        self.refused.append(change)
                        continue
            done.append(change)
        self.done += done
        return done

    def _delete_inside(self, plane: str, uid: str) -> None:
        seen = self.monitoring.get(plane)
        if seen is not None:
            claims, pods = (
                [each for each in items if each["metadata"]["uid"] != uid] for items in (seen.claims, seen.pods)
            )
            self.monitoring[plane] = Monitoring(seen.prometheus, claims, pods)

    def _reboot(self, name: str, annotations: Mapping[str, str]) -> None:
        for nodes in self.hosted_nodes.values():
            for node in nodes:
                if node["metadata"]["name"] == name:
                    node["metadata"].setdefault("annotations", {}).update(annotations)

    def _run(self, change: RunInstance) -> None:
        number = max((int(known.removeprefix("i-")) for known in self.instances), default=0)
        number = self._last_instance = max(number, self._last_instance) + 1
        made = CloudInstance(
            f"i-{number}", "running", f"10.78.2.{number % 250}", f"node-{number}", "us-east-1a", change.tags
        )
        self.instances[made.instance_id] = made
        self.groups_of[made.instance_id] = change.security_groups

    def _patch(self, change: Patch) -> None:
        item = self.get(change.resource, change.name, change.namespace)
        version = change.body.get("metadata", {}).get("resourceVersion")
        if version not in (None, item["metadata"]["resourceVersion"]):
            return
        before = copy.deepcopy(item.get("spec"))
        merge(item, {key: value for key, value in change.body.items() if key != "resourceVersion"})
        item["metadata"]["resourceVersion"] = str(next(self._numbers))
        if item.get("spec") != before:
            item["metadata"]["generation"] += 1
        if "deletionTimestamp" in item["metadata"] and not item["metadata"].get("finalizers"):
            self.objects[change.resource].pop((change.namespace, change.name), None)

    def _play_kubernetes(self) -> None:
        self._collect_garbage()
        for key, space in list(self.objects.get(r.NAMESPACE, {}).items()):
            if "deletionTimestamp" in space["metadata"]:
                del self.objects[r.NAMESPACE][key]
        for resource in (r.DEPLOYMENT, r.STATEFUL_SET):
            for item in self.objects.get(resource, {}).values():
                self._run_pods(item)
        for route in self.objects.get(r.ROUTE, {}).values():
            admitted = {"type": "Admitted", "status": "True"}
            route["status"] = {"ingress": [{"host": route["spec"]["host"], "conditions": [admitted]}]}

    def _run_pods(self, item: Object) -> None:
        name, namespace = item["metadata"]["name"], item["metadata"]["namespace"]
        replicas = item["spec"]["replicas"]
        template = item["spec"]["template"]
        pods = self.objects.setdefault(r.POD, {})
        for number in range(3):
            pods.pop((namespace, f"{name}-{number}"), None)
        for number in range(replicas):
            metadata = {"name": f"{name}-{number}", "namespace": namespace, **template["metadata"]}
            status: Any = {"conditions": [{"type": "Ready", "status": "True"}]}
            status["initContainerStatuses"] = [
                {"name": container["name"], "ready": True} for container in template["spec"].get("initContainers") or ()
            ]
            pods[namespace, f"{name}-{number}"] = {"metadata": metadata, "spec": template["spec"], "status": status}
        item["status"] = {"readyReplicas": replicas}

    def _collect_garbage(self) -> None:
        uids = {item["metadata"].get("uid") for found in self.objects.values() for item in found.values()}
        for resource, found in self.objects.items():
            for (namespace, name), item in list(found.items()):
                owners = item["metadata"].get("ownerReferences") or ()
                orphaned = owners and not any(owner["uid"] in uids for owner in owners)
                if orphaned and "deletionTimestamp" not in item["metadata"]:
                    self.delete(resource, name, namespace)

    def join_nodes(self) -> None:
        """Register a Ready Node for every running instance, like the workers' kubelets."""
        self.hosted_nodes[PLANE] = [
            {
                "metadata": {
                    "name": instance.private_name,
                    "uid": f"node-{instance.instance_id}",
                    "creationTimestamp": (self.now + timedelta(seconds=1)).isoformat(),
                },
                "spec": {"providerID": instance.provider_id},
                "status": {"conditions": [{"type": "Ready", "status": "True"}]},
            }
            for instance in self.instances.values()
        ]

    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def merge(target: Object, change: Object) -> None:
    for key, value in change.items():
        if value is None:
            target.pop(key, None)
        elif isinstance(value, dict):
            if not isinstance(target.get(key), dict):
                target[key] = {}
            merge(target[key], value)
        else:
            target[key] = copy.deepcopy(value)


def standing(options: Options | None = None) -> World:
    """Return a world with a hosted cluster in service, by default with two nodes."""
    world = World()
    world.create_hosted_cluster(options)
    world.settle()
    world.join_nodes()
    world.settle()
    world.done.clear()
    return world
