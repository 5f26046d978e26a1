"""The real process killed, again and again, in the middle of what is worst to be killed in."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from pathlib import Path

from hcp_dr.engine import journal
from hcp_dr.kube.client import connect
from hcp_dr.kube.resources import HOSTED_CLUSTER, NODE
from hcp_dr_lab import drill
from hcp_dr_lab.region.layout import MANAGEMENT_CLUSTERS
from tests.region.conftest import Hosted, eventually, instances_of, management

DEADLY = (
    "backup.pause",
    "restore.machines",
    "backup.fence",
    "backup.snapshot_etcd",
    "restore.start_control_plane",
    "restore.adopt_machines",
    "teardown.stop_control_plane",
    "teardown.machines",
    "teardown.leftovers",
)


def test_killed_in_every_phase_it_ends_as_if_it_never_was(hosted: Hosted) -> None:
    layout, names = hosted.layout, hosted.names
    nodes, instances = identities(hosted), running(hosted)
    env_file = drill.environment_file(layout, names.name, 1)
    folder = Path(
        next(line.partition("=")[2] for line in env_file.read_text().splitlines() if line.startswith("BACKUP_DIR="))
    )

    killed_in(("relocate", "--yes"), env_file, folder, DEADLY[0])
    for step in DEADLY[1:]:
        killed_in(("resume",), env_file, folder, step)
    assert product(("resume",), env_file).wait(timeout=600) == 0

    story = journal.read(folder)
    assert story is not None
    assert story.ended
    assert identities(hosted) == nodes
    assert running(hosted) == instances
    first, second = MANAGEMENT_CLUSTERS
    with management(layout, first) as source, management(layout, second) as destination:
        assert source.find(HOSTED_CLUSTER, names.name, names.namespace) is None
        assert destination.find(HOSTED_CLUSTER, names.name, names.namespace) is not None


def killed_in(words: tuple[str, ...], env_file: Path, folder: Path, step: str) -> None:
    """Run until the journal says that this step has begun, then kill -9."""
    process = product(words, env_file)
    try:
        eventually(lambda: process.poll() is not None or begun(folder, step), 300, f"{step} begins")
        assert process.poll() is None, f"it ended before {step}, with exit code {process.returncode}"
    finally:
        process.kill()
        process.wait()


def begun(folder: Path, step: str) -> bool:
    story = journal.read(folder)
    return story is not None and any(line.get("line") == "step" and line.get("step") == step for line in story.lines)


def product(words: tuple[str, ...], env_file: Path) -> subprocess.Popen[bytes]:
    command = (str(Path(sys.executable).with_name("hcp-dr")), *words, "--env-file", str(env_file))
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, env=drill.surroundings(env_file))


def identities(hosted: Hosted) -> dict[str, tuple[str, str]]:
    """Nodes by name: uid and boot ID."""
    with closing(connect(hosted.layout.hosted_kubeconfig(hosted.names.name), "hosted")) as inside:
        return {
            node["metadata"]["name"]: (node["metadata"]["uid"], node["status"]["nodeInfo"]["bootID"])
            for node in inside.list(NODE).items
        }


def running(hosted: Hosted) -> set[str]:
    """The ids of the hosted cluster's instances that run."""
    return instances_of(hosted.layout, hosted.names)
