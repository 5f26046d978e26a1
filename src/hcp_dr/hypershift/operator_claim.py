"""The record of the relocations that share the HyperShift operator of a management cluster: one Lease there,
`default/hcp-dr.operator`, with an annotation for each holder.

A relocation stops the operator of its source, an abort that of its destination, and each operator serves every hosted
cluster there. So the operator is stopped while at least one holder needs it stopped. The first of them writes the
replicas before into the record, and the last one starts the operator again. Every change of the record is conditional
on the version read.

Unlike the Lease of a hosted cluster the record is not renewed and never expires: a holder is a relocation, not a
process, and after a killed relocation the operator is still stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, get_args

from hcp_dr.engine.lease_status import NAMESPACE, SIDE_ANNOTATION, stamp
from hcp_dr.engine.peers import VARIABLES
from hcp_dr.engine.step import Check, Create, Decision, Delete, Do, Patch, Refuse, Wait, WatchTarget
from hcp_dr.errors import RESUME, NotOurs, OperatorClaimed
from hcp_dr.hypershift import timeouts
from hcp_dr.hypershift.fence.state import is_paused
from hcp_dr.hypershift.scope import MOST_REPLICAS
from hcp_dr.hypershift.workloads import Workload, scale
from hcp_dr.kube.port import Kubernetes, Object
from hcp_dr.kube.resources import HOSTED_CLUSTER, LEASE, NODE_POOL, POD
from hcp_dr.model import RELOCATION_ANNOTATION, Case, Ports, Side, Unknown
from hcp_dr.objects.reading import annotations_of, dig, is_deleting, name_of, namespace_of, some, uid_of
from hcp_dr.upstream import OPERATOR, OPERATOR_NAMESPACE

LEASE_NAME = "hcp-dr.operator"
"""The Lease of a hosted cluster never has this name: those names begin with `hcp-dr-`."""
OBJECT = f"Lease {NAMESPACE}/{LEASE_NAME}"
HOLDER_ANNOTATION = "holder.hcp-dr.openshift.io/"
"""Followed by the hosted cluster. The value has four words: state, side, time and backup id."""
BEFORE_ANNOTATION = "hcp-dr.openshift.io/operator-before"
"""The operator's replicas before the first holder stopped it; absent while none has it stopped."""

State = Literal["registered", "stopped", "starting"]
"""`registered` will stop the operator, or has finished; `stopped` needs it stopped; `starting` was the last one with
`stopped`, and starts it again: until then no other holder stops it."""


def holder_key(hosted_cluster: str) -> str:
    return HOLDER_ANNOTATION + hosted_cluster.replace("/", ".")


@dataclass(frozen=True, slots=True)
class Holder:
    """A relocation in the record: hosted cluster and backup id, and since when, as RFC 3339. `side` is the side of this
    management cluster in that relocation: on its destination a relocation is a holder only while it is aborted."""

    key: str  # of its annotation
    who: str
    since: str
    side: Side = "source"
    state: State = "registered"
    alone: bool = False  # written by an older release, which shares the operator with no other relocation

    @property
    def has_it_stopped(self) -> bool:
        return self.state != "registered" or (self.alone and self.side == "destination")

    def __str__(self) -> str:
        return f"{self.who}, since {self.since}"

    def words(self, backup_id: str) -> str:
        return f"{self.state} {self.side} {self.since} {backup_id}"


@dataclass(frozen=True, slots=True)
class Record:
    """The Lease as read. `before` is None while no holder has the operator stopped."""

    uid: str
    version: str
    holders: tuple[Holder, ...]
    before: int | None = None
    fault: str = ""  # an annotation that hcp-dr did not write

    @property
    def is_spent(self) -> bool:
        """No relocation joins a record without content: it is deleted, and created again."""
        return not self.holders and self.before is None and not self.fault

    @classmethod
    def of(cls, lease: Object) -> Record:
        annotations = annotations_of(lease)
        before, text = None, annotations.get(BEFORE_ANNOTATION)
        fault = ""
        if text is not None:
            before = int(text) if text.isascii() and text.isdecimal() and len(text) < 4 else MOST_REPLICAS + 1
            fault = BEFORE_ANNOTATION if before > MOST_REPLICAS else ""
        holders = []
        for key, value in sorted(annotations.items()):
            if key.startswith(HOLDER_ANNOTATION):
                holder = _holder(key, value)
                fault = fault if holder else key
                holders += [holder] if holder else []
        if RELOCATION_ANNOTATION in annotations and not holders:
            holders = [_holder_of_older_release(lease)]
        version = str(lease["metadata"].get("resourceVersion", ""))
        return cls(uid_of(lease), version, tuple(holders), before, fault)


def _holder(key: str, value: str) -> Holder | None:
    namespace, _, name = key.removeprefix(HOLDER_ANNOTATION).partition(".")
    state, _, rest = value.partition(" ")
    side, _, rest = rest.partition(" ")
    since, _, backup_id = rest.partition(" ")
    if state not in get_args(State) or side not in ("source", "destination") or not (name and backup_id):
        return None
    return Holder(key, f"{namespace}/{name} backup {backup_id}", since, side, state)  # type: ignore[arg-type]


def _holder_of_older_release(lease: Object) -> Holder:
    who = str(dig(lease, "spec", "holderIdentity") or "an unnamed client")
    side: Side = "destination" if annotations_of(lease).get(SIDE_ANNOTATION) == "destination" else "source"
    return Holder("", who, str(dig(lease, "spec", "acquireTime") or "?"), side, alone=True)


@dataclass(frozen=True, slots=True)
class Claim:
    """The record of one side, seen from relocation `me` of hosted cluster `hosted_cluster`."""

    side: Side
    cluster: str
    hosted_cluster: str
    backup_id: str
    record: Record | None
    now: float = 0.0  # seconds since the epoch

    @property
    def me(self) -> str:
        return f"{self.hosted_cluster} backup {self.backup_id}"

    @property
    def key(self) -> str:
        return holder_key(self.hosted_cluster)

    @property
    def holders(self) -> tuple[Holder, ...]:
        return self.record.holders if self.record else ()

    @property
    def mine(self) -> Holder | None:
        return next((each for each in self.holders if each.who == self.me), None)

    @property
    def others(self) -> tuple[Holder, ...]:
        return tuple(each for each in self.holders if each.who != self.me)

    @property
    def before(self) -> int | None:
        return self.record.before if self.record else None

    @property
    def stoppers(self) -> tuple[Holder, ...]:
        """The other relocations that have the operator stopped."""
        return tuple(each for each in self.others if each.has_it_stopped)

    @property
    def unshareable(self) -> tuple[Holder, ...]:
        """Another relocation of an older release, or of this hosted cluster."""
        return tuple(each for each in self.others if each.alone or each.key == self.key)

    # Rounds: each returns the next decision, None once the goal is reached.

    def registered(self, left: str) -> Decision | None:
        """Become a holder. `left` describes the state left as it is if that is refused."""
        return self._barred(left) or (None if self.mine else self._written("registered"))

    def stopping(self, operator: Iterable[Workload], remembered: Mapping[str, int], left: str) -> Decision | None:
        """Become a holder that needs the operator stopped. `operator` was read after the record, and counts only if
        this relocation was in the record: else another may have stopped and started it in between."""
        unregistered = self._barred(left) if remembered else self.registered(left)
        if unregistered is not None:
            return unregistered
        before = self.before or self.before_or(remembered)
        if before is None:
            before = sum(item.replicas for item in operator)
        if self.mine is not None and self.mine.state == "stopped" and self.before == before:
            return None
        starting = [each for each in self.stoppers if each.state == "starting"]
        if starting:
            until = "no other relocation is starting the {side}'s HyperShift operator again"
            return self._awaited(starting, until, timeouts.OPERATOR_FREE.seconds)
        return self._written("stopped", before)

    def _barred(self, left: str) -> Decision | None:
        """What is in the way of writing this relocation into the record."""
        record = self.record
        if record is not None and record.is_spent:
            return Do((Delete(self.side, LEASE, LEASE_NAME, NAMESPACE, record.uid),))
        if self.mine is None and self.unshareable:
            return self.refused(left, self.unshareable)
        return self._refused_record()

    def returned(
        self, operator: tuple[Workload, ...], remembered: Mapping[str, int], halfway: tuple[str, ...]
    ) -> Decision | None:
        """Have the operator running again, and no longer be a holder. `remembered` are the replicas in the journal,
        for a record that another client deleted; `halfway` are paused objects of other hosted clusters that are being
        deleted."""
        if self.stoppers:
            return self.released_stop() or self._awaited(
                self.stoppers, "the HyperShift operator of the {side} runs again", timeouts.OPERATOR_SHARED.seconds
            )
        before = self.before_or(remembered)
        stopped = [item for item in operator if item.replicas == 0]
        if before and stopped:
            barred = self._barred("The HyperShift operator there stays stopped.")
            if barred is not None:
                return barred
            if halfway:
                return Wait(
                    f"no paused HostedCluster or NodePool is being deleted on the {self.side}",
                    f"being deleted: {some(halfway)}",
                    timeouts.OPERATOR_SHARED.seconds,
                    todo="The HyperShift operator would finish the deletion and harm the live cluster. Finish the "
                    "relocation that deletes them: `hcp-dr resume` with its settings. If no relocation does, remove "
                    f"their finalizers on {self.cluster}. Then run {RESUME}.",
                )
            if self.mine is None or self.mine.state != "starting":
                return self._written("starting", before)
            return Do(tuple(scale(self.side, item, before) for item in stopped))
        missing = [item for item in operator if len(item.pods) < item.replicas]
        if missing or any(item.replicas and not any(pod.ready for pod in item.pods) for item in operator):
            seen = "pods are missing" if missing else "no pod is Ready"
            wake = WatchTarget(self.side, POD, OPERATOR_NAMESPACE)
            return Wait("the operator's pods are back", seen, timeouts.OPERATOR_BACK.seconds, wake)
        return self.given_back()

    def released_stop(self) -> Decision | None:
        """Remain a holder that does not need the operator stopped any more."""
        if self.mine is None or not self.mine.has_it_stopped:
            return None
        return self._refused_record() or self._written("registered", self.before)

    def given_back(self) -> Decision | None:
        """Be no holder. The last one deletes the record, in a second round: no other joins it in between."""
        record = self.record
        if record is None:
            return None
        if self.mine is not None:
            before = self.before if self.stoppers else None
            others = [each.who for each in self.others]
            return Do((self._patch({self.key: None, **_before(before)}, others),))
        return Do((Delete(self.side, LEASE, LEASE_NAME, NAMESPACE, record.uid),)) if record.is_spent else None

    def awaited(self) -> Wait | None:
        """For a step that needs the operator running."""
        if not self.stoppers:
            return None
        until = "no other relocation has the HyperShift operator of the {side} stopped"
        return self._awaited(self.stoppers, until, timeouts.OPERATOR_FREE.seconds)

    def before_or(self, remembered: Mapping[str, int]) -> int | None:
        """The replicas before: those in the journal, because another client can write the record."""
        return remembered.get(OPERATOR) or self.before

    def _written(self, state: State, before: int | None = None) -> Do:
        mine = self.mine
        holder = Holder(self.key, self.me, mine.since if mine else stamp(self.now), self.side, state)
        annotations = {self.key: holder.words(self.backup_id), **_before(before if before is not None else self.before)}
        names = [*(each.who for each in self.others), self.me]
        if self.record is not None:
            return Do((self._patch(annotations, names),))
        body = {
            "apiVersion": LEASE.api_version,
            "kind": LEASE.kind,
            "metadata": {
                "name": LEASE_NAME,
                "namespace": NAMESPACE,
                "annotations": {key: value for key, value in annotations.items() if value is not None},
            },
            "spec": {"holderIdentity": ", ".join(names), "acquireTime": stamp(self.now)},
        }
        return Do((Create(self.side, LEASE, body),))

    def _patch(self, annotations: Mapping[str, str | None], names: Iterable[str]) -> Patch:
        version = self.record.version if self.record else ""
        older = dict.fromkeys((RELOCATION_ANNOTATION, SIDE_ANNOTATION)) if any(e.alone for e in self.holders) else {}
        meta = {"annotations": {**older, **annotations}, "resourceVersion": version}
        # Older releases of hcp-dr read only the identity, and refuse.
        body = {"metadata": meta, "spec": {"holderIdentity": ", ".join(names) or None}}
        return Patch(self.side, LEASE, LEASE_NAME, NAMESPACE, body)

    def _awaited(self, holders: Iterable[Holder], until: str, limit: float) -> Wait:
        named = "; ".join(map(str, holders))
        todo = f"{waiting_for(self.side, holders)} Then run {RESUME}."
        return Wait(until.format(side=self.side), f"{OBJECT} there has {named}", limit, todo=todo)

    def refused(self, left: str, holders: Iterable[Holder]) -> Refuse:
        return Refuse(
            OperatorClaimed(
                cluster=f"{self.cluster}, the {self.side},",
                object=OBJECT,
                holder="; ".join(map(str, holders)),
                left=left,
                todo=f"{waiting_for(self.side, holders)} Then run {RESUME}.",
            )
        )

    def _refused_record(self) -> Refuse | None:
        if self.record is None or not self.record.fault:
            return None
        return Refuse(
            NotOurs(
                what=f"Annotation {self.record.fault} of {OBJECT} on {self.cluster}, the {self.side}, has content that "
                "hcp-dr did not write.",
                left="The HyperShift operator there was not touched.",
                todo=f"Find out who wrote it. Then remove it with {self.remove_fault()}, and run {RESUME}: every "
                "relocation writes its own annotation again.",
            )
        )

    def remove_fault(self) -> str:
        return _annotate(self.side, self.record.fault if self.record else "")

    # For foreseeing

    def held(self, state: State = "registered") -> Claim:
        """As if this relocation were a holder already."""
        if self.mine is not None:
            return self
        mine = Holder(self.key, self.me, stamp(self.now), self.side, state)
        record = self.record or Record(Unknown("uid of the Lease"), "", ())
        return replace(self, record=replace(record, holders=(*record.holders, mine)))

    def after(self, decision: Decision | None) -> Claim:
        """As if the decision on the record were carried out."""
        action = decision.actions[0] if isinstance(decision, Do) else None
        match action:
            case Create(resource=resource, body=body) if resource == LEASE:
                return replace(self, record=replace(Record.of(body), uid=Unknown("uid of the Lease")))
            case Delete(resource=resource) if resource == LEASE:
                return replace(self, record=None)
            case Patch(resource=resource, patch=Mapping() as patch) if resource == LEASE and self.record:
                return replace(self, record=_patched(self.record, patch["metadata"]["annotations"]))
        return self

    def unshared(self) -> Claim:
        """As if the other relocations that have the operator stopped had ended."""
        if self.record is None or not self.stoppers:
            return self
        kept = tuple(each for each in self.holders if each not in self.stoppers)
        return replace(self, record=replace(self.record, holders=kept, before=None))

    def describe(self) -> str:
        """A sentence about the possible cause of a scaled operator, for an error."""
        if self.mine is None:
            return f"{OBJECT} there does not name this relocation any more: another client changed it."
        return f"{OBJECT} there names this relocation, so another client than hcp-dr scaled the operator."


def _before(value: int | None) -> dict[str, str | None]:
    return {BEFORE_ANNOTATION: None if value is None else str(value)}


def _patched(record: Record, annotations: Mapping[str, str | None]) -> Record:
    kept = [each for each in record.holders if each.key not in annotations]
    written = [
        holder
        for key, value in annotations.items()
        if key.startswith(HOLDER_ANNOTATION) and value is not None and (holder := _holder(key, value))
    ]
    before = annotations.get(BEFORE_ANNOTATION)
    return replace(record, holders=(*kept, *written), before=None if before is None else int(before))


def _annotate(side: Side, *keys: str) -> str:
    removed = " ".join(f"{key}-" for key in keys)
    return f'`kubectl --kubeconfig "${VARIABLES[side]}" annotate lease -n {NAMESPACE} {LEASE_NAME} {removed}`'


def waiting_for(side: Side, holders: Iterable[Holder]) -> str:
    """The advice if other relocations are in the way: a paragraph."""
    keys = [each.key for each in holders if not each.alone]
    removal = (
        _annotate(side, *keys)
        if keys
        else f'`kubectl --kubeconfig "${VARIABLES[side]}" delete lease -n {NAMESPACE} {LEASE_NAME}`'
    )
    return (
        "Wait until that relocation has ended: `hcp-dr status` with its settings shows its state. If no command is "
        "running for it, finish it with `hcp-dr resume` or `hcp-dr abort` there. Only if it no longer exists, and no "
        f"object of its hosted cluster is being deleted on this management cluster: {removal}."
    )


def at_zero(claim: Claim) -> Check:
    """The final warning if the operator had no replicas before hcp-dr came to stop it, and got none."""
    return Check(
        f"operator.{claim.side}",
        "warning",
        f"the HyperShift operator of {claim.cluster} has zero replicas, as before the relocation",
        "no hosted cluster there is reconciled",
        "find out why it was stopped; start it with "
        f'`kubectl --kubeconfig "${VARIABLES[claim.side]}" scale deployment operator -n hypershift --replicas 1`',
    )


def record_on(cluster: Kubernetes) -> Record | None:
    found = cluster.find(LEASE, LEASE_NAME, NAMESPACE)
    return None if found is None else Record.of(found)


def read_claim(ports: Ports, case: Case, side: Side) -> Claim:
    """Read this before the operator: a change of the record in between makes the next action fail."""
    return Claim(
        side=side,
        cluster=case.source if side == "source" else case.destination,
        hosted_cluster=f"{case.namespace}/{case.name}",
        backup_id=case.backup_id,
        record=record_on(ports.cluster(side)),
        now=ports.now(),
    )


def stopped_on(side: Side) -> Callable[[Ports, Case], Wait | None]:
    """For a step that waits for what only the operator of that side can do."""

    def held_up(ports: Ports, case: Case) -> Wait | None:
        return read_claim(ports, case, side).awaited()

    return held_up


def halfway(cluster: Kubernetes, case: Case) -> tuple[str, ...]:
    """Paused HostedClusters, and NodePools in this hosted cluster's namespace, that are being deleted: as by another
    relocation, whose deletion a running operator would finish."""
    items = (*cluster.list(HOSTED_CLUSTER).items, *cluster.list(NODE_POOL, case.namespace).items)
    return tuple(
        f"{item['kind']} {namespace_of(item)}/{name_of(item)}"
        for item in items
        if is_deleting(item) and is_paused(item)
    )
