"""`hcp-dr-lab judge`: judge the evidence of an observer again."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from hcp_dr_lab.ground.errors import BadOptions
from hcp_dr_lab.observer import evidence
from hcp_dr_lab.observer.judge import judge as judged


def judge(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The evidence of a drill: its `evidence_dir`.")],
) -> None:
    """Judge the evidence of a drill again. The verdict goes to stdout as JSON; exit code 0 is passed, 1 is failed."""
    try:
        verdict = judged(evidence.load(folder))
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:
        raise BadOptions(
            f"{folder} has no complete evidence: {error}. Nothing was judged. Pass the folder that a drill reported as "
            "`evidence_dir`."
        ) from error
    print(json.dumps({"result": "passed" if verdict.passed else "failed"} | asdict(verdict), indent=2))
    raise typer.Exit(0 if verdict.passed else 1)
