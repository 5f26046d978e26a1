"""Creates every NodePool paused in the create call, owned by the new HostedCluster, restores its status before the
gates open (rule A8), and only then restores the token-* and user-data-* Secrets, which the janitor deletes while their
NodePool is absent (rule A10). A token Secret records whether the NodePool's machines were ever reached (rule A11)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Create, Decision, Do, Done, Patch, Refuse, Step
from hcp_dr.errors import NotOurs
from hcp_dr.hypershift import steps
from hcp_dr.hypershift.backup_objects import DataFacts, Restorable, existing, is_ours, marked, to_restore
from hcp_dr.hypershift.bodies import node_pool_body, node_pool_status, token_secrets
from hcp_dr.hypershift.deletion.rollback import Governed, governed, remove_governed
from hcp_dr.hypershift.state import BREACHES
from hcp_dr.hypershift.steps import POINT_OF_NO_RETURN
from hcp_dr.kube.port import Object
from hcp_dr.kube.resources import HOSTED_CLUSTER, NODE_POOL
from hcp_dr.model import Case, Ports, Unknown
from hcp_dr.objects.difference import lacks
from hcp_dr.objects.reading import dig, is_deleting, uid_of


@dataclass(frozen=True, slots=True)
class Facts:
    backup_id: str
    hosted_cluster: tuple[str, str | None]  # name, and uid on the destination
    pools: tuple[Restorable, ...]
    found: Mapping[str, Object]  # NodePools on the destination by name
    tokens: DataFacts
    started: bool  # remembered: the control plane was started since, and serves
    lifted: bool = False  # remembered: the fence was lifted since the export, and a spec may have changed


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    if POINT_OF_NO_RETURN in memory.done:
        return Facts(case.backup_id, (case.name, None), (), {}, DataFacts(case.backup_id, (), {}), started=True)
    restorable = to_restore(ports, case)
    hosted_cluster = ports.destination.find(HOSTED_CLUSTER, case.name, case.namespace)
    pools = tuple(item for item in restorable if item.entry.kind == "NodePool")
    tokens = token_secrets(restorable)
    return Facts(
        backup_id=case.backup_id,
        hosted_cluster=(case.name, uid_of(hosted_cluster) if hosted_cluster else None),
        pools=pools,
        found={name: item for (_, name), item in existing(ports.destination, pools).items()},
        tokens=DataFacts(case.backup_id, tokens, existing(ports.destination, tokens)),
        started=False,
        lifted=memory.has(BREACHES),
    )


def plan(facts: Facts) -> Decision:
    name, uid = facts.hosted_cluster
    if facts.started:
        return Done("the control plane was started with the NodePools")
    if uid is None:
        return Refuse(
            NotOurs(
                what=f"HostedCluster {name} is not on the destination any more: its NodePools would have no owner.",
                todo="Find out who deleted the HostedCluster before any other action.",
            )
        )
    for item in facts.pools:
        found = facts.found.get(item.entry.name)
        if found is not None and (is_deleting(found) or not is_ours(found, facts.backup_id)):
            deleting = is_deleting(found)
            state = "is being deleted" if deleting else "was not created by this relocation"
            return Refuse(
                NotOurs(
                    what=f"NodePool {item.entry.name} on the destination {state}.",
                    left=None if deleting else "The NodePool was not touched.",
                    todo="Find the owner. Never delete the NodePool by hand: the deletion can terminate the running "
                    "instances.",
                )
            )
    bodies = [
        node_pool_body(item, backup_id=facts.backup_id, hosted_cluster=facts.hosted_cluster)
        for item in facts.pools
        if item.entry.name not in facts.found
    ]
    if bodies:
        return Do(tuple(Create("destination", NODE_POOL, body) for body in bodies if body is not None))
    changes = tuple(
        Patch("destination", NODE_POOL, item.entry.name, item.entry.namespace, {"spec": spec})
        for item in facts.pools
        if facts.lifted
        and lacks(facts.found[item.entry.name]["spec"], spec := {**item.body["spec"], "pausedUntil": "true"})
    )
    if changes:
        return Do(changes)
    statuses = tuple(
        Patch("destination", NODE_POOL, item.entry.name, item.entry.namespace, {"status": status}, "status")
        for item in facts.pools
        if (status := node_pool_status(item))
        and dig(facts.found[item.entry.name], "status", "version") != status.get("version")
    )
    if statuses:
        return Do(statuses)
    outdated = facts.tokens.outdated()
    if outdated:
        return Do(outdated)
    foreign = facts.tokens.foreign()
    if foreign is not None:
        return Refuse(foreign)
    tokens = facts.tokens.missing()
    if tokens:
        return Do(tokens)
    return Done(
        f"{len(facts.pools)} NodePools, paused, and {len(facts.tokens.wanted)} token Secrets are on the destination"
    )


def foresee(facts: Facts) -> Facts:
    name, uid = facts.hosted_cluster
    return replace(facts, hosted_cluster=(name, uid or Unknown("uid of the HostedCluster")))


def afterwards(facts: Facts, decision: Decision) -> Facts:
    if any(item.entry.name not in facts.found for item in facts.pools):
        created = {item.entry.name: marked({**item.body, "status": {}}, facts.backup_id) for item in facts.pools}
        return replace(facts, found=created, lifted=False)
    if isinstance(decision, Do) and isinstance(decision.actions[0], Patch):
        if decision.actions[0].subresource is None:
            return replace(facts, lifted=False)
        return replace(facts, found={i.entry.name: marked(i.body, facts.backup_id) for i in facts.pools})
    deleted = {action.name for action in facts.tokens.outdated()}
    remaining = {key: item for key, item in facts.tokens.found.items() if key[1] not in deleted}
    return replace(facts, tokens=replace(facts.tokens, found=remaining if deleted else facts.tokens.completed()))


def look_back(ports: Ports, case: Case, memory: RunState) -> Governed:
    return governed(ports, case, memory, NODE_POOL)


def revert(facts: Governed) -> Decision:
    """The operator stays stopped until the HostedCluster is gone too. `control_plane_secrets` deletes the token
    Secrets."""
    return remove_governed(facts) or Done("the destination has no NodePool of this relocation")


STEP = Step(
    name=steps.RESTORE_NODE_POOLS,
    documented="8.6.3-7",
    observe=observe,
    plan=plan,
    foresee=foresee,
    afterwards=afterwards,
    look_back=look_back,
    revert=revert,
    proof=True,  # NodePools are deleted with a HostedCluster after the expiry of its URL
)
