"""`hcp-dr-lab fault`: what goes wrong on purpose for whoever comes from outside: `list`, `set`, `clear`."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from hcp_dr_lab.cli.form import Form, Name, Output
from hcp_dr_lab.ground.errors import BadOptions
from hcp_dr_lab.region import lifecycle
from hcp_dr_lab.region.control import Control
from hcp_dr_lab.region.faults import Fault, FaultError, Kind

app = typer.Typer(
    no_args_is_help=True,
    help="Let APIs, S3, Route53 and EC2 fail for hcp-dr and kubectl; the region's own parts are spared.",
)


@app.command("list")
def list_(name: Name = "default", output: Output = Form.TEXT) -> None:
    """The faults that are set, and the targets that there are."""
    faults, targets = Control(lifecycle.standing(name)).faults()
    if output is Form.JSON:
        print(json.dumps({"faults": faults, "targets": targets}, indent=2))
        return
    for row in faults:
        print(line(row))
    print(f"{'' if faults else 'no fault is set; '}targets: {', '.join(targets)}")


@app.command("set")
def set_(
    target: Annotated[str, typer.Argument(help="Such as mgmt-1/api, shop/api, '*/api', s3, route53, ec2.")],
    *,
    status: Annotated[int, typer.Option("--status", metavar="CODE", help="Answer with this HTTP status.")] = 0,
    retry_after: Annotated[int | None, typer.Option("--retry-after", metavar="SECONDS", help="With --status.")] = None,
    delay: Annotated[float, typer.Option("--delay", metavar="SECONDS", help="Let requests arrive later.")] = 0.0,
    cut: Annotated[bool, typer.Option("--cut", help="Break off in the middle of the answer.")] = False,
    drop_watches: Annotated[
        float | None, typer.Option("--drop-watches", metavar="SECONDS", help="Break off watches after so long.")
    ] = None,
    gone: Annotated[bool, typer.Option("--gone", help="410: resource versions and pages are too old.")] = False,
    match: Annotated[
        str,
        typer.Option("--match", help="Only these: 'PATCH hostedclusters', 'watch', '/path/*', 'TerminateInstances'."),
    ] = "",
    times: Annotated[int | None, typer.Option("--times", help="Only the next so many.")] = None,
    percent: Annotated[float, typer.Option("--percent", help="Only this share of them.")] = 100.0,
    seed: Annotated[int, typer.Option("--seed", help="Of the chance that --percent leaves.")] = 0,
    name: Name = "default",
    output: Output = Form.TEXT,
) -> None:
    """Set a fault; prints its number. Exactly one of --status, --delay, --cut, --drop-watches, --gone."""
    kinds = {
        Kind.STATUS: bool(status),
        Kind.DELAY: bool(delay),
        Kind.CUT: cut,
        Kind.DROP_WATCHES: drop_watches is not None,
        Kind.GONE: gone,
    }
    asked = [kind for kind, wanted in kinds.items() if wanted]
    if len(asked) != 1 or (retry_after is not None and not status):
        raise BadOptions(
            "A fault is exactly one of --status, --delay, --cut, --drop-watches and --gone, and --retry-after belongs "
            "to --status. Nothing was set."
        )
    try:
        fault = Fault(
            target=target,
            kind=asked[0],
            status=status,
            retry_after=retry_after,
            seconds=delay or drop_watches or 0.0,
            match=match,
            times=times,
            percent=percent,
            seed=seed,
        )
    except FaultError as error:
        raise BadOptions(f"{error} Nothing was set.") from error
    number = Control(lifecycle.standing(name)).set_fault(fault)
    print(json.dumps({"number": number}) if output is Form.JSON else f"{number}: {target}: {fault.words}")


@app.command()
def clear(
    which: Annotated[str, typer.Argument(help="A fault's number, or a target; all faults without it.")] = "",
    name: Name = "default",
    output: Output = Form.TEXT,
) -> None:
    """Remove faults."""
    cleared = Control(lifecycle.standing(name)).clear_faults(which)
    if output is Form.JSON:
        print(json.dumps({"cleared": cleared}))
        return
    print(f"cleared: {', '.join(map(str, cleared)) or 'nothing, none was set'}")


def line(row: dict[str, object]) -> str:
    """One fault, for people."""
    left = "until cleared" if row["left"] is None else f"{row['left']} more times"
    return f"{row['number']}: {row['target']}: {row['words']}, struck {row['struck']} times, {left}"
