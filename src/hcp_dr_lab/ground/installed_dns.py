"""external-dns as `hypershift install` deploys it: names and arguments, with the intervals from `delays`."""

from __future__ import annotations

from dataclasses import dataclass

from hcp_dr_lab.ground.delays import Delays
from hcp_dr_lab.ground.layout import HOSTED_DOMAIN, ManagementCluster

NAMESPACE = "hypershift"
NAME = "external-dns"


@dataclass(frozen=True, slots=True)
class Pace:
    """Durations in external-dns's format. With `least_between_events` None external-dns syncs only at intervals."""

    interval: str
    least_between_events: str | None
    txt_cache: str
    between_batches: str
    zones_cache: str

    @property
    def arguments(self) -> list[str]:
        by_events = ["--events", f"--min-event-sync-interval={self.least_between_events}"]
        return [
            f"--interval={self.interval}",
            *(by_events if self.least_between_events else []),
            f"--txt-cache-interval={self.txt_cache}",
            f"--aws-batch-change-interval={self.between_batches}",
            f"--aws-zones-cache-duration={self.zones_cache}",
        ]


def pace(delays: Delays) -> Pace:
    """Convert the delays to external-dns's format."""
    return Pace(
        _duration(delays.external_dns_interval),
        _duration(delays.external_dns_events) if delays.external_dns_events else None,
        txt_cache=_duration(delays.external_dns_txt_cache),
        between_batches=_duration(delays.external_dns_between_batches),
        zones_cache="1h",
    )


def _duration(seconds: float) -> str:
    """Format in the largest unit with an integral value."""
    whole = ((size, unit) for size, unit in ((3600, "h"), (60, "m"), (1, "s")) if seconds % size == 0)
    size, unit = next(whole, (1, "s")) if seconds else (1, "s")
    return f"{seconds / size:g}{unit}"


def arguments(cluster: ManagementCluster, pace: Pace) -> list[str]:
    return [
        "--source=service",
        "--source=openshift-route",
        f"--domain-filter={HOSTED_DOMAIN}",
        "--provider=aws",
        "--registry=txt",
        "--txt-suffix=-external-dns",
        f"--txt-owner-id={cluster.external_dns_owner}",
        "--label-filter=hypershift.openshift.io/route-visibility!=private",
        "--aws-zone-type=public",
        *pace.arguments,
    ]
