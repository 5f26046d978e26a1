"""The fence: the state in which no client can write to the source's etcd, so that one snapshot is complete.

Only kube-apiserver, openshift-apiserver and openshift-oauth-apiserver write to etcd (rule C1); control-plane-operator
stops first, because it would start them again. The proof is that their pods are gone and the pause stands, not that
zero replicas are desired. etcd's revision is an indication, no proof: keys with a lease still expire in a fenced etcd.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from hcp_dr.engine.journal import RunState
from hcp_dr.hypershift.state import FENCE, FenceRecord
from hcp_dr.hypershift.workloads import Workload, workloads
from hcp_dr.kube.port import Kubernetes, Object
from hcp_dr.kube.resources import DEPLOYMENT, HOSTED_CLUSTER
from hcp_dr.model import Case
from hcp_dr.objects.reading import dig
from hcp_dr.upstream import (
    AWS_NODE_TERMINATION_HANDLER,
    CLUSTER_AUTOSCALER,
    CONTROL_PLANE_OPERATOR,
    CONTROL_PLANE_PKI_OPERATOR,
    KARPENTER_OPERATOR,
    KUBE_APISERVER,
    OPENSHIFT_APISERVER,
    OPENSHIFT_OAUTH_APISERVER,
)

RECONCILERS = (CONTROL_PLANE_OPERATOR,)
"""Scaled to zero first: it would start the writers again."""
WRITERS = (KUBE_APISERVER, OPENSHIFT_APISERVER, OPENSHIFT_OAUTH_APISERVER)
ALWAYS_THERE = (*RECONCILERS, KUBE_APISERVER)
"""Without their Deployments an observation proves nothing: it is the wrong place, or their pods have no owner."""
IGNORE_PAUSE = (CLUSTER_AUTOSCALER, CONTROL_PLANE_PKI_OPERATOR, KARPENTER_OPERATOR, AWS_NODE_TERMINATION_HANDLER)
"""They ignore the pause, so they stop with the keepers (rule G). The termination handlers of both sides take notices
from one queue, and a notice that the source's takes is lost."""
FENCED = (*RECONCILERS, *WRITERS, *IGNORE_PAUSE)


@dataclass(frozen=True, slots=True)
class Fence:
    """The state of the source's fence."""

    paused: bool  # the HostedCluster's pausedUntil
    workloads: tuple[Workload, ...]
    known: Mapping[str, int] = field(default_factory=dict)  # remembered: generations at the time of the fence, by name
    known_uids: Mapping[str, str] = field(default_factory=dict)  # remembered: uids at the time of the fence, by name

    def named(self, names: tuple[str, ...]) -> tuple[Workload, ...]:
        return tuple(item for item in self.workloads if item.name in names)

    @property
    def watched(self) -> tuple[Workload, ...]:
        return self.named(FENCED)

    @property
    def missing(self) -> tuple[str, ...]:
        return tuple(name for name in ALWAYS_THERE if not self.named((name,)))

    @property
    def generations(self) -> dict[str, int]:
        """The generation of each fenced Deployment, by name: any start increases it."""
        return {item.name: item.generation for item in self.watched}

    @property
    def uids(self) -> dict[str, str]:
        """Of what is fenced, by name: one that was deleted and created again may have any generation."""
        return {item.name: item.uid for item in self.watched}

    @property
    def touched(self) -> tuple[str, ...]:
        """The Deployments changed or created again since the fence was made, whatever their state now."""
        now, uids = self.generations, self.uids
        changed = {name for name in self.known if now.get(name) != self.known[name]}
        return tuple(sorted(changed | {name for name in self.known_uids if uids.get(name) != self.known_uids[name]}))

    def made(self) -> Fence:
        """The state once the fence is made; for foreseeing later steps."""
        stopped = tuple(replace(item, replicas=0, pods=()) for item in self.workloads)
        return Fence(paused=True, workloads=stopped)

    def breach(self) -> str | None:
        """Why the fence does not hold; None if it does."""
        if not self.paused:
            return "the HostedCluster is no longer paused"
        running = [f"{item} (desired {item.replicas})" for item in self.watched if not item.stopped]
        if running:
            return f"not stopped: {', '.join(running)}"
        if self.touched:
            return f"changed since the fence was made: {', '.join(self.touched)}"
        missing = ", ".join(self.missing)
        return f"zero pods prove nothing without a Deployment {missing}" if missing else None


def beside(made: FenceRecord | None, paused: bool, found: tuple[Workload, ...]) -> Fence:  # noqa: FBT001
    """What is there now, beside the fence as it was made."""
    return Fence(paused, found, made.generations, made.uids) if made else Fence(paused, found)


def is_paused(hosted_cluster: Object) -> bool:
    return dig(hosted_cluster, "spec", "pausedUntil") in ("true", "True")


def read_fence(cluster: Kubernetes, case: Case, memory: RunState | None = None) -> Fence:
    """The current state; compared with the remembered generations if a memory is given."""
    hosted_cluster = cluster.get(HOSTED_CLUSTER, case.name, case.namespace)
    found = workloads(cluster, case.control_plane_namespace, DEPLOYMENT)
    return beside(memory.get(FENCE) if memory else None, is_paused(hosted_cluster), found)
