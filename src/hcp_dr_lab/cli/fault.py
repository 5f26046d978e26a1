"""`hcp-dr-lab fault`: inject faults into requests from outside the region: `list`, `set`, `clear`."""

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
    help="Make APIs, S3, Route53 and EC2 fail for hcp-dr and kubectl, not for the region's own parts.",
)


@app.command("list")
def list_(name: Name = "default", output: Output = Form.TEXT) -> None:
    """List the faults in effect and the available targets."""
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
    delay: Annotated[float, typer.Option("--delay", metavar="SECONDS", help="Delay requests.")] = 0.0,
    cut: Annotated[bool, typer.Option("--cut", help="Close the connection in the middle of the response.")] = False,
    drop_watches: Annotated[
        float | None, typer.Option("--drop-watches", metavar="SECONDS", help="Close watches after this time.")
    ] = None,
    gone: Annotated[
        bool, typer.Option("--gone", help="Answer 410 Gone: resource versions and continue tokens have expired.")
    ] = False,
    match: Annotated[
        str,
        typer.Option(
            "--match", help="Only these requests: 'PATCH hostedclusters', 'watch', '/path/*', 'TerminateInstances'."
        ),
    ] = "",
    times: Annotated[int | None, typer.Option("--times", help="Only this many requests.")] = None,
    percent: Annotated[float, typer.Option("--percent", help="Only this share of the requests.")] = 100.0,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the random choice for --percent.")] = 0,
    name: Name = "default",
    output: Output = Form.TEXT,
) -> None:
    """Set a fault, and print its number. Takes exactly one of --status, --delay, --cut, --drop-watches, --gone."""
    kinds = {
        Kind.STATUS: bool(status),
        Kind.DELAY: bool(delay),
        Kind.CUT: cut,
        Kind.DROP_WATCHES: drop_watches is not None,
        Kind.GONE: gone,
    }
    chosen = [kind for kind, wanted in kinds.items() if wanted]
    if len(chosen) != 1 or (retry_after is not None and not status):
        raise BadOptions(
            "A fault takes exactly one of --status, --delay, --cut, --drop-watches and --gone; --retry-after requires "
            "--status. Nothing was set."
        )
    try:
        fault = Fault(
            target=target,
            kind=chosen[0],
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
    which: Annotated[str, typer.Argument(help="A fault's number or a target. Default: all faults.")] = "",
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
    """Describe one fault in a line of text."""
    remaining = "until cleared" if row["left"] is None else f"{row['left']} more times"
    return f"{row['number']}: {row['target']}: {row['words']}, struck {row['struck']} times, {remaining}"
