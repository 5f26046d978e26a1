"""The part of the region that plays EC2, Route53 and STS, and what it was seeded with.

The process itself is `aws_simulator`, apart from this module, because importing the simulator takes a second and a
hundred megabytes that nobody but its own process should pay.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from hcp_dr_lab.region.layout import AWS_ADDRESS, AWS_PORT, Layout
from hcp_dr_lab.region.network.serving import not_answering
from hcp_dr_lab.region.part import Part

NO_KUBELET = {"key": "rehearsal.example/kubelet", "value": "none"}
"""An instance with this tag runs, but the hypervisor starts no worker for it."""


@dataclass(frozen=True, slots=True)
class Seed:
    """What is there from the start: the public zone HOSTED_DOMAIN, and a network in which workers can be launched.

    `wide_subnet_id` has room for thousands of instances; workers have the narrow one to themselves.
    """

    zone_id: str
    vpc_id: str
    subnet_id: str
    security_group_id: str
    image_id: str
    wide_subnet_id: str = ""


def seed_file(layout: Layout) -> Path:
    return layout.root / "aws.json"


def zones_file(layout: Layout) -> Path:
    """All zones with their records, written anew at every change: what the name server answers from."""
    return layout.root / "zones.json"


def seeded(layout: Layout) -> Seed:
    return Seed(**json.loads(seed_file(layout).read_text()))


def publish(layout: Layout, seed: Seed) -> None:
    seed_file(layout).write_text(json.dumps(asdict(seed), indent=2))


def part(layout: Layout) -> Part:
    return Part(
        name="aws",
        command=(sys.executable, "-m", "hcp_dr_lab.region.cloud.aws_simulator", str(layout.root)),
        probe=lambda: not_answering(layout, f"https://{AWS_ADDRESS}:{AWS_PORT}/moto-api/"),
    )
