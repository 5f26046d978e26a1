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
from hcp_dr_lab.ground.layout import all_recorded
from hcp_dr_lab.region import lifecycle

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="A whole AWS region with two management clusters, in one Linux namespace, to rehearse relocations in.",
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
    etcd_ballast: options.Ballast = "0",
    machines: options.Machines = 0,
    secrets: options.Secrets = 0,
    realistic: options.Realistic = False,
    delay: options.Delays = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave a region that failed as it is, to look at it.")] = False,
) -> None:
    """Bring the region up; prints the env file for hcp-dr as its last line."""
    asked = options.asked(
        shape=shape,
        hosted_cluster=hosted_cluster,
        crds=crds,
        etcd_ballast=etcd_ballast,
        machines=machines,
        secrets=secrets,
        realistic=realistic,
        delay=delay,
    )
    region, cluster = lifecycle.up_with_cluster(name, Progress(), options=asked.region, hosted=asked.hosted, keep=keep)
    print(f"env file: {region.env_file(cluster)}")


@app.command()
def status(name: Name = "default", output: Output = Form.TEXT) -> None:
    """Ask each part of the region whether it serves, and tell the faults. Exit code 1 when not all serve."""
    region, seen = lifecycle.status(name)
    faults = lifecycle.faults(region)
    state = seen.state if seen.serves or seen.state != "ready" else "impaired"
    if output is Form.JSON:
        rows = [asdict(part) for part in seen.parts]
        print(json.dumps({"region": region.name, "state": state, "parts": rows, "faults": faults}, indent=2))
        raise typer.Exit(0 if seen.serves else 1)
    print(f"region {region.name}: {state}, {region.root}")
    for said in region.options.words:
        print(f"  {said}")
    for entry in all_recorded(region):
        print(f"  hosted cluster {entry.names.name}: {', '.join(entry.shape) or 'the plain one'}")
    for part in seen.parts:
        print(f"  {part.name:34} {part.state:9} {part.seconds:6.1f} s  {part.why}".rstrip())
    for row in faults or ():
        print(f"  fault {fault.line(row)}")
    if not seen.serves:
        raise typer.Exit(1)


@app.command()
def down(name: Name = "default") -> None:
    """Take the region down; nothing of it is left."""
    lifecycle.down(name, Progress())


def main() -> NoReturn:
    """Run the command line; its end is the process's. SIGTERM ends it as an interruption does: tidily."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    sys.exit(
        run_guarded("hcp-dr-lab", _ended, lambda: ("Look with `hcp-dr-lab status` whether a region stands.", None))
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
