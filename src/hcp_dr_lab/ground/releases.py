"""Releases of the HyperShift operator, and the differences between them on a management cluster.

Sources: the CustomResourceDefinitions of each release branch (cmd/install/assets/crds; CAPICRDOverrides in assets.go
sets the storage version), hostedcluster_controller.go (pauseCAPICluster, since release-4.18; reconcileCAPICluster
before), and nodepool_controller.go (removeStatusCondition, until release-4.16).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hcp_dr_lab.ground import payload
from hcp_dr_lab.ground.errors import BadOptions


@dataclass(frozen=True, slots=True)
class OperatorRelease:
    """`served` and `stored` are versions of Cluster API. `pauses_cluster`: the operator sets spec.paused of the Cluster
    with the pause of the HostedCluster, and without. `says_no`: the conditions of a NodePool that report an update are
    False without an update, instead of absent. `hosted` is the image of its newest hosted release."""

    version: str
    served: tuple[str, ...]
    stored: str
    hosted: str
    pauses_cluster: bool = True
    says_no: bool = True

    @property
    def supported(self) -> tuple[str, ...]:
        """The hosted releases that it supports, the newest first."""
        known = tuple(RELEASES)
        return known[known.index(self.version) :: -1]


_OLD, _NEW = "v1beta1", "v1beta2"


def _before_conversion(
    version: str, hosted: str, *, pauses_cluster: bool = True, says_no: bool = True
) -> OperatorRelease:
    return OperatorRelease(version, (_OLD,), _OLD, hosted, pauses_cluster, says_no)


_ALL = (
    *(
        _before_conversion(minor, payload.release("", f"{minor}.9"), pauses_cluster=False, says_no=False)
        for minor in ("4.14", "4.15", "4.16")
    ),
    _before_conversion("4.17", payload.release("", "4.17.9"), pauses_cluster=False),
    *(_before_conversion(minor, payload.release("", f"{minor}.8")) for minor in ("4.18", "4.19", "4.20")),
    _before_conversion("4.21", payload.release("etcdctl-on-36", "4.21.5")),
    _before_conversion("4.22", payload.release("etcdutl", "4.22.5")),
    OperatorRelease("4.23", (_OLD, _NEW), _OLD, payload.release("etcdutl", "4.23.1")),
    OperatorRelease("5.0", (_OLD, _NEW), _OLD, payload.release("etcdutl", "5.0.0")),
    OperatorRelease("5.1", (_OLD, _NEW), _NEW, payload.release("etcdutl", "5.1.0")),
)
RELEASES: Mapping[str, OperatorRelease] = {each.version: each for each in _ALL}
"""By version, the oldest first."""
NEWEST = "5.1"
Releases = tuple[str, str]
"""Of the operators of mgmt-1 and mgmt-2."""


def chosen(release: str | None, source: str | None, destination: str | None) -> tuple[str, str]:
    """The releases of both management clusters; each option outranks `release`. Raises BadOptions."""
    wanted = (source or release or NEWEST, destination or release or NEWEST)
    for each in wanted:
        if each not in RELEASES:
            raise BadOptions(f"{each} is not a release of HyperShift: use {', '.join(RELEASES)}. Nothing was started.")
    return wanted


def newest_hosted(releases: tuple[str, str]) -> str:
    """The image of the newest hosted release that both operators support."""
    known = tuple(RELEASES)
    return RELEASES[known[min(map(known.index, releases))]].hosted
