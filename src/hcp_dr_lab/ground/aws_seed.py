"""The initial content of the region's AWS, published by the AWS part for all other parts."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from hcp_dr_lab.ground.layout import Layout

NO_KUBELET = {"key": "rehearsal.example/kubelet", "value": "none"}
"""The tag of a running instance for which the hypervisor starts no worker."""


@dataclass(frozen=True, slots=True)
class Seed:
    """The initial resources: the public zone HOSTED_DOMAIN, and a network for workers.

    `wide_subnet_id` has room for thousands of instances; the narrow subnet is reserved for workers.
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
