"""Custom kinds: handling of CustomResourceDefinitions, and the kinds that they define."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from hcp_dr.kube.port import Object, Resource
from hcp_dr_lab.tabletop.kubernetes.kinds import Kind, Path, Problems, Scale
from hcp_dr_lab.tabletop.kubernetes.schema import Schema
from hcp_dr_lab.tabletop.kubernetes.store import Entry

DEFINITIONS = "customresourcedefinitions.apiextensions.k8s.io"
CLEANUP = "customresourcecleanup.apiextensions.k8s.io"
"""The finalizer of a deleted definition: all objects of the kind are removed first."""
_VERSION = re.compile(r"v(\d+)(?:(alpha|beta)(\d+))?")


def kind(entry: Entry, version: str) -> Kind | None:
    """Return the kind of a CustomResourceDefinition in one version; None if the version is not served."""
    found = _kinds(entry.value)
    return found.get(version)


def stored_kind(entry: Entry) -> Kind:
    """Return the kind for all objects, regardless of the requested version."""
    kinds = _kinds(entry.value)
    stored = next(version["name"] for version in entry.object["spec"]["versions"] if version["storage"])
    return kinds.get(stored) or next(iter(kinds.values()))


@lru_cache(maxsize=512)
def _kinds(value: bytes) -> Mapping[str, Kind]:
    """Cached for the process: servers on clones of a store share parsed and compiled kinds."""
    body = Entry.unpacked(value)
    spec = body["spec"]
    names, group = spec["names"], spec["group"]
    versions = spec["versions"]
    stored = next(version["name"] for version in versions if version["storage"])
    served = tuple(version["name"] for version in versions if version["served"])
    resource = Resource(group, stored, names["plural"], names["kind"], spec["scope"] == "Namespaced")
    conversion = spec.get("conversion") or {}
    client = conversion["webhook"]["clientConfig"] if conversion.get("strategy") == "Webhook" else None
    return {version["name"]: _kind(resource, version, served, client) for version in versions if version["served"]}


def _kind(resource: Resource, version: Mapping[str, Any], served: tuple[str, ...], conversion: Object | None) -> Kind:
    schema = Schema((version.get("schema") or {}).get("openAPIV3Schema") or {})
    subresources = version.get("subresources") or {}
    scale = subresources.get("scale")

    def prepare(new: Object, _old: Object | None) -> None:
        schema.fill(new, root=True)

    def validate(new: Object, old: Object | None) -> Problems:
        return schema.problems(new) if old is None else schema.problems(new, old)

    return Kind(
        resource,
        status="status" in subresources,
        scale=Scale(
            _path(scale["specReplicasPath"]),
            _path(scale["statusReplicasPath"]),
            _path(scale["labelSelectorPath"]) if scale.get("labelSelectorPath") else None,
        )
        if scale
        else None,
        fields={
            path["jsonPath"].lstrip("."): _path(path["jsonPath"]) for path in version.get("selectableFields") or ()
        },
        prepare=prepare,
        validate=validate,
        unknown=schema.unknown,
        counted=True,
        custom=True,
        served=served,
        conversion=conversion,
    )


def _path(text: str) -> Path:
    return tuple(text.lstrip(".").split("."))


def version_order(version: str) -> tuple[int, int, int]:
    """Return a sort key with v2 > v1 > v1beta1 > v1alpha1."""
    found = _VERSION.fullmatch(version)
    if not found:
        return (0, 0, 0)
    stage = {None: 3, "beta": 2, "alpha": 1}[found[2]]
    return (stage, int(found[1]), int(found[3] or 0))


def prepare(new: Object, old: Object | None) -> None:
    """Set defaults, and the conditions of an established definition; this takes no time here."""
    spec = new.setdefault("spec", {})
    names = spec.setdefault("names", {})
    names.setdefault("singular", str(names.get("kind", "")).lower())
    names.setdefault("listKind", f"{names.get('kind', '')}List")
    spec.setdefault("conversion", {"strategy": "None"})
    stored = [version["name"] for version in spec.get("versions") or () if version.get("storage")]
    status = new.setdefault("status", {}) if old is None else {**(new.get("status") or {})}
    known = list(status.get("storedVersions") or [])
    status["storedVersions"] = known + [version for version in stored if version not in known]
    status["acceptedNames"] = dict(names)
    if not status.get("conditions"):
        time = new["metadata"]["creationTimestamp"]
        status["conditions"] = [
            {"type": kind, "status": "True", "reason": reason, "message": message, "lastTransitionTime": time}
            for kind, reason, message in (
                ("NamesAccepted", "NoConflicts", "no conflicts found"),
                ("Established", "InitialNamesAccepted", "the initial names have been accepted"),
            )
        ]
    new["status"] = status


def validate(new: Object, old: Object | None) -> Problems:
    spec = new["spec"]
    problems: Problems = []
    for word in ("group", "scope", "versions"):
        if not spec.get(word):
            problems.append(f"spec.{word}: Required value")
    if problems:
        return problems
    wanted = f"{spec['names'].get('plural')}.{spec['group']}"
    if new["metadata"]["name"] != wanted:
        problems.append(
            f'metadata.name: Invalid value: {new["metadata"]["name"]!r}: must be spec.names.plural+"."+spec.group'
        )
    if sum(1 for version in spec["versions"] if version.get("storage")) != 1:
        problems.append("spec.versions: Invalid value: must have exactly one version marked as storage version")
    problems += [
        f"spec.versions[{number}].schema.openAPIV3Schema: Required value: schemas are required"
        for number, version in enumerate(spec["versions"])
        if not (version.get("schema") or {}).get("openAPIV3Schema")
    ]
    names = {version["name"] for version in spec["versions"]}
    problems += [
        f"status.storedVersions[{number}]: Invalid value: {version!r}: missing from spec.versions"
        for number, version in enumerate(new["status"]["storedVersions"])
        if version not in names
    ]
    if old is not None:
        problems += [
            f"spec.{word}: Invalid value: field is immutable"
            for word in ("group", "scope")
            if spec[word] != old["spec"][word]
        ]
    return problems
