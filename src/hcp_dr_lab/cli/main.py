"""`hcp-dr-lab`: results to stdout, progress to stderr, errors as one paragraph."""

from __future__ import annotations

import json
import signal
import sys
from dataclasses import asdict
from typing import Annotated, NoReturn

import typer

from hcp_dr.cli.unforeseen import run, run_guarded
from hcp_dr.errors import HcpDrError
from hcp_dr_lab.cli import fault, options, parts
from hcp_dr_lab.cli.drill import drill
from hcp_dr_lab.cli.form import Form, Name, Output
from hcp_dr_lab.cli.judge import judge
from hcp_dr_lab.cli.progress import Progress
from hcp_dr_lab.ground.errors import LabError
from hcp_dr_lab.ground.layout import Controllers, all_recorded
from hcp_dr_lab.region import lifecycle

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Run an AWS region with two management clusters in one Linux namespace, to rehearse relocations.",
)
app.command()(drill)
app.command()(judge)
app.command()(parts.stop)
app.command()(parts.start)
app.add_typer(fault.app, name="fault")


@app.command()
def up(
    name: Name = "default",
    *,
    shape: options.Shapes = None,
    hosted_cluster: options.HostedCluster = None,
    crds: options.Crds = None,
    release: options.Release = None,
    source_release: options.SourceRelease = None,
    destination_release: options.DestinationRelease = None,
    etcd_ballast: options.Ballast = "0",
    machines: options.Machines = 0,
    secrets: options.Secrets = 0,
    realistic: options.Realistic = False,
    delay: options.Delays = None,
    controllers: options.ControllersOption = Controllers.PLAYED,
    keep: Annotated[bool, typer.Option("--keep", help="Keep a region that failed to start, for inspection.")] = False,
) -> None:
    """Start the region, and print the env file for hcp-dr as the last line."""
    rehearsal = options.parse_options(
        shape=shape,
        hosted_cluster=hosted_cluster,
        crds=crds,
        release=release,
        source_release=source_release,
        destination_release=destination_release,
        etcd_ballast=etcd_ballast,
        machines=machines,
        secrets=secrets,
        realistic=realistic,
        delay=delay,
        controllers=controllers,
    )
    region, cluster = lifecycle.up_with_cluster(
        name, Progress(), options=rehearsal.region, hosted=rehearsal.hosted, keep=keep
    )
    print(f"env file: {region.env_file(cluster)}")


@app.command()
def status(name: Name = "default", output: Output = Form.TEXT) -> None:
    """Show whether each part of the region serves, and the faults. The exit code is 1 if a part does not serve."""
    region, report = lifecycle.status(name)
    faults = lifecycle.faults(region)
    state = report.state if report.serves or report.state != "ready" else "impaired"
    if output is Form.JSON:
        rows = [asdict(part) for part in report.parts]
        print(json.dumps({"region": region.name, "state": state, "parts": rows, "faults": faults}, indent=2))
        raise typer.Exit(0 if report.serves else 1)
    print(f"region {region.name}: {state}, {region.root}")
    for line in region.options.words:
        print(f"  {line}")
    for entry in all_recorded(region):
        print(f"  hosted cluster {entry.names.name}: {', '.join(entry.shape) or 'the plain one'}")
    for part in report.parts:
        print(f"  {part.name:34} {part.state:9} {part.seconds:6.1f} s  {part.why}".rstrip())
    for row in faults or ():
        print(f"  fault {fault.line(row)}")
    if not report.serves:
        raise typer.Exit(1)


@app.command()
def down(name: Name = "default") -> None:
    """Stop the region, and remove everything that belongs to it."""
    lifecycle.down(name, Progress())


def main() -> NoReturn:
    """Run the command line and exit. SIGTERM ends the process as cleanly as an interruption."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    sys.exit(
        run_guarded("hcp-dr-lab", _ended, lambda: ("Run `hcp-dr-lab status` to see whether a region is running.", None))
    )


def _ended() -> int:
    try:
        return run(app, "hcp-dr-lab")
    except LabError as error:
        print(f"hcp-dr-lab: {error}", file=sys.stderr)
        return error.exit_code
    except HcpDrError as error:
        print(f"hcp-dr-lab: {error.paragraph()}", file=sys.stderr)
        return LabError.exit_code
