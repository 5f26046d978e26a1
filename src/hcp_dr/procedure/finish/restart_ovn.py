"""Deletes the pods of openshift-ovn-kubernetes in the hosted cluster, so that OVN connects to the new control plane,
and waits until all old pods are gone and the same number of new pods is Ready.

The pods reach the API through the kube-apiserver-proxy of the node. The proxy resolves the API's hostname only at its
start. When the old API no longer answers, the liveness probe (three failures, 120 seconds apart) restarts the proxy 6
to 8 minutes after its last start, and the kubelet may delay the restart for a while.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.peers import Stranger, stranger_inside
from hcp_dr.engine.step import Decision, Delete, Do, Done, Refuse, Step, Wait, WatchTarget
from hcp_dr.hypershift import timeouts
from hcp_dr.hypershift.state import IDENTITY, OVN_PODS
from hcp_dr.hypershift.worker_nodes import still_not_ready
from hcp_dr.kube.resources import POD
from hcp_dr.model import Case, Ports
from hcp_dr.objects.reading import dig, is_deleting, is_ready_pod, name_of, uid_of
from hcp_dr.upstream import OVN_NAMESPACE


@dataclass(frozen=True, slots=True)
class OvnPod:
    name: str
    uid: str
    ready: bool
    deleting: bool


@dataclass(frozen=True, slots=True)
class Facts:
    pods: tuple[OvnPod, ...]
    old: Mapping[str, str] | None  # remembered: pod names by uid
    stranger: Stranger | None = None  # another hosted cluster, reached instead


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    identity = memory.get(IDENTITY)
    known = case.cluster_id or (identity.cluster_id if identity else "")
    dead = still_not_ready(ports.hosted, identity)  # no kubelet there would end a pod or start another
    pods = [pod for pod in ports.hosted.list(POD, OVN_NAMESPACE).items if dig(pod, "spec", "nodeName") not in dead]
    return Facts(
        pods=tuple(OvnPod(name_of(pod), uid_of(pod), is_ready_pod(pod), is_deleting(pod)) for pod in pods),
        old=memory.get(OVN_PODS),
        stranger=stranger_inside(ports, known),
    )


def plan(facts: Facts) -> Decision:
    if facts.stranger is not None:
        return Refuse(facts.stranger.error)
    if facts.old is None:
        return Do((OVN_PODS.remember({pod.uid: pod.name for pod in facts.pods}),))
    old = [pod for pod in facts.pods if pod.uid in facts.old]
    actions = tuple(Delete("hosted", POD, pod.name, OVN_NAMESPACE, pod.uid) for pod in old if not pod.deleting)
    if actions:
        return Do(actions)
    ready = [pod for pod in facts.pods if pod.ready and pod.uid not in facts.old]
    if old or len(ready) < len(facts.old):
        seen = f"{len(old)} old pods remaining, {len(ready)} new pods Ready"
        until = (
            f"{len(facts.old)} new OVN pods are Ready; this can take 8 minutes or more: each node's "
            "kube-apiserver-proxy must restart first"
        )
        return Wait(until, seen, timeouts.OVN_READY.seconds, WatchTarget("hosted", POD, OVN_NAMESPACE))
    return Done(f"{len(ready)} OVN pods were restarted and are Ready")


def afterwards(facts: Facts, decision: Decision) -> Facts:
    if facts.old is None:
        return replace(facts, old={pod.uid: pod.name for pod in facts.pods})
    return replace(facts, pods=tuple(OvnPod(pod.name, "new", ready=True, deleting=False) for pod in facts.pods))


STEP = Step(
    name="finish.restart_ovn",
    documented="8.6.4 next step",
    observe=observe,
    plan=plan,
    waits=(timeouts.OVN_READY,),
    afterwards=afterwards,
)
