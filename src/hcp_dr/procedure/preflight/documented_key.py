"""Is the documented key free, if the snapshot is to be copied there too? Checked before any change: an engineer who
restores by hand would restore older content from this key."""

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
    requested: bool
    owner: str  # this hosted cluster, as namespace/name
    key: str
    existing: StoredObject | None  # under the documented key


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    key = documented_key(case.name)
    existing = ports.bucket.head(key) if case.documented_key else None
    return Facts(case.documented_key, f"{case.namespace}/{case.name}", key, existing)


def checks(facts: Facts) -> tuple[Check, ...]:
    if not facts.requested:
        return ()
    if facts.existing is not None and facts.existing.metadata.get(OWNER) != facts.owner:
        return (
            Check(
                "documented_key",
                "blocked",
                f"object {facts.key} exists, and was not written by hcp-dr for {facts.owner}",
                "the object may be the snapshot of another hosted cluster of this name, or the only snapshot of an "
                "engineer: hcp-dr does not overwrite the object",
                "find the owner; move the object to another key, or omit --documented-key",
            ),
        )
    return (Check("documented_key", "ok", f"{facts.key} is free, or from an earlier backup of {facts.owner}"),)


def plan(facts: Facts) -> Decision:
    return verdict(checks(facts))


STEP = Step(name="preflight.documented_key", documented="8.6.2-3", observe=observe, plan=plan)
