"""How long a relocation keeps the hosted API away: several drills in regions of their own, minimum, median, maximum.

    .venv/bin/python bench/relocation.py [RUNS]

Needs what `make drill` needs. It judges nothing; a drill that fails is printed and not counted.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

DRILL = Path(sys.executable).with_name("hcp-dr-lab")


def drill() -> dict[str, Any] | None:
    """The drill's own JSON; None where it did not pass."""
    done = subprocess.run(
        [DRILL, "drill", "-o", "json"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False
    )
    result: dict[str, Any] = json.loads(done.stdout) if done.stdout else {"result": f"exit code {done.returncode}"}
    print(f"{result['result']}: API away {result.get('api_downtime_s', '?')} s", flush=True)
    return result if result["result"] == "passed" else None


def row(name: str, values: list[float]) -> str:
    return f"{name:24} {min(values):8.1f} {statistics.median(values):8.1f} {max(values):8.1f}"


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    passed = [result for _ in range(runs) if (result := drill()) is not None]
    if not passed:
        sys.exit("no drill passed")
    print(f"\n{'seconds, ' + str(len(passed)) + ' drills':24} {'minimum':>8} {'median':>8} {'maximum':>8}")
    print(row("API away", [result["api_downtime_s"] for result in passed]))
    print(row("whole drill", [result["duration_s"] for result in passed]))
    for phase in passed[0]["phases"]:
        name = phase["name"]
        print(row(name, [p["seconds"] for result in passed for p in result["phases"] if p["name"] == name]))


if __name__ == "__main__":
    main()
