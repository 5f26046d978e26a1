"""Findings of preflight as text and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hcp_dr.engine.step import Check


def overall(checks: Sequence[Check]) -> str:
    """The worst verdict of all."""
    for verdict in ("blocked", "unknown", "warning"):
        if any(check.verdict == verdict for check in checks):
            return verdict
    return "ok"


def to_json(checks: Sequence[Check]) -> dict[str, Any]:
    return {
        "verdict": overall(checks),
        "checks": [
            {"name": c.name, "verdict": c.verdict, "seen": c.seen, "why": c.why, "todo": c.todo} for c in checks
        ],
    }


def to_text(checks: Sequence[Check]) -> str:
    width = max((len(check.name) for check in checks), default=0)
    lines = []
    for check in checks:
        lines.append(f"{check.verdict:8} {check.name:{width}}  {check.seen}")
        if check.verdict != "ok":
            lines += [f"{'':8} {'':{width}}  {label}: {text}" for label, text in _more(check) if text]
    lines.append(f"\nverdict: {overall(checks)}")
    return "\n".join(lines)


def _more(check: Check) -> tuple[tuple[str, str], ...]:
    return (("why it matters", check.why), ("what to do", check.todo))
