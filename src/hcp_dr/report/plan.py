"""The printed plan: the actions of each step, and the expected time without the hosted API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hcp_dr.engine.planner import Estimate, Outlook, PlannedStep

_PREFIXES: dict[Outlook, str] = {
    "done": "done: ",
    "nothing": "nothing to do: ",
    "do": "",
    "wait": "",
    "check": "would check: ",
    "refuse": "would refuse: ",
    "unknown": "unknown: ",
}


def to_json(command: str, steps: Sequence[PlannedStep], estimate: Estimate | None = None) -> dict[str, Any]:
    return {
        "command": command,
        "steps": [
            {
                "name": step.name,
                "documented": step.documented,
                "outlook": step.outlook,
                "text": step.text,
                "actions": list(step.actions),
                "waits": [{"until": wait.until, "at_most_s": wait.seconds} for wait in step.waits],
            }
            for step in steps
        ],
        "estimate": None if estimate is None else _estimate(estimate),
    }


def _estimate(estimate: Estimate) -> dict[str, Any]:
    return {
        "api_away_least_s": round(estimate.least),
        "api_away_most_s": round(estimate.most),
        "parts": [
            {
                "name": part.name,
                "least_s": round(part.least, 1),
                "most_s": round(part.most, 1),
                "because": part.because,
            }
            for part in estimate.parts
        ],
        "not_known": list(estimate.not_known),
    }


def to_text(command: str, steps: Sequence[PlannedStep], estimate: Estimate | None = None) -> str:
    lines = [f"plan of {command}; nothing is written anywhere\n"]
    for step in steps:
        lines.append(f"{step.name}  ({step.documented})" if step.documented != "-" else step.name)
        lines += [f"    {action}" for action in step.actions]
        lines += [f"    {_PREFIXES[step.outlook]}{step.text}"] if step.text else []
        lines += [f"    would wait until {wait.until} (at most {wait.seconds:.0f} s)" for wait in step.waits]
    if estimate is not None:
        lines.append(f"\nthe hosted API would be unavailable for {_span(estimate.least, estimate.most)} (estimate):")
        width = max(len(part.name) for part in estimate.parts)
        lines += [
            f"    {part.name:{width}}  {_span(part.least, part.most):>12}  {part.because}" for part in estimate.parts
        ]
        lines += [f"    unknown: {text}" for text in estimate.not_known]
    return "\n".join(lines)


def _span(least: float, most: float) -> str:
    return f"{least:.0f} to {most:.0f} s"
