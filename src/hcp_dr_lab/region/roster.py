"""All parts of the region by name, and how parts of every kind are stopped and started.

Child processes of the first process are killed and started; pods (`still`) are frozen and resumed; a worker is
disconnected from the network and connected again, because killing it would be a reboot, which no fault may cause. A
group is all parts below a name: `mgmt-1` is the whole management cluster with its node.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from hcp_dr_lab.ground.layout import MANAGEMENT_CLUSTERS, Layout
from hcp_dr_lab.ground.workers import Worker, workers
from hcp_dr_lab.region.machines.node import link_name
from hcp_dr_lab.region.still import Matches, Still
from hcp_dr_lab.region.supervisor import Supervisor

WORKER = "worker/"


class UnknownPart(LookupError):
    """The text is a complete sentence."""


def chosen(part_or_group: str, known: Iterable[str]) -> tuple[str, ...]:
    """Return the part with this name, or all parts of the group. Raises UnknownPart."""
    known = tuple(known)
    found = tuple(name for name in known if name == part_or_group or name.startswith(f"{part_or_group.rstrip('/')}/"))
    if not part_or_group or not found:
        groups = sorted({name.partition("/")[0] for name in known if "/" in name})
        raise UnknownPart(
            f"There is no part {part_or_group}. Parts: {', '.join(sorted(known))}. Groups: {', '.join(groups)}."
        )
    return found


def pods() -> dict[str, Matches]:
    """Return external-dns of both management clusters, identified by its owner ID."""

    def of(owner: str) -> Matches:
        return lambda words: words[0].endswith("/external-dns") and f"--txt-owner-id={owner}" in words

    return {f"{cluster.name}/external-dns": of(cluster.external_dns_owner) for cluster in MANAGEMENT_CLUSTERS}


@dataclass(slots=True)
class Cables:
    """The links of workers to the region's bridge."""

    layout: Layout
    _cut: set[str] = field(default_factory=set)

    def workers(self) -> dict[str, Worker]:
        return {f"{WORKER}{one.name}": one for one in workers(self.layout).values() if one.state == "running"}

    def set(self, name: str, *, up: bool) -> bool:
        """Connect or disconnect a worker; return whether this was a change. Raises OSError."""
        fresh = up == (name in self._cut)
        link = link_name(self.workers()[name].name)
        done = subprocess.run(
            ["ip", "link", "set", link, "up" if up else "down"], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise OSError(f"{name}: {done.stderr.strip()}")
        (self._cut.discard if up else self._cut.add)(name)
        return fresh

    def rows(self) -> Iterable[dict[str, object]]:
        for name, worker in self.workers().items():
            cut = name in self._cut
            yield {
                "name": name,
                "state": "stopped" if cut else "serving",
                "seconds": 0.0,
                "pid": worker.pid,
                "exit_code": None,
                "why": "disconnected from the network" if cut else "",
            }


class Roster:
    """Stops and starts all kinds of parts. Names are checked before any change."""

    def __init__(self, layout: Layout, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._still = Still(pods())
        self._cables = Cables(layout)

    @property
    def names(self) -> tuple[str, ...]:
        return (*self._supervisor.lasting, *self._still.names, *self._cables.workers())

    def rows(self, *, probe: bool) -> list[dict[str, object]]:
        """Return rows in the format of control.PartStatus, with the current state if `probe`."""
        return [*self._supervisor.describe(probe=probe), *self._still.rows(), *self._cables.rows()]

    def stop(self, part_or_group: str) -> dict[str, list[str]]:
        """Stop at once, like a power failure. `done` are the parts stopped now, `already` the parts stopped before.
        Raises UnknownPart, OSError."""
        return self._all(part_or_group, self._stop_one)

    def start(self, part_or_group: str) -> dict[str, object]:
        """Start, and wait until all parts serve or one fails: `failed` has the reasons. Raises UnknownPart, OSError."""
        names = chosen(part_or_group, self.names)
        processes = tuple(name for name in names if name in self._supervisor.lasting)
        began = self._supervisor.start(processes)
        others = tuple(name for name in names if name not in processes)
        changes = self._sorted((name, self._start_one(name)) for name in others)
        failed = self._supervisor.settled(began)
        return {
            "done": [*began, *changes["done"]],
            "already": [*(name for name in processes if name not in began), *changes["already"]],
            "failed": failed,
        }

    def _all(self, part_or_group: str, order: Callable[[str], bool]) -> dict[str, list[str]]:
        names = chosen(part_or_group, self.names)
        with ThreadPoolExecutor(max(1, len(names))) as pool:
            return self._sorted(zip(names, pool.map(order, names), strict=True))

    @staticmethod
    def _sorted(changes: Iterable[tuple[str, bool]]) -> dict[str, list[str]]:
        sorted_: dict[str, list[str]] = {"done": [], "already": []}
        for name, fresh in changes:
            sorted_["done" if fresh else "already"].append(name)
        return sorted_

    def _stop_one(self, name: str) -> bool:
        if name in self._still.names:
            return self._still.stop(name)
        if name.startswith(WORKER):
            return self._cables.set(name, up=False)
        return self._supervisor.stop(name)

    def _start_one(self, name: str) -> bool:
        return self._still.start(name) if name in self._still.names else self._cables.set(name, up=True)
