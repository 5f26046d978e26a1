"""Deletes the pods of openshift-ovn-kubernetes in the hosted cluster, so that OVN connects to the new control plane,
and waits until as many are Ready again and none of the old ones is left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from hcp_dr.engine.journal import Memory
from hcp_dr.engine.step import Decision, Delete, Do, Done, Remember, Step, Topic, Wait
from hcp_dr.kube.resources import POD
from hcp_dr.model import Case, Ports
from hcp_dr.objects.reading import is_deleting, is_ready_pod, name_of, uid_of

NAMESPACE = "openshift-ovn-kubernetes"
LIMIT = 600.0


@dataclass(frozen=True, slots=True)
class OvnPod:
    name: str
    uid: str
    ready: bool
    deleting: bool


@dataclass(frozen=True, slots=True)
class Facts:
    pods: tuple[OvnPod, ...]
    old: Mapping[str, Any] | None  # remembered: pod names by uid


def observe(ports: Ports, case: Case, memory: Memory) -> Facts:
    pods = ports.hosted.list(POD, NAMESPACE).items
    return Facts(
        pods=tuple(OvnPod(name_of(pod), uid_of(pod), is_ready_pod(pod), is_deleting(pod)) for pod in pods),
        old=memory.mapping("ovn_pods"),
    )


def plan(facts: Facts) -> Decision:
    if facts.old is None:
        return Do((Remember("ovn_pods", {pod.uid: pod.name for pod in facts.pods}),))
    left = [pod for pod in facts.pods if pod.uid in facts.old]
    actions = tuple(Delete("hosted", POD, pod.name, NAMESPACE, pod.uid) for pod in left if not pod.deleting)
    if actions:
        return Do(actions)
    ready = [pod for pod in facts.pods if pod.ready and pod.uid not in facts.old]
    if left or len(ready) < len(facts.old):
        seen = f"{len(left)} old ones left, {len(ready)} new ones Ready"
        return Wait(f"{len(facts.old)} new OVN pods are Ready", seen, LIMIT, Topic("hosted", POD, NAMESPACE))
    return Done(f"{len(ready)} OVN pods were restarted and are Ready")


def afterwards(facts: Facts, decision: Decision) -> Facts:
    if facts.old is None:
        return replace(facts, old={pod.uid: pod.name for pod in facts.pods})
    return replace(facts, pods=tuple(OvnPod(pod.name, "new", ready=True, deleting=False) for pod in facts.pods))


STEP = Step(name="finish.restart_ovn", documented="8.6.4 next step", observe=observe, plan=plan, afterwards=afterwards)
