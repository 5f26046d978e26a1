"""Rates of saving, verifying and uploading etcd's snapshot, in one piece and in parts: drills in separate regions.

    .venv/bin/python bench/transfer.py [-o json|table] [--ballast MIB] [--part MIB…]

Has the requirements of `make drill`. The rates are measured with the region's S3 gateway on this machine: they compare
the variants, and do not predict rates of AWS. The measured times are part of the downtime of the hosted API.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

DRILL = Path(sys.executable).with_name("hcp-dr-lab")
STEP = "backup.snapshot_etcd"
MIB = 2**20


@dataclass(frozen=True, slots=True)
class Rates:
    """Rates in MiB/s, and the duration of the whole step in seconds. A rate is None if no time was measured."""

    part_mib: int
    snapshot_mib: float
    save: float | None
    verify: float | None
    upload: float | None
    step_s: float


def drill(ballast: int, part: int) -> Rates | None:
    """Run a drill; return None if it failed."""
    process = subprocess.run(
        [DRILL, "drill", "-o", "json", "--etcd-ballast", f"{ballast}MiB"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"SNAPSHOT_PART_MIB": str(part)},
        check=False,
    )
    result: dict[str, Any] = json.loads(process.stdout) if process.stdout else {}
    if result.get("result") != "passed":
        return None
    folder = Path(result["backup_dir"])
    lines = [json.loads(line) for line in (folder / "journal.jsonl").read_text("utf-8").splitlines()]
    size: int = json.loads((folder / "manifest.json").read_text("utf-8"))["snapshot"]["size"]
    return rates(lines, size, part)


def rates(lines: Iterable[dict[str, Any]], size: int, part: int) -> Rates:
    """Compute the rates from the journal: an outcome ends its intent; the verified snapshot is remembered right
    after."""
    spent = {"save": 0.0, "verify": 0.0, "upload": 0.0}
    began: tuple[str, float] | None = None
    step, saved = 0.0, None
    current = ""
    for line in lines:
        match line:
            case {"line": "step", "step": name}:
                current = name
            case {"line": "done", "step": name, "seconds": seconds} if name == STEP:
                step = seconds
            case {"line": "intent", "at": at, "actions": [first, *_]} if current == STEP:
                began = ("save" if first.startswith("save ") else "upload", at)
                if not first.startswith(("save ", "upload ", "begin ", "complete ")):
                    began = None
            case {"line": "outcome", "at": at} if began is not None:
                spent[began[0]] += at - began[1]
                saved = at if began[0] == "save" else saved
                began = None
            case {"line": "remember", "key": "snapshot_file", "at": at} if saved is not None:
                spent["verify"] += at - saved
    mib = size / MIB
    mib_per_second = {name: round(mib / seconds, 1) if seconds else None for name, seconds in spent.items()}
    return Rates(
        part, round(mib, 1), mib_per_second["save"], mib_per_second["verify"], mib_per_second["upload"], round(step, 1)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Rates of saving, verifying and uploading etcd's snapshot.")
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    parser.add_argument("--ballast", type=int, default=500, help="MiB in etcd")
    parser.add_argument("--part", type=int, nargs="+", default=[4096, 128, 32], help="SNAPSHOT_PART_MIB")
    arguments = parser.parse_args()
    passed = [row for part in arguments.part if (row := drill(arguments.ballast, part)) is not None]
    rows = [asdict(row) for row in passed]
    if arguments.output == "json":
        print(json.dumps(rows))
        return
    for each in rows:
        print("  ".join(f"{name} {value}" for name, value in each.items()))
    if len(rows) < len(arguments.part):
        print(f"{len(arguments.part) - len(rows)} drills failed")


if __name__ == "__main__":
    main()
