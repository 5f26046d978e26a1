"""Is the documented key free, where the snapshot is to be put there too? Known before anything is begun: whoever
restores by hand takes what is there, and would restore an older content."""

from __future__ import annotations

from dataclasses import dataclass

from hcp_dr.aws.port import StoredObject
from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Check, Decision, Step
from hcp_dr.hypershift.checks import verdict
from hcp_dr.hypershift.manual_backup.snapshot import OWNER, documented_key
from hcp_dr.model import Case, Ports


@dataclass(frozen=True, slots=True)
class Facts:
    asked: bool
    owner: str  # this hosted cluster, as namespace/name
    key: str
    there: StoredObject | None


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    key = documented_key(case.name)
    there = ports.bucket.head(key) if case.documented_key else None
    return Facts(case.documented_key, f"{case.namespace}/{case.name}", key, there)


def checks(facts: Facts) -> tuple[Check, ...]:
    if not facts.asked:
        return ()
    if facts.there is not None and facts.there.metadata.get(OWNER) != facts.owner:
        return (
            Check(
                "documented_key",
                "blocked",
                f"{facts.key} is there, and hcp-dr did not write it for {facts.owner}",
                "it may be another hosted cluster's of this name, or somebody's only snapshot, and is not overwritten",
                "look whose it is; move it to another key, or leave --documented-key out",
            ),
        )
    return (Check("documented_key", "ok", f"{facts.key} is free, or of an earlier backup of {facts.owner}"),)


def plan(facts: Facts) -> Decision:
    return verdict(checks(facts))


STEP = Step(name="preflight.documented_key", documented="8.6.2-3", observe=observe, plan=plan)
