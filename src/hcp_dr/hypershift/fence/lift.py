"""Undoes the fence: the source serves again, as the very same cluster.

The writers start first; then the fixed name must answer with the nonce, and every node must renew its lease, before the
controllers start that judge nodes or rebuild missing objects: the keepers and the restless."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Check, Decision, Do, Done, Patch, Refuse, Wait, WatchTarget
from hcp_dr.errors import RESUME, HcpDrError, NotProven
from hcp_dr.hypershift import scope, timeouts
from hcp_dr.hypershift.fence.state import FENCED, WRITERS
from hcp_dr.hypershift.identity import nonce_of
from hcp_dr.hypershift.state import IDENTITY, LEASES_AT_UNDO, NONCE, REPLICAS_BEFORE
from hcp_dr.hypershift.worker_nodes import NodeFact, former_nodes, read_nodes
from hcp_dr.hypershift.workloads import scale_to
from hcp_dr.kube.resources import DEPLOYMENT, LEASE, POD
from hcp_dr.model import Case, Ports
from hcp_dr.objects.reading import dig, name_of, some
from hcp_dr.upstream import CONTROL_PLANE_OPERATOR, NODE_LEASES_NAMESPACE


@dataclass(frozen=True, slots=True)
class Scaled:
    """A Deployment that the fence stopped: its desired and its Ready replicas."""

    name: str
    replicas: int
    ready: int


@dataclass(frozen=True, slots=True)
class Facts:
    namespace: str
    hostname: str
    before: Mapping[str, int] | None  # remembered: replicas by Deployment
    now: tuple[Scaled, ...]
    wanted: str | None  # remembered nonce
    nonce: str | None  # read by name, once the writers are scaled up again
    silence: str  # why the API does not answer, "" if it does
    nodes: tuple[NodeFact, ...]
    nodes_before: Mapping[str, str]  # remembered
    leases_before: Mapping[str, str] | None  # remembered when the API first answered again
    hosted_cluster: str = ""  # its name, with `hosted_namespace`
    hosted_namespace: str = ""

    def stopped(self, names: tuple[str, ...]) -> tuple[Patch, ...]:
        """Patches that restore the replicas of those at zero, as the fence left them."""
        before = self.before or {}
        return tuple(
            scale_to("source", DEPLOYMENT, item.name, self.namespace, int(before[item.name]))
            for item in self.now
            if item.name in names and item.replicas == 0 and before.get(item.name)
        )


def look_back(ports: Ports, case: Case, memory: RunState) -> Facts:
    items = ports.source.list(DEPLOYMENT, case.control_plane_namespace).items
    now = tuple(
        Scaled(name_of(item), int(dig(item, "spec", "replicas")), int(dig(item, "status", "readyReplicas") or 0))
        for item in items
        if name_of(item) in FENCED
    )
    before = scope.replicas(memory, REPLICAS_BEFORE, FENCED)
    identity = memory.get(IDENTITY)
    nonce: str | None = None
    nodes: tuple[NodeFact, ...] = ()
    silence = "the API servers are stopped"
    stopped = any(item.name in WRITERS and (before or {}).get(item.name) and not item.replicas for item in now)
    if before is not None and not stopped:
        try:
            nonce, nodes, silence = nonce_of(ports.hosted), read_nodes(ports.hosted), ""
            nodes = tuple(node for node in nodes if identity is None or node.name not in identity.not_ready)
        except HcpDrError as error:
            if not error.passing:
                raise
            silence = error.what
    return Facts(
        namespace=case.control_plane_namespace,
        hostname=case.api_hostname,
        before=before,
        now=now,
        wanted=memory.get(NONCE),
        nonce=nonce,
        silence=silence,
        nodes=nodes,
        nodes_before=former_nodes(identity),
        leases_before=memory.get(LEASES_AT_UNDO),
        hosted_cluster=case.name,
        hosted_namespace=case.namespace,
    )


def _advise(facts: Facts) -> str:
    """The operators that create missing Routes again start after the API answers."""
    kubectl = 'kubectl --kubeconfig "$MGMT_KUBECONFIG"'
    unpause = (
        f"`{kubectl} -n {facts.hosted_namespace} patch hostedcluster {facts.hosted_cluster} --type merge -p "
        '\'{"spec":{"pausedUntil":null}}\'`'
    )
    scale = f"`{kubectl} -n {facts.namespace} scale deployment/{CONTROL_PLANE_OPERATOR} --replicas=1`"
    return (
        f"Find out why {facts.hostname} does not lead to the source: its record, and its Route or Service. If another "
        f"client deleted the Routes of {facts.namespace}, let the operators create them again: {unpause} and {scale}. "
        f"Then run {RESUME}."
    )


def revert(facts: Facts) -> Decision:
    if facts.before is None:
        return Done("nothing was stopped")
    writers = facts.stopped(WRITERS)
    if writers:
        return Do(writers)
    if facts.silence:
        wake = WatchTarget("source", POD, facts.namespace)
        return Wait(
            f"https://{facts.hostname} answers with this cluster",
            facts.silence,
            timeouts.PUBLISH_API.seconds,
            wake,
            _advise(facts),
        )
    if facts.nonce != facts.wanted:
        return Refuse(
            NotProven(
                what=f"https://{facts.hostname} answers, but without the nonce of this relocation: the content "
                "differs, or ConfigMap default/hcp-dr-relocation is gone.",
                left="The source's API servers have their replicas back; HostedCluster and machines are still paused.",
                todo=f"Check to which side the name resolves, then run {RESUME}.",
            )
        )
    return _nodes(facts) or _rest(facts)


def _nodes(facts: Facts) -> Decision | None:
    """The Ready condition alone may date from before the fence. A node that is gone by now is not awaited."""
    if facts.leases_before is None:
        return Do((LEASES_AT_UNDO.remember({node.name: node.renewed for node in facts.nodes}),))
    late = [
        node.name for node in facts.nodes if not node.ready or node.renewed == facts.leases_before.get(node.name, "")
    ]
    if not late:
        return None
    return Wait(
        until="all nodes are Ready and renew their leases",
        seen=f"not yet: {some(late)}",
        limit=timeouts.NODES_READY.seconds,
        wake=WatchTarget("hosted", LEASE, NODE_LEASES_NAMESPACE),
    )


def _rest(facts: Facts) -> Decision:
    stopped = facts.stopped(FENCED)
    if stopped:
        return Do(stopped)
    unready = [item.name for item in facts.now if item.ready < item.replicas]
    if unready:
        wake = WatchTarget("source", POD, facts.namespace)
        return Wait(
            "the Deployments stopped by the fence are Ready",
            f"not yet: {', '.join(unready)}",
            timeouts.FENCED_READY.seconds,
            wake,
        )
    return Done(f"{facts.hostname} answers with the nonce, {len(facts.nodes)} nodes are Ready", _checks(facts))


def _checks(facts: Facts) -> tuple[Check, ...]:
    now = {item.name: item.replicas for item in facts.now}
    changed = [
        f"{name} has {now.get(name, 'no Deployment')}, had {n}"
        for name, n in (facts.before or {}).items()
        if now.get(name) != n
    ]
    uids = {node.name: node.uid for node in facts.nodes}
    lost = [name for name, uid in facts.nodes_before.items() if uids.get(name) != uid]
    checks = []
    if changed:
        why = "another client scaled them since; they were left as they are"
        checks.append(Check("replicas", "warning", ", ".join(changed), why, "scale them unless this is intended"))
    if lost:
        why = "they existed before the fence"
        checks.append(Check("nodes", "warning", f"gone or registered again: {some(lost)}", why, "check their machines"))
    return tuple(checks)
