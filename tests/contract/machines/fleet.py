"""The machine objects of one hosted cluster, as HyperShift creates them, in a namespace of their own."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Object, Resource
from hcp_dr_lab.ground.names import CLUSTER_NAME
from hcp_dr_lab.standin.pause import PAUSED
from hcp_dr_lab.standin.shape import body
from tests.contract.machines.sides import Side

CHAIN = (r.MACHINE_DEPLOYMENT, r.MACHINE_SET, r.MACHINE, r.AWS_MACHINE)
POOL, TEMPLATE, USER_DATA, CONTROL_PLANE = "workers", "workers-1", "user-data-workers", "hosted"
_POOL_LABEL = "rehearsal.example/pool"
_ROLES = ("kubeCloudControllerARN", "nodePoolManagementARN", "controlPlaneOperatorARN", "networkARN", "storageARN")
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Fleet:
    """`namespace` is the control plane namespace."""

    side: Side
    namespace: str
    infra_id: str

    def all(self, resource: Resource) -> tuple[Object, ...]:
        found = self.side.cluster.list(resource, self.namespace).items
        return tuple(sorted(found, key=lambda item: str(item["metadata"]["name"])))

    def only(self, resource: Resource) -> Object:
        (found,) = self.all(resource)
        return found

    def get(self, resource: Resource, name: str) -> Object:
        return self.side.cluster.get(resource, name, self.namespace)

    def find(self, resource: Resource, name: str) -> Object | None:
        return self.side.cluster.find(resource, name, self.namespace)

    def create(self, wanted: Object) -> Object:
        kinds = {str(one.kind): one for one in vars(r).values() if isinstance(one, Resource)}
        return self.side.cluster.create(kinds[wanted["kind"]], wanted)

    def patch(self, item: Object, change: Object, subresource: str | None = None) -> Object:
        kinds = {str(one.kind): one for one in vars(r).values() if isinstance(one, Resource)}
        metadata = item["metadata"]
        return self.side.cluster.patch(
            kinds[item["kind"]], metadata["name"], metadata.get("namespace"), change, subresource=subresource
        )

    def delete(self, resource: Resource, name: str) -> None:
        self.side.cluster.delete(resource, name, self.namespace)

    def pause(self, item: Object, *, on: bool = True) -> Object:
        """By annotation; a Cluster by its field."""
        if item["kind"] == r.CLUSTER.kind:
            return self.patch(item, {"spec": {"paused": on}})
        return self.patch(item, {"metadata": {"annotations": {PAUSED: "true" if on else None}}})

    def scale(self, replicas: int) -> None:
        self.patch(self.only(r.MACHINE_DEPLOYMENT), {"spec": {"replicas": replicas}})

    def instances(self) -> dict[str, str]:
        """The states of all instances of this infra id, by instance id."""
        return self.side.instances(f"kubernetes.io/cluster/{self.infra_id}")

    def running(self) -> set[str]:
        return {name for name, state in self.instances().items() if state == "running"}

    def eventually(self, seen: Callable[[], object], what: str) -> None:
        self.side.eventually(seen, what)

    def noticed(self, resource: Resource, name: str, paused: str) -> None:
        """Wait until the controllers have seen the present generation, and say that it is paused, or not."""

        def seen() -> bool:
            item = self.get(resource, name)
            for each in (item.get("status") or {}).get("conditions") or ():
                if each["type"] == "Paused" and each["status"] == paused:
                    return bool(each.get("observedGeneration", 0) in (0, item["metadata"]["generation"]))
            return False

        self.eventually(seen, f"{resource.kind} {name} says Paused={paused} for its generation")

    def serve(self, machines: int) -> None:
        """Wait until so many machines run, and register their Nodes; then wait until the machines know them."""

        def booted() -> bool:
            for item in self.all(r.AWS_MACHINE):
                provider_id = item["spec"].get("providerID")
                if provider_id:
                    self.register(provider_id)
            known = [item for item in self.all(r.MACHINE) if (item.get("status") or {}).get("nodeRef")]
            return len(known) == machines == len(self.all(r.MACHINE)) and len(self.running()) == machines

        self.eventually(booted, f"{machines} machines know their nodes")

    def register(self, provider_id: str) -> None:
        """As the kubelet of the instance would."""
        name = f"node-{provider_id.rpartition('/')[2]}"
        if self.side.cluster.find(r.NODE, name) is None:
            node = body(r.NODE, name, spec={"providerID": provider_id})
            self.side.cluster.create(r.NODE, node)
            conditions = [
                {"type": kind, "status": str(kind == "Ready"), "reason": "Kubelet", "message": "", **self.side.times()}
                for kind in ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")
            ]
            self.side.cluster.patch(r.NODE, name, None, {"status": {"conditions": conditions}}, subresource="status")


def new(side: Side, *, machines: int = 1) -> Fleet:
    """A fleet in service."""
    fleet = infrastructure(side)
    fleet.create(template(fleet))
    fleet.create(deployment(fleet, machines))
    fleet.serve(machines)
    return fleet


def infrastructure(side: Side, infra_id: str = "") -> Fleet:
    """A fleet's namespace with everything but machine objects; both controllers act there."""
    namespace = f"fleet-{next(_numbers)}"
    infra_id = infra_id or f"{namespace}-infra"
    fleet = Fleet(side, namespace, infra_id)
    fleet.create(body(r.NAMESPACE, namespace))
    side.start(namespace)
    fleet.create(body(r.SECRET, USER_DATA, namespace, data={"value": _encoded('{"ignition": {"version": "3.2.0"}}')}))
    kubeconfig = {"value": _encoded(side.kubeconfig())}
    labels = {CLUSTER_NAME: infra_id}
    fleet.create(body(r.SECRET, f"{infra_id}-kubeconfig", namespace, labels=labels, data=kubeconfig))
    plane = fleet.create(body(r.HOSTED_CONTROL_PLANE, CONTROL_PLANE, namespace, spec=_control_plane(infra_id)))
    status = {"ready": True, "initialized": True, "externalManagedControlPlane": True, "version": "5.1.0"}
    fleet.patch(plane, {"status": status}, "status")
    marks = {"cluster.x-k8s.io/managed-by": "external"}
    network = {"vpc": {"id": side.place.vpc}}
    spec: Object = {"region": "us-east-1", "network": network, "controlPlaneEndpoint": {"host": "api", "port": 443}}
    cluster = fleet.create(body(r.AWS_CLUSTER, CONTROL_PLANE, namespace, annotations=marks, spec=spec))
    fleet.patch(cluster, {"status": {"ready": True}}, "status")
    references = {
        "controlPlaneRef": _reference(r.HOSTED_CONTROL_PLANE, CONTROL_PLANE),
        "infrastructureRef": _reference(r.AWS_CLUSTER, CONTROL_PLANE),
        "controlPlaneEndpoint": {"host": "api", "port": 443},
    }
    fleet.create(body(r.CLUSTER, infra_id, namespace, spec=references))
    fleet.eventually(
        lambda: ((fleet.get(r.CLUSTER, infra_id).get("status") or {}).get("initialization") or {}).get(
            "infrastructureProvisioned"
        ),
        "the Cluster knows that its infrastructure is there",
    )
    return fleet


def template(fleet: Fleet, name: str = TEMPLATE, size: int = 120) -> Object:
    place = fleet.side.place
    spec = {
        "ami": {"id": place.image},
        "instanceType": "m5.large",
        "iamInstanceProfile": "worker",
        "subnet": {"id": place.subnet},
        "additionalSecurityGroups": [{"id": place.group}],
        "additionalTags": {f"kubernetes.io/cluster/{fleet.infra_id}": "owned"},
        "rootVolume": {"size": size, "type": "gp3"},
        "uncompressedUserData": True,
        "cloudInit": {"insecureSkipSecretsManager": True, "secureSecretsBackend": "secrets-manager"},
    }
    return body(r.AWS_MACHINE_TEMPLATE, name, fleet.namespace, spec={"template": {"spec": spec}})


def deployment(fleet: Fleet, replicas: int) -> Object:
    label = {_POOL_LABEL: POOL}
    return body(
        r.MACHINE_DEPLOYMENT,
        POOL,
        fleet.namespace,
        labels={CLUSTER_NAME: fleet.infra_id},
        spec={
            "clusterName": fleet.infra_id,
            "replicas": replicas,
            "selector": {"matchLabels": label},
            "rollout": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}},
            "template": {
                "metadata": {"labels": {**label, CLUSTER_NAME: fleet.infra_id}},
                "spec": {
                    "clusterName": fleet.infra_id,
                    "version": "5.1.0",
                    "bootstrap": {"dataSecretName": USER_DATA},
                    "infrastructureRef": _reference(r.AWS_MACHINE_TEMPLATE, TEMPLATE),
                },
            },
        },
    )


def other_template(name: str) -> Object:
    """The change of a MachineDeployment that makes it use another AWSMachineTemplate."""
    return {"spec": {"template": {"spec": {"infrastructureRef": _reference(r.AWS_MACHINE_TEMPLATE, name)}}}}


def owners(item: Object) -> Sequence[Mapping[str, Any]]:
    found: Sequence[Mapping[str, Any]] = item["metadata"].get("ownerReferences") or ()
    return found


def finalizers(item: Object) -> list[str]:
    return list(item["metadata"].get("finalizers") or ())


def condition(item: Object, kind: str) -> str | None:
    every = (item.get("status") or {}).get("conditions") or ()
    return next((str(each["status"]) for each in every if each["type"] == kind), None)


def _reference(resource: Resource, name: str) -> Object:
    return {"apiGroup": resource.group, "kind": resource.kind, "name": name}


def _control_plane(infra_id: str) -> Object:
    return {
        "infraID": infra_id,
        "dns": {"baseDomain": "rehearsal.example"},
        "etcd": {"managementType": "Managed", "managed": {"storage": {"type": "PersistentVolume"}}},
        "issuerURL": "https://issuer.rehearsal.example",
        "platform": {
            "type": "AWS",
            "aws": {"region": "us-east-1", "rolesRef": dict.fromkeys(_ROLES, "arn:aws:iam::123456789012:role/x")},
        },
        "pullSecret": {"name": "pull-secret"},
        "sshKey": {"name": ""},
        "releaseImage": "quay.io/openshift-release-dev/ocp-release:5.1.0-x86_64",
        "services": [],
    }


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def kubeconfig_of(server: str, authority: bytes, certificate: bytes, key: bytes) -> str:
    """An administrator's kubeconfig with embedded certificates."""

    def encoded(content: bytes) -> str:
        return base64.b64encode(content).decode()

    cluster = {"server": server, "certificate-authority-data": encoded(authority)}
    user = {"client-certificate-data": encoded(certificate), "client-key-data": encoded(key)}
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "hosted", "cluster": cluster}],
            "users": [{"name": "hosted", "user": user}],
            "contexts": [{"name": "hosted", "context": {"cluster": "hosted", "user": "hosted"}}],
            "current-context": "hosted",
        }
    )
