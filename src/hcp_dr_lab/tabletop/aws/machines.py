"""EC2's instances in memory. An instance's state follows from its last request, the time of the request, and the
clock."""

from __future__ import annotations

import ipaddress
import random
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Literal, Self

from hcp_dr_lab.standin.change import RunInstance
from hcp_dr_lab.standin.view import CloudInstance
from hcp_dr_lab.tabletop.aws.chance import twin
from hcp_dr_lab.tabletop.aws.refusal import Refusal

State = Literal["pending", "running", "shutting-down", "terminated", "stopping", "stopped"]


@dataclass(frozen=True, slots=True)
class Pace:
    """Delays of instances in seconds; without delays by default."""

    start: float = 0.0
    stop: float = 0.0
    shut_down: float = 0.0


@dataclass(frozen=True, slots=True)
class Machine:
    """One instance. `requested` is the last requested state, and `since` the time of the request, in seconds since the
    epoch."""

    instance_id: str
    address: str
    zone: str
    instance_type: str
    image: str
    security_groups: tuple[str, ...]
    tags: Mapping[str, str]
    requested: Literal["run", "stop", "terminate"]
    since: float
    spot: bool = False
    protected: bool = False
    user_data: str = field(default="", repr=False)
    launched: float = 0.0
    boots: int = 1
    """The number of boots; a stand-in for the boot ID."""

    @property
    def private_name(self) -> str:
        return f"ip-{self.address.replace('.', '-')}.ec2.internal"

    def state(self, now: float, pace: Pace) -> State:
        passed = now - self.since
        match self.requested:
            case "run":
                return "running" if passed >= pace.start else "pending"
            case "stop":
                return "stopped" if passed >= pace.stop else "stopping"
            case "terminate":
                return "terminated" if passed >= pace.shut_down else "shutting-down"


class Machines:
    """All instances of a region. `now` returns seconds since the epoch. Methods raise Refusal; safe for several
    threads.

    `instances`, `run` and `terminate` have the interface of `standin.cloud.Cloud`.
    """

    def __init__(
        self,
        *,
        now: Callable[[], float],
        pace: Pace | None = None,
        subnet: str = "10.0.128.0/18",
        zone: str = "us-east-1a",
        chance: random.Random | None = None,
        machines: Mapping[str, Machine] = MappingProxyType({}),
    ) -> None:
        self.now = now
        self.pace = pace or Pace()
        self.subnet = subnet
        self.zone = zone
        self._chance = chance or random.Random(0)  # noqa: S311 - ids in a simulation
        self._machines = dict(machines)
        self._lock = threading.RLock()

    def clone(self, *, now: Callable[[], float] | None = None, chance: random.Random | None = None) -> Self:
        """Return another region in the same state. Without `chance` it draws the same random values as this region."""
        with self._lock:
            return type(self)(
                now=now or self.now,
                pace=self.pace,
                subnet=self.subnet,
                zone=self.zone,
                chance=chance or twin(self._chance),
                machines=self._machines,
            )

    def run(self, wanted: RunInstance, *, spot: bool = False) -> CloudInstance:
        with self._lock:
            address = ipaddress.ip_network(self.subnet)[len(self._machines) + 4]  # AWS keeps the first four
            made = Machine(
                instance_id=f"i-{self._chance.getrandbits(68):017x}",
                address=str(address),
                zone=self.zone,
                instance_type=wanted.instance_type,
                image=wanted.image,
                security_groups=wanted.security_groups,
                tags=MappingProxyType(dict(wanted.tags)),
                requested="run",
                since=self.now(),
                spot=spot,
                user_data=wanted.user_data,
                launched=self.now(),
            )
            self._machines[made.instance_id] = made
            return self._seen(made)

    def instances(self) -> dict[str, CloudInstance]:
        """Return all instances, including terminated instances, for the operators' View."""
        with self._lock:
            return {instance_id: self._seen(machine) for instance_id, machine in self._machines.items()}

    def machine(self, instance_id: str) -> Machine:
        found = self._machines.get(instance_id)
        if found is None:
            raise Refusal("InvalidInstanceID.NotFound", f"The instance ID '{instance_id}' does not exist")
        return found

    def state(self, instance_id: str) -> State:
        return self.machine(instance_id).state(self.now(), self.pace)

    def filtered(self, instance_ids: Iterable[str]) -> tuple[Machine, ...]:
        """Filter by instance-id; unknown IDs are ignored."""
        return tuple(self._machines[name] for name in instance_ids if name in self._machines)

    def terminate(self, *instance_ids: str) -> None:
        """Terminate all or none: one protected instance blocks the whole request."""
        with self._lock:
            chosen = [self.machine(instance_id) for instance_id in instance_ids]
            for machine in chosen:
                if machine.protected and machine.requested != "terminate":
                    message = (
                        f"The instance '{machine.instance_id}' may not be terminated. Modify its "
                        "'disableApiTermination' instance attribute and try again."
                    )
                    raise Refusal("OperationNotPermitted", message)
            self._request("terminate", [machine for machine in chosen if machine.requested != "terminate"])

    def stop(self, *instance_ids: str) -> None:
        self._turn("stop", "run", instance_ids)

    def start(self, *instance_ids: str) -> None:
        """Boot stopped instances again."""
        self._turn("run", "stop", instance_ids)

    def reboot(self, *instance_ids: str) -> None:
        with self._lock:
            for machine in [self.machine(instance_id) for instance_id in instance_ids]:
                self._machines[machine.instance_id] = replace(machine, boots=machine.boots + 1)

    def protect(self, instance_id: str, *, on: bool) -> None:
        """Set DisableApiTermination. EC2 refuses Spot Instances and terminating instances."""
        with self._lock:
            machine = self._alive(instance_id)
            if machine.spot and on:
                message = "DisableApiTermination cannot be set to true for Spot Instances."
                raise Refusal("UnsupportedOperation", message)
            self._machines[instance_id] = replace(machine, protected=on)

    def protected(self, instance_id: str) -> bool:
        return self._alive(instance_id).protected

    def tag(self, instance_id: str, tags: Mapping[str, str]) -> None:
        with self._lock:
            machine = self.machine(instance_id)
            self._machines[instance_id] = replace(machine, tags=MappingProxyType({**machine.tags, **tags}))

    def groups_in_use(self) -> frozenset[str]:
        """Return the security groups of instances that are not terminated, for `Fabric.perform`."""
        with self._lock:
            now = self.now()
            alive = (m for m in self._machines.values() if m.state(now, self.pace) != "terminated")
            return frozenset(group for machine in alive for group in machine.security_groups)

    def _alive(self, instance_id: str) -> Machine:
        machine = self.machine(instance_id)
        if machine.requested == "terminate":
            message = f"The instance '{instance_id}' is not in a state from which its attributes can be read."
            raise Refusal("IncorrectInstanceState", message)
        return machine

    def _turn(self, to: Literal["run", "stop"], before: str, instance_ids: Sequence[str]) -> None:
        with self._lock:
            chosen = [self._alive(instance_id) for instance_id in instance_ids]
            self._request(to, [machine for machine in chosen if machine.requested == before])

    def _request(self, requested: Literal["run", "stop", "terminate"], machines: Iterable[Machine]) -> None:
        for machine in machines:
            boots = machine.boots + (requested == "run")
            self._machines[machine.instance_id] = replace(machine, requested=requested, since=self.now(), boots=boots)

    def _seen(self, machine: Machine) -> CloudInstance:
        return CloudInstance(
            instance_id=machine.instance_id,
            state=machine.state(self.now(), self.pace),
            private_address=machine.address,
            private_name=machine.private_name,
            zone=machine.zone,
            tags=machine.tags,
        )
