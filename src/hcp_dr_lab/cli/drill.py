"""`hcp-dr-lab drill`: a whole relocation in a region of its own or on the tabletop, judged by an observer."""

from __future__ import annotations

import json
import os
import time
from enum import StrEnum
from typing import Annotated, NoReturn

import typer

from hcp_dr.model import RELEASE, Dns
from hcp_dr_lab.cli import options
from hcp_dr_lab.cli.progress import Progress
from hcp_dr_lab.drill import tabletop as tabletop_drill
from hcp_dr_lab.drill.region import perform
from hcp_dr_lab.ground.errors import BadOptions
from hcp_dr_lab.ground.layout import Controllers
from hcp_dr_lab.hosted.shapes import REFUSED
from hcp_dr_lab.observer.report import Outcome, as_object, as_text
from hcp_dr_lab.region import lifecycle


class Form(StrEnum):
    """How a result is printed."""

    TEXT = "text"
    JSON = "json"


def drill(
    name: Annotated[str, typer.Option("--name", help="Drill in this region, and keep it running.")] = "",
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
    dns: options.DnsOption = RELEASE,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the drill's own region running for inspection.")] = False,
    tabletop: Annotated[
        bool,
        typer.Option(
            "--tabletop", help="Run in memory within seconds, without root: everything except hcp-dr is simulated."
        ),
    ] = False,
    output: Annotated[Form, typer.Option("--output", "-o", help="What goes to stdout.")] = Form.TEXT,
) -> None:
    """Relocate a hosted cluster in the region from one management cluster to the other, and judge it.

    Exit code 0 is passed, 1 is failed.
    """
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
    tell = Progress()
    for each in sorted(REFUSED.intersection(shape or ())):
        tell(f"--shape {each}: hcp-dr must refuse this shape for every release; a refused drill fails")
    if tabletop:
        _on_tabletop(rehearsal, dns, output, tell, standing=bool(name) or keep)
    region = name or f"drill-{os.getpid()}"
    began = time.monotonic()
    try:
        layout, cluster = lifecycle.up_with_cluster(region, tell, options=rehearsal.region, hosted=rehearsal.hosted)
        outcome = perform(layout, cluster, dns=dns, began=began, tell=tell)
        show(outcome, output)
    finally:
        if not name and not keep:
            lifecycle.down(region, tell)
    raise typer.Exit(0 if outcome.passed else 1)


def _on_tabletop(
    rehearsal: options.RehearsalOptions, dns: Dns, output: Form, tell: Progress, *, standing: bool
) -> NoReturn:
    if standing:
        raise BadOptions(
            "--tabletop uses its own region in memory, which ends with the drill: --name and --keep have no effect. "
            "Nothing was started. Remove these options."
        )
    if rehearsal.region.controllers is Controllers.REAL:
        raise BadOptions(
            "--tabletop plays Cluster API and its AWS provider in memory: --controllers real needs the region. "
            "Nothing was started. Remove one of the options."
        )
    folder = tabletop_drill.new_folder()
    outcome = tabletop_drill.perform(rehearsal.hosted, rehearsal.region, folder, tell, dns=dns)
    if output is Form.TEXT:
        print(tabletop_drill.summary(outcome, folder))
    else:
        show(outcome, output)
    raise typer.Exit(0 if outcome.passed else 1)


def show(outcome: Outcome, output: Form) -> None:
    """Print the result to stdout. With JSON output, also print the reasons for a failure to stderr."""
    if output is Form.TEXT:
        print(as_text(outcome))
        return
    print(json.dumps(as_object(outcome), indent=2))
    for reason in outcome.reasons:
        typer.echo(f"hcp-dr-lab: failed: {reason}", err=True)
