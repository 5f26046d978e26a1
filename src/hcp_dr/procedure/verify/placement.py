"""Is all on the destination where it belongs: HostedCluster available, NodePools, control plane pods, machines?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hcp_dr import upstream
from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Check, Decision, Done, Refuse, Step, Verdict, Wait, WatchTarget
from hcp_dr.errors import RESUME, NotProven
from hcp_dr.hypershift import steps, timeouts
from hcp_dr.hypershift.backup_objects import differing_keys
from hcp_dr.hypershift.deletion.protocol import NOT_TORN_DOWN
from hcp_dr.hypershift.inventory import RESOURCES
from hcp_dr.kube.port import Object
from hcp_dr.kube.resources import DEPLOYMENT, HOSTED_CLUSTER, MACHINE, NODE_POOL, SECRET, STATEFUL_SET
from hcp_dr.model import Case, Ports
from hcp_dr.objects import ignition
from hcp_dr.objects.archive import Entry, read_manifest, read_objects
from hcp_dr.objects.closing import Place, describe_restored, place_of, unrestored
from hcp_dr.objects.reading import annotations_of, condition, dig, name_of, some
from hcp_dr.objects.select import node_pools_of, of_infrastructure
from hcp_dr.upstream import (
    AVAILABLE,
    RESTORED_FROM_BACKUP,
    SIGNING_KEY,
    VALID_AWS_IDENTITY_PROVIDER,
    VALID_OIDC_CONFIGURATION,
)


@dataclass(frozen=True, slots=True)
class Unreached:
    """A NodePool of the destination that does not say that its machines were ever reached, though it did before."""

    name: str
    said: str | None
    tokens: tuple[str, ...]  # its token secrets that do not say so either


@dataclass(frozen=True, slots=True)
class Facts:
    namespace: str
    available: str | None  # of the HostedCluster
    trusted: str | None  # does AWS take its service accounts' tokens, which it knows by the OIDC documents (rule E3)?
    node_pools: tuple[str, ...]
    node_pools_wanted: tuple[str, ...]
    machines: int
    not_ready: tuple[str, ...]  # Deployments and StatefulSets of the control plane namespace
    entries: tuple[Entry, ...] = ()  # of the backup
    unrestored: tuple[str, ...] = ()
    documents: str | None = None  # what the operator says of the OIDC documents
    signing_key_kept: bool = True  # the service account key is that of the backup, which the documents carry
    strict: bool = True  # nobody can have changed anything since it was restored
    unreached: tuple[Unreached, ...] = ()
    own: str = ""  # the control plane namespace
    name: str = ""
    marked: bool = False  # the HostedCluster bears HyperShift's own mark of a restore


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    destination, namespace = ports.destination, case.control_plane_namespace
    hosted_cluster = destination.find(HOSTED_CLUSTER, case.name, case.namespace)
    pools = node_pools_of({"metadata": {"name": case.name}}, destination.list(NODE_POOL, case.namespace).items)
    workloads = [item for kind in (DEPLOYMENT, STATEFUL_SET) for item in destination.list(kind, namespace).items]
    manifest = read_manifest(ports.archive)
    entries = manifest.entries if manifest else ()
    return Facts(
        namespace=case.namespace,
        available=condition(hosted_cluster, AVAILABLE) if hosted_cluster else None,
        trusted=condition(hosted_cluster, VALID_AWS_IDENTITY_PROVIDER) if hosted_cluster else None,
        node_pools=tuple(sorted(name_of(pool) for pool in pools)),
        node_pools_wanted=tuple(sorted(case.node_pools)),
        machines=len(of_infrastructure(case.infra_id, destination.list(MACHINE, namespace).items)),
        not_ready=tuple(
            f"{item['kind']} {name_of(item)}"
            for item in workloads
            if int(dig(item, "status", "readyReplicas") or 0) < int(dig(item, "spec", "replicas") or 0)
        ),
        entries=entries,
        unrestored=unrestored(entries, _there(ports, entries)),
        documents=condition(hosted_cluster, VALID_OIDC_CONFIGURATION) if hosted_cluster else None,
        signing_key_kept=_signing_key_kept(ports, namespace, entries),
        strict=STEP.name not in memory.done,
        unreached=_unreached(ports, case, entries, pools),
        own=namespace,
        name=case.name,
        marked=RESTORED_FROM_BACKUP in annotations_of(hosted_cluster or {"metadata": {}}),
    )


def _unreached(ports: Ports, case: Case, entries: tuple[Entry, ...], pools: Iterable[Object]) -> tuple[Unreached, ...]:
    """Of a pool whose conditions are in no backup it is not known what it said: it counts as one that was reached. One
    that is asked for no machine has none to be repaired, and one that was made since has its own to come."""
    carried = [pool for pool in pools if name_of(pool) in case.node_pools and dig(pool, "spec", "replicas") != 0]
    silent = [pool for pool in carried if ignition.reached_status(pool) != "True"]
    if not silent:
        return ()
    backup = read_objects(ports.archive, _at_hand(ports, (e for e in entries if e.kind == NODE_POOL.kind)))
    told = [item for item in backup.values() if dig(item, "status", "conditions")]
    never = {name_of(item) for item in told if ignition.reached_status(item) != "True"}
    secrets = [
        item
        for item in ports.destination.list(SECRET, case.control_plane_namespace).items
        if upstream.IGNITION_REACHED not in annotations_of(item)
    ]
    return tuple(
        Unreached(name_of(pool), ignition.reached_status(pool), tuple(map(name_of, ignition.tokens_of(pool, secrets))))
        for pool in silent
        if name_of(pool) not in never
    )


def _at_hand(ports: Ports, entries: Iterable[Entry]) -> list[Entry]:
    """Those whose files this machine has."""
    return [entry for entry in entries if ports.archive.read(entry.file) is not None]


def _signing_key_kept(ports: Ports, namespace: str, entries: tuple[Entry, ...]) -> bool:
    """True where there is no backup to compare with, or where this machine never had that file of it."""
    mine = [e for e in entries if (e.kind, e.namespace, e.name) == ("Secret", namespace, SIGNING_KEY)]
    found = ports.destination.find(SECRET, SIGNING_KEY, namespace)
    backup = read_objects(ports.archive, _at_hand(ports, mine))
    return all(found is not None and not differing_keys(body, found) for body in backup.values())


def _there(ports: Ports, entries: tuple[Entry, ...]) -> frozenset[Place]:
    kinds = sorted({(entry.kind, entry.namespace) for entry in entries}, key=str)
    return frozenset(
        place_of(item) for kind, namespace in kinds for item in ports.destination.list(RESOURCES[kind], namespace).items
    )


def plan(facts: Facts) -> Decision:
    missing = sorted(set(facts.node_pools_wanted) - set(facts.node_pools))
    seen = []
    if facts.available != "True":
        seen.append(f"HostedCluster Available is {facts.available}")
    if facts.trusted == "False":
        seen.append("ValidAWSIdentityProvider is False: the OIDC documents are not those of its signing key")
    if facts.documents == "False":
        seen.append("ValidOIDCConfiguration is False: the OIDC documents are not in their bucket")
    if missing:
        seen.append(f"NodePools missing: {', '.join(missing)}")
    if facts.not_ready:
        seen.append(f"not ready: {', '.join(facts.not_ready)}")
    if seen:
        wake = WatchTarget("destination", HOSTED_CLUSTER, facts.namespace)
        return Wait("the destination holds the whole hosted cluster", "; ".join(seen), timeouts.PLACEMENT.seconds, wake)
    if not facts.signing_key_kept:
        return Refuse(
            NotProven(
                what=f"Secret {SIGNING_KEY} of the destination is not that of the backup: the published OIDC documents "
                "carry another key, and AWS takes no token of this hosted cluster (rule E3).",
                left=NOT_TORN_DOWN,
                todo=f"Find out who made it anew. Put the backup's key back, then run {RESUME}.",
            )
        )
    verdict: Verdict = ("blocked" if facts.strict else "warning") if facts.unrestored else "ok"
    check = Check(
        "restored", verdict, describe_restored(facts.entries, facts.unrestored), "what is missing is made anew"
    )
    if check.stops:
        return Refuse(
            NotProven(
                what=f"Not all of the backup is on the destination: {some(facts.unrestored)}.",
                left=NOT_TORN_DOWN,
                todo=f"Find out who removed it there and what is made in its place; then run {RESUME}.",
            ),
            (check,),
        )
    done = Done(
        f"available, {len(facts.node_pools)} NodePools, {facts.machines} machines, all control plane pods ready",
        (check, *_of_ignition(facts), *_of_mark(facts)),
    )
    if not facts.unreached:
        return done
    told = ", ".join(f"{pool.name}: {pool.said or 'silent'}" for pool in facts.unreached)
    wake = WatchTarget("destination", NODE_POOL, facts.namespace)
    return Wait(
        f"each NodePool says {upstream.REACHED_IGNITION_ENDPOINT}",
        told,
        timeouts.IGNITION_TOLD.seconds,
        wake,
        then=done,
    )


def _of_ignition(facts: Facts) -> tuple[Check, ...]:
    """No reason to stop: machines and workloads go on as they are."""
    if not facts.unreached:
        return ()
    told = ", ".join(f"NodePool {pool.name} says {pool.said or 'nothing'}" for pool in facts.unreached)
    tokens = [token for pool in facts.unreached for token in pool.tokens]
    mark = f"oc annotate secret -n {facts.own} {' '.join(tokens)} {upstream.IGNITION_REACHED}=True"
    return (
        Check(
            "ignition",
            "warning",
            f"{upstream.REACHED_IGNITION_ENDPOINT} is not True on the destination: {told}",
            "the operator makes no MachineHealthCheck for such a pool, so that its machines are not repaired by "
            "themselves; they run, and nothing else is amiss with them",
            f"where its machines are nodes, on the destination: `{mark}`"
            if tokens
            else "no token secret of it is there that does not say so: look at the NodePool's conditions and at the "
            "log of the destination's HyperShift operator",
        ),
    )


def _of_mark(facts: Facts) -> tuple[Check, ...]:
    if not facts.marked:
        return ()
    return (
        Check(
            "mark_of_a_restore",
            "warning",
            f"the HostedCluster bears {RESTORED_FROM_BACKUP} on the destination, which hcp-dr does not set",
            "from hosted release 4.20 on, every PersistentVolumeClaim of openshift-monitoring in the hosted cluster is "
            "deleted for it while Prometheus is not fully available (rule A11)",
            "unless somebody wants just that, on the destination: "
            f"`oc annotate hostedcluster -n {facts.namespace} {facts.name} {RESTORED_FROM_BACKUP}-`",
        ),
    )


STEP = Step(
    name=steps.VERIFY_PLACEMENT,
    documented="8.6.4 validation",
    observe=observe,
    plan=plan,
    waits=(
        timeouts.PLACEMENT,
        timeouts.IGNITION_TOLD,
    ),
    checks="it is available on the destination, with all that the backup holds",
    proof=True,
)
