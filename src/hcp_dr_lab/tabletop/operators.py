"""The host of the stand-in's roles for one management cluster: the counterpart of `standin.host`.

Every role gets the objects of the store, and its changes are performed. A round runs after a change, and at intervals
for time-dependent decisions.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Mapping
from typing import Any, Protocol

from hcp_dr import errors
from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Kubernetes, Object, Resource
from hcp_dr_lab.standin import monitoring_recovery, turn
from hcp_dr_lab.standin.change import (
    Change,
    Create,
    Delete,
    DeleteHosted,
    Patch,
    RebootNode,
    RemoveFolder,
    RunInstance,
    TerminateInstance,
)
from hcp_dr_lab.standin.conversion import GROUP, converted
from hcp_dr_lab.standin.fabric import Fabric
from hcp_dr_lab.standin.pace import Pace
from hcp_dr_lab.standin.roles import RESOURCES
from hcp_dr_lab.standin.stored import in_newest
from hcp_dr_lab.standin.view import Key, KeyMaker, Monitoring, View
from hcp_dr_lab.tabletop.aws import Machines, Refusal
from hcp_dr_lab.tabletop.clock import Clock
from hcp_dr_lab.tabletop.kubernetes import ApiServer
from hcp_dr_lab.tabletop.twin import sharing

VOLUMES = "/var/lib/volumes"
SETTLE = 0.3  # between two rounds while things change
TICKS = (2.0, 60.0)  # after the last change another round runs, and then less and less often


class Surroundings(Protocol):
    """The state of the management cluster outside its API."""

    def hosted_nodes(self, namespace: str) -> tuple[Object, ...] | None:
        """Return the nodes in this side's hosted API; None while it does not answer."""
        ...

    def monitoring(self, namespace: str) -> Monitoring | None:
        """Return openshift-monitoring from this side's hosted API; None while it does not answer."""
        ...

    def delete_hosted(self, namespace: str, resource: Resource, inside: str | None, name: str, uid: str) -> None: ...

    def annotate_hosted_node(self, namespace: str, name: str, annotations: Mapping[str, str]) -> None: ...

    def remove_volume(self, path: str) -> None: ...


@sharing("_nodes", "_monitoring", "_pace")
class Operators:
    """All roles. `log` has descriptions of their changes."""

    def __init__(
        self,
        server: ApiServer,
        kubernetes: Kubernetes,
        surroundings: Surroundings,
        *,
        clock: Clock,
        machines: Machines,
        fabric: Fabric,
        keys: KeyMaker,
        pace: Pace,
        worker_security_group: str,
        load_balancer_domain: str,
    ) -> None:
        self.stopped = False
        self.log: list[str] = []
        self._server = server
        self._kubernetes = in_newest(kubernetes)
        self._surroundings = surroundings
        self._clock = clock
        self._machines = machines
        self._fabric = fabric
        self._keys = keys
        self._pace = pace
        self._worker_security_group = worker_security_group
        self._load_balancer_domain = load_balancer_domain
        self._mirror = Mirror(server)
        self._nodes: dict[str, tuple[Object, ...]] = {}
        self._monitoring: dict[str, Monitoring] = {}
        self._seen = -1  # the revision at which there was nothing to do
        self._last = -SETTLE
        self._tick = TICKS[0]

    def due(self) -> float:
        if self.stopped:
            return float("inf")
        return self._last + (SETTLE if self._is_concerned() else self._tick)

    def _is_concerned(self) -> bool:
        """Whether anything changed that a role sees; Leases, which are renewed all the time, are none of it."""
        store = self._server.store
        if self._seen < store.compacted or self._mirror.is_other_since(self._seen):
            return True
        self._seen = store.revision
        return False

    def turn(self) -> None:
        concerned = self._is_concerned()
        acted = self._round()
        self._last = self._clock.now()
        self._seen = self._server.store.revision if not acted else -1
        self._tick = TICKS[0] if acted or concerned else min(self._tick * 2, TICKS[1])

    def _round(self) -> bool:
        """Run a round; return whether a change was made."""
        self._read_nodes()
        acted, _ = turn.play(self._view, self._do, self._tell, (Refusal,))
        return acted

    def _tell(self, text: str) -> None:
        self.log.append(f"{self._clock.now():9.2f} {text}")

    def _view(self) -> View:
        return View(
            objects=self._mirror.objects(),
            now=self._clock.date(),
            keys=self._keys,
            volumes=VOLUMES,
            worker_security_group=self._worker_security_group,
            instances=self._machines.instances(),
            hosted_nodes=self._nodes,
            monitoring=self._monitoring,
            pace=self._pace,
            load_balancer_domain=self._load_balancer_domain,
            **self._fabric.parts(),
        )

    def _read_nodes(self) -> None:
        found, monitoring = {}, {}
        for (namespace, _), plane in self._mirror.objects()[r.HOSTED_CONTROL_PLANE].items():
            nodes = self._surroundings.hosted_nodes(str(namespace))
            nodes = self._nodes.get(str(namespace)) if nodes is None else nodes
            if nodes is not None:
                found[str(namespace)] = nodes
            seen = self._surroundings.monitoring(str(namespace)) if monitoring_recovery.is_asked_for(plane) else None
            if seen is not None:
                monitoring[str(namespace)] = seen
        self._nodes, self._monitoring = found, monitoring

    def _do(self, change: Change) -> None:
        match change:
            case Create(resource, body):
                self._kubernetes.create(resource, body)
            case Patch(resource, name, namespace, body, subresource):
                self._kubernetes.patch(resource, name, namespace, body, subresource=subresource)
            case Delete(resource, name, namespace, uid, _, propagation):
                self._kubernetes.delete(resource, name, namespace, uid=uid, propagation=propagation)
            case RunInstance():
                self._machines.run(change)
            case TerminateInstance(instance_id):
                self._machines.terminate(instance_id)
            case DeleteHosted(namespace, r.NODE, _, name, uid):
                with contextlib.suppress(
                    errors.KubernetesError
                ):  # the deletion of a machine does not wait for the hosted API
                    self._surroundings.delete_hosted(namespace, r.NODE, None, name, uid)
            case DeleteHosted(namespace, resource, inside, name, uid):
                self._surroundings.delete_hosted(namespace, resource, inside, name, uid)
            case RebootNode(namespace, name, instance_id, annotations):
                self._surroundings.annotate_hosted_node(namespace, name, annotations)
                self._machines.reboot(instance_id)
            case RemoveFolder(path):
                self._surroundings.remove_volume(path)
            case _:
                self._fabric.perform(change, groups_in_use=self._machines.groups_in_use())


class Mirror:
    """The objects of a store in the format of View, kept up to date. Objects are not copied."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server
        self._revision = -1
        self._objects: dict[Resource, dict[Key, Object]] = {}
        self._kinds = {str(resource): resource for resource in RESOURCES}

    def __deepcopy__(self, memo: dict[int, Any]) -> Mirror:
        """Copy with shared objects."""
        return Mirror(copy.deepcopy(self._server, memo))

    def is_other_since(self, revision: int) -> bool:
        """Whether any of its objects changed after a revision."""
        store = self._server.store
        return revision != store.revision and any(each.key.kind in self._kinds for each in store.since(revision))

    def objects(self) -> dict[Resource, dict[Key, Object]]:
        store = self._server.store
        if self._revision < 0:
            for kind, resource in self._kinds.items():
                found = store.list(kind)
                self._objects[resource] = {
                    (entry.key.namespace or None, entry.key.name): self._shown(resource, entry.object)
                    for entry in found
                }
        elif self._revision != store.revision:
            for change in store.since(self._revision):
                resource = self._kinds.get(change.key.kind)  # type: ignore[assignment]
                if resource is not None:
                    key = change.key.namespace or None, change.key.name
                    if change.after is None:
                        self._objects[resource].pop(key, None)
                    else:
                        self._objects[resource][key] = self._shown(resource, change.after.object)
        self._revision = store.revision
        return self._objects

    def _shown(self, resource: Resource, found: Object) -> Object:
        """In the version of the roles, converted by the operator itself, without a request."""
        return found if resource.group != GROUP else converted(found, resource.api_version)
