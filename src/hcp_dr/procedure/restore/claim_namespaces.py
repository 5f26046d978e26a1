"""Creates the two namespaces on the destination. The documented way deletes them first, with whatever they hold; here
the control plane namespace must be absent or made by this very relocation, and the other one is shared."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hcp_dr.engine.journal import Memory
from hcp_dr.engine.step import Check, Create, Decision, Do, Done, Refuse, Step, Topic, Wait
from hcp_dr.errors import NotOurs
from hcp_dr.kube.port import Object
from hcp_dr.kube.resources import NAMESPACE
from hcp_dr.model import Case, Ports
from hcp_dr.objects.reading import dig, is_deleting
from hcp_dr.procedure.removal import Removable, removable
from hcp_dr.procedure.restoring import is_ours, marked
from hcp_dr.procedure.withdrawal import strangers

GONE_LIMIT = 300.0


@dataclass(frozen=True, slots=True)
class Facts:
    backup_id: str
    shared: str
    shared_found: Object | None
    own: str
    own_found: Object | None


def observe(ports: Ports, case: Case, memory: Memory) -> Facts:
    own = case.control_plane_namespace
    return Facts(
        backup_id=case.backup_id,
        shared=case.namespace,
        shared_found=ports.destination.find(NAMESPACE, case.namespace),
        own=own,
        own_found=ports.destination.find(NAMESPACE, own),
    )


def plan(facts: Facts) -> Decision:
    found = facts.own_found
    if found is not None and (is_deleting(found) or not is_ours(found, facts.backup_id)):
        why = (
            "is being deleted there" if is_deleting(found) else "is there already, and this relocation did not make it"
        )
        return Refuse(
            NotOurs(
                what=f"Namespace {facts.own} of the destination {why}.",
                left="It was not touched; the hosted cluster goes on on the source.",
                todo="Look at what is in it and whose it is; when it is gone, run `hcp-dr resume`.",
            )
        )
    if facts.shared_found is not None and is_deleting(facts.shared_found):
        return Refuse(
            NotOurs(
                what=f"Namespace {facts.shared} of the destination is being deleted there.",
                left="It was not touched; the hosted cluster goes on on the source.",
                todo="Find out who deletes it and what of it is needed; when it is gone, run `hcp-dr resume`.",
            )
        )
    actions = []
    if facts.shared_found is None:
        actions.append(Create("destination", NAMESPACE, _namespace(facts.shared, facts.backup_id)))
    if found is None:
        actions.append(Create("destination", NAMESPACE, _namespace(facts.own, facts.backup_id)))
    return Do(tuple(actions)) if actions else Done(f"{facts.shared} and {facts.own} are there")


def _namespace(name: str, backup_id: str) -> Object:
    return marked({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}, backup_id)


def afterwards(facts: Facts, decision: Decision) -> Facts:
    return replace(
        facts,
        shared_found=facts.shared_found or _namespace(facts.shared, facts.backup_id),
        own_found=_namespace(facts.own, facts.backup_id),
    )


@dataclass(frozen=True, slots=True)
class Claimed:
    """A namespace that this relocation made on the destination."""

    namespace: Removable
    holds: tuple[str, ...]  # what is not this hosted cluster's
    says: str  # what it is waiting for while it is being deleted


def look_back(ports: Ports, case: Case, memory: Memory) -> tuple[Claimed, ...]:
    found = (ports.destination.find(NAMESPACE, name) for name in (case.control_plane_namespace, case.namespace))
    return tuple(
        Claimed(
            removable(NAMESPACE, item, "destination"), strangers(ports, case, item["metadata"]["name"]), _says(item)
        )
        for item in found
        if item is not None and is_ours(item, case.backup_id)
    )


def _says(namespace: Object) -> str:
    told = [c for c in dig(namespace, "status", "conditions") or () if c.get("status") == "True"]
    return "; ".join(str(c.get("message")) for c in told)


def revert(facts: tuple[Claimed, ...]) -> Decision:
    deletions = tuple(each.namespace.delete() for each in facts if not (each.holds or each.namespace.deleting))
    if deletions:
        return Do(deletions)
    going = [each for each in facts if each.namespace.deleting]
    if going:
        seen = "; ".join(f"{each.namespace.name} is being deleted {each.says}".strip() for each in going)
        return Wait("the destination's namespaces are gone", seen, GONE_LIMIT, Topic("destination", NAMESPACE))
    checks = tuple(
        Check(
            f"namespace.{each.namespace.name}",
            "warning",
            f"left on the destination, because it holds {', '.join(each.holds)}",
            "this relocation made the namespace, but not that",
            "find out whose it is; delete the namespace when it may go",
        )
        for each in facts
    )
    return Done("no namespace is left that this relocation made and nobody else uses", checks)


STEP = Step(
    name="restore.claim_namespaces",
    documented="8.6.3-1,2",
    observe=observe,
    plan=plan,
    afterwards=afterwards,
    look_back=look_back,
    revert=revert,
)
