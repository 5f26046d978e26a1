"""A relocation among faults: APIs and AWS that fail on the way, parts that stop, a whole source that goes away."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hcp_dr import errors
from hcp_dr.errors import KubernetesError
from hcp_dr.kube.resources import DEPLOYMENT, HOSTED_CLUSTER, NODE
from hcp_dr_lab.drill import region as drill
from hcp_dr_lab.ground import installed_dns
from hcp_dr_lab.ground.errors import Refused
from hcp_dr_lab.ground.layout import MANAGEMENT_CLUSTERS, Layout
from hcp_dr_lab.observer.report import as_text
from hcp_dr_lab.region import lifecycle
from hcp_dr_lab.region.control import Control
from hcp_dr_lab.region.faults import Fault, Kind
from tests.region.conftest import Hosted, await_deletions, eventually, management, say
from tests.region.machines import Machine
from tests.region.test_resume import identities, running

FIRST, SECOND = MANAGEMENT_CLUSTERS
EXTERNAL_DNS = f"{FIRST.name}/external-dns"

SPRINKLED = (  # few on reads: a step that asks a hundred questions begins again when one of them fails
    Fault("*/api", Kind.STATUS, status=429, retry_after=1, match="PATCH", percent=10, seed=1),
    Fault("*/api", Kind.STATUS, status=500, match="create secrets", percent=10, seed=2),
    Fault("*/api", Kind.STATUS, status=503, match="GET", percent=0.5, seed=3),
    Fault("*/api", Kind.CUT, match="PATCH", percent=10, seed=4),
    Fault("*/api", Kind.CUT, match="create secrets", percent=5, seed=5),
    Fault("*/api", Kind.CUT, match="DELETE", percent=10, seed=6),
    Fault("*/api", Kind.STATUS, status=500, match="DELETE", percent=10, seed=7),
    Fault("*/api", Kind.DELAY, seconds=0.5, percent=2, seed=8),
    Fault("*/api", Kind.DROP_WATCHES, seconds=0.3, percent=50, seed=9),
    Fault("*/api", Kind.GONE, percent=20, seed=10),
    Fault("s3", Kind.STATUS, status=503, percent=5, seed=11),
    Fault("route53", Kind.STATUS, status=400, percent=5, seed=12),
    Fault("ec2", Kind.STATUS, status=503, percent=5, seed=13),
)


@contextmanager
def set_on(layout: Layout, *faults: Fault) -> Iterator[list[int]]:
    control = Control(layout)
    try:
        yield [control.set_fault(fault) for fault in faults]
    finally:
        control.clear_faults()


@contextmanager
def stopped(layout: Layout, part: str) -> Iterator[None]:
    control = Control(layout)
    try:
        control.stop(part)
        yield
    finally:
        control.start(part)


@pytest.mark.long
def test_it_relocates_among_faults_of_all_kinds_on_every_api(hosted: Hosted) -> None:
    with set_on(hosted.layout, *SPRINKLED):
        outcome = drill.perform(hosted.layout, hosted.names.name, source=1, tell=say)
        rows, _ = Control(hosted.layout).faults()
    say(as_text(outcome))
    say("; ".join(f"{row['target']} {row['words']}: {row['struck']}" for row in rows))
    assert outcome.reasons == ()
    assert {row["kind"] for row in rows if row["struck"]} >= {Kind.STATUS, Kind.CUT, Kind.DELAY, Kind.DROP_WATCHES}
    assert {row["target"] for row in rows if row["struck"]} >= {"*/api"}


def test_a_source_that_dies_and_comes_back_and_an_s3_that_is_away(hosted: Hosted) -> None:
    """Its external-dns is dead from the beginning; then it is away before and in the middle, and S3 at the snapshot."""
    layout, names = hosted.layout, hosted.names
    nodes, instances = identities(hosted), running(hosted)
    env_file = drill.environment_file(layout, names.name, 1)
    here = Machine(env_file)

    with stopped(layout, FIRST.name):
        with management(layout, FIRST) as source, pytest.raises(KubernetesError):
            source.list(NODE)
        ended, said = told(("preflight", "-o", "json"), env_file)
        assert ended != 0
        assert "answer" in said or "reach" in said
        with management(layout, SECOND) as destination:
            assert destination.find(HOSTED_CLUSTER, names.name, names.namespace) is None
    back_in_service(hosted)

    here.killed(("relocate", "--yes"), "step", "backup.export_objects")
    with stopped(layout, FIRST.name):
        ended, said = told(("resume",), env_file)
        assert ended not in {0, 2}, said
    back_in_service(hosted)

    here.killed(("resume",), "step", "backup.snapshot_etcd")
    with stopped(layout, "s3"):
        ended, said = told(("resume",), env_file)
        assert ended not in {0, 2}, said
    with stopped(layout, EXTERNAL_DNS):
        eventually(lambda: not external_dns_ready(layout), 30, "the source's external-dns is not Ready")
        ended, said = told(("resume",), env_file)
        assert ended == errors.Refused.exit_code, said
        assert "external-dns on the source" in said
        assert re.search(r"`hcp-dr resume .*--dns takeover[^`]*`", said), said
    eventually(lambda: external_dns_ready(layout), 30, "the source's external-dns is Ready again")
    assert here.run("resume").code in (errors.DONE, errors.DONE_WITH_WARNINGS)

    assert identities(hosted) == nodes
    assert running(hosted) == instances
    with management(layout, FIRST) as source, management(layout, SECOND) as destination:
        assert source.find(HOSTED_CLUSTER, names.name, names.namespace) is None
        assert destination.find(HOSTED_CLUSTER, names.name, names.namespace) is not None


def test_status_tells_of_what_is_stopped_and_of_faults(region: Layout) -> None:
    await_deletions()
    with set_on(region, Fault("s3", Kind.CUT, match="PUT", times=2)), stopped(region, f"{SECOND.name}/external-dns"):
        told = subprocess.run(
            (*COMMAND, "status", "--name", region.name, "-o", "json"),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        answer = json.loads(told.stdout)
        assert told.returncode == 1
        assert answer["state"] == "impaired"
        assert {part["name"] for part in answer["parts"] if part["state"] == "stopped"} == {"mgmt-2/external-dns"}
        assert [fault["words"] for fault in answer["faults"]] == ["cut in the middle of the answer for PUT"]
        assert Control(region).stop(f"{SECOND.name}/external-dns").already == (f"{SECOND.name}/external-dns",)
    eventually(lambda: lifecycle.status(region.name)[1].serves, 60, "every part serves again")
    with pytest.raises(Refused, match="There is no part mgmt-3"):
        Control(region).stop("mgmt-3")


COMMAND = (str(Path(sys.executable).with_name("hcp-dr-lab")),)


def told(words: tuple[str, ...], env_file: Path, **environment: str) -> tuple[int, str]:
    """Exit code, and all that the product said; run with these variables besides."""
    began = time.monotonic()
    command = (str(Path(sys.executable).with_name("hcp-dr")), *words, "--env-file", str(env_file))
    around = drill.surroundings(env_file) | environment
    ended = subprocess.run(command, capture_output=True, text=True, env=around, timeout=600, check=False)
    said = ended.stdout + ended.stderr
    say(f"{' '.join(words)}: exit code {ended.returncode} after {time.monotonic() - began:.0f} s\n{said[-1500:]}")
    return ended.returncode, said


def back_in_service(hosted: Hosted) -> None:
    def answers() -> bool:
        try:
            return bool(identities(hosted))
        except KubernetesError:
            return False

    eventually(answers, 120, "the hosted API answers again")


def external_dns_ready(layout: Layout) -> bool:
    with management(layout, FIRST) as source:
        deployment = source.get(DEPLOYMENT, installed_dns.NAME, installed_dns.NAMESPACE)
    return bool(deployment["status"].get("readyReplicas"))
