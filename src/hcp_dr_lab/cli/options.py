"""What can be asked of a rehearsal, the same for `up` and `drill`: read once, refused before anything starts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from hcp_dr.model import Dns
from hcp_dr_lab.ground import delays
from hcp_dr_lab.ground.errors import BadOptions
from hcp_dr_lab.ground.layout import RegionOptions
from hcp_dr_lab.hosted import manifest, shapes
from hcp_dr_lab.hosted.cluster import Options
from hcp_dr_lab.hosted.shapes import Shape
from hcp_dr_lab.region import crds as kinds
from hcp_dr_lab.standin import pace

Shapes = Annotated[list[Shape] | None, typer.Option("--shape", help="How the hosted cluster is made; may be repeated.")]
HostedCluster = Annotated[
    Path | None,
    typer.Option(
        "--hosted-cluster",
        metavar="FILE",
        help="A hosted cluster of your own: manifests as `hypershift create cluster aws --render` prints them.",
    ),
]
Crds = Annotated[
    Path | None,
    typer.Option("--crds", metavar="DIR", help="CustomResourceDefinitions to install instead of the rehearsal's own."),
]
Ballast = Annotated[
    str, typer.Option("--etcd-ballast", metavar="SIZE", help="What the hosted etcd holds besides, such as 500MiB.")
]
Machines = Annotated[int, typer.Option("--machines", help="So many machines more, with instances but no kubelets.")]
Secrets = Annotated[int, typer.Option("--secrets", help="So many Secrets more in the control plane namespace.")]
DnsOption = Annotated[
    Dns, typer.Option("--dns", help="How the names move: release, takeover or handover, as hcp-dr relocate takes it.")
]
Realistic = Annotated[
    bool, typer.Option("--realistic", help="The delays of real DNS, load balancers and operators: slow.")
]


Delays = Annotated[
    list[str] | None,
    typer.Option("--delay", metavar="NAME=SECONDS", help="One of the region's delays, whatever the others are."),
]


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for, and can be had."""

    hosted: Options
    region: RegionOptions


def asked(
    *,
    shape: Sequence[Shape] | None = None,
    hosted_cluster: Path | None = None,
    crds: Path | None = None,
    etcd_ballast: str = "0",
    machines: int = 0,
    secrets: int = 0,
    realistic: bool = False,
    delay: Sequence[str] | None = None,
) -> Asked:
    """Raises BadOptions."""
    hosted = shapes.options(
        frozenset(shape or ()),
        machines=machines,
        secrets=secrets,
        etcd_ballast=shapes.size(etcd_ballast),
        brought=manifest.read(hosted_cluster) if hosted_cluster is not None else None,
    )
    checked = kinds.checked(crds) if crds is not None else None
    return Asked(hosted, RegionOptions(realistic=realistic, crds=checked, changed=_delays(delay or ())))


def _delays(asked: Sequence[str]) -> tuple[tuple[str, float], ...]:
    """Sorted by name. Raises BadOptions."""
    found = {}
    for text in asked:
        name, _, seconds = text.partition("=")
        if name not in (*delays.NAMES, *pace.NAMES) or not seconds.replace(".", "", 1).isdecimal():
            raise BadOptions(
                f"--delay {text} is not NAME=SECONDS. The names are {', '.join(sorted((*delays.NAMES, *pace.NAMES)))}. "
                "Nothing was started."
            )
        found[name] = float(seconds)
    return tuple(sorted(found.items()))
