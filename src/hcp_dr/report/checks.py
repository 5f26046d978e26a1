"""The checks of preflight as text and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hcp_dr.engine.step import Check


def overall(checks: Sequence[Check]) -> str:
    """The worst verdict of all checks; an accepted check counts as a warning."""
    for verdict in ("blocked", "unknown", "warning"):
        if any(check.verdict == verdict and not check.accepted for check in checks):
            return verdict
    return "warning" if any(check.accepted for check in checks) else "ok"


def to_json(checks: Sequence[Check]) -> dict[str, Any]:
    return {
        "verdict": overall(checks),
        "checks": [
            {
                "name": check.name,
                "verdict": check.verdict,
                "seen": check.seen,
                "why": check.why,
                "todo": check.todo,
                "acceptable": check.acceptable,
                "accepted": check.accepted or None,
            }
            for check in checks
        ],
    }


def to_text(checks: Sequence[Check]) -> str:
    width = max((len(check.name) for check in checks), default=0)
    lines = []
    for check in checks:
        verdict = "accepted" if check.accepted else check.verdict
        lines.append(f"{verdict:8} {check.name:{width}}  {check.seen}")
        if check.verdict != "ok":
            lines += [
                f"{'':8} {'':{width}}  {f'{label}: ' if label else ''}{text}" for label, text in _details(check) if text
            ]
    lines.append(f"\nverdict: {overall(checks)}")
    return "\n".join(lines)


def _details(check: Check) -> tuple[tuple[str, str], ...]:
    override = f'to override: --ignore-check {check.name} --reason "..."' if check.stops and check.acceptable else ""
    reason = f"{check.verdict}, and accepted: {check.accepted}" if check.accepted else ""
    return (("why it matters", check.why), ("what to do", check.todo), ("", override), ("", reason))
