"""Two management clusters with real rules for Leases, and runs that want them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from hcp_dr.engine.lease import Lease
from hcp_dr.engine.lease_status import NAMESPACE, LeaseStatus, lease_name
from hcp_dr.engine.process import Process
from hcp_dr.engine.progress import Progress
from hcp_dr.errors import ClusterUnreachable
from hcp_dr.kube.resources import LEASE
from hcp_dr.kube.resources import NAMESPACE as NAMESPACE_KIND
from hcp_dr.model import Case, Ports, Side
from hcp_dr_lab.tabletop.gate import gated
from hcp_dr_lab.tabletop.kubernetes import ApiServer, Client, Store
from tests.ports import CASE
from tests.ports import World as Others
from tests.unit.engine.toys import JumpingClock


class NoClock:
    """For the gate, where nothing takes time."""

    def spend(self, seconds: float) -> None:
        pass

    def idle(self, seconds: float) -> None:
        pass

    def stir(self) -> None:
        pass


@dataclass
class Gate:
    hooks: list[Any] = field(default_factory=list)
    asking: float = 0.0
    clock: NoClock = field(default_factory=NoClock)


@dataclass
class Clusters:
    """`silent` are the sides that do not answer."""

    clock: JumpingClock = field(default_factory=JumpingClock)
    told: list[Progress] = field(default_factory=list)
    silent: set[Side] = field(default_factory=set)
    servers: dict[Side, ApiServer] = field(default_factory=dict)
    offset: float = 1_000_000.0

    def __post_init__(self) -> None:
        for side in ("source", "destination"):
            self.servers[side] = ApiServer(Store())

    def client(self, side: Side) -> Client:
        def server() -> ApiServer:
            if side in self.silent:
                raise ClusterUnreachable(cluster=side, verb="reach", object="its API", reason="timed out")
            return self.servers[side]

        return Client(server, side, "https://memory")

    def ports(self, word: str, gate: Gate | None = None, now: Callable[[], float] | None = None) -> Ports:
        gate = gate or Gate()
        return replace(
            Others().ports,
            source=gated(self.client("source"), "source", gate),
            destination=gated(self.client("destination"), "destination", gate),
            fresh_id=lambda: word,
            now=now or (lambda: self.offset + self.clock.now()),
        )

    def known(self, case: Case) -> Case:
        """The case with who the two clusters are."""
        source, destination = (self._system(side) for side in ("source", "destination"))
        return replace(case, source_uid=source, destination_uid=destination)

    def _system(self, side: Side) -> str:
        silent, self.silent = self.silent, set()
        found = self.client(side).get(NAMESPACE_KIND, "kube-system")
        self.silent = silent
        return str(found["metadata"]["uid"])

    def lease(self, word: str = "mine", *, case: Case = CASE, machine: str = "", **more: Any) -> Lease:
        """Of a run that calls itself so, on a machine of its own unless one is named."""
        machine = machine or word
        process = Process(f"someone@{machine}", 7, f"{machine}/7/1")
        return Lease(
            more.pop("ports", None) or self.ports(word),
            self.known(case),
            more.pop("clock", self.clock),
            self.told.append,
            process=process,
            is_gone=more.pop("is_gone", lambda _mark: False),
            **more,
        )

    def seen(self, side: Side) -> LeaseStatus:
        name = lease_name(CASE.namespace, CASE.name)
        return LeaseStatus.of(Client(lambda: self.servers[side], side, "").get(LEASE, name, NAMESPACE))

    def holders(self) -> tuple[str, str]:
        """Their words for themselves."""
        words = [self.seen(side).holder.partition(" run ")[2].partition(" ")[0] for side in ("source", "destination")]
        return (words[0], words[1])
