"""A drill's measurements, as a JSON object and as a short text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hcp_dr_lab.observer.judge import Verdict


@dataclass(frozen=True, slots=True)
class Relocation:
    """The result of `hcp-dr relocate`. `phases` are the reported names and seconds."""

    exit_code: int
    backup_dir: str = ""
    phases: tuple[tuple[str, float], ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Outcome:
    """One relocation, judged by the observer. `duration_s` is the total time, including preparations;
    `region` is the region's name, `evidence_dir` the folder with the observer's evidence."""

    cluster: str
    source: str
    destination: str
    relocation: Relocation
    verdict: Verdict
    duration_s: float
    region: str = "real"
    evidence_dir: str = ""

    @property
    def reasons(self) -> tuple[str, ...]:
        """The reasons for the failure; empty exactly when the drill passed. Exit code 1 means done with warnings."""
        code = self.relocation.exit_code
        ended = () if code in (0, 1) else (f"`hcp-dr relocate` ended with exit code {code}",)
        return (*ended, *self.verdict.reasons)

    @property
    def passed(self) -> bool:
        return not self.reasons


def as_object(outcome: Outcome) -> dict[str, Any]:
    """For machines."""
    verdict, relocation = outcome.verdict, outcome.relocation
    return {
        "result": "passed" if outcome.passed else "failed",
        "region": outcome.region,
        "duration_s": round(outcome.duration_s, 1),
        "api_downtime_s": verdict.api_downtime_s,
        "writes": {"acknowledged": verdict.acknowledged, "lost": len(verdict.lost)},
        "instances": {
            "before": list(verdict.instances_before),
            "after": list(verdict.instances_after),
            "terminated": list(verdict.instances_terminated),
            "new": list(verdict.instances_new),
            "protection_changed": list(verdict.protection_changed),
        },
        "nodes": {
            "before": dict(verdict.nodes_before),
            "after": dict(verdict.nodes_after),
            "boot_ids_changed": list(verdict.boot_ids_changed),
        },
        "workloads": {
            "probes": verdict.probes,
            "failed": len(verdict.failed),
            "container_restarts": len(verdict.container_restarts),
        },
        "split_brain": verdict.split_brain,
        "content": {"sampled": verdict.content_samples, "changed": list(verdict.content_changed)},
        "volumes": {"watched": verdict.volumes_watched, "changed": list(verdict.volumes_changed)},
        "cloud": {"changed": list(verdict.cloud_changed)},
        "neighbour": _neighbour(verdict),
        "foreign": {"watched": verdict.foreign_watched, "changed": list(verdict.foreign_changed)},
        "operator_stopped_s": verdict.operator_stopped_s,
        "source_left": list(verdict.source_left),
        "phases": [{"name": name, "seconds": seconds} for name, seconds in relocation.phases],
        "backup_dir": relocation.backup_dir,
        "evidence_dir": outcome.evidence_dir,
        "reasons": list(outcome.reasons),
    }


def _neighbour(verdict: Verdict) -> dict[str, Any] | None:
    """Return None without a neighbour."""
    if not verdict.neighbour:
        return None
    changed, failed = verdict.neighbour_changed, verdict.neighbour_failed
    return {"name": verdict.neighbour, "changed": list(changed), "failed": len(failed)}


def as_text(outcome: Outcome) -> str:
    """For people."""
    verdict, relocation = outcome.verdict, outcome.relocation
    result = "PASSED" if outcome.passed else "FAILED"
    same = "the same" if verdict.nodes_before == verdict.nodes_after else "NOT the same"
    rows = [
        ("api downtime", f"{verdict.api_downtime_s:.1f} s"),
        ("writes", f"{verdict.acknowledged} acknowledged, {len(verdict.lost)} lost"),
        (
            "workers",
            (
                f"{len(verdict.instances_before)} instances, {len(verdict.instances_terminated)} terminated; "
                f"{len(verdict.nodes_before)} nodes, {same}; {len(verdict.boot_ids_changed)} rebooted"
            ),
        ),
        (
            "workloads",
            (
                f"{verdict.probes} probes, {len(verdict.failed)} failures, "
                f"{len(verdict.container_restarts)} containers restarted; "
                f"{verdict.volumes_watched} volumes, {len(verdict.volumes_changed)} lost or replaced"
            ),
        ),
        ("split brain", "YES" if verdict.split_brain else "no"),
        ("others", _others(verdict)),
        ("left on source", ", ".join(verdict.source_left) or "nothing"),
        ("phases", ", ".join(f"{name} {seconds:.1f} s" for name, seconds in relocation.phases) or "none"),
        ("backup", relocation.backup_dir or "none"),
        ("evidence", outcome.evidence_dir or "none"),
    ]
    head = (
        f"{result}: {outcome.cluster} from {outcome.source} to {outcome.destination}, {outcome.duration_s:.0f} s in all"
    )
    return "\n".join([head, *_table(rows), *(f"  because {reason}" for reason in outcome.reasons)])


def _others(verdict: Verdict) -> str:
    touched = len(verdict.foreign_changed)
    words = [f"{verdict.foreign_watched} foreign things watched, {touched} touched"]
    if verdict.neighbour:
        harmed = len(verdict.neighbour_changed) + len(verdict.neighbour_failed)
        words.append(f"neighbour {verdict.neighbour} {'HARMED' if harmed else 'unharmed'}")
    words.append(f"operator stopped {verdict.operator_stopped_s:.1f} s")
    return "; ".join(words)


def _table(rows: Sequence[tuple[str, str]]) -> Iterable[str]:
    width = max(len(name) for name, _ in rows)
    return (f"  {name:<{width}}  {value}" for name, value in rows)


def parse_relocation(exit_code: int, document: Mapping[str, Any]) -> Relocation:
    """Parse the JSON of `hcp-dr relocate`; missing fields are empty."""
    phases = tuple((str(phase["name"]), float(phase["seconds"])) for phase in document.get("phases", ()))
    return Relocation(exit_code, str(document.get("backup_dir", "")), phases)
