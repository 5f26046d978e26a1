"""A drill: one relocation by `hcp-dr relocate`, run from outside as by an operator, judged inside the region."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from hcp_dr.model import RELEASE, Dns
from hcp_dr_lab.ground.errors import LabError
from hcp_dr_lab.ground.layout import MANAGEMENT_CLUSTERS, Layout, recorded
from hcp_dr_lab.ground.pki import write_secret
from hcp_dr_lab.hosted.provision import grant
from hcp_dr_lab.observer.files import Files, Progress
from hcp_dr_lab.observer.judge import Verdict
from hcp_dr_lab.observer.measured import MIN_WRITES
from hcp_dr_lab.observer.report import Outcome, Relocation, parse_relocation
from hcp_dr_lab.region.control import Control

Tell = Callable[[str], None]

BEGIN_SECONDS = 90.0
SETTLE_SECONDS = 10.0
CONCLUDE_SECONDS = 150.0
RELOCATE_SECONDS = 1500.0

_BACKUPS = ".backups"
_TOO_LONG = 124  # the exit code that timeout(1) gives

_SWAPPED = {
    "MGMT_KUBECONFIG": "MGMT2_KUBECONFIG",
    "MGMT2_KUBECONFIG": "MGMT_KUBECONFIG",
    "MGMT_CLUSTER_NAME": "MGMT2_CLUSTER_NAME",
    "MGMT2_CLUSTER_NAME": "MGMT_CLUSTER_NAME",
}


def perform(
    layout: Layout, cluster: str, *, source: int = 1, dns: Dns = RELEASE, began: float | None = None, tell: Tell
) -> Outcome:
    """Relocate a hosted cluster of a running region away from management cluster `source`, and judge the relocation.

    `began` is the start of the preparations, on the monotonic clock.
    """
    began = time.monotonic() if began is None else began
    folder = kept_folder(layout, cluster)
    env_file = environment_file(layout, cluster, source, folder)
    observation = Observation(layout, cluster, source, folder / "evidence")
    observation.begin()
    tell(f"observer: {observation.await_writes()} writes acknowledged, relocating")
    relocation = relocate(env_file, "--dns", dns)
    tell(f"observer: the relocation ended with exit code {relocation.exit_code}, watching {SETTLE_SECONDS:.0f} s more")
    time.sleep(SETTLE_SECONDS)
    verdict = observation.conclude()
    names = {number: management.name for number, management in enumerate(MANAGEMENT_CLUSTERS, 1)}
    return Outcome(
        cluster=cluster,
        source=names[source],
        destination=names[3 - source],
        relocation=relocation,
        verdict=verdict,
        duration_s=time.monotonic() - began,
        region=layout.name,
        evidence_dir=str(observation.folder),
    )


def kept_folder(layout: Layout, cluster: str) -> Path:
    """Create a folder that outlives the region, for the backup and the observer's evidence."""
    folder = layout.root.parent / _BACKUPS / f"{layout.name}-{cluster}-{time.strftime('%Y%m%d-%H%M%S')}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def environment_file(layout: Layout, cluster: str, source: int, folder: Path | None = None) -> Path:
    """Write the region's variables for a relocation away from `source`. The backup goes to `folder`, or to a new
    folder. The kubeconfigs belong to a user with the rights that `hcp-dr rbac` prints for this direction."""
    if (standing := recorded(layout, cluster)) is not None:
        grant(layout, standing.names, source=source)
    given = layout.env_file(cluster).read_text("utf-8")
    folder = folder or kept_folder(layout, cluster)
    file = layout.root / f"{cluster}.drill.env"
    write_secret(file, turned(given, swap=source != 1, folder=folder).encode())
    return file


def backups(region: Path) -> list[Path]:
    """List the backup folders that drills in the region with this state folder have kept."""
    return sorted((region.parent / _BACKUPS).glob(f"{region.name}-*"))


def turned(environment: str, *, swap: bool, folder: Path) -> str:
    """Return the same variables with another backup folder. `swap` exchanges source and destination."""
    lines = []
    for line in environment.splitlines():
        name, _, value = line.partition("=")
        value = {"BACKUP_DIR": str(folder / "backup"), "HC_CLUSTER_DIR": str(folder)}.get(name, value)
        lines.append(f"{_SWAPPED.get(name, name) if swap else name}={value}")
    return "\n".join(lines) + "\n"


def surroundings(env_file: Path) -> dict[str, str]:
    """Return the product's environment: this process's own, without the env file's variables and AWS variables."""
    mine = {line.partition("=")[0] for line in env_file.read_text("utf-8").splitlines()}
    return {name: value for name, value in os.environ.items() if name not in mine and not name.startswith("AWS_")}


def relocate(env_file: Path, *words: str) -> Relocation:
    """Run the product with these options, as an operator does. Progress goes to stderr; the result is parsed."""
    command = (
        str(Path(sys.executable).with_name("hcp-dr")),
        "relocate",
        *words,
        "--env-file",
        str(env_file),
        "--yes",
        "-o",
        "json",
    )
    try:
        ended = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            env=surroundings(env_file),
            timeout=RELOCATE_SECONDS,
            check=False,
            text=True,
        )
    except subprocess.TimeoutExpired:
        return Relocation(_TOO_LONG)
    return parse_relocation(ended.returncode, _document(ended.stdout))


def _document(text: str) -> Mapping[str, object]:
    try:
        document = json.loads(text)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


class Observation:
    """The observer of one relocation, controlled from outside the region. `folder` is for the evidence; by default the
    evidence is stored in the region's folder and removed with the region."""

    def __init__(self, layout: Layout, cluster: str, source: int, folder: Path | None = None) -> None:
        self._layout = layout
        self._arguments = (cluster, str(source))
        started = time.strftime("%H%M%S")
        self._name = f"observer/{cluster}-{started}"
        self._files = Files(folder or layout.root / "observer" / f"{cluster}-{started}")

    @property
    def folder(self) -> Path:
        return self._files.folder

    def begin(self) -> None:
        command = (sys.executable, "-m", "hcp_dr_lab.observer", str(self._layout.root), *self._arguments)
        Control(self._layout).run(self._name, (*command, str(self._files.folder)))

    def await_writes(self) -> int:
        """Wait until enough writes are acknowledged for a meaningful verdict."""

        def enough(progress: Progress) -> bool:
            return progress.acknowledged > MIN_WRITES

        return self._await(enough, BEGIN_SECONDS, f"more than {MIN_WRITES} acknowledged writes").acknowledged

    def conclude(self) -> Verdict:
        """Stop the observer, and wait for the verdict."""
        self._files.order_stop()
        self._await(lambda progress: progress.phase == "done", CONCLUDE_SECONDS, "verdict")
        if (verdict := self._files.verdict()) is None:
            raise LabError(f"The observer reports that it is done, but {self._files.folder} has no verdict.")
        return verdict

    def _await(self, reached: Callable[[Progress], bool], seconds: float, goal: str) -> Progress:
        deadline = time.monotonic() + seconds
        while True:
            progress = self._files.progress()
            if reached(progress):
                return progress
            if progress.phase == "failed" or time.monotonic() > deadline:
                raise LabError(
                    f"The observer did not reach its goal ({goal}) within {seconds:.0f} s (phase {progress.phase}, "
                    f"{progress.acknowledged} writes acknowledged). {progress.message}\nThe region keeps running. "
                    f"The evidence is in {self._files.folder}, the observer's log in {self._layout.logs}."
                )
            time.sleep(0.2)
