"""The part of the region that simulates EC2, Route53 and STS.

The process itself is `aws_simulator`, a separate module: importing the simulator takes a second and a hundred
megabytes, and only its own process needs it.
"""

from __future__ import annotations

import sys
from pathlib import Path

from hcp_dr_lab.ground.layout import AWS_ADDRESS, AWS_PORT, Layout
from hcp_dr_lab.ground.network.serving import not_answering
from hcp_dr_lab.ground.part import Part


def zones_file(layout: Layout) -> Path:
    """The file with all zones and records, rewritten at every change; the name server reads it."""
    return layout.root / "zones.json"


def part(layout: Layout) -> Part:
    return Part(
        name="aws",
        command=(sys.executable, "-m", "hcp_dr_lab.region.cloud.aws_simulator", str(layout.root)),
        probe=lambda: not_answering(layout, f"https://{AWS_ADDRESS}:{AWS_PORT}/moto-api/"),
    )
