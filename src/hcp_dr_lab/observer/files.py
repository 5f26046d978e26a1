"""The folder for controlling and following an observation, also from outside the region."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hcp_dr_lab.observer.judge import Verdict


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of an observation. `phase`: waiting, watching, reading, done or failed; `message` has details."""

    phase: str
    acknowledged: int = 0
    message: str = ""


@dataclass(frozen=True, slots=True)
class Files:
    """One observation's folder, next to the evidence."""

    folder: Path

    def tell(self, progress: Progress) -> None:
        _write(self.folder / "progress.json", asdict(progress))

    def progress(self) -> Progress:
        try:
            return Progress(**json.loads((self.folder / "progress.json").read_text()))
        except FileNotFoundError:
            return Progress("waiting", message="the observer has not started")

    def order_stop(self) -> None:
        (self.folder / "stop").touch()

    def stop_ordered(self) -> bool:
        return (self.folder / "stop").exists()

    def conclude(self, verdict: Verdict) -> None:
        _write(self.folder / "verdict.json", asdict(verdict))

    def verdict(self) -> Verdict | None:
        try:
            fields: dict[str, Any] = json.loads((self.folder / "verdict.json").read_text())
        except FileNotFoundError:
            return None
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()
        }
        return Verdict(**values)


def _write(path: Path, content: object) -> None:
    """Write a file atomically, so that concurrent readers see a complete file."""
    new = path.with_suffix(".new")
    new.write_text(json.dumps(content, indent=1))
    new.replace(path)
