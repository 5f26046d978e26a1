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
from hcp_dr_lab.hosted.shapes import REFUSED
from hcp_dr_lab.observer.report import Outcome, as_object, as_text
from hcp_dr_lab.region import lifecycle


class Form(StrEnum):
    """How a result is printed."""

    TEXT = "text"
    JSON = "json"


def drill(
    name: Annotated[str, typer.Option("--name", help="Drill in this region, and leave it standing.")] = "",
    *,
    shape: options.Shapes = None,
    hosted_cluster: options.HostedCluster = None,
    crds: options.Crds = None,
    etcd_ballast: options.Ballast = "0",
    machines: options.Machines = 0,
    secrets: options.Secrets = 0,
    realistic: options.Realistic = False,
    delay: options.Delays = None,
    dns: options.DnsOption = RELEASE,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the drill's own region standing, to look at it.")] = False,
    tabletop: Annotated[
        bool,
        typer.Option("--tabletop", help="In memory, in seconds, anywhere, without root: all but hcp-dr simulated."),
    ] = False,
    output: Annotated[Form, typer.Option("--output", "-o", help="What goes to stdout.")] = Form.TEXT,
) -> None:
    """Relocate a hosted cluster in the region from one management cluster to the other, and judge it.

    Exit code 0 is passed, 1 is failed.
    """
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
    tell = Progress()
    for each in sorted(REFUSED.intersection(shape or ())):
        tell(f"--shape {each}: hcp-dr has to refuse it, whatever its release, and a drill that is refused fails")
    if tabletop:
        _on_tabletop(asked, dns, output, tell, standing=bool(name) or keep)
    region = name or f"drill-{os.getpid()}"
    began = time.monotonic()
    try:
        layout, cluster = lifecycle.up_with_cluster(region, tell, options=asked.region, hosted=asked.hosted)
        outcome = perform(layout, cluster, dns=dns, began=began, tell=tell)
        show(outcome, output)
    finally:
        if not name and not keep:
            lifecycle.down(region, tell)
    raise typer.Exit(0 if outcome.passed else 1)


def _on_tabletop(asked: options.Asked, dns: Dns, output: Form, tell: Progress, *, standing: bool) -> NoReturn:
    if standing:
        raise BadOptions(
            "--tabletop makes a region of its own in memory, which ends with the drill: --name and --keep mean nothing "
            "there. Nothing was started. Leave them out."
        )
    folder = tabletop_drill.new_folder()
    outcome = tabletop_drill.perform(asked.hosted, asked.region, folder, tell, dns=dns)
    if output is Form.TEXT:
        print(tabletop_drill.summary(outcome, folder))
    else:
        show(outcome, output)
    raise typer.Exit(0 if outcome.passed else 1)


def show(outcome: Outcome, output: Form) -> None:
    """The result to stdout; why it failed also to stderr where stdout is for a machine."""
    if output is Form.TEXT:
        print(as_text(outcome))
        return
    print(json.dumps(as_object(outcome), indent=2))
    for reason in outcome.reasons:
        typer.echo(f"hcp-dr-lab: failed: {reason}", err=True)
