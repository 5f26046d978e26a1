"""Requests kinds of Cluster API in the version in which a management cluster stores them (rule K1).

HyperShift up to 4.22 serves v1beta1 only; 4.23 and 5.0 store v1beta1 and serve v1beta2 too; 5.1 stores v1beta2. The
HyperShift operator converts, and the teardown stops it: only requests in the stored version work all the time. So each
management cluster is asked for the version in which it stores a kind, and no release number is compared. An object is
created in its own version, which the destination must serve.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

from hcp_dr.kube.port import Kubernetes, Object, Resource
from hcp_dr.kube.resources import CLUSTER, CUSTOM_RESOURCE_DEFINITION

CONVERTED_GROUP = CLUSTER.group
"""The API group whose stored version differs between releases."""
_CARRIED = ("v1beta1", "v1beta2")
"""Versions of Cluster API: the fields that hcp-dr reads are at the same place in both, except a scheduled rollout."""
_BY_RESOURCE = frozenset({"get", "find", "list", "watch", "patch", "delete"})
_BY_BODY = frozenset({"create", "try_create", "replace"})


def as_stored(cluster: Kubernetes) -> Kubernetes:
    """The same cluster. Its definitions are read once, at the first request for a kind of Cluster API."""
    return cast("Kubernetes", AsStored(cluster))


def stored_version(cluster: Kubernetes, resource: Resource) -> str:
    """The version in which the cluster stores this custom resource, "" if it has no such resource. Raises the port's
    errors."""
    definition = cluster.find(CUSTOM_RESOURCE_DEFINITION, str(resource))
    return storage_version(definition) if definition else ""


def storage_version(definition: Object) -> str:
    """The version in which objects of this CustomResourceDefinition are stored when they are written."""
    versions = (definition.get("spec") or {}).get("versions") or ()
    return next((str(version["name"]) for version in versions if version.get("storage")), "")


def carried_versions(resource: Resource) -> tuple[str, ...]:
    """The versions in which an object of this kind can be carried."""
    return _CARRIED if resource.group == CONVERTED_GROUP else (resource.version,)


def in_version_of(resource: Resource, body: Object) -> Resource:
    """The resource in the version of this object."""
    version = str(body.get("apiVersion") or "").rpartition("/")[2]
    return replace(resource, version=version) if version else resource


class AsStored:
    """Implements hcp_dr.kube.port.Kubernetes over another implementation of it."""

    def __init__(self, cluster: Kubernetes) -> None:
        self._cluster = cluster
        self._stored: dict[str, Resource] = {}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # a copy in the making has no cluster yet
            raise AttributeError(name)
        method = getattr(self._cluster, name)
        if name in _BY_RESOURCE:
            return _with(method, lambda resource, _: self.resolve(resource))
        if name in _BY_BODY:
            return _with(method, in_version_of)
        return method

    def resolve(self, resource: Resource) -> Resource:
        """The resource in the version that is requested."""
        if resource.group != CONVERTED_GROUP or resource.pinned:
            return resource
        if resource.plural not in self._stored:
            version = stored_version(self._cluster, resource)
            self._stored[resource.plural] = replace(resource, version=version) if version else resource
        return self._stored[resource.plural]


def _with(method: Callable[..., Any], choose: Callable[[Resource, Any], Resource]) -> Callable[..., Any]:
    def request(resource: Resource, *arguments: Any, **keywords: Any) -> Any:
        subject = arguments[0] if arguments else keywords.get("body")
        return method(choose(resource, subject), *arguments, **keywords)

    return request
