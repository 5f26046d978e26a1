"""The parts of a step of the procedure: observed facts, a pure plan over them, the actions that a plan may request.

The loop in `run` observes, plans, performs the batch and observes again until a step is Done or refuses. Every plan
depends on the observed world, not on the last action. So resuming is observing again, and printing a plan is planning.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Literal, TypeVar

from hcp_dr.aws.port import RecordChange
from hcp_dr.engine.journal import RunState
from hcp_dr.engine.patch_text import describe_patch
from hcp_dr.engine.state import Remember
from hcp_dr.engine.transfer import Transfer
from hcp_dr.errors import HcpDrError
from hcp_dr.kube.port import Object, PatchBody, Propagation, Resource
from hcp_dr.model import Case, Ports, Side
from hcp_dr.objects.reading import name_of, namespace_of


def _describe_object(resource: Resource, name: str, namespace: str | None) -> str:
    return f"{resource.kind} {namespace}/{name}" if namespace else f"{resource.kind} {name}"


def _hash_of(*parts: Any) -> str:
    text = json.dumps(parts, sort_keys=True, default=repr)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Create:
    """Create an object; its content is never shown."""

    side: Side
    resource: Resource
    body: Object

    def describe(self) -> str:
        meta = self.body["metadata"]
        return f"create on {self.side} {_describe_object(self.resource, meta['name'], meta.get('namespace'))}"


@dataclass(frozen=True, slots=True)
class Patch:
    """Patch an object (merge patch for a mapping, JSON patch for a sequence). On Secrets for annotations only."""

    side: Side
    resource: Resource
    name: str
    namespace: str | None
    patch: PatchBody
    subresource: str | None = None

    def describe(self) -> str:
        what = _describe_object(self.resource, self.name, self.namespace)
        part = f" ({self.subresource})" if self.subresource else ""
        return f"patch on {self.side} {what}{part}: {describe_patch(self.patch)}"


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete exactly the object with this uid."""

    side: Side
    resource: Resource
    name: str
    namespace: str | None
    uid: str
    grace_seconds: int | None = None
    propagation: Propagation = "Background"

    def describe(self) -> str:
        grace = f" (grace {self.grace_seconds} s)" if self.grace_seconds is not None else ""
        return f"delete on {self.side} {_describe_object(self.resource, self.name, self.namespace)}{grace}"


@dataclass(frozen=True, slots=True)
class ForceStop:
    """Make a pod that is being deleted end at once instead of after its long grace period.

    A kubelet does not shorten a grace period that has begun (kubernetes issue 113606). So the first container gets a
    second termination signal, at which an API server exits, and the deletion is repeated with a grace of one second."""

    side: Side
    namespace: str
    pod: str
    uid: str
    container: str

    def describe(self) -> str:
        return f"force-stop on {self.side} Pod {self.namespace}/{self.pod}, which is being deleted"


@dataclass(frozen=True, slots=True)
class WriteFile:
    """Write a file of the backup folder, whole or not at all. `path` is relative to the folder."""

    path: str
    text: str

    def describe(self) -> str:
        return f"write file {self.path}"


@dataclass(frozen=True, slots=True)
class PutObject:
    key: str
    body: bytes
    metadata: Mapping[str, str] = field(default_factory=dict)

    def describe(self) -> str:
        return f"put object {self.key}"


@dataclass(frozen=True, slots=True)
class DeleteObject:
    key: str

    def describe(self) -> str:
        return f"delete object {self.key}"


@dataclass(frozen=True, slots=True)
class CopyObject:
    """Copy an object within the bucket, on condition that its ETag is unchanged."""

    source: str
    key: str
    metadata: Mapping[str, str]
    etag: str

    def describe(self) -> str:
        return f"copy object {self.source} to {self.key}"


@dataclass(frozen=True, slots=True)
class ChangeRecords:
    """One atomic change batch in the hosted zone."""

    changes: tuple[RecordChange, ...]

    def describe(self) -> str:
        return "change DNS " + ", ".join(f"{c.action} {c.record.type} {c.record.name}" for c in self.changes)


@dataclass(frozen=True, slots=True)
class Protect:
    """Set or clear the termination protection of an EC2 instance."""

    instance_id: str
    on: bool

    def describe(self) -> str:
        return f"{'set' if self.on else 'clear'} termination protection of instance {self.instance_id}"


@dataclass(frozen=True, slots=True)
class Invalidate:
    """Remove steps and remembered values from the journal's memory, because they are void. Written after the other
    actions of its batch. The run repeats those steps; it ends with `error` instead if `again` is False or if a step
    is not part of the command."""

    steps: tuple[str, ...]
    keys: tuple[str, ...]  # names of Key
    error: HcpDrError
    again: bool = True

    def describe(self) -> str:
        return f"mark as not done: {', '.join(self.steps)}"


Action = (
    Create
    | Patch
    | Delete
    | ForceStop
    | WriteFile
    | PutObject
    | DeleteObject
    | CopyObject
    | ChangeRecords
    | Protect
    | Transfer
    | Remember
    | Invalidate
)


def fingerprint(action: Action) -> str:
    """Equal for actions with the same request; shows no content. The uid, the version and the content of an object do
    not count: they differ each time another client creates the object again."""
    match action:
        case Create(side, resource, body):
            return _hash_of("Create", side, resource, name_of(body), namespace_of(body))
        case Delete() | ForceStop():
            action = replace(action, uid="")
        case Patch(patch=Mapping() as patch) if "resourceVersion" in patch.get("metadata", {}):
            meta = {key: value for key, value in patch["metadata"].items() if key != "resourceVersion"}
            action = replace(action, patch={**patch, "metadata": meta})
    return _hash_of(type(action).__name__, action)


Verdict = Literal["ok", "warning", "blocked", "unknown"]


@dataclass(frozen=True, slots=True)
class Check:
    """A finding of preflight or verify: `seen` is the observation, `why` its importance, `todo` the advice.

    `acceptable`: the finding endangers only what can be repaired, so an engineer who knows better may accept it.
    `accepted` is the engineer's reason."""

    name: str
    verdict: Verdict
    seen: str
    why: str = ""
    todo: str = ""
    acceptable: bool = False
    accepted: str = ""

    @property
    def stops(self) -> bool:
        return self.verdict in ("blocked", "unknown") and not self.accepted


@dataclass(frozen=True, slots=True)
class WatchTarget:
    """A kind of object whose change ends a wait early."""

    side: Side
    resource: Resource
    namespace: str | None = None


@dataclass(frozen=True, slots=True)
class Do:
    """One batch of actions that do not depend on each other."""

    actions: tuple[Action, ...]


@dataclass(frozen=True, slots=True)
class Done:
    because: str
    checks: tuple[Check, ...] = ()


@dataclass(frozen=True, slots=True)
class Timeout:
    """The longest wait of a step, in seconds. `until` is its goal, `why` the reason for the duration."""

    seconds: float
    until: str
    why: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Only waiting remains. `limit` in seconds is the deadline for `until`, counted from its first appearance, or from
    the last sign of the awaited client; `todo` is the advice after the deadline, if there is any beyond finding the
    cause. `then` is the step's outcome at a deadline that is not an error. `rest` is the seconds left of a wait that
    only time ends."""

    until: str
    seen: str
    limit: float
    wake: WatchTarget | None = None
    todo: str | None = None
    then: Done | None = None
    rest: float | None = None


@dataclass(frozen=True, slots=True)
class Refuse:
    error: HcpDrError
    checks: tuple[Check, ...] = ()


Decision = Do | Wait | Done | Refuse

Facts = TypeVar("Facts")


Gate = Callable[[Ports, Case, RunState], Decision]
"""Reads and decides: Done where the acts may follow at once, Refuse, or Wait where the step has to wait first."""


def _unchanged(facts: Facts) -> Facts:
    return facts


@dataclass(frozen=True, slots=True)
class Step(Generic[Facts]):
    """One step of the procedure.

    `observe` reads the world and `plan` decides over the facts. `foresee` turns current facts into facts as if the
    steps before were done; `afterwards` turns facts and a decision into facts as if the decision was carried out, so
    that all rounds of a step can be printed. `revert` undoes the step, over facts of `look_back`, or of `observe` if
    those are enough; None for a step without undoing.
    """

    name: str
    documented: str
    observe: Callable[[Ports, Case, RunState], Facts]
    plan: Callable[[Facts], Decision]
    foresee: Callable[[Facts], Facts] = _unchanged
    afterwards: Callable[[Facts, Decision], Facts] | None = None
    look_back: Callable[[Ports, Case, RunState], Any] | None = None
    revert: Callable[[Any], Decision] | None = None
    waits: tuple[Timeout, ...] = ()  # every possible wait
    checks: str = ""  # of a step that only reads: its proof, as a clause
    proof: bool = False  # observed again by a resume, whether or not done
    parts: tuple[Step[Any], ...] = ()  # what can be checked if not every peer answers
    gate: Gate | None = None  # read right before its acts, after everything slow
    held_up: Callable[[Ports, Case], Wait | None] | None = None
    """Asked when the plan waits: another wait, which has to end first. The plan's waits then begin again."""
    sign: Callable[[Ports, Case], str] | None = None
    """A sign of life of the client for which the step waits, "" if there is none: a new sign prolongs a wait."""
    announced: bool = False  # recorded in the Leases before it acts
    fallback: str = ""  # a sentence with the alternative if a need of this step cannot be met; shown with its errors

    @property
    def phase(self) -> str:
        return self.name.partition(".")[0]


def _nothing_to_report(_: RunState) -> tuple[Check, ...]:
    return ()


@dataclass(frozen=True, slots=True)
class Watch(Generic[Facts]):
    """A condition that must stay true while other steps run: from when one of the steps `after` is done until `until`
    is done.

    `alarm` describes a violation, None while there is none; then `page` is carried out like a step. `describe` reports
    the result afterwards, from the journal alone; by default there is nothing to report.
    """

    page: Step[Facts]
    after: tuple[str, ...]
    until: str
    alarm: Callable[[Facts], str | None]
    describe: Callable[[RunState], tuple[Check, ...]] = _nothing_to_report

    def in_force(self, memory: RunState) -> bool:
        return not memory.done.isdisjoint(self.after) and self.until not in memory.done


def describe_all(actions: Sequence[Action]) -> list[str]:
    return [action.describe() for action in actions]
