"""The plan as it is printed: what each step would do, without doing it, and how long the hosted API would be away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hcp_dr.engine.foretell import Estimate, PlannedStep


def to_json(steps: Sequence[PlannedStep], estimate: Estimate | None = None) -> dict[str, Any]:
    return {
        "steps": [
            {
                "name": step.name,
                "documented": step.documented,
                "decision": step.decision,
                "text": step.text,
                "actions": list(step.actions),
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


def to_text(steps: Sequence[PlannedStep], estimate: Estimate | None = None) -> str:
    lines = []
    for step in steps:
        lines.append(f"{step.name}  ({step.documented})" if step.documented != "-" else step.name)
        lines += [f"    {action}" for action in step.actions]
        if step.text:
            lines.append(f"    {step.decision}: {step.text}")
    if estimate is not None:
        lines.append(f"\nthe hosted API would be away for {_span(estimate.least, estimate.most)}, as far as is known:")
        width = max(len(part.name) for part in estimate.parts)
        lines += [
            f"    {part.name:{width}}  {_span(part.least, part.most):>12}  {part.because}" for part in estimate.parts
        ]
        lines += [f"    not known: {text}" for text in estimate.not_known]
    return "\n".join(lines)


def _span(least: float, most: float) -> str:
    return f"{least:.0f} to {most:.0f} s"
