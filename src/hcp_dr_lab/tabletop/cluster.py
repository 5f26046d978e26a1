"""A management cluster in memory: its API server, its controllers, its node with a kubelet, the stand-in, external-dns,
router and load balancers."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

from hcp_dr import errors
from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Object, Resource
from hcp_dr_lab.ground import delays, installed_dns
from hcp_dr_lab.ground.layout import ManagementCluster
from hcp_dr_lab.ground.names import OPERATOR, OPERATOR_NAMESPACE
from hcp_dr_lab.ground.releases import OperatorRelease
from hcp_dr_lab.standin import install, monitoring_recovery, webhooks
from hcp_dr_lab.standin import pace as standin_pace
from hcp_dr_lab.standin.fabric import Fabric
from hcp_dr_lab.standin.shape import body
from hcp_dr_lab.standin.view import KeyMaker, Monitoring, is_ready
from hcp_dr_lab.tabletop import names
from hcp_dr_lab.tabletop.aws import Machines, Records, Storage
from hcp_dr_lab.tabletop.clock import Clock, Part
from hcp_dr_lab.tabletop.containers import Fetch
from hcp_dr_lab.tabletop.controllers import Controllers
from hcp_dr_lab.tabletop.external_dns import ExternalDns
from hcp_dr_lab.tabletop.hosted_api import HostedApi
from hcp_dr_lab.tabletop.kubelet import Kubelet
from hcp_dr_lab.tabletop.kubernetes import ApiServer, Client, Key, Store, Unanswered
from hcp_dr_lab.tabletop.names import Router
from hcp_dr_lab.tabletop.operators import Operators

_AUTHORITY = b"the operator's own"  # for the webhooks' certificate, which is not verified here


@dataclass(frozen=True, slots=True)
class Pace:
    """Delays of the product's environment. `longest_cached` is the resolver's limit, `api_proxy_check` the period of
    the liveness probe of a worker's API proxy, both in seconds."""

    operators: standin_pace.Pace
    external_dns: installed_dns.Pace
    router: names.Pace
    longest_cached: float
    api_proxy_check: float


FAST = Pace(
    standin_pace.FAST,
    installed_dns.pace(delays.FAST),
    names.Pace(),
    delays.FAST.longest_cached,
    delays.FAST.api_proxy_check,
)
REALISTIC = Pace(
    standin_pace.REALISTIC,
    installed_dns.pace(delays.REALISTIC),
    names.Pace(new_backend=delays.REALISTIC.new_backend),
    delays.REALISTIC.longest_cached,
    delays.REALISTIC.api_proxy_check,
)


@dataclass(frozen=True, slots=True)
class Cloud:
    """The shared services of AWS."""

    records: Records
    zone_id: str
    storage: Storage
    machines: Machines
    fabric: Fabric
    worker_security_group: str


class Management:
    """With `stopped` the API is unavailable; parts that do not need the API continue."""

    def __init__(
        self,
        cluster: ManagementCluster,
        *,
        clock: Clock,
        chance: random.Random,
        cloud: Cloud,
        keys: KeyMaker,
        pace: Pace,
    ) -> None:
        self.cluster = cluster
        self.name = cluster.name
        self.clock = clock
        self.stopped = False
        self.store = Store()
        fetch: Fetch = cloud.storage.request
        self.kubelet = Kubelet(
            cluster.node_name,
            cluster.pod_cidr.rpartition(".")[0],
            clock=clock,
            chance=chance,
            reach=self.reached,
            fetch=fetch,
        )
        self.server = ApiServer(
            self.store, now=clock.date, chance=chance, execute=self.kubelet.execute, webhook=self._webhook, lends=True
        )
        self.controllers = Controllers(clock, self.reached)
        self.router = Router(cluster, self.server, clock, pace.router)
        self.external_dns = ExternalDns(self.server, cloud.records, cloud.zone_id, clock)
        self.operators = Operators(
            self.server,
            self.client(manager="hypershift-operator-manager"),
            self,
            clock=clock,
            machines=cloud.machines,
            fabric=cloud.fabric,
            keys=keys,
            pace=pace.operators,
            worker_security_group=cloud.worker_security_group,
            load_balancer_domain=cluster.load_balancer_domain,
        )
        self.parts: list[Part] = [self.controllers, self.kubelet, self.router, self.operators, self.external_dns]
        clock.parts += self.parts
        self._pace = pace

    def reached(self) -> ApiServer | None:
        """Return None while the API is unavailable."""
        return None if self.stopped else self.server

    def client(self, name: str = "", manager: str = "kubectl-edit") -> Client:
        """Return a client for the cluster's own parts; requests take no time."""
        return Client(self._demanded, name or self.name, f"https://{self.cluster.api_hostname}:6443", manager=manager)

    def _demanded(self) -> ApiServer:
        if self.stopped:
            raise errors.ClusterUnreachable(
                cluster=self.name, verb="reach", object="its API", reason="connection refused"
            )
        return self.server

    def furnish(self, kinds: Mapping[str, Object], release: OperatorRelease) -> None:
        """Create the objects of `hypershift install` and of a cluster's own installation. `kinds` are the definitions
        to install."""
        client = self.client()
        for definition in kinds.values():
            client.create(r.CUSTOM_RESOURCE_DEFINITION, definition)
        install.install(client, release=release)
        labels = {"kubernetes.io/hostname": self.cluster.node_name}
        client.create(r.NODE, body(r.NODE, self.cluster.node_name, labels=labels))
        room = {"cpu": "8", "memory": "32Gi", "pods": "250"}
        status = {"conditions": [{"type": "Ready", "status": "True"}], "allocatable": room}
        client.patch(r.NODE, self.cluster.node_name, None, {"status": status}, subresource="status")
        client.create(r.DEPLOYMENT, _external_dns(self.cluster, self._pace.external_dns))

    # The stand-in's input outside the API

    def hosted_nodes(self, namespace: str) -> tuple[Object, ...] | None:
        server = self._hosted(namespace)
        if server is None:
            return None
        return tuple(entry.object for entry in server.store.list(str(r.NODE)))

    def monitoring(self, namespace: str) -> Monitoring | None:
        server = self._hosted(namespace)
        if server is None:
            return None
        inside, store = monitoring_recovery.NAMESPACE, server.store
        prometheus = store.get(Key(str(r.STATEFUL_SET), inside, monitoring_recovery.PROMETHEUS))
        claims, pods = (
            tuple(entry.object for entry in store.list(str(resource), inside))
            for resource in (r.PERSISTENT_VOLUME_CLAIM, r.POD)
        )
        return Monitoring(prometheus.object if prometheus else None, claims, pods)

    def delete_hosted(self, namespace: str, resource: Resource, inside: str | None, name: str, uid: str) -> None:
        client = self._inside(namespace)
        if client is not None:
            client.delete(resource, name, inside, uid=uid)

    def annotate_hosted_node(self, namespace: str, name: str, annotations: Mapping[str, str]) -> None:
        client = self._inside(namespace)
        if client is not None:
            client.patch(r.NODE, name, None, {"metadata": {"annotations": dict(annotations)}})

    def remove_volume(self, path: str) -> None:
        self.kubelet.volumes.pop(path, None)

    def api(self, namespace: str) -> HostedApi | None:
        """Return a serving hosted API server of this side, in its namespace."""
        return next((api for api in self.kubelet.apis(namespace) if api.ready), None)

    def runs(self, namespace: str, deployment: str) -> bool:
        """Return whether a process of this Deployment is running here."""
        found = self.store.get(Key(str(r.DEPLOYMENT), namespace, deployment))
        if found is None:
            return False
        chosen = (found.object["spec"]["selector"].get("matchLabels") or {}).items()
        return any(
            is_ready(entry.object) and chosen <= (entry.object["metadata"].get("labels") or {}).items()
            for entry in self.store.list(str(r.POD), namespace)
        )

    def _hosted(self, namespace: str) -> ApiServer | None:
        api = self.api(namespace)
        return api.server() if api is not None else None

    def _inside(self, namespace: str) -> Client | None:
        server = self._hosted(namespace)
        if server is None:
            return None
        return Client(lambda: server, f"hosted cluster in {namespace}", "https://kube-apiserver", manager="stand-in")

    def _webhook(self, client_config: Object, review: Object) -> Object:
        del client_config
        if not self.runs(OPERATOR_NAMESPACE, OPERATOR):
            raise Unanswered(f"dial tcp {self.cluster.api_address}:9443: connect: connection refused")
        return webhooks.answer(review)


def webhook_address(cluster: ManagementCluster) -> webhooks.Address:
    return webhooks.Address(f"https://{cluster.api_address}:9443", _AUTHORITY)


def _external_dns(cluster: ManagementCluster, pace: installed_dns.Pace) -> Object:
    """Return the Deployment of `hypershift install`, without settings for the missing network."""
    labels = {"name": installed_dns.NAME, "app": installed_dns.NAME}
    container = {
        "name": installed_dns.NAME,
        "image": f"docker.io/hcp-dr-lab/{installed_dns.NAME}:1",
        "command": ["/usr/bin/external-dns"],
        "args": installed_dns.arguments(cluster, pace),
        "env": [{"name": "AWS_SHARED_CREDENTIALS_FILE", "value": "/etc/provider/credentials"}],
    }
    return body(
        r.DEPLOYMENT,
        installed_dns.NAME,
        installed_dns.NAMESPACE,
        spec={
            "replicas": 1,
            "selector": {"matchLabels": {"name": installed_dns.NAME}},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"terminationGracePeriodSeconds": 2, "containers": [container]},
            },
        },
    )
