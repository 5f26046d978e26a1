"""The workers of the region as recorded by the hypervisor, and how to reboot a worker."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from dataclasses import dataclass
from pathlib import Path

from hcp_dr_lab.ground.layout import Layout


@dataclass(frozen=True, slots=True)
class Worker:
    """The hypervisor's record of an instance. `number` is the third byte of the pod network."""

    instance_id: str
    name: str
    address: str
    infra_id: str
    number: int
    boot_id: str
    pid: int
    state: str = "running"  # or terminated

    @property
    def pod_cidr(self) -> str:
        return f"10.89.{self.number}.0/24"


def workers_file(layout: Layout) -> Path:
    return layout.root / "instances.json"


def workers(layout: Layout) -> dict[str, Worker]:
    """Read the hypervisor's records of all instances that ever had a worker, by instance ID."""
    try:
        text = workers_file(layout).read_text()
    except FileNotFoundError:
        return {}
    return {name: Worker(**fields) for name, fields in json.loads(text or "{}").items()}


def reboot(layout: Layout, instance_id: str) -> None:
    """Kill the worker of an instance from inside, as a reboot does; the worker starts again with another boot ID."""
    worker = workers(layout).get(instance_id)
    if worker is not None and lives(layout, worker):
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker.pid, signal.SIGKILL)


def lives(layout: Layout, worker: Worker) -> bool:
    """Return whether the process exists and belongs to the worker: process IDs are reused."""
    try:
        words = Path(f"/proc/{worker.pid}/cmdline").read_bytes()
    except OSError:
        return False
    return os.fsencode(layout.instance(worker.instance_id)) in words
