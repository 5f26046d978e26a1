"""The state of a relocation on any machine, as text for engineers and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hcp_dr.engine.journal import JournalState, parse
from hcp_dr.engine.lease_status import DURATION, LeaseStatus, stamp
from hcp_dr.engine.remote_state import RemoteState
from hcp_dr.errors import HcpDrError


@dataclass(frozen=True, slots=True)
class Seen:
    """The facts of the status. `story` is the newest journal; `backup_dir` is the folder on this machine, None if there
    is none; `local`: the story is from that folder. `steps` are the steps of the command, in order; `now` is in seconds
    since the epoch."""

    story: JournalState
    backup_dir: str | None
    local: bool
    around: RemoteState
    steps: Sequence[str]
    no_return: str
    now: float
    next_command: str | None = None  # that continues the relocation
    without_source: str = ""  # the advice if the source does not answer


def to_json(seen: Seen) -> dict[str, Any]:
    story, case = seen.story, seen.story.case or {}
    undone = story.memory.undone
    failed = story.of_kind("failed", "stopped")
    began = [line.at for line in story.of_kind("step") if line.step == story.current and "at" in line]
    finished = story.memory.done | undone
    remaining = [step for step in seen.steps if step not in finished and step != story.current]
    leases = {"source": _lease(seen.around.source, seen.now), "destination": _lease(seen.around.destination, seen.now)}
    return {
        "command": story.command,
        "hosted_cluster": f"{case.get('namespace')}/{case.get('name')}",
        "from": case.get("source"),
        "to": case.get("destination"),
        "state": "ended" if story.ended else "unfinished",
        "step": None if story.ended else story.current,
        "since": stamp(began[-1]) if began and not story.ended else None,
        "next": None if story.ended or not remaining else remaining[0],
        "done": list(dict.fromkeys(line.step for line in story.of_kind("done") if line.step not in undone)),
        "undone": [line.step for line in story.of_kind("undone")],
        "steps_left": 0 if story.ended else len(remaining) + bool(story.current),
        "past_point_of_no_return": story.acted_in(seen.no_return),
        "last_line_at": story.lines[-1].get("at") if story.lines else None,
        "last_error": failed[-1].text("text") if failed and not story.ended else None,
        "backup_id": case.get("backup_id"),
        "backup_dir": seen.backup_dir,
        "journal": "local" if seen.local else "bucket",
        "mirror": _mirror(seen),
        "lease": leases,
        "not_asked": {name: error.what for name, error in seen.around.unread.items()},
        "next_command": f"hcp-dr {seen.next_command}" if seen.next_command else None,
        "todo": _todo(seen, leases),
        "without_source": seen.without_source or None,
    }


def _lease(lease: LeaseStatus | HcpDrError | None, now: float) -> dict[str, Any] | None:
    """None if the Lease could not be read."""
    if isinstance(lease, HcpDrError):
        return None
    if lease is None or not lease.holder:
        return {"state": "free", "holder": None, "since": None, "renewed_s_ago": None}
    renewed = lease.renewed_at
    ago = None if renewed is None else round(now - renewed, 1)
    valid = ago is not None and ago < DURATION
    return {"state": "held" if valid else "expired", "holder": lease.holder, "since": lease.since, "renewed_s_ago": ago}


def _mirror(seen: Seen) -> dict[str, Any] | None:
    mirror = seen.around.mirror
    if mirror is None or isinstance(mirror, HcpDrError) or mirror.modified is None:
        return None
    missing = max(0, len(seen.story.lines) - len(parse(mirror.data)))
    return {"at": stamp(mirror.modified), "age_s": round(seen.now - mirror.modified, 1), "lines_behind": missing}


def _todo(seen: Seen, leases: dict[str, dict[str, Any] | None]) -> str:
    holders = [lease["holder"] for lease in leases.values() if lease and lease["state"] == "held"]
    if holders:
        return f"wait: {holders[0]} is at work; check again with `hcp-dr status`"
    if seen.next_command is not None:
        return f"hcp-dr {seen.next_command}"
    return f"nothing: the {seen.story.command} has ended; `hcp-dr report` has the details, and work left to do by hand"


def to_text(value: dict[str, Any], now: float) -> str:
    ended = value["state"] == "ended"
    relocation = f"{value['hosted_cluster']} from {value['from']} to {value['to']}"
    lines = [f"{value['command']} of {relocation}: {'ended' if ended else 'not finished'}"]

    def add(label: str, text: str) -> None:
        lines.append(f"  {label:16} {text}")

    if not ended:
        step = value["step"] or "between two steps"
        add("step", step + (f", since {_clock(value['since'])}" if value["since"] else ""))
        add(
            "next",
            f"{value['next'] or 'nothing more'} ({len(set(value['done']))} steps done, {value['steps_left']} left)",
        )
    if value["undone"]:
        add("undone", ", ".join(value["undone"]))
    passed = "passed: abort is no longer possible" if value["past_point_of_no_return"] else "not passed"
    add("point of no return", passed)
    if value["last_error"]:
        add("last error", value["last_error"])
    for side, lease in value["lease"].items():
        add(f"lease, {side}", _lease_text(lease, value["not_asked"].get(side)))
    add("journal", _journal_text(value, now))
    for name, error in value["not_asked"].items():
        add("not read", f"{name}: {error}")
    add("backup id", str(value["backup_id"]))
    add("do now", value["todo"])
    if value["without_source"]:
        add("or", value["without_source"])
    return "\n".join(lines)


def _lease_text(lease: dict[str, Any] | None, error: str | None) -> str:
    if lease is None:
        return f"unknown ({error})" if error else "unknown"
    if lease["state"] == "free":
        return "free"
    ago = lease["renewed_s_ago"]
    renewed = "last renewal unknown" if ago is None else f"renewed {_duration(ago)} ago by the holder's clock"
    state = "held" if lease["state"] == "held" else "expired, unless the holder's clock is wrong: was held"
    return f"{state} by {lease['holder']}, since {_clock(lease['since'])}, {renewed}"


def _journal_text(value: dict[str, Any], now: float) -> str:
    mirror, place = value["mirror"], value["backup_dir"] if value["journal"] == "local" else "in the bucket"
    at = value["last_line_at"]
    written = f", written {_duration(now - at)} ago" if at is not None else ""
    if mirror is None:
        return f"{place}{written}; no known copy in the bucket"
    copy = f"copy in the bucket {_duration(mirror['age_s'])} old"
    behind = f", {mirror['lines_behind']} lines behind" if mirror["lines_behind"] else ""
    return f"{place}{written}; {copy}{behind}"


def _clock(at: str) -> str:
    return f"{at[:19].replace('T', ' ')} UTC"


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h"
