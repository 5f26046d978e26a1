"""Options of a rehearsal, shared by `up` and `drill`; invalid options are refused before anything starts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from hcp_dr.kube.resources import MACHINE
from hcp_dr.model import Dns
from hcp_dr_lab.ground import delays, releases
from hcp_dr_lab.ground.errors import BadOptions
from hcp_dr_lab.ground.layout import Controllers, RegionOptions
from hcp_dr_lab.hosted import manifest, shapes
from hcp_dr_lab.hosted.cluster import Options
from hcp_dr_lab.hosted.shapes import Shape
from hcp_dr_lab.region import crds as kinds
from hcp_dr_lab.standin import pace

Shapes = Annotated[list[Shape] | None, typer.Option("--shape", help="The hosted cluster's shape; can be repeated.")]
HostedCluster = Annotated[
    Path | None,
    typer.Option(
        "--hosted-cluster",
        metavar="FILE",
        help="Your own hosted cluster: the manifests that `hypershift create cluster aws --render` prints.",
    ),
]
Crds = Annotated[
    Path | None,
    typer.Option("--crds", metavar="DIR", help="CustomResourceDefinitions to install instead of the rehearsal's own."),
]
Release = Annotated[
    str | None,
    typer.Option("--release", metavar="VERSION", help="The HyperShift operator's release on both sides, such as 4.18."),
]
SourceRelease = Annotated[
    str | None, typer.Option("--source-release", metavar="VERSION", help="The same, on mgmt-1 only.")
]
DestinationRelease = Annotated[
    str | None, typer.Option("--destination-release", metavar="VERSION", help="The same, on mgmt-2 only.")
]
Ballast = Annotated[
    str, typer.Option("--etcd-ballast", metavar="SIZE", help="Additional data in the hosted etcd, such as 500MiB.")
]
Machines = Annotated[
    int, typer.Option("--machines", help="Number of additional machines, with instances but without kubelets.")
]
Secrets = Annotated[int, typer.Option("--secrets", help="Number of additional Secrets in the control plane namespace.")]
DnsOption = Annotated[
    Dns, typer.Option("--dns", help="How DNS names move: release, takeover or handover, as for hcp-dr relocate.")
]
Realistic = Annotated[
    bool, typer.Option("--realistic", help="Use the delays of real DNS, load balancers and operators; this is slow.")
]


Delays = Annotated[
    list[str] | None,
    typer.Option("--delay", metavar="NAME=SECONDS", help="Override one of the region's delays; can be repeated."),
]


ControllersOption = Annotated[
    Controllers,
    typer.Option(
        "--controllers", help="Cluster API and its AWS provider: played by the rehearsal, or the real programs as pods."
    ),
]


@dataclass(frozen=True, slots=True)
class RehearsalOptions:
    """The options of a rehearsal, checked."""

    hosted: Options
    region: RegionOptions


def parse_options(
    *,
    shape: Sequence[Shape] | None = None,
    hosted_cluster: Path | None = None,
    crds: Path | None = None,
    release: str | None = None,
    source_release: str | None = None,
    destination_release: str | None = None,
    etcd_ballast: str = "0",
    machines: int = 0,
    secrets: int = 0,
    realistic: bool = False,
    delay: Sequence[str] | None = None,
    controllers: Controllers = Controllers.PLAYED,
) -> RehearsalOptions:
    """Raises BadOptions."""
    operators = releases.chosen(release, source_release, destination_release)
    if controllers is Controllers.REAL:
        _refuse_other_versions(operators)
    hosted = shapes.options(
        frozenset(shape or ()),
        machines=machines,
        secrets=secrets,
        etcd_ballast=shapes.size(etcd_ballast),
        brought=manifest.read(hosted_cluster) if hosted_cluster is not None else None,
    )
    checked = kinds.checked(crds) if crds is not None else None
    return RehearsalOptions(
        shapes.at_release(hosted, operators),
        RegionOptions(
            realistic=realistic,
            crds=checked,
            changed=_parse_delays(delay or ()),
            releases=operators,
            controllers=controllers,
        ),
    )


def _refuse_other_versions(operators: releases.Releases) -> None:
    """The real Cluster API has one version of its kinds. Raises BadOptions."""
    for each in operators:
        if releases.RELEASES[each].stored != MACHINE.version:
            raise BadOptions(
                f"--controllers real needs releases that store Cluster API as {MACHINE.version}, and {each} does not. "
                "Nothing was started. Use a newer release, or --controllers played."
            )


def _parse_delays(delay: Sequence[str]) -> tuple[tuple[str, float], ...]:
    """Sorted by name. Raises BadOptions."""
    seconds_by_name = {}
    for text in delay:
        name, _, seconds = text.partition("=")
        if name not in (*delays.NAMES, *pace.NAMES) or not seconds.replace(".", "", 1).isdecimal():
            raise BadOptions(
                f"--delay {text} is not NAME=SECONDS. Valid names: {', '.join(sorted((*delays.NAMES, *pace.NAMES)))}. "
                "Nothing was started."
            )
        seconds_by_name[name] = float(seconds)
    return tuple(sorted(seconds_by_name.items()))
