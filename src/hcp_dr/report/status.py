"""Where a relocation is, whoever carries it out and wherever: for an engineer at night, and for machines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hcp_dr.engine.journal import JournalState
from hcp_dr.engine.lease_status import DURATION, LeaseStatus, stamp
from hcp_dr.engine.remote_state import RemoteState
from hcp_dr.errors import HcpDrError

_FOLLOWS = {
    "backup": "restore",
    "restore": "verify",
    "restore-by-hand": "verify",
    "verify": "teardown",
    "teardown": "finish",
}


@dataclass(frozen=True, slots=True)
class Seen:
    """`story` is the newest journal that was found; `backup_dir` is the folder here, None where there is none;
    `local` says that the story is that folder's. `steps` are those of the command, in order; `now` in seconds since
    the epoch."""

    story: JournalState
    backup_dir: str | None
    local: bool
    around: RemoteState
    steps: Sequence[str]
    no_return: str
    now: float


def to_json(seen: Seen) -> dict[str, Any]:
    story, case = seen.story, seen.story.case or {}
    last, undone = story.lines[-1] if story.lines else {}, story.memory.undone
    failed = [line for line in story.lines if line.get("line") in ("failed", "stopped")]
    began = [line.get("at") for line in story.lines if line.get("line") == "step" and line.get("step") == story.current]
    over = story.memory.done | undone
    left = [step for step in seen.steps if step not in over and step != story.current]
    leases = {"source": _lease(seen.around.source, seen.now), "destination": _lease(seen.around.destination, seen.now)}
    return {
        "command": story.command,
        "hosted_cluster": f"{case.get('namespace')}/{case.get('name')}",
        "from": case.get("source"),
        "to": case.get("destination"),
        "state": "ended" if story.ended else "unfinished",
        "step": None if story.ended else story.current,
        "since": stamp(began[-1]) if began and began[-1] is not None and not story.ended else None,
        "next": None if story.ended or not left else left[0],
        "done": [s for line in story.lines if line.get("line") == "done" and (s := str(line["step"])) not in undone],
        "undone": [str(line["step"]) for line in story.lines if line.get("line") == "undone"],
        "steps_left": 0 if story.ended else len(left) + bool(story.current),
        "past_point_of_no_return": story.acted_in(seen.no_return),
        "last_line_at": last.get("at"),
        "last_error": failed[-1].get("text") if failed and not story.ended else None,
        "backup_id": case.get("backup_id"),
        "backup_dir": seen.backup_dir,
        "journal": "local" if seen.local else "bucket",
        "mirror": _mirror(seen),
        "lease": leases,
        "not_asked": {word: error.what for word, error in seen.around.unread.items()},
        "todo": _todo(seen, leases),
    }


def _lease(told: LeaseStatus | HcpDrError | None, now: float) -> dict[str, Any] | None:
    """None where it could not be asked."""
    if isinstance(told, HcpDrError):
        return None
    if told is None or not told.holder:
        return {"state": "free", "holder": None, "since": None, "renewed_s_ago": None}
    at = told.renewed_at
    ago = None if at is None else round(now - at, 1)
    alive = ago is not None and ago < DURATION
    return {"state": "held" if alive else "expired", "holder": told.holder, "since": told.since, "renewed_s_ago": ago}


def _mirror(seen: Seen) -> dict[str, Any] | None:
    found = seen.around.mirror
    if found is None or isinstance(found, HcpDrError) or found.modified is None:
        return None
    missing = max(0, len(seen.story.lines) - len(found.story.lines))
    return {"at": stamp(found.modified), "age_s": round(seen.now - found.modified, 1), "lines_behind": missing}


def _todo(seen: Seen, leases: dict[str, dict[str, Any] | None]) -> str:
    story, command = seen.story, seen.story.command or ""
    holders = [lease["holder"] for lease in leases.values() if lease and lease["state"] == "held"]
    if holders:
        return f"wait: {holders[0]} is at work; look again with `hcp-dr status`"
    if not story.ended:
        return f"hcp-dr resume{f' --backup {seen.backup_dir}' if seen.local else ''}"
    following = _FOLLOWS.get(command)
    return f"hcp-dr {following}" if following else "nothing: it has ended"


def to_text(value: dict[str, Any], now: float) -> str:
    ended = value["state"] == "ended"
    where = f"{value['hosted_cluster']} from {value['from']} to {value['to']}"
    lines = [f"{value['command']} of {where}: {'ended' if ended else 'not finished'}"]

    def tell(word: str, text: str) -> None:
        lines.append(f"  {word:16} {text}")

    if not ended:
        step = value["step"] or "between two steps"
        tell("step", step + (f", since {_clock(value['since'])}" if value["since"] else ""))
        tell(
            "next",
            f"{value['next'] or 'nothing more'} ({len(set(value['done']))} steps done, {value['steps_left']} left)",
        )
    if value["undone"]:
        tell("undone", ", ".join(value["undone"]))
    passed = "passed: only forward from here" if value["past_point_of_no_return"] else "not passed"
    tell("point of no return", passed)
    if value["last_error"]:
        tell("last error", value["last_error"])
    for side, lease in value["lease"].items():
        tell(f"lease, {side}", _lease_text(lease, value["not_asked"].get(side)))
    tell("journal", _journal_text(value, now))
    for word, what in value["not_asked"].items():
        tell("not asked", f"{word}: {what}")
    tell("backup id", str(value["backup_id"]))
    tell("do now", value["todo"])
    return "\n".join(lines)


def _lease_text(lease: dict[str, Any] | None, trouble: str | None) -> str:
    if lease is None:
        return f"not known ({trouble})" if trouble else "not known"
    if lease["state"] == "free":
        return "free"
    ago = lease["renewed_s_ago"]
    renewed = "renewed at no known time" if ago is None else f"renewed {_lasting(ago)} ago by its clock"
    state = "held" if lease["state"] == "held" else "expired, unless its clock is wrong: it was held"
    return f"{state} by {lease['holder']}, since {_clock(lease['since'])}, {renewed}"


def _journal_text(value: dict[str, Any], now: float) -> str:
    mirror, place = value["mirror"], value["backup_dir"] if value["journal"] == "local" else "in the bucket"
    at = value["last_line_at"]
    written = f", written {_lasting(now - at)} ago" if at is not None else ""
    if mirror is None:
        return f"{place}{written}; no copy in the bucket is known"
    copy = f"copy in the bucket {_lasting(mirror['age_s'])} old"
    behind = f", {mirror['lines_behind']} lines behind" if mirror["lines_behind"] else ""
    return f"{place}{written}; {copy}{behind}"


def _clock(at: str) -> str:
    return f"{at[:19].replace('T', ' ')} UTC"


def _lasting(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h"
