"""All parts of the region by name, whatever each is made of, and what stopping and starting means for them.

Processes of the first process end and begin again; pods (`still`) are held still and let go; a worker is cut off from
the network and joined again, because to end it would reboot a machine that no fault may reboot. A group is all parts
below a name: `mgmt-1` is that whole management cluster with its node.
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
    """The text is a sentence for a person."""


def chosen(asked: str, known: Iterable[str]) -> tuple[str, ...]:
    """The part of that name, or all below it. Raises UnknownPart."""
    known = tuple(known)
    found = tuple(name for name in known if name == asked or name.startswith(f"{asked.rstrip('/')}/"))
    if not asked or not found:
        groups = sorted({name.partition("/")[0] for name in known if "/" in name})
        raise UnknownPart(
            f"There is no part {asked}. There are the parts {', '.join(sorted(known))}, "
            f"and the groups {', '.join(groups)}."
        )
    return found


def pods() -> dict[str, Matches]:
    """external-dns of each management cluster, known by the owner that it writes for."""

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
        """Whether it was the other way before. Raises OSError."""
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
                "why": "it is cut off from the network" if cut else "",
            }


class Roster:
    """Orders to all parts. Names are checked before anything is done."""

    def __init__(self, layout: Layout, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._still = Still(pods())
        self._cables = Cables(layout)

    @property
    def names(self) -> tuple[str, ...]:
        return (*self._supervisor.lasting, *self._still.names, *self._cables.workers())

    def rows(self, *, probe: bool) -> list[dict[str, object]]:
        """As control.PartStatus; asked again whether each serves if `probe`."""
        return [*self._supervisor.describe(probe=probe), *self._still.rows(), *self._cables.rows()]

    def stop(self, asked: str) -> dict[str, list[str]]:
        """At once, as a loss of power. `done` are those that were stopped, `already` those that had been. Raises
        UnknownPart, OSError."""
        return self._all(asked, self._stop_one)

    def start(self, asked: str) -> dict[str, object]:
        """Until all serve or one cannot: `failed` says why not. Raises UnknownPart, OSError."""
        names = chosen(asked, self.names)
        processes = tuple(name for name in names if name in self._supervisor.lasting)
        began = self._supervisor.start(processes)
        others = tuple(name for name in names if name not in processes)
        told = self._sorted((name, self._start_one(name)) for name in others)
        failed = self._supervisor.settled(began)
        return {
            "done": [*began, *told["done"]],
            "already": [*(name for name in processes if name not in began), *told["already"]],
            "failed": failed,
        }

    def _all(self, asked: str, order: Callable[[str], bool]) -> dict[str, list[str]]:
        names = chosen(asked, self.names)
        with ThreadPoolExecutor(max(1, len(names))) as pool:
            return self._sorted(zip(names, pool.map(order, names), strict=True))

    @staticmethod
    def _sorted(told: Iterable[tuple[str, bool]]) -> dict[str, list[str]]:
        sorted_: dict[str, list[str]] = {"done": [], "already": []}
        for name, fresh in told:
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
