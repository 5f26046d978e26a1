"""The part of the region that plays EC2, Route53 and STS.

The process itself is `aws_simulator`, apart from this module, because importing the simulator takes a second and a
hundred megabytes that nobody but its own process should pay.
"""

from __future__ import annotations

import sys
from pathlib import Path

from hcp_dr_lab.ground.layout import AWS_ADDRESS, AWS_PORT, Layout
from hcp_dr_lab.ground.network.serving import not_answering
from hcp_dr_lab.ground.part import Part


def zones_file(layout: Layout) -> Path:
    """All zones with their records, written anew at every change: what the name server answers from."""
    return layout.root / "zones.json"


def part(layout: Layout) -> Part:
    return Part(
        name="aws",
        command=(sys.executable, "-m", "hcp_dr_lab.region.cloud.aws_simulator", str(layout.root)),
        probe=lambda: not_answering(layout, f"https://{AWS_ADDRESS}:{AWS_PORT}/moto-api/"),
    )
