"""The stand-in as a part of the region: one process for each management cluster."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from hcp_dr_lab.ground.layout import Layout, ManagementCluster
from hcp_dr_lab.ground.part import Part

_FRESH_SECONDS = 15.0


def part(layout: Layout, cluster: ManagementCluster) -> Part:
    """The part serves as soon as the roles have received the whole state, and while rounds continue."""
    beat = layout.root / "standin" / cluster.name / "heartbeat"
    return Part(
        name=f"{cluster.name}/stand-in",
        command=(sys.executable, "-m", "hcp_dr_lab.standin.host", str(layout.root), cluster.name),
        probe=lambda: _why_not(beat),
        after=("aws", f"{cluster.name}/kube-apiserver"),
    )


def _why_not(beat: Path) -> str | None:
    try:
        age = time.time() - beat.stat().st_mtime
    except FileNotFoundError:
        return "it has not yet read the cluster"
    return None if age < _FRESH_SECONDS else f"it last read the cluster {age:.0f} s ago"
