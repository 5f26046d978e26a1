"""The final report: the completed steps and the results of the checks, with values, only from the journal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hcp_dr.engine.journal import JournalState
from hcp_dr.engine.journal_lines import Line
from hcp_dr.hypershift.steps import BACKUP_FENCE, TEARDOWN_STOP_CONTROL_PLANE
from hcp_dr.objects.moments import utc
from hcp_dr.report.outcome import api_away

_REMAINDERS = (
    "the backup folder contains secrets: keep it where only you can read it, or delete it",
    "the snapshot stays in the bucket until you delete it",
)
_AFTER_TEARDOWN = (
    "the HostedCluster's namespace stays on the source, with your Secrets and ConfigMaps: it may be shared",
)


def to_json(story: JournalState, *, backup_dir: str) -> dict[str, Any]:
    """Timestamps are RFC 3339 in UTC, durations are in seconds. `checks` has the last result of each check of each
    step, `versions` the versions of hcp-dr that began and continued the relocation, in order; old versions are not
    recorded."""
    case = dict(story.case or {})
    checks = list(_checks(story))
    begun, ended = story.of_kind("begin"), story.of_kind("end")
    warned = [check for check in checks if check["verdict"] != "ok"]
    return {
        "hosted_cluster": f"{case.get('namespace')}/{case.get('name')}",
        "from": case.get("source"),
        "to": case.get("destination"),
        "command": story.command,
        "state": _state(story, warned),
        "began": utc(begun[0].at) if begun else None,
        "ended": utc(ended[-1].at) if ended and story.ended else None,
        "api_away_s": api_away(story),
        "versions": list(dict.fromkeys(version for line in story.lines if (version := line.text("version")))),
        "backup": {"folder": backup_dir, "bucket": case.get("bucket"), "key": _key(case)},
        "steps": [
            {
                "name": line.step,
                "done": utc(line.at),
                "seconds": line.get("seconds"),
                "because": line.text("because"),
            }
            for line in _last(story, "done").values()
        ],
        "alarms": [
            {"at": utc(line.at), "watch": line["watch"], "text": line["text"]}
            for line in story.of_kind("alarm", "unwatched")
        ],
        "checks": checks,
        "to_do": [
            *(f"{check['name']}: {check['todo']}" for check in warned if check.get("todo")),
            *_REMAINDERS,
            *(_AFTER_TEARDOWN if TEARDOWN_STOP_CONTROL_PLANE in story.memory.done else ()),
        ],
    }


def _state(story: JournalState, warned: list[dict[str, Any]]) -> str:
    if not story.ended:
        return "unfinished"
    return "done with warnings" if warned else "done"


def _key(case: Mapping[str, Any]) -> str:
    return f"hcp-dr/{case.get('namespace')}/{case.get('name')}/{case.get('backup_id')}/"


def _last(story: JournalState, kind: str) -> dict[str | None, Line]:
    """The last line of this kind by step; steps in the order of their first line."""
    return {line.step: line for line in story.of_kind(kind)}


def _checks(story: JournalState) -> Iterator[dict[str, Any]]:
    """The checks of preflight, of each step, and of the watches."""
    lines = (*_last(story, "checked").values(), *_last(story, "done").values())
    for line in sorted(lines, key=lambda line: line.at):
        for check in line.checks:
            yield {"step": line.step, "why": "", **dict(sorted(check.items()))}


def to_text(report: dict[str, Any]) -> str:
    away, fenced = report["api_away_s"], any(step["name"] == BACKUP_FENCE for step in report["steps"])
    lines = [
        f"{report['hosted_cluster']}: {report['command']} from {report['from']} to {report['to']}: {report['state']}",
        f"began {report['began']}, ended {report['ended'] or '-'}",
        f"by hcp-dr {', '.join(report['versions']) or '(version not recorded)'}",
        f"the hosted API was unavailable for {away:.1f} s"
        if away is not None
        else f"the hosted API {'is unavailable, or was until the abort' if fenced else 'was never unavailable'}",
        "",
        "Checks",
    ]
    width = max((len(f"{c['step']} {c['name']}") for c in report["checks"]), default=0)
    for check in report["checks"]:
        lines.append(f"  {check['verdict']:8} {check['step'] + ' ' + check['name']:{width}}  {check['seen']}")
        if check["verdict"] != "ok" and check.get("why"):
            lines.append(f"  {'':8} {'':{width}}  why it matters: {check['why']}")
    lines += ["", "Steps"]
    lines += [f"  {step['done']} {step['name']}: {step['because']}" for step in report["steps"]]
    if report["alarms"]:
        lines += ["", "Alarms"]
        lines += [f"  {alarm['at']} {alarm['watch']}: {alarm['text']}" for alarm in report["alarms"]]
    lines += ["", "What remains to be done by hand"]
    lines += [f"  - {text}" for text in report["to_do"]]
    backup = report["backup"]
    lines += ["", f"backup: {backup['folder']}, and {backup['key']} in bucket {backup['bucket']}"]
    return "\n".join(lines)
