"""Is the destination complete: HostedCluster available, NodePools, control plane pods, machines?"""

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
from hcp_dr.hypershift.dns.custom_name import CustomName, check_custom_name, read_custom_name
from hcp_dr.hypershift.inventory import RESOURCES
from hcp_dr.hypershift.operator_claim import stopped_on
from hcp_dr.hypershift.operator_lease import sign_of_operator
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
    """A NodePool of the destination without the condition ReachedIgnitionEndpoint=True, which was True before."""

    name: str
    condition: str | None  # the status of ReachedIgnitionEndpoint
    tokens: tuple[str, ...]  # token Secrets of the NodePool without the annotation for this condition


@dataclass(frozen=True, slots=True)
class Facts:
    namespace: str
    available: str | None  # of the HostedCluster
    trusted: str | None  # does AWS accept service account tokens, verified by the OIDC documents (rule E3)?
    node_pools: tuple[str, ...]
    node_pools_wanted: tuple[str, ...]
    machines: int
    not_ready: tuple[str, ...]  # Deployments and StatefulSets of the control plane namespace
    entries: tuple[Entry, ...] = ()  # of the backup
    unrestored: tuple[str, ...] = ()
    documents: str | None = None  # the operator's condition about the OIDC documents
    signing_key_kept: bool = True  # the service account key is the key of the backup, as in the OIDC documents
    strict: bool = True  # no client can have changed objects since the restore
    unreached: tuple[Unreached, ...] = ()
    own: str = ""  # the control plane namespace
    name: str = ""
    custom: CustomName | None = None  # of the API, in the spec
    marked: bool = False  # the HostedCluster has HyperShift's own restore annotation


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
        unrestored=unrestored(entries, _list_places(ports, entries)),
        documents=condition(hosted_cluster, VALID_OIDC_CONFIGURATION) if hosted_cluster else None,
        signing_key_kept=_is_signing_key_kept(ports, namespace, entries),
        strict=STEP.name not in memory.done,
        unreached=_find_unreached(ports, case, entries, pools),
        own=namespace,
        name=case.name,
        marked=RESTORED_FROM_BACKUP in annotations_of(hosted_cluster or {"metadata": {}}),
        custom=read_custom_name(ports, case, hosted_cluster) if hosted_cluster else None,
    )


def _find_unreached(
    ports: Ports, case: Case, entries: tuple[Entry, ...], pools: Iterable[Object]
) -> tuple[Unreached, ...]:
    """A NodePool without conditions in the backup counts as reached before. Excluded are NodePools with zero replicas,
    which have no machine to repair, and NodePools created since, whose condition is still to come."""
    carried = [pool for pool in pools if name_of(pool) in case.node_pools and dig(pool, "spec", "replicas") != 0]
    silent = [pool for pool in carried if ignition.reached_status(pool) != "True"]
    if not silent:
        return ()
    backup = read_objects(ports.archive, _filter_available(ports, (e for e in entries if e.kind == NODE_POOL.kind)))
    with_conditions = [item for item in backup.values() if dig(item, "status", "conditions")]
    never_reached = {name_of(item) for item in with_conditions if ignition.reached_status(item) != "True"}
    secrets = [
        item
        for item in ports.destination.list(SECRET, case.control_plane_namespace).items
        if upstream.IGNITION_REACHED not in annotations_of(item)
    ]
    return tuple(
        Unreached(name_of(pool), ignition.reached_status(pool), tuple(map(name_of, ignition.tokens_of(pool, secrets))))
        for pool in silent
        if name_of(pool) not in never_reached
    )


def _filter_available(ports: Ports, entries: Iterable[Entry]) -> list[Entry]:
    """The entries with a file on this machine."""
    return [entry for entry in entries if ports.archive.read(entry.file) is not None]


def _is_signing_key_kept(ports: Ports, namespace: str, entries: tuple[Entry, ...]) -> bool:
    """Also True without a backup to compare with, or without the file on this machine."""
    signing_keys = [e for e in entries if (e.kind, e.namespace, e.name) == ("Secret", namespace, SIGNING_KEY)]
    secret = ports.destination.find(SECRET, SIGNING_KEY, namespace)
    backup = read_objects(ports.archive, _filter_available(ports, signing_keys))
    return all(secret is not None and not differing_keys(body, secret) for body in backup.values())


def _list_places(ports: Ports, entries: tuple[Entry, ...]) -> frozenset[Place]:
    kinds = sorted({(entry.kind, entry.namespace) for entry in entries}, key=str)
    return frozenset(
        place_of(item) for kind, namespace in kinds for item in ports.destination.list(RESOURCES[kind], namespace).items
    )


def plan(facts: Facts) -> Decision:
    missing = sorted(set(facts.node_pools_wanted) - set(facts.node_pools))
    problems = []
    if facts.available != "True":
        problems.append(f"HostedCluster Available is {facts.available}")
    if facts.trusted == "False":
        problems.append("ValidAWSIdentityProvider is False: the OIDC documents do not match the signing key")
    if facts.documents == "False":
        problems.append("ValidOIDCConfiguration is False: the OIDC documents are not in their bucket")
    if missing:
        problems.append(f"NodePools missing: {', '.join(missing)}")
    if facts.not_ready:
        problems.append(f"not ready: {', '.join(facts.not_ready)}")
    if problems:
        return Wait(
            "the destination has the complete hosted cluster",
            "; ".join(problems),
            timeouts.PLACEMENT.seconds,
            WatchTarget("destination", HOSTED_CLUSTER, facts.namespace),
        )
    if not facts.signing_key_kept:
        return Refuse(
            NotProven(
                what=f"Secret {SIGNING_KEY} on the destination differs from the backup: the published OIDC documents "
                "have another key, and AWS accepts no token of this hosted cluster (rule E3).",
                left=NOT_TORN_DOWN,
                todo=f"Find out who created the new key. Restore the key of the backup, then run {RESUME}.",
            )
        )
    return _judge_restored(facts)


def _judge_restored(facts: Facts) -> Decision:
    verdict: Verdict = ("blocked" if facts.strict else "warning") if facts.unrestored else "ok"
    why = "controllers create missing objects with new content"
    check = Check("restored", verdict, describe_restored(facts.entries, facts.unrestored), why)
    if check.stops:
        return Refuse(
            NotProven(
                what=f"Objects of the backup are missing on the destination: {some(facts.unrestored)}.",
                left=NOT_TORN_DOWN,
                todo=f"Find out who removed these objects and what replaces them; then run {RESUME}.",
            ),
            (check,),
        )
    done = Done(
        f"available, {len(facts.node_pools)} NodePools, {facts.machines} machines, all control plane pods ready",
        (
            check,
            *_check_ignition(facts),
            *_check_mark(facts),
            *(check_custom_name(facts.custom) if facts.custom else ()),
        ),
    )
    if not facts.unreached:
        return done
    return Wait(
        f"every NodePool has {upstream.REACHED_IGNITION_ENDPOINT}",
        ", ".join(f"{pool.name}: {pool.condition or 'not reported'}" for pool in facts.unreached),
        timeouts.IGNITION_TOLD.seconds,
        WatchTarget("destination", NODE_POOL, facts.namespace),
        then=done,
    )


def _check_ignition(facts: Facts) -> tuple[Check, ...]:
    """No reason to stop: machines and workloads continue to run."""
    if not facts.unreached:
        return ()
    conditions = ", ".join(f"NodePool {pool.name}: {pool.condition or 'not reported'}" for pool in facts.unreached)
    tokens = [token for pool in facts.unreached for token in pool.tokens]
    command = f"oc annotate secret -n {facts.own} {' '.join(tokens)} {upstream.IGNITION_REACHED}=True"
    return (
        Check(
            "ignition",
            "warning",
            f"{upstream.REACHED_IGNITION_ENDPOINT} is not True on the destination: {conditions}",
            "the operator creates no MachineHealthCheck for such a NodePool, so that its machines are not repaired "
            "automatically; the machines run without any other defect",
            f"if the NodePool's machines are nodes, run on the destination: `{command}`"
            if tokens
            else "every token Secret of the NodePool has the annotation already: read the NodePool's conditions and "
            "the log of the destination's HyperShift operator",
        ),
    )


def _check_mark(facts: Facts) -> tuple[Check, ...]:
    if not facts.marked:
        return ()
    return (
        Check(
            "mark_of_a_restore",
            "warning",
            f"the HostedCluster on the destination has annotation {RESTORED_FROM_BACKUP}, which hcp-dr does not set",
            "from hosted release 4.20 on, this annotation makes the operator delete every PersistentVolumeClaim of "
            "openshift-monitoring in the hosted cluster while Prometheus is not fully available (rule A11)",
            "unless this is intended, run on the destination: "
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
        timeouts.OPERATOR_FREE,
    ),
    held_up=stopped_on("destination"),
    sign=sign_of_operator("destination"),
    checks="the hosted cluster is available on the destination, with all objects of the backup",
    proof=True,
)
