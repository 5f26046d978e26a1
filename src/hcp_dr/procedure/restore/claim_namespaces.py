"""Creates the two namespaces on the destination. The documented procedure deletes both first, with their content; here
the control plane namespace must be absent, created by this very relocation, or prepared and empty.

The HostedCluster's namespace is shared. If another relocation created it, this one adds itself as a holder, and an
abort deletes the namespace only if it has no other holder: else it hands the namespace over to one of them. A namespace
to be deleted is marked first, so that no relocation becomes a holder between the last look into it and its deletion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Action, Check, Create, Decision, Do, Done, Patch, Refuse, Step, Wait, WatchTarget
from hcp_dr.engine.untouched import Untouched
from hcp_dr.errors import RESUME, NotOurs
from hcp_dr.hypershift import private_platform, timeouts
from hcp_dr.hypershift.backup_objects import hosted_cluster_to_restore, is_ours, is_prepared
from hcp_dr.hypershift.bodies import namespace_body
from hcp_dr.hypershift.deletion.foreign import is_default, read_content
from hcp_dr.hypershift.deletion.protocol import Removable, removable
from hcp_dr.hypershift.deletion.rollback import strangers
from hcp_dr.hypershift.operator_claim import HOLDER_ANNOTATION, holder_key, stopped_on
from hcp_dr.hypershift.trial import NOT_TRIED, Trial, try_restore
from hcp_dr.kube.port import Kubernetes, Object
from hcp_dr.kube.resources import HOSTED_CLUSTER, HOSTED_CONTROL_PLANE, NAMESPACE
from hcp_dr.model import PREPARED_ANNOTATION, RELOCATION_ANNOTATION, Case, Ports
from hcp_dr.objects.reading import annotations_of, dig, is_deleting, name_of, some
from hcp_dr.upstream import OPERATOR, OPERATOR_NAMESPACE

REMOVED_ANNOTATION = "hcp-dr.openshift.io/removed"
"""On a shared namespace that the abort of its relocation is about to delete."""


@dataclass(frozen=True, slots=True)
class Facts:
    backup_id: str
    shared: str
    shared_found: Object | None
    own: str
    own_found: Object | None
    key: str = ""  # of the annotation of this hosted cluster as a holder of the shared namespace
    trial: Trial = NOT_TRIED  # of the objects to restore
    platform: str | None = None  # of the destination's operator; None without a private endpoint
    inside: tuple[str, ...] = ()  # content of a prepared namespace, besides objects that Kubernetes creates itself
    started: bool = False  # a HostedControlPlane is in the namespace: a control plane was started
    hosted_cluster: bool = False  # there is a HostedCluster of this name


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    own = case.control_plane_namespace
    namespace = ports.destination.find(NAMESPACE, own)
    prepared = namespace is not None and is_prepared(namespace)
    return Facts(
        backup_id=case.backup_id,
        shared=case.namespace,
        shared_found=ports.destination.find(NAMESPACE, case.namespace),
        own=own,
        own_found=namespace,
        key=holder_key(f"{case.namespace}/{case.name}"),
        trial=try_restore(ports, case),
        platform=private_platform.read_platform(ports.destination)
        if private_platform.is_private(hosted_cluster_to_restore(ports, case))
        else None,
        inside=_list_content(ports.destination, own) if prepared else (),
        started=namespace is not None and ports.destination.find(HOSTED_CONTROL_PLANE, case.name, own) is not None,
        hosted_cluster=ports.destination.find(HOSTED_CLUSTER, case.name, case.namespace) is not None,
    )


def _list_content(cluster: Kubernetes, namespace: str) -> tuple[str, ...]:
    items = read_content(cluster, namespace).items
    return tuple(f"{item['kind']} {name_of(item)}" for item in items if not is_default(item))


def plan(facts: Facts) -> Decision:
    found = facts.own_found
    prepared = found is not None and is_prepared(found) and not facts.inside
    if found is not None and (is_deleting(found) or not (prepared or is_ours(found, facts.backup_id))):
        state, left = "exists already and was not created by this relocation", "The namespace was not touched."
        if is_deleting(found):
            state, left = "is being deleted", NotOurs.left
        elif facts.inside:
            state = f"was prepared for a relocation, but is not empty: {some(facts.inside)}"
        return Refuse(
            NotOurs(
                what=f"Namespace {facts.own} on the destination {state}.",
                left=left,
                todo=_advise(facts, found),
            )
        )
    removed = REMOVED_ANNOTATION in annotations_of(facts.shared_found or _NONE)
    if removed:
        return Wait(
            f"Namespace {facts.shared} is gone from the destination",
            "the relocation that created it is being aborted, and deletes it",
            timeouts.DESTINATION_NAMESPACES_GONE.seconds,
            WatchTarget("destination", NAMESPACE),
            todo="Finish that abort: `hcp-dr resume` with its settings. Only if it no longer exists: "
            f'`kubectl --kubeconfig "$MGMT2_KUBECONFIG" annotate namespace {facts.shared} {REMOVED_ANNOTATION}-`. '
            f"Then run {RESUME}.",
        )
    if facts.shared_found is not None and is_deleting(facts.shared_found):
        return Refuse(
            NotOurs(
                what=f"Namespace {facts.shared} on the destination is being deleted.",
                todo="Find out who deletes the namespace and whether its content is needed; when the namespace is "
                f"gone, run {RESUME}.",
            )
        )
    left = Untouched("Nothing was created on the destination.")
    refusal = facts.trial.refusal(left) or private_platform.refusal_of(facts.platform, left)
    if refusal is not None:
        return Refuse(refusal)
    actions: list[Action] = []
    if facts.shared_found is None:
        actions.append(Create("destination", NAMESPACE, namespace_body(facts.shared, facts.backup_id)))
    elif _is_anothers(facts.shared_found, facts.backup_id) and facts.key not in annotations_of(facts.shared_found):
        actions.append(_annotate(facts.shared_found, {facts.key: facts.backup_id}))
    if found is None:
        actions.append(Create("destination", NAMESPACE, namespace_body(facts.own, facts.backup_id)))
    elif not is_ours(found, facts.backup_id):
        actions.append(_annotate(found, {RELOCATION_ANNOTATION: facts.backup_id}))
    return Do(tuple(actions)) if actions else Done(f"{facts.shared} and {facts.own} exist")


def _advise(facts: Facts, namespace: Object) -> str:
    """A namespace of another relocation of this hosted cluster may be its only home by now, or what is left of a
    relocation off a source that died."""
    relocation = annotations_of(namespace).get(RELOCATION_ANNOTATION)
    if facts.started:
        by = f" by relocation {relocation}" if relocation else ""
        return (
            f"A control plane was started in it{by}: never delete it, because the hosted cluster may serve there. "
            "To continue that relocation, name its folder as BACKUP_DIR, or an empty folder."
        )
    if not relocation or is_deleting(namespace):
        return f"Inspect the content and find the owner; when the namespace is gone, run {RESUME}."
    kubectl = 'kubectl --kubeconfig "$MGMT2_KUBECONFIG"'
    removal = f"`{kubectl} delete namespace {facts.own}`"
    if facts.hosted_cluster:
        removal = (
            f"stop the HyperShift operator of the destination (`{kubectl} -n {OPERATOR_NAMESPACE} scale "
            f"deployment/{OPERATOR} --replicas=0`), because it would delete the OIDC documents; delete the paused "
            f"HostedCluster and the NodePools in {facts.shared} with --wait=false, and remove their finalizers; "
            f"{removal}; start the operator"
        )
    return (
        f"Relocation {relocation} created it, and started no control plane there. The abort of that relocation, with "
        f"its folder as BACKUP_DIR, removes it. If its source is lost, remove it by hand: {removal}. Then run {RESUME}."
    )


def _is_anothers(namespace: Object, backup_id: str) -> bool:
    return annotations_of(namespace).get(RELOCATION_ANNOTATION, backup_id) != backup_id


def _annotate(found: Object, annotations: Mapping[str, str | None]) -> Patch:
    """Conditional on the observed resourceVersion: another relocation may change the same annotations."""
    meta = {"resourceVersion": found["metadata"].get("resourceVersion"), "annotations": annotations}
    return Patch("destination", NAMESPACE, name_of(found), None, {"metadata": meta})


def afterwards(facts: Facts, decision: Decision) -> Facts:
    return replace(
        facts,
        shared_found=namespace_body(facts.shared, facts.backup_id),
        own_found=namespace_body(facts.own, facts.backup_id),
    )


_NONE: Object = {"metadata": {}}


@dataclass(frozen=True, slots=True)
class Claimed:
    """A namespace on the destination that this relocation created, or claimed after preparation."""

    namespace: Removable
    prepared: bool  # by an administrator, with roles in the namespace: released again, never deleted
    foreign: tuple[str, ...]  # objects of another owner, or objects that must not be deleted with a namespace
    conditions: str  # the messages of the namespace during its deletion
    shared: Object | None = None  # the namespace, if other hosted clusters may use it
    holders: Mapping[str, str] = field(default_factory=dict)  # other relocations: backup ids by annotation
    key: str = ""  # the annotation of this relocation as a holder, if another one created the namespace


def look_back(ports: Ports, case: Case, memory: RunState) -> tuple[Claimed, ...]:
    mine = holder_key(f"{case.namespace}/{case.name}")
    found = []
    for name in (case.control_plane_namespace, case.namespace):
        item = ports.destination.find(NAMESPACE, name)
        if item is None or not (is_ours(item, case.backup_id) or annotations_of(item).get(mine) == case.backup_id):
            continue
        marks = annotations_of(item)
        found.append(
            Claimed(
                removable(NAMESPACE, item, "destination"),
                PREPARED_ANNOTATION in marks,
                () if is_deleting(item) else strangers(ports, case, name),
                _read_conditions(item),
                shared=item if name == case.namespace else None,
                holders={k: v for k, v in marks.items() if k.startswith(HOLDER_ANNOTATION) and k != mine},
                key="" if is_ours(item, case.backup_id) else mine,
            )
        )
    return tuple(found)


def _read_conditions(namespace: Object) -> str:
    conditions = [c for c in dig(namespace, "status", "conditions") or () if c.get("status") == "True"]
    return "; ".join(str(c.get("message")) for c in conditions)


def revert(facts: tuple[Claimed, ...]) -> Decision:
    shared = tuple(action for each in facts if each.shared and (action := _leave(each, each.shared)) is not None)
    if shared:
        return Do(shared)
    actions: tuple[Action, ...] = tuple(
        _release(each.namespace) if each.prepared else each.namespace.delete()
        for each in facts
        if not (each.foreign or each.namespace.deleting)
    )
    if actions:
        return Do(actions)
    deleting = [each for each in facts if each.namespace.deleting]
    if deleting:
        seen = "; ".join(f"{each.namespace.name} is being deleted {each.conditions}".strip() for each in deleting)
        return Wait(
            "the destination's namespaces are gone",
            seen,
            timeouts.DESTINATION_NAMESPACES_GONE.seconds,
            WatchTarget("destination", NAMESPACE),
        )
    checks = tuple(
        Check(
            f"namespace.{each.namespace.name}",
            "warning",
            f"left on the destination, because the namespace contains {', '.join(each.foreign)}",
            "this relocation created the namespace, but not this content",
            "find the owner; delete the namespace when the content is not needed",
        )
        for each in facts
    )
    return Done("every namespace of this relocation without foreign content is gone or released", checks)


def _leave(claimed: Claimed, namespace: Object) -> Patch | None:
    """The next change of the annotations of the shared namespace; None if it may be deleted, or has to be kept."""
    marked = REMOVED_ANNOTATION in annotations_of(namespace)
    if claimed.key:
        return _annotate(namespace, {claimed.key: None})
    if claimed.holders:
        key, heir = min(claimed.holders.items())
        return _annotate(namespace, {RELOCATION_ANNOTATION: heir, key: None})
    if claimed.prepared or claimed.namespace.deleting or marked != bool(claimed.foreign):
        return None
    return _annotate(namespace, {REMOVED_ANNOTATION: None if marked else "true"})


def _release(namespace: Removable) -> Patch:
    meta = {"resourceVersion": namespace.version, "annotations": {RELOCATION_ANNOTATION: None}}
    return Patch("destination", NAMESPACE, namespace.name, None, {"metadata": meta})


STEP = Step(
    name="restore.claim_namespaces",
    documented="8.6.3-1,2",
    observe=observe,
    plan=plan,
    afterwards=afterwards,
    held_up=stopped_on("destination"),
    look_back=look_back,
    revert=revert,
)
