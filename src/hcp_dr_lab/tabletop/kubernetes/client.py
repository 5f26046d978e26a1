"""The product's port to an API server in memory: inputs and outputs are JSON, and refusals become the product's
errors."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from hcp_dr import errors
from hcp_dr.kube import client as wire
from hcp_dr.kube.mapping import from_status
from hcp_dr.kube.port import FIELD_MANAGER, Completed, Event, Listing, Object, PatchBody, Propagation, Resource
from hcp_dr.kube.resources import POD
from hcp_dr_lab.tabletop.kubernetes.access import ADMINISTRATOR, Attributes, Caller
from hcp_dr_lab.tabletop.kubernetes.refusal import Refusal, forbidden
from hcp_dr_lab.tabletop.kubernetes.server import ApiServer
from hcp_dr_lab.tabletop.kubernetes.store import Store

Rest = Callable[[Store, int, float], Any]
"""Lets time pass until the store's revision is greater, or a number of seconds has passed."""


class Client:
    """Implements hcp_dr.kube.port.Kubernetes. `reach` returns the current server, or raises an error if it is
    unreachable. `rest` lets time pass for a watch: by default real time, so a jumping clock needs its own function.
    """

    def __init__(
        self,
        reach: Callable[[], ApiServer],
        name: str,
        server: str,
        *,
        caller: Caller = ADMINISTRATOR,
        manager: str = FIELD_MANAGER,
        rest: Rest = Store.wait,
    ) -> None:
        self._reach = reach
        self._name = name
        self._server = server
        self._caller = caller
        self._manager = manager
        self._rest = rest

    @property
    def name(self) -> str:
        return self._name

    @property
    def server(self) -> str:
        return self._server

    @property
    def context(self) -> str:
        return ""

    @property
    def authority(self) -> str:
        return ""

    @property
    def unverified(self) -> str:
        return ""

    def get(self, resource: Resource, name: str, namespace: str | None = None) -> Object:
        with self._asking("get", resource, name, namespace):
            return self._allowed("get", resource, namespace, name).get(resource, namespace, name)

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
        with self._mapped("list", _plural(resource, namespace)):
            server = self._allowed("list", resource, namespace)
            page = server.list(resource, namespace, labels=labels, fields=fields, limit=wire.PAGE)
            items = list(page.items)
            while page.token:
                server = self._allowed("list", resource, namespace)
                page = server.list(resource, namespace, labels=labels, fields=fields, limit=wire.PAGE, token=page.token)
                items += page.items
            return Listing(tuple(items), page.resource_version)

    def create(self, resource: Resource, body: Object) -> Object:
        metadata = body["metadata"]
        name, namespace = metadata.get("name") or metadata.get("generateName", ""), metadata.get("namespace")
        with self._asking("create", resource, name, namespace):
            return self._create(resource, body, trial=False)

    def try_create(self, resource: Resource, body: Object) -> None:
        metadata = body["metadata"]
        name, namespace = metadata.get("name") or metadata.get("generateName", ""), metadata.get("namespace")
        with self._asking("create", resource, name, namespace):
            self._create(resource, body, trial=True)

    def _create(self, resource: Resource, body: Object, *, trial: bool) -> Object:
        namespace = body["metadata"].get("namespace")
        server = self._allowed("create", resource, namespace)
        return server.create(
            resource,
            namespace,
            _sent(body),
            caller=self._caller,
            manager=self._manager,
            strict=True,
            trial=trial,
        )

    def replace(self, resource: Resource, body: Object, *, subresource: str | None = None) -> Object:
        name, namespace = body["metadata"]["name"], body["metadata"].get("namespace")
        with self._asking("replace", resource, name, namespace, subresource):
            server = self._allowed("update", resource, namespace, name, subresource)
            return server.replace(
                resource,
                namespace,
                name,
                _sent(body),
                subresource=subresource,
                caller=self._caller,
                manager=self._manager,
            )

    def patch(
        self,
        resource: Resource,
        name: str,
        namespace: str | None,
        patch: PatchBody,
        *,
        subresource: str | None = None,
    ) -> Object:
        with self._asking("patch", resource, name, namespace, subresource):
            server = self._allowed("patch", resource, namespace, name, subresource)
            return server.patch(
                resource,
                namespace,
                name,
                _sent(patch),
                subresource=subresource,
                caller=self._caller,
                manager=self._manager,
            )

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
        with self._asking("delete", resource, name, namespace):
            self._allowed("delete", resource, namespace, name).delete(
                resource,
                namespace,
                name,
                uid=uid,
                grace_seconds=grace_seconds,
                propagation=propagation,
                caller=self._caller,
            )

    def watch(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        resource_version: str,
        seconds: float,
        labels: str | None = None,
    ) -> Iterator[Event]:
        where = _plural(resource, namespace)
        with self._mapped("watch", where):
            server = self._allowed("watch", resource, namespace)
            until = server.now() + timedelta(seconds=max(1.0, seconds))
            watch = server.watch(resource, namespace, resource_version=resource_version, labels=labels)
            while True:
                if server.stopped:
                    reason = "the answer ended in the middle"
                    raise errors.ClusterUnreachable(cluster=self._name, verb="watch", object=where, reason=reason)
                events = watch.poll()
                yield from events
                left = (until - server.now()).total_seconds()
                if left <= 0:
                    yield watch.bookmark()
                    return
                if not events:
                    self._rest(server.store, watch.revision, left)

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
        with self._mapped(f"run {command[0]} in", f"Pod {namespace}/{pod} ({container})"):
            server = self._allowed("get", POD, namespace, pod, "exec")
            if not server.allows(self._caller, Attributes("create", "", POD.plural, namespace, pod, "exec")):
                raise forbidden(POD, pod, "")  # a second check of Kubernetes 1.35 and newer
            return server.run(namespace, pod, container, command, stdin, seconds)

    def may(
        self,
        verb: str,
        resource: Resource,
        namespace: str | None = None,
        *,
        subresource: str | None = None,
        name: str | None = None,
    ) -> bool:
        asked = Attributes(verb, resource.group, resource.plural, namespace or "", name or "", subresource or "")
        return self._reach().allows(self._caller, asked)

    def versions(self, group: str) -> tuple[str, ...]:
        return self._reach().versions(group)

    def close(self) -> None:
        """Nothing is open."""

    def _allowed(
        self,
        verb: str,
        resource: Resource,
        namespace: str | None,
        name: str = "",
        subresource: str | None = None,
    ) -> ApiServer:
        server = self._reach()
        if not server.is_open_to(self._caller):
            asked = Attributes(verb, resource.group, resource.plural, namespace or "", name, subresource or "")
            server.demand(self._caller, asked, resource)
        return server

    def _asking(
        self, verb: str, resource: Resource, name: str, namespace: str | None, subresource: str | None = None
    ) -> _Mapped:
        place = f"{namespace}/{name}" if namespace else name
        return self._mapped(verb, f"{resource.kind} {place}" + (f" ({subresource})" if subresource else ""))

    def _mapped(self, verb: str, subject: str) -> _Mapped:
        return _Mapped(self._name, verb, subject)


class _Mapped:
    """Converts refusals to the errors for the same response of a real server."""

    __slots__ = ("_where",)

    def __init__(self, cluster: str, verb: str, subject: str) -> None:
        self._where = (cluster, verb, subject)

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Refusal):
            raise from_status(error.code, error.status, None, self._where) from error


def _plural(resource: Resource, namespace: str | None) -> str:
    return f"{resource.plural} in namespace {namespace}" if namespace else str(resource.plural)


def _sent(body: Mapping[str, Any] | Sequence[Any]) -> Any:
    """Return the body as received over a network."""
    return json.loads(json.dumps(body))
