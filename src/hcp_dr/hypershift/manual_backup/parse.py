"""A backup folder made with the documented commands (8.6.2-4): one object in each file, as printed by `oc get -o yaml`
or `-o json`, with or without status, with uid, owner references and finalizers. It has no manifest; the files
themselves provide its content.

Pure: file names and bytes come in, objects go out. Files are never changed, so the folder stays as it was made.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from hcp_dr.errors import NotFound
from hcp_dr.inputs import InputError, parse_yaml
from hcp_dr.kube.port import Listing, Object, Resource
from hcp_dr.kube.shape import find_fault
from hcp_dr.objects.archive import ENDINGS, Entry, page, sha256_of
from hcp_dr.objects.reading import dig, name_of, namespace_of


@dataclass(frozen=True, slots=True)
class HandWritten:
    """One usable file."""

    path: str
    sha256: str
    body: Object


@dataclass(frozen=True, slots=True)
class HandMade:
    """The objects of such a folder. `problems` names each unusable file, with the reason."""

    items: tuple[HandWritten, ...]
    problems: tuple[str, ...]

    def get(self, resource: Resource, name: str, namespace: str | None = None) -> Object:
        found = self.find(resource, name, namespace)
        if found is None:
            raise NotFound(object=f"{resource.kind} {namespace}/{name}", cluster="backup folder", verb="get")
        return found

    def find(self, resource: Resource, name: str, namespace: str | None = None) -> Object | None:
        return next((item for item in self.list(resource, namespace).items if name_of(item) == name), None)

    def list(self, resource: Resource, namespace: str | None = None) -> Listing:
        bodies = (item.body for item in self.items)
        matching = (
            body for body in bodies if body["kind"] == resource.kind and namespace in (None, namespace_of(body))
        )
        return Listing(tuple(matching), "")

    def entries(self, wanted: Iterable[Object]) -> tuple[Entry, ...]:
        """The manifest entries for those objects: each refers to the original file."""
        files = {key_of(item.body): item for item in self.items}
        return tuple(
            replace(page(body).entry, file=files[key_of(body)].path, sha256=files[key_of(body)].sha256)
            for body in wanted
        )


def key_of(body: Object) -> tuple[str, str | None, str]:
    return (str(body["kind"]), namespace_of(body), name_of(body))


def is_taken(path: str, *, name: str) -> bool:
    """Is this one of the documented files? hc-<name>-restore.yaml and hc-<name>-new.yaml, created by the documented
    restore beside hc-<name>.yaml, contain an expired URL."""
    file = path.rpartition("/")[2]
    stem = next((file.removesuffix(ending) for ending in ENDINGS if file.endswith(ending)), None)
    return stem is not None and (not stem.startswith("hc-") or stem == f"hc-{name}")


def read(files: Mapping[str, bytes], *, name: str, api_versions: Mapping[str, tuple[str, ...]]) -> HandMade:
    """`files` by path, namespaces/<namespace>/<file>; `name` is the HostedCluster's, `api_versions` are the versions in
    which each kind is restored. Other kinds are ignored."""
    items: list[HandWritten] = []
    problems: list[str] = []
    taken: dict[tuple[str, str | None, str], str] = {}
    for path, data in sorted(files.items()):
        if not is_taken(path, name=name):
            continue
        body, problem = _parse_file(data)
        if body is not None and body["kind"] not in api_versions:
            continue
        problem = problem or (_misplaced(path, body, api_versions) if body is not None else "")
        if body is not None and not problem:
            first_path = taken.setdefault(key_of(body), path)
            problem = f"holds the same object as {first_path}" if first_path != path else ""
        if problem:
            problems.append(f"{path} {problem}")
        elif body is not None:
            items.append(HandWritten(path, sha256_of(data), body))
    return HandMade(tuple(items), tuple(problems))


def _parse_file(data: bytes) -> tuple[Object | None, str]:
    """The object, and the problem of the file. JSON is YAML."""
    try:
        body = parse_yaml(data)
    except InputError as error:
        return None, f"cannot be read: {error}"
    if isinstance(body, Mapping) and str(body.get("kind", "")).endswith("List") and "items" in body:
        return None, "holds a list: write each object to a file of its own"
    required = (dig(body, "kind"), dig(body, "apiVersion"), dig(body, "metadata", "name"))
    if not all(isinstance(part, str) and part for part in required):
        return None, "holds no Kubernetes object (kind, apiVersion and metadata.name)"
    fault = find_fault(body)
    return (None, f"holds no usable {body['kind']}: {fault}") if fault else (dict(body), "")


def _misplaced(path: str, body: Object, api_versions: Mapping[str, tuple[str, ...]]) -> str:
    folder = path.split("/")[1]
    if namespace_of(body) != folder:
        return f"holds an object of namespace {namespace_of(body)}"
    wanted = api_versions[body["kind"]]
    if body["apiVersion"] not in wanted:
        return f"is {body['apiVersion']}, but {body['kind']}s are restored as {wanted[0]}: get it again in that version"
    return ""


@dataclass(frozen=True, slots=True)
class Difference:
    """The differences between the folder and the source. Each is kind, namespace, name."""

    missing: tuple[Object, ...]  # objects of the source that the folder lacks
    gone: tuple[Object, ...]  # objects of the folder that the source no longer has
    changed: tuple[Object, ...]  # objects of the folder with other content on the source now


def compare(backup: Iterable[Object], live: Iterable[Object]) -> Difference:
    ours, theirs = ({key_of(item): item for item in items} for items in (backup, live))
    both = [(item, theirs[key]) for key, item in ours.items() if key in theirs]
    return Difference(
        missing=tuple(item for key, item in theirs.items() if key not in ours),
        gone=tuple(item for key, item in ours.items() if key not in theirs),
        changed=tuple(mine for mine, other in both if _content(mine) != _content(other)),
    )


def _content(item: Object) -> Any:
    """The decisive content: spec or data, and the owners. Not the pause, which changes over time."""
    spec = {key: value for key, value in (item.get("spec") or {}).items() if key not in ("pausedUntil", "paused")}
    owners = sorted(_owners(item))
    return (spec, item.get("data") or {}, item.get("binaryData") or {}, owners)


def _owners(item: Object) -> Iterator[tuple[str, str]]:
    for owner in item["metadata"].get("ownerReferences") or ():
        yield (str(owner.get("kind")), str(owner.get("name")))
