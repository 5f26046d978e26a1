"""How fast etcd's snapshot is saved, verified and sent, in one piece and in parts: drills in regions of their own.

    .venv/bin/python bench/transfer.py [-o json|table] [--ballast MIB] [--part MIB…]

Needs what `make drill` needs. The rates are those of the region's S3 gateway on this machine: they compare ways, and
promise nothing of AWS. The time of each is in the downtime of the hosted API.
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
    """In MiB/s, and what the whole step took in seconds. None of them where no time was measured."""

    part_mib: int
    snapshot_mib: float
    save: float | None
    verify: float | None
    upload: float | None
    step_s: float


def drill(ballast: int, part: int) -> Rates | None:
    """None where it did not pass."""
    done = subprocess.run(
        [DRILL, "drill", "-o", "json", "--etcd-ballast", f"{ballast}MiB"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"SNAPSHOT_PART_MIB": str(part)},
        check=False,
    )
    result: dict[str, Any] = json.loads(done.stdout) if done.stdout else {}
    if result.get("result") != "passed":
        return None
    folder = Path(result["backup_dir"])
    lines = [json.loads(line) for line in (folder / "journal.jsonl").read_text("utf-8").splitlines()]
    size: int = json.loads((folder / "manifest.json").read_text("utf-8"))["snapshot"]["size"]
    return rates(lines, size, part)


def rates(lines: Iterable[dict[str, Any]], size: int, part: int) -> Rates:
    """From the journal: an outcome closes its intent; what is read whole is remembered right after."""
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
    told = {name: round(mib / seconds, 1) if seconds else None for name, seconds in spent.items()}
    return Rates(part, round(mib, 1), told["save"], told["verify"], told["upload"], round(step, 1))


def main() -> None:
    parser = argparse.ArgumentParser(description="How fast etcd's snapshot is saved, verified and sent.")
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    parser.add_argument("--ballast", type=int, default=500, help="MiB in etcd")
    parser.add_argument("--part", type=int, nargs="+", default=[4096, 128, 32], help="SNAPSHOT_PART_MIB")
    given = parser.parse_args()
    found = [row for part in given.part if (row := drill(given.ballast, part)) is not None]
    rows = [asdict(row) for row in found]
    if given.output == "json":
        print(json.dumps(rows))
        return
    for each in rows:
        print("  ".join(f"{name} {value}" for name, value in each.items()))
    if len(rows) < len(given.part):
        print(f"{len(given.part) - len(rows)} drills did not pass")


if __name__ == "__main__":
    main()
