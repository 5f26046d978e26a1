"""Two ways of relocating, with one command and phase by phase, both judged by the observer."""

from __future__ import annotations

import json
import time
from pathlib import Path

from hcp_dr.errors import DONE, DONE_WITH_WARNINGS, NothingToResume
from hcp_dr.model import RELEASE, Dns
from hcp_dr_lab.drill import region as drill
from hcp_dr_lab.observer.judge import Verdict
from hcp_dr_lab.observer.measured import MIN_WRITES
from hcp_dr_lab.observer.report import Outcome, as_text
from tests.region.conftest import Hosted, say
from tests.region.machines import Machine

PHASES = (("backup", "--yes"), ("restore",), ("verify",), ("teardown", "--yes"), ("finish",))


def in_one(hosted: Hosted, *, source: int = 1, dns: Dns = RELEASE) -> Outcome:
    """Relocate away from a management cluster with `hcp-dr relocate`."""
    outcome = drill.perform(hosted.layout, hosted.names.name, source=source, dns=dns, tell=say)
    say(as_text(outcome))
    assert outcome.reasons == ()
    assert outcome.verdict.acknowledged > MIN_WRITES
    return outcome


def phase_by_phase(hosted: Hosted, folder: Path, *, source: int = 2) -> Verdict:
    """Relocate with one command for each phase; a phase only has the folder of the previous phase."""
    observation = drill.Observation(hosted.layout, hosted.names.name, source, folder / "evidence")
    observation.begin()
    observation.await_writes()
    here = Machine(drill.environment_file(hosted.layout, hosted.names.name, source, folder))
    for words in PHASES:
        ended = here.run(*words, "-o", "json")
        assert ended.code in (DONE, DONE_WITH_WARNINGS), ended.stderr
        assert json.loads(ended.result)["command"] == words[0]
    assert here.run("resume").code == NothingToResume.exit_code
    time.sleep(drill.SETTLE_SECONDS)
    verdict = observation.conclude()
    assert verdict.reasons == ()
    assert verdict.acknowledged > MIN_WRITES
    return verdict
