"""What the region's AWS was seeded with, where its part writes it down for all others."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from hcp_dr_lab.ground.layout import Layout

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


def seeded(layout: Layout) -> Seed:
    return Seed(**json.loads(seed_file(layout).read_text()))


def publish(layout: Layout, seed: Seed) -> None:
    seed_file(layout).write_text(json.dumps(asdict(seed), indent=2))
