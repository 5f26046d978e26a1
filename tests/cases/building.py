"""Builds frozen values from plain data, by their type hints, so that a case can be a file.

Common values have short forms:

    Object, Restorable, Entry, Removable, Held
                  "Machine ns/name", or {"Machine ns/name": {...}} with more of the object. Beside spec, data, status
                  it may say labels, annotations, finalizers, uid, owners ("Kind name", as controller), by (the
                  relocation that made it), held (by the paused annotation) and deleting. A Restorable, Entry or Page is
                  written as the source's object that it was exported from. A Removable may say its side.
    Workload      "kube-apiserver 2 pod-a pod-b:70": replicas asked for and pods there, :70 for one on its way out with
                  a grace of 70 seconds. With "StatefulSet " before it, or "namespace/", where that differs.
    Claim         the side, then "free", or the holders, separated by commas: "source ours stopped, clusters/two backup
                  two-7 stopped before 2" with the operator's replicas before; registered is the usual state
    Fence         "holds"
    Guard         "proven"
    mappings      a list of objects, kept by kind and name, or by name, or, where the values are strings, as the sha256
                  of their files in the backup
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable, Mapping
from typing import Any, Union, get_args, get_origin, get_type_hints

from hcp_dr.engine.peers import Stranger
from hcp_dr.engine.step import Step
from hcp_dr.hypershift.backup_objects import Restorable
from hcp_dr.hypershift.deletion.protocol import Guard, Removable, removable
from hcp_dr.hypershift.fence.state import RECONCILERS, WRITERS, Fence
from hcp_dr.hypershift.machines.paused_objects import Held, held
from hcp_dr.hypershift.operator_claim import HOLDER_ANNOTATION, Claim, Holder, Record, State
from hcp_dr.hypershift.workloads import PodFact, Workload
from hcp_dr.kube import resources
from hcp_dr.kube.port import Object, Resource
from hcp_dr.model import RELOCATION_ANNOTATION
from hcp_dr.objects.archive import Entry, Manifest, Page, page
from hcp_dr.objects.reading import name_of
from hcp_dr.objects.scrub import scrub
from hcp_dr.upstream import PAUSED_ANNOTATION

RESOURCES = {value.kind: value for value in vars(resources).values() if isinstance(value, Resource)}
NAMESPACE = "clusters-one"
"""The control plane namespace of the cases: hosted cluster clusters/one."""
STOPPED = tuple(Workload("Deployment", NAMESPACE, name, 0, ()) for name in (*RECONCILERS, *WRITERS))
_META = ("labels", "annotations", "finalizers", "uid")


def facts_type(step: Step[Any]) -> type:
    """The type of facts that a step plans over, by its plan's own annotation."""
    return taken_by(step.plan)


def taken_by(plan: Callable[[Any], Any]) -> type:
    hints = get_type_hints(plan)
    return next(hint for name, hint in hints.items() if name != "return")  # type: ignore[no-any-return]


def an_object(value: Any) -> Object:
    """A whole object from its short form; anything else is one already, or a part of one."""
    if isinstance(value, str):
        value = {value: {}}
    heading = next(iter(value), "")
    if len(value) != 1 or " " not in heading:
        return dict(value)
    kind, _, place = heading.partition(" ")
    namespace, _, name = place.rpartition("/")
    said = dict(value[heading] or {})
    meta: dict[str, Any] = {"name": name, "uid": f"uid-of-{name}", "resourceVersion": "7"}
    if namespace:
        meta["namespace"] = namespace
    meta |= {key: said.pop(key) for key in _META if key in said}
    if said.pop("deleting", False):
        meta["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    for key, annotation in (("by", RELOCATION_ANNOTATION), ("held", PAUSED_ANNOTATION)):
        if key in said:
            meta["annotations"] = {**meta.get("annotations", {}), annotation: str(said.pop(key)).lower()}
    if "owners" in said:
        meta["ownerReferences"] = [_owner(owner) for owner in said.pop("owners")]
    meta |= said.pop("metadata", {})
    return {"apiVersion": RESOURCES[kind].api_version, "kind": kind, "metadata": meta, **said}


def _owner(text: str) -> dict[str, Any]:
    kind, name = text.split()
    reference = {"apiVersion": RESOURCES[kind].api_version, "kind": kind, "name": name, "uid": f"uid-of-{name}"}
    return {**reference, "controller": True, "blockOwnerDeletion": True}


def _restorable(value: Any) -> Restorable:
    item = an_object(value)
    return Restorable(page(item).entry, scrub(item))


def _removable(value: Any) -> Removable:
    item = an_object(value)
    return removable(RESOURCES[item["kind"]], item, item.pop("side", "source"))


def _held(value: Any) -> Held:
    item = an_object(value)
    return held(RESOURCES[item["kind"]], [item])[0]


def _workload(text: str) -> Workload:
    words = text.split()
    kind = words.pop(0) if words[0] in ("Deployment", "StatefulSet") else "Deployment"
    namespace, _, name = words[0].rpartition("/")
    namespace = namespace or NAMESPACE
    pods = []
    for word in words[2:]:
        pod, _, grace = word.partition(":")
        pods.append(PodFact(pod, namespace, f"uid-of-{pod}", int(grace) if grace else None))
    return Workload(kind, namespace, name, int(words[1]), tuple(pods))


def _claim(text: str) -> Claim:
    side, _, holders = text.partition(" ")
    free = Claim(side, {"source": "mgmt-1"}.get(side, "mgmt-2"), "clusters/one", "one-1", None)  # type: ignore[arg-type]
    if holders == "free":
        return free
    holders, _, before = holders.partition(" before ")
    items = tuple(_holder(item.replace("ours", free.me), free) for item in holders.split(", ") if item != "nobody")
    return dataclasses.replace(free, record=Record("uid-of-it", "7", items, int(before) if before else None))


def _holder(text: str, claim: Claim) -> Holder:
    words = text.split()
    state = words.pop() if words[-1] in get_args(State) else "registered"
    alone = words[-1] == "alone" and bool(words.pop())
    side = "destination" if words[-1] == "aborts" and words.pop() else "source"
    side = claim.side if words[0] == claim.hosted_cluster else side
    key = HOLDER_ANNOTATION + words[0].replace("/", ".")
    return Holder(key, " ".join(words), "2026-11-29T01:00:00Z", side, state, alone)  # type: ignore[arg-type]


_SHORT: dict[Any, Callable[[Any], Any]] = {
    Object: an_object,
    Resource: RESOURCES.__getitem__,
    Entry: lambda value: page(an_object(value)).entry,
    Page: lambda value: page(an_object(value)),
    Restorable: _restorable,
    Removable: _removable,
    Held: _held,
    Workload: _workload,
    Claim: _claim,
}
STRANGER = Stranger("source", "https://elsewhere.example:6443", "it is another")
_WORDS: dict[Any, dict[str, Any]] = {
    Fence: {"holds": Fence(paused=True, workloads=STOPPED)},
    Guard: {
        "proven": Guard((), (), destination_serves=True),
        "elsewhere": Guard(
            (),
            (),
            destination_serves=True,
            stranger=STRANGER,
        ),
    },
}
_USUAL: dict[Any, dict[str, Any]] = {Manifest: {"case": {}, "made_at": 0.0, "fence": None}}


def build(kind: Any, value: Any) -> Any:
    """Raises TypeError where the data does not fit the type."""
    if kind is Any or value is None:
        return value
    if kind in _SHORT:
        return _SHORT[kind](value)
    if isinstance(value, str) and kind in _WORDS:
        return _WORDS[kind][value]
    if dataclasses.is_dataclass(kind):
        hints = get_type_hints(kind)
        unknown = set(value) - set(hints)
        if unknown:
            raise TypeError(f"{kind} has no {', '.join(sorted(unknown))}")
        given = {**_USUAL.get(kind, {}), **value}
        return kind(**{name: build(hints[name], inner) for name, inner in given.items()})  # type: ignore[operator]
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return build(next(argument for argument in arguments if argument is not type(None)), value)
    if origin is tuple:
        return _tuple(arguments, value)
    if origin in (frozenset, list):
        return origin(build(arguments[0], inner) for inner in value)
    if origin in (dict, Mapping) or kind is Mapping:
        return _mapping(arguments, value)
    return value


def _tuple(arguments: tuple[Any, ...], value: Any) -> tuple[Any, ...]:
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return tuple(build(arguments[0], inner) for inner in value)
    return tuple(build(argument, inner) for argument, inner in zip(arguments, value, strict=True))


def _mapping(arguments: tuple[Any, ...], value: Any) -> dict[Any, Any]:
    if isinstance(value, list):
        items = [an_object(item) for item in value]
        if arguments[1] is str:
            return {page(item).entry.file: page(item).entry.sha256 for item in items}
        by_name = arguments[0] is str
        return {name_of(item) if by_name else (item["kind"], name_of(item)): item for item in items}
    if not arguments:
        return dict(value)
    return {name: build(arguments[1], item) for name, item in value.items()}
