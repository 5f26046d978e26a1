"""The two sides of the contract. Tests see the product's port, and what a test must do behind it."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, TypeVar

from hcp_dr.kube.client import Cluster, _path
from hcp_dr.kube.mapping import from_status, translate_errors
from hcp_dr.kube.port import Kubernetes, Object, Resource
from hcp_dr.kube.resources import NAMESPACE
from hcp_dr.kube.transport import Call
from hcp_dr_lab.tabletop.kubernetes import ApiServer, Client, Store, collect
from hcp_dr_lab.tabletop.kubernetes.access import ADMINISTRATOR, Caller
from hcp_dr_lab.tabletop.kubernetes.refusal import Refusal
from tests.contract.kubernetes.real import ControlPlane

Seen = TypeVar("Seen")
_PATIENCE = 45.0  # seconds that a real controller may take; most of what is awaited takes a hundredth of it
_names = itertools.count(1)


class Side(Protocol):
    """`admin` may do everything."""

    admin: Kubernetes

    def user(self, name: str) -> Kubernetes:
        """Somebody who may do what RBAC objects say."""
        ...

    def page(self, resource: Resource, namespace: str, limit: int, token: str = "") -> tuple[list[str], str]:
        """The names on one page of a list, and the token of the next."""
        ...

    def compact(self) -> None:
        """Forget all history."""
        ...

    def eventually(self, seen: Callable[[], Seen], what: str) -> Seen:
        """What controllers lead to: the first true answer of `seen`."""
        ...


class Memory:
    """On a store of its own, which begins as `prepared` is."""

    def __init__(self, prepared: Store) -> None:
        self._now = datetime(2026, 1, 1, tzinfo=UTC)
        self.server = ApiServer(prepared.clone(), now=lambda: self._now)
        self.admin: Kubernetes = self._client(ADMINISTRATOR)

    def _client(self, caller: Caller) -> Kubernetes:
        return Client(lambda: self.server, "contract", "https://memory", caller=caller, rest=self._rest)

    def _rest(self, store: Store, revision: int, _seconds: float) -> None:
        """Ten times as fast as time."""
        if not store.wait(revision, 0.01):
            self._now += timedelta(seconds=0.1)

    def user(self, name: str) -> Kubernetes:
        return self._client(Caller(name))

    def page(self, resource: Resource, namespace: str, limit: int, token: str = "") -> tuple[list[str], str]:
        try:
            page = self.server.list(resource, namespace, limit=limit, token=token)
        except Refusal as error:
            raise from_status(error.code, error.status, None, ("contract", "list", str(resource))) from error
        return [item["metadata"]["name"] for item in page.items], page.token

    def compact(self) -> None:
        self.server.store.compact()

    def eventually(self, seen: Callable[[], Seen], what: str) -> Seen:
        for _ in range(100):
            if not collect(self.server):
                break
        found = seen()
        assert found, f"the controllers are at rest, and still not: {what}"
        return found


class Real:
    """On the one control plane of the test run; tests keep to namespaces of their own."""

    def __init__(self, control_plane: ControlPlane) -> None:
        self._control_plane = control_plane
        self.admin = control_plane.connect()
        self._users: dict[str, Kubernetes] = {}

    def user(self, name: str) -> Kubernetes:
        if name not in self._users:
            self._users[name] = self._control_plane.connect(name)
        return self._users[name]

    def page(self, resource: Resource, namespace: str, limit: int, token: str = "") -> tuple[list[str], str]:
        assert isinstance(self.admin, Cluster)
        parameters = [("limit", str(limit)), ("continue", token)]
        with translate_errors("contract", "list", str(resource)):
            answer = self.admin._transport.request(Call("GET", _path(resource, namespace), parameters))
        return [item["metadata"]["name"] for item in answer["items"]], answer["metadata"].get("continue", "")

    def compact(self) -> None:
        self._control_plane.compact()

    def eventually(self, seen: Callable[[], Seen], what: str) -> Seen:
        deadline = time.monotonic() + _PATIENCE
        while not (found := seen()):
            assert time.monotonic() < deadline, f"not within {_PATIENCE:.0f} s: {what}"
            time.sleep(0.02)
        return found

    def close(self) -> None:
        for client in (self.admin, *self._users.values()):
            client.close()


def new_namespace(side: Side) -> str:
    name = f"contract-{next(_names)}"
    side.admin.create(NAMESPACE, an_object(NAMESPACE, name))
    return name


def an_object(resource: Resource, name: str, namespace: str | None = None, **parts: Any) -> Object:
    """`metadata` among the parts is added to name and namespace."""
    metadata = {"name": name, **({"namespace": namespace} if namespace else {}), **parts.pop("metadata", {})}
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, **parts}
