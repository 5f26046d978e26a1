"""The outcome of a command: the journal's story as text and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hcp_dr.engine.journal import JournalState
from hcp_dr.engine.step import Check
from hcp_dr.hypershift import steps
from hcp_dr.hypershift.state import LEASES_AT_UNDO


def phases(story: JournalState) -> list[dict[str, Any]]:
    """Seconds by phase, in the order in which the phases began. The steps of a phase need not be consecutive."""
    seconds: dict[str, float] = {}
    for step, duration in story.seconds_of_steps().items():
        phase = step.partition(".")[0]
        seconds[phase] = seconds.get(phase, 0.0) + duration
    return [{"name": name, "seconds": round(duration, 3)} for name, duration in seconds.items()]


def api_away(story: JournalState) -> float | None:
    """Seconds from the first action of the fence to the first answer of the API by its name, from the journal; None if
    the journal lacks one of the two."""
    began = next((line.at for line in story.of_kind("intent") if line.step == steps.BACKUP_FENCE), None)
    ended = [line.at for line in story.of_kind("done") if line.step == steps.VERIFY_PUBLISH_API]
    ended += [line.at for line in story.of_kind("remember") if line.get("key") == LEASES_AT_UNDO.name]
    return round(ended[0] - began, 3) if began is not None and ended else None


def describe_moment(story: JournalState) -> str:
    """The state in which a stopped command leaves the hosted cluster, for the engineer who decides what to do next."""
    memory = story.memory
    fenced = steps.BACKUP_FENCE in memory.acted and steps.BACKUP_FENCE not in memory.undone
    serves = steps.VERIFY_PUBLISH_API in memory.done
    passed = story.acted_in(steps.POINT_OF_NO_RETURN)
    return " ".join(
        text
        for is_true, text in (
            (fenced and not serves, "The hosted API is unavailable until the command continues."),
            (passed, "The point of no return is passed: abort is no longer possible."),
        )
        if is_true
    )


def to_json(story: JournalState, *, backup_dir: str, result: str, checks: Sequence[Check]) -> dict[str, Any]:
    because = {line.step: line.text("because") for line in story.of_kind("done")}
    return {
        "result": result,
        "command": story.command,
        "backup_dir": backup_dir,
        "api_away_s": api_away(story),
        "phases": phases(story),
        "steps": [
            {"name": name, "seconds": seconds, "because": because.get(name, "")}
            for name, seconds in story.seconds_of_steps().items()
        ],
        "undone": [line.step for line in story.of_kind("undone")],
        "warnings": _warnings(story, checks),
        "to_do": list(
            dict.fromkeys(
                f"{check.name}: {check.todo}" for check in checks if check.verdict == "warning" and check.todo
            )
        ),
        "accepted": [
            {key: line.get(key) for key in ("check", "seen", "reason", "who")} for line in story.of_kind("accepted")
        ],
    }


def _warnings(story: JournalState, checks: Sequence[Check]) -> list[str]:
    """The warnings of this run, and the warnings of undone steps in the journal, from before a resume."""
    current = [f"{check.name}: {check.seen}" for check in checks if check.verdict == "warning"]
    journaled = [text for line in story.of_kind("undone") for text in line.texts("warnings")]
    return list(dict.fromkeys((*journaled, *current)))


def to_text(outcome: dict[str, Any]) -> str:
    lines = [f"{outcome['command']}: {outcome['result']}"]
    if outcome["api_away_s"] is not None:
        lines.append(f"the hosted API was unavailable for {outcome['api_away_s']:.1f} s (from the journal)")
    if outcome["undone"]:
        lines.append(f"undone: {', '.join(outcome['undone'])}")
    else:
        lines += [f"  {phase['name']:10} {phase['seconds']:7.1f} s" for phase in outcome["phases"]]
    lines += [f"warning: {warning}" for warning in outcome["warnings"]]
    lines += [f"to do: {text}" for text in outcome["to_do"]]
    lines += [f"accepted by {each['who']}: {each['check']} ({each['reason']})" for each in outcome["accepted"]]
    lines.append(f"backup and journal: {outcome['backup_dir']}")
    return "\n".join(lines)
