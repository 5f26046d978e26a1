"""The Kubernetes API of one cluster over HTTPS: the verbs of the port, one request each.

The client keeps no state except its connections and never retries: the engine retries, and reads the object first.
"""

from __future__ import annotations

import builtins
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

from hcp_dr import errors
from hcp_dr.kube import answers, kubeconfig
from hcp_dr.kube.command import run
from hcp_dr.kube.fields import UnusableError
from hcp_dr.kube.limits import chunks_of
from hcp_dr.kube.mapping import AnswerError, StatusError, translate_errors
from hcp_dr.kube.port import (
    FIELD_MANAGER,
    Completed,
    Event,
    Kubernetes,
    Listing,
    Object,
    PatchBody,
    Propagation,
    Resource,
)
from hcp_dr.kube.transport import Call, Transport, parse
from hcp_dr.limits import MAX_BYTES, MAX_PAGES, Limit

PAGE = 500
LIST_ATTEMPTS = 3  # a list starts again when its continue token expires

_FIELD_MANAGER = (("fieldManager", FIELD_MANAGER),)
_CREATING = (*_FIELD_MANAGER, ("fieldValidation", "Strict"))
_TRYING = (*_CREATING, ("dryRun", "All"))


def connect(
    kubeconfig_file: Path, name: str, *, context: str | None = None, variable: str = "KUBECONFIG"
) -> Kubernetes:
    """A client for the cluster of a kubeconfig; sends no request. `name` is the cluster's name in messages, `variable`
    is the setting with the path of the kubeconfig. Raises UnreadableKubeconfig.
    """
    try:
        return Cluster(name, Transport(kubeconfig.read(kubeconfig_file, context)))
    except UnusableError as error:
        raise errors.UnreadableKubeconfig(
            path=str(kubeconfig_file), variable=variable, cluster=name, reason=str(error)
        ) from error


class Cluster:
    """Implements hcp_dr.kube.port.Kubernetes; thread-safe."""

    def __init__(self, name: str, transport: Transport) -> None:
        self._name = name
        self._transport = transport

    @property
    def name(self) -> str:
        return self._name

    @property
    def server(self) -> str:
        return self._transport.access.server

    @property
    def context(self) -> str:
        return self._transport.access.context

    @property
    def authority(self) -> str:
        return self._transport.access.authority

    @property
    def unverified(self) -> str:
        return self._transport.access.unverified

    def get(self, resource: Resource, name: str, namespace: str | None = None) -> Object:
        return self._object("get", _subject(resource, name, namespace), Call("GET", _path(resource, namespace, name)))

    def find(self, resource: Resource, name: str, namespace: str | None = None) -> Object | None:
        try:
            return self.get(resource, name, namespace)
        except errors.NotFound:
            return None

    def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        labels: str | None = None,
        fields: str | None = None,
    ) -> Listing:
        selectors = [("limit", str(PAGE))]
        selectors += [("labelSelector", labels)] if labels else []
        selectors += [("fieldSelector", fields)] if fields else []
        for _ in range(LIST_ATTEMPTS - 1):
            try:
                return self._list(resource, namespace, selectors)
            except errors.Expired:
                continue
        return self._list(resource, namespace, selectors)

    def _list(self, resource: Resource, namespace: str | None, selectors: Sequence[tuple[str, str]]) -> Listing:
        items: builtins.list[Object] = []
        token = ""
        call = Call("GET", _path(resource, namespace), selectors)
        limit = self._transport.limit_of(call)
        for _ in range(MAX_PAGES):
            page = self._page(resource, namespace, call, limit)
            items += page.items
            token, before = page.token, token
            if not token:
                return Listing(tuple(items), page.resource_version)
            if token == before or not page.items:
                break  # a list without end
            call = replace(call, parameters=[*selectors, ("continue", token)])
            limit.next_page()
        with translate_errors(self._name, "list", _plural(resource, namespace)):
            raise AnswerError("the list has no end")

    def _page(self, resource: Resource, namespace: str | None, call: Call, limit: Limit) -> answers.Page:
        with translate_errors(self._name, "list", _plural(resource, namespace)):
            return answers.page(self._transport.request(call, limit), resource)

    def create(self, resource: Resource, body: Object) -> Object:
        return self._create(resource, body, _CREATING)

    def try_create(self, resource: Resource, body: Object) -> None:
        self._create(resource, body, _TRYING)

    def _create(self, resource: Resource, body: Object, parameters: Sequence[tuple[str, str]]) -> Object:
        name, namespace = _identity(body)
        call = Call("POST", _path(resource, namespace), parameters, body)
        return self._object("create", _subject(resource, name, namespace), call)

    def replace(self, resource: Resource, body: Object, *, subresource: str | None = None) -> Object:
        name, namespace = _identity(body)
        call = Call("PUT", _path(resource, namespace, name, subresource), _FIELD_MANAGER, body)
        return self._object("replace", _subject(resource, name, namespace, subresource), call)

    def patch(
        self,
        resource: Resource,
        name: str,
        namespace: str | None,
        patch: PatchBody,
        *,
        subresource: str | None = None,
    ) -> Object:
        kind = "merge-patch" if isinstance(patch, Mapping) else "json-patch"
        path = _path(resource, namespace, name, subresource)
        call = Call("PATCH", path, _FIELD_MANAGER, patch, content_type=f"application/{kind}+json")
        return self._object("patch", _subject(resource, name, namespace, subresource), call)

    def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str | None = None,
        *,
        uid: str | None = None,
        grace_seconds: int | None = None,
        propagation: Propagation = "Background",
    ) -> None:
        options: Object = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation}
        if uid is not None:
            options["preconditions"] = {"uid": uid}
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        call = Call("DELETE", _path(resource, namespace, name), body=options)
        self._request("delete", _subject(resource, name, namespace), call)

    def watch(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        resource_version: str,
        seconds: float,
        labels: str | None = None,
    ) -> Iterator[Event]:
        timeout = max(1, math.ceil(seconds))
        parameters = [("watch", "true"), ("allowWatchBookmarks", "true"), ("timeoutSeconds", str(timeout))]
        parameters += [("resourceVersion", resource_version)]
        parameters += [("labelSelector", labels)] if labels else []
        call = Call("GET", _path(resource, namespace), parameters, seconds=timeout + self._transport.seconds.grace)
        limit = self._transport.limit_of(call)
        with (
            translate_errors(self._name, "watch", _plural(resource, namespace)),
            self._transport.stream(call, limit) as response,
        ):
            for line in _lines(chunks_of(response, limit)):
                yield _event(parse(line))

    def execute(
        self,
        namespace: str,
        pod: str,
        container: str,
        command: Sequence[str],
        *,
        stdin: bytes | None = None,
        seconds: float = 60,
    ) -> Completed:
        parameters = [("container", container), ("stdout", "true"), ("stderr", "true")]
        parameters += [("stdin", "true")] if stdin is not None else []
        parameters += [("command", word) for word in command]
        path = f"/api/v1/namespaces/{_segment(namespace)}/pods/{_segment(pod)}/exec"
        with translate_errors(self._name, f"run {command[0]} in", f"Pod {namespace}/{pod} ({container})"):
            return run(self._transport, path, parameters, stdin, seconds)

    def may(
        self,
        verb: str,
        resource: Resource,
        namespace: str | None = None,
        *,
        subresource: str | None = None,
        name: str | None = None,
    ) -> bool:
        attributes = {
            "verb": verb,
            "group": resource.group,
            "version": resource.version,
            "resource": resource.plural,
        }
        attributes |= {"namespace": namespace} if namespace else {}
        attributes |= {"subresource": subresource} if subresource else {}
        attributes |= {"name": name} if name else {}
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        call = Call("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body=review)
        answer = self._request("create", "a SelfSubjectAccessReview", call)
        status = answer.get("status")
        return isinstance(status, Mapping) and status.get("allowed") is True

    def versions(self, group: str) -> tuple[str, ...]:
        path = f"/apis/{_segment(group)}" if group else "/api"
        try:
            answer = self._request("get", f"the API group {group or 'core'}", Call("GET", path))
        except errors.NotFound:
            return ()
        with translate_errors(self._name, "get", f"the API group {group or 'core'}"):
            return answers.versions(answer)

    def close(self) -> None:
        self._transport.close()

    def _request(self, verb: str, subject: str, call: Call) -> Object:
        with translate_errors(self._name, verb, subject):
            return self._transport.request(call)

    def _object(self, verb: str, subject: str, call: Call) -> Object:
        """As `_request`, for a request that is answered with an object."""
        with translate_errors(self._name, verb, subject):
            return answers.checked(self._transport.request(call))


def _lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Split at line feeds only: JSON strings may contain other line separators."""
    partial = b""
    for chunk in chunks:
        *lines, partial = (partial + chunk).split(b"\n")
        yield from lines
        if len(partial) > MAX_BYTES:
            raise AnswerError("the response has an event without end")
    if partial:
        raise AnswerError("the response ended in the middle of an event")


def _event(event: Object) -> Event:
    kind, body = event.get("type"), event.get("object")
    if not isinstance(kind, str) or not isinstance(body, dict):
        raise AnswerError("the response is not a watch event")
    if kind == "ERROR":
        code = body.get("code")
        raise StatusError(body, code if isinstance(code, int) else 0)
    return Event(kind, answers.checked(body, named=kind != "BOOKMARK"))


def _identity(body: Object) -> tuple[str, str | None]:
    metadata = body["metadata"]
    return metadata.get("name") or metadata.get("generateName", ""), metadata.get("namespace")


def _path(
    resource: Resource, namespace: str | None = None, name: str | None = None, subresource: str | None = None
) -> str:
    names = ["apis", resource.group, resource.version] if resource.group else ["api", resource.version]
    if resource.namespaced and namespace is not None:
        names += ["namespaces", namespace]
    names += [part for part in (resource.plural, name, subresource) if part is not None]
    return "/" + "/".join(map(_segment, names))


def _segment(name: str) -> str:
    """One segment of a URL path, escaped so that it cannot change the path."""
    if not name or name in (".", ".."):
        raise ValueError(f"{name!r} is not a valid name")
    return quote(name, safe=":")


def _subject(resource: Resource, name: str, namespace: str | None, subresource: str | None = None) -> str:
    full_name = f"{namespace}/{name}" if namespace else name
    return f"{resource.kind} {full_name}" + (f" ({subresource})" if subresource else "")


def _plural(resource: Resource, namespace: str | None) -> str:
    return f"{resource.plural} in namespace {namespace}" if namespace else str(resource.plural)
