"""Downtime of the hosted API during a relocation, for each shape: drills in separate regions.

    .venv/bin/python bench/relocation.py [-o json|table] [--runs N] [CASE…]

By default all cases. Has the requirements of `make drill`. Failed drills are counted, but their figures are excluded.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DRILL = Path(sys.executable).with_name("hcp-dr-lab")
CASES: dict[str, tuple[str, ...]] = {
    "plain": (),
    "etcd-3.6": ("--shape", "etcd-3.6"),
    "three-pools": ("--shape", "three-pools"),
    "load-balancer": ("--shape", "load-balancer"),
    "neighbour": ("--shape", "neighbour"),
    "references": ("--shape", "references", "--shape", "encrypted"),
    "ballast-100MiB": ("--etcd-ballast", "100MiB"),
    "ballast-500MiB": ("--etcd-ballast", "500MiB"),
    "objects-500": ("--secrets", "300", "--machines", "100"),  # a machine consists of a Machine and an AWSMachine
    "realistic": ("--realistic",),
    "realistic-handover": ("--realistic", "--dns", "handover"),
}
MIB = 2**20
_CARRIED = ("restore.hosted_cluster_inputs", "restore.control_plane_secrets", "restore.machines")
_CREATED = "create on destination "


@dataclass(frozen=True, slots=True)
class Run:
    """One passed drill. `transfer` is the rate of the snapshot's upload in MiB/s, None if the time was not measurable;
    `objects` is the number of objects written on the destination before the fence, `carrying` the time in seconds."""

    downtime: float
    whole: float
    snapshot: int
    transfer: float | None
    objects: int
    carrying: float


def drill(options: Sequence[str]) -> Run | None:
    """Run a drill; return None if it failed."""
    process = subprocess.run(
        [DRILL, "drill", "-o", "json", *options], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False
    )
    result: dict[str, Any] = json.loads(process.stdout) if process.stdout else {}
    if result.get("result") != "passed":
        return None
    folder = Path(result["backup_dir"])
    lines = [json.loads(line) for line in (folder / "journal.jsonl").read_text("utf-8").splitlines()]
    snapshot: int = json.loads((folder / "manifest.json").read_text("utf-8"))["snapshot"]["size"]
    uploading = upload_seconds(lines)
    objects, carrying = carried(lines)
    return Run(
        downtime=result["api_downtime_s"],
        whole=result["duration_s"],
        snapshot=snapshot,
        transfer=snapshot / MIB / uploading if uploading else None,
        objects=objects,
        carrying=carrying,
    )


def upload_seconds(lines: Iterable[dict[str, Any]]) -> float:
    """Return the time from the upload's intents to their outcomes."""
    seconds, began = 0.0, None
    for line in lines:
        match line:
            case {"line": "intent", "at": at, "actions": actions} if any(
                text.startswith("upload ") for text in actions
            ):
                began = at
            case {"line": "outcome", "at": at} if began is not None:
                seconds, began = seconds + at - began, None
    return seconds


def carried(lines: Iterable[dict[str, Any]]) -> tuple[int, float]:
    """Return the number of objects that the steps before the fence wrote on the destination, and the steps' seconds."""
    objects, seconds = 0, 0.0
    for line in lines:
        if line.get("step") not in _CARRIED:
            continue
        match line:
            case {"line": "intent", "actions": actions}:
                objects += sum(text.startswith(_CREATED) for text in actions)
            case {"line": "done", "seconds": took}:
                seconds += took
    return objects, seconds


def summary(case: str, runs: Sequence[Run | None]) -> dict[str, Any]:
    """Return the medians of passed runs."""
    passed = [run for run in runs if run is not None]
    row: dict[str, Any] = {"case": case, "passed": len(passed), "failed": len(runs) - len(passed)}
    if not passed:
        return row
    transfers = [run.transfer for run in passed if run.transfer is not None]
    rates = [run.objects / run.carrying for run in passed if run.carrying]
    return row | {
        "api_downtime_s": round(statistics.median(run.downtime for run in passed), 1),
        "api_downtime_most_s": round(max(run.downtime for run in passed), 1),
        "whole_s": round(statistics.median(run.whole for run in passed), 1),
        "snapshot_mib": round(statistics.median(run.snapshot for run in passed) / MIB, 1),
        "upload_mib_per_s": round(statistics.median(transfers), 1) if transfers else None,
        "objects": round(statistics.median(run.objects for run in passed)),
        "objects_per_s": round(statistics.median(rates), 1) if rates else None,
    }


def table(rows: Sequence[dict[str, Any]]) -> str:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    texts = [columns, *([str(row.get(name, "-")) for name in columns] for row in rows)]
    widths = [max(len(text[index]) for text in texts) for index in range(len(columns))]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(text, widths, strict=True)) for text in texts)


def main() -> None:
    parser = argparse.ArgumentParser(description="Downtime of the hosted API during a relocation, for each shape.")
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    parser.add_argument("--runs", type=int, default=1, help="number of drills for each case")
    parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(CASES))
    arguments = parser.parse_args()
    if unknown := [case for case in arguments.cases if case not in CASES]:
        parser.error(f"unknown case: {', '.join(unknown)}; cases: {', '.join(CASES)}")
    rows = []
    for case in arguments.cases or CASES:
        rows.append(summary(case, [drill(CASES[case]) for _ in range(arguments.runs)]))
        print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    print(json.dumps(rows, indent=2) if arguments.output == "json" else table(rows))


if __name__ == "__main__":
    main()
