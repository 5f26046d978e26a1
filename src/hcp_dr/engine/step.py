"""What a step of the book is made of: facts that are observed, a pure plan over them, actions that a plan may ask for.

The loop in `run` observes, plans, performs the batch and observes again until a step is Done or refuses. Because every
plan looks at the world and not at what was done last, resuming is looking again, and printing a plan is planning.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Literal, TypeVar

from hcp_dr.aws.port import RecordChange
from hcp_dr.engine.journal import RunState
from hcp_dr.engine.state import Remember
from hcp_dr.engine.transfer import Transfer
from hcp_dr.errors import HcpDrError
from hcp_dr.kube.port import Object, PatchBody, Propagation, Resource
from hcp_dr.model import Case, Ports, Side
from hcp_dr.objects.reading import name_of, namespace_of


def _named(resource: Resource, name: str, namespace: str | None) -> str:
    return f"{resource.kind} {namespace}/{name}" if namespace else f"{resource.kind} {name}"


def _print_of(*parts: Any) -> str:
    text = json.dumps(parts, sort_keys=True, default=repr)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Create:
    """Create an object; what it holds is never shown."""

    side: Side
    resource: Resource
    body: Object

    def describe(self) -> str:
        meta = self.body["metadata"]
        return f"create on {self.side} {_named(self.resource, meta['name'], meta.get('namespace'))}"


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
        what = _named(self.resource, self.name, self.namespace)
        part = f" ({self.subresource})" if self.subresource else ""
        return f"patch on {self.side} {what}{part}: {json.dumps(self.patch, sort_keys=True)}"


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
        return f"delete on {self.side} {_named(self.resource, self.name, self.namespace)}{grace}"


@dataclass(frozen=True, slots=True)
class ForceStop:
    """Let a pod whose deletion is asked for leave at once instead of after its long grace.

    A kubelet does not shorten a grace that has begun (kubernetes issue 113606), so that the first container is told a
    second time to end, at which an API server exits, and the deletion is asked for again with a grace of one second."""

    side: Side
    namespace: str
    pod: str
    uid: str
    container: str

    def describe(self) -> str:
        return f"hurry on {self.side} Pod {self.namespace}/{self.pod}, which is being deleted"


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
    """Copy an object within the bucket, if it is still the one with this ETag."""

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
    """Take steps and remembered values out of the journal's memory, because what they stand for is void. Written after
    the other actions of its batch. The run does those steps again; it ends with `error` instead where `again` is False
    or where one of them is none of its command."""

    steps: tuple[str, ...]
    keys: tuple[str, ...]  # names of Key
    error: HcpDrError
    again: bool = True

    def describe(self) -> str:
        return f"forget that these are done: {', '.join(self.steps)}"


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
    """Equal for actions that ask for the same; shows nothing of what they hold. The uid, the version and the content of
    an object do not count: they differ each time when somebody makes it again."""
    match action:
        case Create(side, resource, body):
            return _print_of("Create", side, resource, name_of(body), namespace_of(body))
        case Delete() | ForceStop():
            action = replace(action, uid="")
        case Patch(patch=Mapping() as patch) if "resourceVersion" in patch.get("metadata", {}):
            meta = {key: value for key, value in patch["metadata"].items() if key != "resourceVersion"}
            action = replace(action, patch={**patch, "metadata": meta})
    return _print_of(type(action).__name__, action)


Verdict = Literal["ok", "warning", "blocked", "unknown"]


@dataclass(frozen=True, slots=True)
class Check:
    """One finding of preflight or verify: what was seen, why it matters, what to do.

    `acceptable` says that what it found endangers nothing that cannot be mended, so that whoever knows better may take
    it upon herself. `accepted` is the reason that she gave."""

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
    """How long a step waits at most, in seconds. `until` is what it waits for, `why` what takes that long."""

    seconds: float
    until: str
    why: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do but wait. `limit` in seconds is the deadline for `until`, counted from its first appearance;
    `todo` is what to do when it has passed, where more can be said than to look at why. `then` is what the step comes
    to at the deadline where it need not fail."""

    until: str
    seen: str
    limit: float
    wake: WatchTarget | None = None
    todo: str | None = None
    then: Done | None = None


@dataclass(frozen=True, slots=True)
class Refuse:
    error: HcpDrError
    checks: tuple[Check, ...] = ()


Decision = Do | Wait | Done | Refuse

Facts = TypeVar("Facts")


Gate = Callable[[Ports, Case, RunState], Decision]
"""Reads and decides: Done where the acts may follow at once, else Refuse."""


def _as_they_are(facts: Facts) -> Facts:
    return facts


@dataclass(frozen=True, slots=True)
class Step(Generic[Facts]):
    """One step of the book.

    `observe` reads the world and `plan` decides over what was read. `foresee` turns facts of now into facts as if the
    steps before were done; `afterwards` turns facts and a decision into facts as if that was carried out, so that a
    step of several rounds can be printed whole. `revert` takes back what the step did, over facts of `look_back`, or of
    `observe` where that sees all of it; None where nothing needs undoing.
    """

    name: str
    documented: str
    observe: Callable[[Ports, Case, RunState], Facts]
    plan: Callable[[Facts], Decision]
    foresee: Callable[[Facts], Facts] = _as_they_are
    afterwards: Callable[[Facts, Decision], Facts] | None = None
    look_back: Callable[[Ports, Case, RunState], Any] | None = None
    revert: Callable[[Any], Decision] | None = None
    waits: tuple[Timeout, ...] = ()  # all that it may wait for
    checks: str = ""  # of a step that only reads: what it proves, as a clause
    proof: bool = False  # looked at again by a resume, whatever the journal says
    gate: Gate | None = None  # read right before its acts, after all else
    announced: bool = False  # the Leases say that it acts, before it does
    way_on: str = ""  # a sentence for whoever cannot have what this step needs; told with its errors

    @property
    def phase(self) -> str:
        return self.name.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Watch(Generic[Facts]):
    """What must stay so while other steps are carried out: from when one of the steps `after` is done until `until` is.

    `alarm` says what is wrong, None while nothing is; then `page` is carried out like a step. `told` says afterwards,
    from the journal alone, what became of it.
    """

    page: Step[Facts]
    after: tuple[str, ...]
    until: str
    alarm: Callable[[Facts], str | None]
    told: Callable[[RunState], tuple[Check, ...]]

    def in_force(self, memory: RunState) -> bool:
        return not memory.done.isdisjoint(self.after) and self.until not in memory.done


def describe_all(actions: Sequence[Action]) -> list[str]:
    return [action.describe() for action in actions]
