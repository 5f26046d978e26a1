"""What the project says of itself at its root is true."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_ci_runs_what_the_readme_says() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    [first] = re.findall(r"\A# hcp-dr\n\n```sh\n(.*?)```", readme, flags=re.DOTALL)
    on_top = re.findall(r"^make [\w-]+", first, flags=re.MULTILINE)
    [of_ci] = re.findall(r"CI runs (.*?)\.\n", readme, flags=re.DOTALL)
    run = re.findall(r"^make [\w-]+", (ROOT / ".ci" / "run").read_text("utf-8"), flags=re.MULTILINE)
    assert len(on_top) == 2
    assert set(on_top) <= set(run)
    assert re.findall(r"`(make [\w-]+)`", of_ci) == run
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text("utf-8"), flags=re.MULTILINE)
    said = {name for page in ("README.md", "CONTRIBUTING.md") for name in _targets((ROOT / page).read_text("utf-8"))}
    assert said <= set(targets)


def _targets(page: str) -> list[str]:
    return re.findall(r"(?:^|`|=\S+ )make ([\w-]+)", page, flags=re.MULTILINE)
