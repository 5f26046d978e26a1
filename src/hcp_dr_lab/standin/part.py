"""The stand-in as a part of the region: one process for each management cluster."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from hcp_dr_lab.ground.layout import Layout, ManagementCluster
from hcp_dr_lab.ground.part import Part

_FRESH_SECONDS = 15.0


def part(layout: Layout, cluster: ManagementCluster) -> Part:
    """Serves once it has shown the whole state to its roles, and while it goes on doing so."""
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
        return "it has not yet looked at the cluster"
    return None if age < _FRESH_SECONDS else f"it last looked at the cluster {age:.0f} s ago"
