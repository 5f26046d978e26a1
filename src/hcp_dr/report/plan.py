"""The plan as it is printed: what each step would do, without doing it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hcp_dr.engine.foretell import PlannedStep


def to_json(steps: Sequence[PlannedStep]) -> dict[str, Any]:
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
        ]
    }


def to_text(steps: Sequence[PlannedStep]) -> str:
    lines = []
    for step in steps:
        lines.append(f"{step.name}  ({step.documented})" if step.documented != "-" else step.name)
        lines += [f"    {action}" for action in step.actions]
        if step.text:
            lines.append(f"    {step.decision}: {step.text}")
    return "\n".join(lines)
