"""The hypervisor: a worker for every running instance of a hosted cluster. Its kubelet reaches the hosted API only by
the public name, trusts the authority from its launch, and authenticates with its own certificate.
"""

from __future__ import annotations

import base64
import random
import uuid
from collections.abc import Mapping
from typing import Protocol

from hcp_dr import errors
from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Object
from hcp_dr_lab.ground.aws_seed import NO_KUBELET
from hcp_dr_lab.ground.names import published
from hcp_dr_lab.standin.shape import body
from hcp_dr_lab.standin.view import KeyMaker, Pair, Subject, is_ready
from hcp_dr_lab.tabletop.api_proxy import ApiProxy, Names
from hcp_dr_lab.tabletop.aws import Machine, Machines
from hcp_dr_lab.tabletop.clock import NEVER, Clock
from hcp_dr_lab.tabletop.containers import Fetch
from hcp_dr_lab.tabletop.controllers import NODE_LEASES, own
from hcp_dr_lab.tabletop.hosted_api import Credentials
from hcp_dr_lab.tabletop.kubelet import Kubelet
from hcp_dr_lab.tabletop.kubernetes import ApiServer, Key
from hcp_dr_lab.tabletop.kubernetes.refusal import Refusal
from hcp_dr_lab.tabletop.twin import sharing

POLL_SECONDS = 1.0
LEASE_SECONDS = 10.0
BOOT_SECONDS = 3.0
_OWNED = "kubernetes.io/cluster/"
_ENDING = ("shutting-down", "terminated")


class Network(Names, Protocol):
    """The network access of workers to their API, and of launches to the cluster's control plane."""

    def connect(self, hostname: str, port: int, client: Credentials) -> ApiServer:
        """Connect to the API. Raises the product's errors."""
        ...

    def control_plane(self, infra_id: str) -> tuple[Object, Mapping[str, str]] | None:
        """Return the HostedControlPlane with this infra ID, and the data of its Secret root-ca; None if there is
        none."""
        ...


@sharing("_machine")
class Worker:
    """One running machine, with the boot ID of the last boot."""

    def __init__(
        self,
        machine: Machine,
        infra_id: str,
        server: tuple[str, int],
        client: Credentials,
        number: int,
        *,
        clock: Clock,
        chance: random.Random,
        network: Network,
        fetch: Fetch,
        api_proxy_check: float,
    ) -> None:
        self.instance_id = machine.instance_id
        self.name = machine.private_name
        self.infra_id = infra_id
        self.boots = machine.boots
        self.boot_id = str(uuid.UUID(int=chance.getrandbits(128), version=4))
        self._machine = machine
        self._server = server
        self._client = client
        self._clock = clock
        self._network = network
        self._registered = False
        self._renewed = -LEASE_SECONDS
        self._reached: ApiServer | None = None
        self._next = clock.now() + BOOT_SECONDS
        self.proxy = ApiProxy(*server, clock=clock, names=network, check=api_proxy_check)
        self._networked = False
        self.kubelet = Kubelet(
            self.name,
            f"10.89.{number}",
            clock=clock,
            chance=chance,
            reach=self.reached,
            fetch=fetch,
            period=POLL_SECONDS,
            networked=self.networked,
        )

    def due(self) -> float:
        return min(self._next, min((pod.next for pod in self.kubelet.pods.values()), default=NEVER))

    def turn(self) -> None:
        now = self._clock.now()
        if now >= self._next:
            self._next = now + POLL_SECONDS
            try:
                self._reached = self._network.connect(*self._server, self._client)
                self._report(self._reached)
            except (errors.HcpDrError, Refusal):
                self._reached = None
            self.proxy.turn()
            self._networked = self.proxy.reached() is not None
        self.kubelet.turn()

    def reached(self) -> ApiServer | None:
        """Return the API server from the last check."""
        return self._reached

    def networked(self) -> bool:
        """Return whether the node's API proxy reached the API in the last check."""
        return self._networked

    def _report(self, server: ApiServer) -> None:
        node = server.store.get(Key(str(r.NODE), "", self.name))
        if node is None and not self._registered:
            server.create(r.NODE, None, self._node(), manager="kubelet")
            node = server.store.get(Key(str(r.NODE), "", self.name))
        self._registered = True
        if node is not None and (
            not is_ready(node.object) or node.object["status"]["nodeInfo"]["bootID"] != self.boot_id
        ):
            change = {"status": self._status(node.object)}
            server.patch(r.NODE, None, self.name, own(change), subresource="status", manager="kubelet")
        now = self._clock.now()
        if now - self._renewed >= LEASE_SECONDS:
            self._renew(server)
            self._renewed = now

    def _renew(self, server: ApiServer) -> None:
        time = self._clock.date().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        if server.store.get(Key(str(r.LEASE), NODE_LEASES, self.name)) is None:
            spec = {"holderIdentity": self.name, "leaseDurationSeconds": 40, "renewTime": time}
            server.create(r.LEASE, NODE_LEASES, body(r.LEASE, self.name, NODE_LEASES, spec=spec), manager="kubelet")
        else:
            server.patch(r.LEASE, NODE_LEASES, self.name, {"spec": {"renewTime": time}}, manager="kubelet")

    def _node(self) -> Object:
        labels = {"kubernetes.io/hostname": self.name, "node-role.kubernetes.io/worker": ""}
        provider_id = f"aws:///{self._machine.zone}/{self.instance_id}"
        return body(r.NODE, self.name, labels=labels, spec={"providerID": provider_id})

    def _status(self, node: Object) -> Object:
        time = self._clock.date().strftime("%Y-%m-%dT%H:%M:%SZ")
        ready = {
            "type": "Ready",
            "status": "True",
            "reason": "KubeletReady",
            "message": "kubelet is posting ready status",
            "lastTransitionTime": time,
        }
        others = [entry for entry in (node.get("status") or {}).get("conditions") or () if entry["type"] != "Ready"]
        return {
            "conditions": [*others, ready],
            "addresses": [{"type": "InternalIP", "address": self._machine.address}],
            "nodeInfo": {"bootID": self.boot_id, "kubeletVersion": "v1.33.0"},
        }


class Hypervisor:
    """Reads EC2 periodically: only the instances' states launch or end workers."""

    def __init__(
        self,
        machines: Machines,
        network: Network,
        keys: KeyMaker,
        *,
        clock: Clock,
        chance: random.Random,
        fetch: Fetch,
        api_proxy_check: float,
    ) -> None:
        self.workers: dict[str, Worker] = {}
        self.known: dict[str, Worker] = {}  # all workers, including ended workers
        self._machines = machines
        self._network = network
        self._keys = keys
        self._clock = clock
        self._chance = chance
        self._fetch = fetch
        self._api_proxy_check = api_proxy_check
        self._credentials: dict[str, tuple[tuple[str, int], Credentials]] = {}
        self._next = 0.0

    def due(self) -> float:
        return min(self._next, min((worker.due() for worker in self.workers.values()), default=NEVER))

    def turn(self) -> None:
        now = self._clock.now()
        if now >= self._next:
            self._next = now + POLL_SECONDS
            self._look()
        for worker in list(self.workers.values()):
            if worker.due() <= now:
                worker.turn()

    def _look(self) -> None:
        for instance_id, seen in self._machines.instances().items():
            machine = self._machines.machine(instance_id)
            worker = self.workers.get(instance_id)
            rebooted = worker is not None and worker.boots != machine.boots
            if worker is not None and (seen.state in _ENDING or seen.state == "stopped" or rebooted):
                del self.workers[instance_id]
                worker = None
            if worker is None and seen.state == "running":
                self._launch(machine)

    def _launch(self, machine: Machine) -> None:
        owners = [key.removeprefix(_OWNED) for key, value in machine.tags.items() if key.startswith(_OWNED)]
        if not owners or machine.tags.get(NO_KUBELET["key"]) == NO_KUBELET["value"]:
            return
        if machine.instance_id not in self._credentials and not self._sign(machine, owners[0]):
            return
        server, client = self._credentials[machine.instance_id]
        worker = Worker(
            machine,
            owners[0],
            server,
            client,
            len(self.known) + 1,
            clock=self._clock,
            chance=self._chance,
            network=self._network,
            fetch=self._fetch,
            api_proxy_check=self._api_proxy_check,
        )
        self.workers[machine.instance_id] = self.known[machine.instance_id] = worker

    def _sign(self, machine: Machine, infra_id: str) -> bool:
        """Sign the worker's certificate once, by the authority of the current control plane."""
        found = self._network.control_plane(infra_id)
        if found is None:
            return False
        plane, data = found
        certificate, key = (base64.b64decode(data[name]) for name in ("ca.crt", "ca.key"))
        how = published(plane, "APIServer")
        if how is None:
            return False
        subject = Subject(f"system:node:{machine.private_name}", ("system:nodes",))
        leaf = self._keys.leaf(Pair(certificate, key), subject)
        self._credentials[machine.instance_id] = ((how.hostname, how.port), Credentials(certificate, leaf.certificate))
        return True
