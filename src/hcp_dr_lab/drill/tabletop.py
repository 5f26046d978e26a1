"""A drill on the tabletop: a complete relocation in a region in memory, judged by the observer's rules.

The backup with its journal, and the evidence, remain in a folder of their own.
"""

from __future__ import annotations

import textwrap
import time
from collections.abc import Callable
from pathlib import Path

from hcp_dr.model import RELEASE, Dns
from hcp_dr_lab.ground.layout import PRODUCT_USER, RegionOptions
from hcp_dr_lab.hosted.cluster import Options
from hcp_dr_lab.observer.evidence import save
from hcp_dr_lab.observer.files import Files
from hcp_dr_lab.observer.judge import judge
from hcp_dr_lab.observer.report import Outcome, as_text, parse_relocation
from hcp_dr_lab.observer.tabletop import BRISK, Observation
from hcp_dr_lab.region import lifecycle
from hcp_dr_lab.tabletop.kubernetes.access import Caller
from hcp_dr_lab.tabletop.operator import Operator
from hcp_dr_lab.tabletop.world import NAME, World

REGION = "tabletop"
SETTLE_SECONDS = 10.0  # of the world's time, watched after the relocation
_FOLDER = ".tabletop"
_SIMULATED = (
    "This was a rehearsal on the tabletop: Kubernetes, AWS, DNS, machines and time were simulated in one process. The "
    "relocation's seconds are simulated seconds. The procedure is the real one of hcp-dr."
)

Tell = Callable[[str], None]


def perform(
    hosted: Options,
    region: RegionOptions,
    folder: Path,
    tell: Tell,
    *,
    dns: Dns = RELEASE,
    began: float | None = None,
) -> Outcome:
    """Relocate a hosted cluster of this shape from mgmt-1 to mgmt-2 and judge it. `began` is on the monotonic clock."""
    began = time.monotonic() if began is None else began
    world = World(realistic=region.realistic, crds=region.crds, releases=region.releases)
    for change in hosted.brought.changes if hosted.brought is not None else ():
        tell(f"fitted: {change}")
    tell("two management clusters and AWS are running, in memory")
    world.populate(hosted, NAME)
    name = next(iter(world.residents))
    tell(f"hosted cluster {name} is in service after {world.clock.now():.0f} s of simulated time")
    world.grant(name)
    observation = Observation(world, name, source=1, pace=BRISK)
    observation.begin()
    operator = Operator(world, name, folder=folder / "backup", caller=Caller(PRODUCT_USER))
    before = world.clock.now()
    tell("relocating")
    ending = operator.relocate(dns=dns)
    tell(f"the relocation ended after {world.clock.now() - before:.0f} s of simulated time")
    if ending.error is not None:
        tell(ending.error.paragraph())
    world.clock.spend(SETTLE_SECONDS)
    evidence = observation.conclude()
    verdict = judge(evidence)
    save(folder / "evidence", evidence)
    Files(folder / "evidence").conclude(verdict)
    return Outcome(
        cluster=name,
        source=observation.source,
        destination=observation.destination,
        relocation=parse_relocation(ending.exit_code, operator.document(ending)),
        verdict=verdict,
        duration_s=time.monotonic() - began,
        region=REGION,
        evidence_dir=str(folder / "evidence"),
    )


def new_folder() -> Path:
    """Create a folder below the user's state folder, readable only by its owner."""
    parent = lifecycle.folder("x").parent / _FOLDER
    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    stamp = time.strftime("%Y%m%d-%H%M%S")
    names = (f"{stamp}{f'-{number}' if number else ''}" for number in range(1000))
    for name in names:
        try:
            (parent / name).mkdir(mode=0o700)
        except FileExistsError:
            continue
        return parent / name
    raise FileExistsError(parent)


def summary(outcome: Outcome, folder: Path) -> str:
    """Describe the outcome for a first-time user."""
    verdict = outcome.verdict
    if outcome.passed:
        result = (
            f"The hosted cluster {outcome.cluster} has moved from {outcome.source} to {outcome.destination}. Its "
            f"{len(verdict.nodes_before)} workers and their containers kept running. Its API was unavailable for "
            f"{verdict.api_downtime_s:.0f} s. None of the {verdict.acknowledged} acknowledged writes was lost."
        )
    else:
        result = f"The relocation of {outcome.cluster} failed the observer's rules; the reasons are above."
    return "\n".join(
        [
            as_text(outcome),
            "",
            *textwrap.wrap(_SIMULATED, 100),
            "",
            *textwrap.wrap(result, 100),
            "",
            f"backup   {folder / 'backup'}  (objects as YAML, manifest.json)",
            f"journal  {folder / 'backup' / 'journal.jsonl'}  (every action with its reason)",
            f"evidence {folder / 'evidence'}  (the observer's evidence and verdict)",
        ]
    )
