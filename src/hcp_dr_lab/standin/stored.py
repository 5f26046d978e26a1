"""The roles know Cluster API in its newest version. A management cluster may store and serve another: then the roles'
requests go in the stored version, and objects are converted on the way. References
to owners are written in the newest version that is served, which is the one that the release's controllers use."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, cast

from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Kubernetes, Listing, Object, PatchBody, Resource
from hcp_dr.kube.stored import AsStored
from hcp_dr.objects.difference import merge_patch, patched
from hcp_dr_lab.standin.conversion import GROUP, converted


def in_newest(cluster: Kubernetes) -> Kubernetes:
    """The same cluster, with the kinds of Cluster API in the version of the resource that is requested."""
    return cast("Kubernetes", _InNewest(AsStored(cluster)))


class _InNewest:
    def __init__(self, stored: AsStored) -> None:
        self._stored = stored
        self._cluster = cast("Kubernetes", stored)
        self._served: tuple[str, ...] | None = None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # a copy in the making has no cluster yet
            raise AttributeError(name)
        return getattr(self._cluster, name)

    def get(self, resource: Resource, name: str, namespace: str | None = None) -> Object:
        return self._newest(resource, self._cluster.get(resource, name, namespace))

    def find(self, resource: Resource, name: str, namespace: str | None = None) -> Object | None:
        found = self._cluster.find(resource, name, namespace)
        return None if found is None else self._newest(resource, found)

    def list(self, resource: Resource, namespace: str | None = None, **selectors: Any) -> Listing:
        listing = self._cluster.list(resource, namespace, **selectors)
        return replace(listing, items=tuple(self._newest(resource, item) for item in listing.items))

    def watch(self, resource: Resource, namespace: str | None = None, **keywords: Any) -> Iterator[Any]:
        for event in self._cluster.watch(resource, namespace, **keywords):
            known = event.type != "BOOKMARK" and event.object.get("apiVersion")
            yield replace(event, object=self._newest(resource, event.object)) if known else event

    def create(self, resource: Resource, body: Object) -> Object:
        sent = converted(body, self._stored.resolve(resource).api_version) if resource.group == GROUP else body
        sent = _with_owners(sent, self._used)
        return self._newest(resource, self._cluster.create(resource, sent))

    def patch(self, resource: Resource, name: str, namespace: str | None, patch: PatchBody, **keywords: Any) -> Object:
        sent = patch
        if resource.group == GROUP and isinstance(patch, dict) and set(patch) - {"metadata"}:
            before = self._cluster.get(resource, name, namespace)
            wanted = patched(self._newest(resource, before), patch)
            sent = merge_patch(before, converted(wanted, before["apiVersion"]))
            sent.setdefault("metadata", {})["resourceVersion"] = wanted["metadata"]["resourceVersion"]
        if isinstance(sent, dict):
            sent = _with_owners(sent, self._used)
        return self._newest(resource, self._cluster.patch(resource, name, namespace, sent, **keywords))

    def _newest(self, resource: Resource, item: Object) -> Object:
        found = _with_owners(item, _newest_version)
        return converted(found, resource.api_version) if resource.group == GROUP else found

    def _used(self, api_version: str) -> str:
        if self._served is None:
            self._served = self._cluster.versions(GROUP)
        return f"{GROUP}/{self._served[0]}" if self._served else api_version


def _newest_version(_: str) -> str:
    return r.CLUSTER.api_version


def _with_owners(item: Object, version_for: Callable[[str], str]) -> Object:
    """The object, or the patch, with another API version in each reference to an owner of Cluster API."""
    metadata = item.get("metadata") or {}
    references = metadata.get("ownerReferences") or ()
    wanted = [
        {**each, "apiVersion": version_for(each["apiVersion"])}
        if each["apiVersion"].partition("/")[0] == GROUP
        else each
        for each in references
    ]
    return item if wanted == list(references) else {**item, "metadata": {**metadata, "ownerReferences": wanted}}
