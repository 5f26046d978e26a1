"""kube-controller-manager and the scheduler, simulated with one API server: pods with nodes for workloads,
EndpointSlices for Services, volumes for claims, Unknown for nodes without lease renewal, garbage collection.

A pod is created only if there is a node, so that clients never see a pod without a node.
"""

from __future__ import annotations

import contextlib
import marshal
import operator
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from functools import partial
from typing import Any

from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Object, Resource
from hcp_dr_lab.ground.names import short_hash
from hcp_dr_lab.ground.network.cluster_names import SERVICE_LABEL
from hcp_dr_lab.standin.shape import body, controller_uid, deleting, difference, merged_conditions, reference
from hcp_dr_lab.standin.view import is_ready
from hcp_dr_lab.tabletop.clock import NEVER, Clock
from hcp_dr_lab.tabletop.kubernetes import ApiServer, collect
from hcp_dr_lab.tabletop.kubernetes.refusal import Refusal
from hcp_dr_lab.tabletop.kubernetes.store import Change, Key, Store
from hcp_dr_lab.tabletop.twin import sharing

MANAGER = "kube-controller-manager"
REPLICA_SET = Resource("apps", "v1", "replicasets", "ReplicaSet")
NODE_LEASES = "kube-node-lease"
PERIOD = 0.1  # between two turns; after a longer pause a change is processed at once
GARBAGE_SECONDS = 0.5
LEASE_SECONDS = 40.0  # node-monitor-grace-period
AtRest = dict[str, tuple[Object, ...]]
"""By UID: an object and all compared objects, recorded when no change was needed. Objects are never modified in place,
so the result is valid in all copies of a world."""

_TEMPLATE_HASH = "pod-template-hash"
_LEASE, _NODE = str(r.LEASE), str(r.NODE)
_CONFIG_MAP, _NAMESPACE = str(r.CONFIG_MAP), str(r.NAMESPACE)
_FURNISHED = frozenset({"kube-root-ca.crt"})  # is created again
_REVISION_HASH = "controller-revision-hash"
_POD_NAME = "statefulset.kubernetes.io/pod-name"
_WORK = frozenset(
    map(
        str,
        (
            *(r.DEPLOYMENT, REPLICA_SET, r.STATEFUL_SET, r.DAEMON_SET, r.POD, r.NODE, r.SERVICE),
            *(r.PERSISTENT_VOLUME, r.PERSISTENT_VOLUME_CLAIM),
        ),
    )
)


@sharing("_at_rest")
class Controllers:
    """`server` returns the API server, or None while it is unavailable or these controllers are not running. With
    `period` the controllers run periodically, otherwise after every change."""

    def __init__(self, clock: Clock, server: Callable[[], ApiServer | None], *, period: float | None = None) -> None:
        self._clock = clock
        self._period = period
        self._server = server
        self._seen: tuple[int, int] = (0, 0)  # the store and its revision
        self._last = -PERIOD
        self._garbage = NEVER
        self._lost = NEVER  # when the next node counts as lost without a lease renewal
        self._at_rest: AtRest = {}

    def due(self) -> float:
        if self._period is not None:
            return self._last + self._period
        server = self._server()
        if server is None:
            return NEVER
        if self._seen != (id(server.store), server.store.revision):
            return self._last + PERIOD
        return min(self._garbage, self._lost)

    def turn(self) -> None:
        server = self._server()
        self._last = self._clock.now()
        if server is None:
            return
        store, before = server.store, self._seen
        known = before[1] if before[0] == id(store) and before[1] >= store.compacted else None
        changes = store.since(known) if known is not None else None
        self._seen = (id(store), store.revision)
        if changes is None or any(change.key.kind in _WORK for change in changes):
            with store.lock:
                _Round(server, self._clock, self._at_rest).play()
        if changes is None or any(_leaves_garbage(store, change) for change in changes):
            self._garbage = min(self._garbage, self._clock.now() + GARBAGE_SECONDS)
        if self._garbage <= self._clock.now():
            self._garbage = self._clock.now() + GARBAGE_SECONDS if collect(server) else NEVER
        self._mark_stale_nodes(server)
        self._lost = min((ends for _, ready, ends in self._nodes(server) if ready), default=NEVER)

    def _mark_stale_nodes(self, server: ApiServer) -> None:
        for node, ready, ends in list(self._nodes(server)):
            if ready and ends <= self._clock.now():
                time = _text(self._clock.date())
                unknown = {
                    "type": "Ready",
                    "status": "Unknown",
                    "reason": "NodeStatusUnknown",
                    "message": "Kubelet stopped posting node status.",
                    "lastTransitionTime": time,
                }
                set_status(server, r.NODE, node, {"conditions": [unknown]})

    def _nodes(self, server: ApiServer) -> Iterator[tuple[Object, bool, float]]:
        """Return nodes with leases: node, whether it is Ready, and when its lease expires."""
        leases = {entry.key.name: entry.object for entry in server.store.list(_LEASE, NODE_LEASES)}
        if not leases:
            return
        now = self._clock.date()
        for entry in server.store.list(_NODE):
            lease = leases.get(entry.key.name)
            if lease is not None:
                age = (now - datetime.fromisoformat(lease["spec"]["renewTime"])).total_seconds()
                yield entry.object, is_ready(entry.object), self._clock.now() + LEASE_SECONDS - age


class _Round:
    """One round over all objects. Refused changes are repeated in the next round."""

    def __init__(self, server: ApiServer, clock: Clock, at_rest: AtRest) -> None:
        self._server = server
        self._clock = clock
        self._at_rest = at_rest
        self._wrote = False
        self._pods: dict[str, list[Object]] = defaultdict(list)
        self._by_place: dict[str, list[Object]] = defaultdict(list)
        for pod in self._all(r.POD):
            self._pods[controller_uid(pod) or ""].append(pod)
            self._by_place[pod["metadata"]["namespace"]].append(pod)
        self._node_list = list(self._all(r.NODE))

    def play(self) -> None:
        sets: dict[str, list[Object]] = defaultdict(list)
        for found in self._all(REPLICA_SET):
            sets[controller_uid(found) or ""].append(found)
        for found in self._all(r.DEPLOYMENT):
            if not deleting(found):
                own_sets = sets[found["metadata"]["uid"]]
                pods = [pod for each in own_sets for pod in self._pods[each["metadata"]["uid"]]]
                self._unless_at_rest((found, *own_sets, *pods), partial(self._deployment, found, own_sets))
        for found in self._all(REPLICA_SET):
            if not deleting(found):
                pods = self._pods[found["metadata"]["uid"]]
                self._unless_at_rest((found, *pods), partial(self._replica_set, found))
        for found in self._all(r.STATEFUL_SET):
            if not deleting(found):
                pods = self._pods[found["metadata"]["uid"]]
                self._unless_at_rest((found, *pods), partial(self._stateful_set, found))
        for found in self._all(r.DAEMON_SET):
            if not deleting(found):
                self._daemon_set(found)
        for pod in self._pods[""]:
            if not pod["spec"].get("nodeName"):
                self._bind(pod)
        self._endpoints()
        self._volumes()

    def _unless_at_rest(self, seen: tuple[Object, ...], act: Callable[[], None]) -> None:
        """Skip `act` while its input objects are the same as in an earlier call without a write."""
        uid = seen[0]["metadata"]["uid"]
        known = self._at_rest.get(uid, ())
        if len(known) == len(seen) and all(map(operator.is_, known, seen)):
            return
        self._wrote = False
        act()
        if self._wrote:
            self._at_rest.pop(uid, None)
        else:
            self._at_rest[uid] = seen

    # Deployments

    def _deployment(self, found: Object, sets: list[Object]) -> None:
        replicas, template = found["spec"].get("replicas", 1), found["spec"]["template"]
        present = next((each for each in sets if _is_of(each, template)), None)
        older = [each for each in sets if each is not present]
        if present is None:
            self._create(REPLICA_SET, _replica_set_of(found, short_hash(template)))
        else:
            self._scale(present, replicas)
            if not replicas or len(self._ready(present)) >= replicas:
                for each in older:
                    self._scale(each, 0)
        alive = [pod for each in sets for pod in self._alive(each)]
        ready = sum(map(is_ready, alive))
        updated = len(self._alive(present)) if present is not None else 0
        self._tell(r.DEPLOYMENT, found, replicas=len(alive), updated=updated, ready=ready)

    def _replica_set(self, found: Object) -> None:
        alive = self._alive(found)
        replicas = found["spec"].get("replicas", 1)
        for _ in range(replicas - len(alive)):
            node = self._node(found)
            self._wrote = True  # or will write, as soon as there is a node
            if node is not None:
                metadata = {"generateName": f"{found['metadata']['name']}-"}
                self._create(r.POD, _pod_of(found, metadata, node))
        for pod in sorted(alive, key=is_ready)[: max(len(alive) - replicas, 0)]:
            self._delete(r.POD, pod)
        ready = len(self._ready(found))
        status = {"replicas": len(alive), "readyReplicas": ready, "availableReplicas": ready}
        generation = {"observedGeneration": found["metadata"].get("generation", 1)}
        self._wrote |= set_status(self._server, REPLICA_SET, found, status | generation)

    def _scale(self, found: Object, replicas: int) -> None:
        if found["spec"].get("replicas") != replicas:
            self._patch(REPLICA_SET, found, {"spec": {"replicas": replicas}})

    # StatefulSets

    def _stateful_set(self, found: Object) -> None:
        metadata, spec = found["metadata"], found["spec"]
        replicas, mark = spec.get("replicas", 1), short_hash(spec["template"])
        pods = {pod["metadata"]["name"]: pod for pod in self._pods[metadata["uid"]]}
        wanted = [f"{metadata['name']}-{number}" for number in range(replicas)]
        for name in wanted:
            if name not in pods:
                self._member(found, name, mark)
        for name, pod in pods.items():
            if name not in wanted and not deleting(pod):
                self._delete(r.POD, pod)
        self._roll(pods, wanted, mark)
        alive = [pod for pod in pods.values() if not deleting(pod)]
        updated = sum(pod["metadata"]["labels"].get(_REVISION_HASH) == mark for pod in alive)
        self._tell(r.STATEFUL_SET, found, replicas=len(alive), updated=updated, ready=sum(map(is_ready, alive)))

    def _member(self, found: Object, name: str, mark: str) -> None:
        node = self._node(found)
        self._wrote = True  # or will, as soon as there is a node
        if node is None:
            return
        claims = found["spec"].get("volumeClaimTemplates") or ()
        namespace = found["metadata"]["namespace"]
        for claim in claims:
            made = body(
                r.PERSISTENT_VOLUME_CLAIM,
                f"{claim['metadata']['name']}-{name}",
                namespace,
                labels=found["spec"]["selector"].get("matchLabels"),
                spec=claim["spec"],
            )
            self._create(r.PERSISTENT_VOLUME_CLAIM, made)
        pod = _pod_of(found, {"name": name}, node, {_REVISION_HASH: mark, _POD_NAME: name})
        pod["spec"] |= {"hostname": name, "subdomain": found["spec"].get("serviceName", "")}
        mounted = [
            {
                "name": claim["metadata"]["name"],
                "persistentVolumeClaim": {"claimName": f"{claim['metadata']['name']}-{name}"},
            }
            for claim in claims
        ]
        pod["spec"]["volumes"] = [*(pod["spec"].get("volumes") or ()), *mounted]
        self._create(r.POD, pod)

    def _roll(self, pods: dict[str, Object], wanted: list[str], mark: str) -> None:
        """Replace pods from the last to the first; wait for updated pods that are not Ready yet."""
        if any(deleting(pod) for pod in pods.values()) or len(pods) < len(wanted):
            return
        for name in reversed(wanted):
            pod = pods[name]
            if pod["metadata"]["labels"].get(_REVISION_HASH) != mark:
                self._delete(r.POD, pod)
                return
            if not is_ready(pod):
                return

    # DaemonSets

    def _daemon_set(self, found: Object) -> None:
        pods = {pod["spec"]["nodeName"]: pod for pod in self._pods[found["metadata"]["uid"]]}
        names = [node["metadata"]["name"] for node in self._node_list]
        for name in names:
            if name not in pods:
                metadata = {"generateName": f"{found['metadata']['name']}-"}
                self._create(r.POD, _pod_of(found, metadata, name))
        alive = [pod for pod in pods.values() if not deleting(pod)]
        ready = sum(map(is_ready, alive))
        status = {
            "desiredNumberScheduled": len(names),
            "currentNumberScheduled": len(alive),
            "updatedNumberScheduled": len(alive),
            "numberMisscheduled": 0,
            "numberReady": ready,
            "numberAvailable": ready,
            "observedGeneration": found["metadata"].get("generation", 1),
        }
        set_status(self._server, r.DAEMON_SET, found, status)

    # Pods without owner

    def _bind(self, pod: Object) -> None:
        """Bind the pod to the Ready node in its affinity; without such a node, set a condition."""
        named = _nodes_of(pod)
        ready = [node["metadata"]["name"] for node in self._node_list if is_ready(node)]
        node = next((name for name in ready if named is None or name in named), None)
        if node is not None:
            with contextlib.suppress(Refusal):
                self._server.bind(pod["metadata"]["namespace"], pod["metadata"]["name"], node)
            return
        why = f"0/{len(self._node_list)} nodes are available: node(s) didn't match Pod's node affinity/selector."
        condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": why}
        set_status(self._server, r.POD, pod, {"conditions": [condition]})

    # Services

    def _endpoints(self) -> None:
        slices = {
            (each["metadata"]["namespace"], (each["metadata"].get("labels") or {}).get(SERVICE_LABEL)): each
            for each in self._all(r.ENDPOINT_SLICE)
        }
        for service in self._all(r.SERVICE):
            place = service["metadata"]["namespace"], service["metadata"]["name"]
            if service["spec"].get("selector") and not deleting(service):
                found = slices.get(place)
                seen = (service, *self._by_place[place[0]], *([found] if found is not None else ()))
                self._unless_at_rest(seen, partial(self._slice, service, found))

    def _slice(self, service: Object, found: Object | None) -> None:
        namespace, name = service["metadata"]["namespace"], service["metadata"]["name"]
        chosen = service["spec"]["selector"].items()
        endpoints = [
            _endpoint(pod, always=bool(service["spec"].get("publishNotReadyAddresses")))
            for pod in self._by_place[namespace]
            if chosen <= (pod["metadata"].get("labels") or {}).items() and (pod.get("status") or {}).get("podIP")
        ]
        ports = [
            {"name": port.get("name", ""), "port": port.get("targetPort", port["port"]), "protocol": "TCP"}
            for port in service["spec"].get("ports") or ()
        ]
        if found is None:
            wanted = body(r.ENDPOINT_SLICE, f"{name}-slice", namespace, labels={SERVICE_LABEL: name}, owner=service)
            self._create(r.ENDPOINT_SLICE, wanted | {"addressType": "IPv4", "endpoints": endpoints, "ports": ports})
        elif found.get("endpoints") != endpoints or found.get("ports") != ports:
            self._patch(r.ENDPOINT_SLICE, found, {"endpoints": endpoints, "ports": ports})

    # Volumes

    def _volumes(self) -> None:
        claims = {claim["metadata"]["uid"]: claim for claim in self._all(r.PERSISTENT_VOLUME_CLAIM)}
        for volume in self._all(r.PERSISTENT_VOLUME):
            named = volume["spec"].get("claimRef") or {}
            claim = claims.get(named.get("uid")) if "uid" in named else self._reserved(volume, claims.values())
            phase = (volume.get("status") or {}).get("phase")
            if claim is None and phase == "Bound":
                set_status(self._server, r.PERSISTENT_VOLUME, volume, {"phase": "Released"})
            elif claim is not None and not deleting(volume):
                set_status(self._server, r.PERSISTENT_VOLUME, volume, {"phase": "Bound"})
                if claim["spec"].get("volumeName") is None:
                    self._patch(r.PERSISTENT_VOLUME_CLAIM, claim, {"spec": {"volumeName": volume["metadata"]["name"]}})
                set_status(self._server, r.PERSISTENT_VOLUME_CLAIM, claim, {"phase": "Bound"})

    def _reserved(self, volume: Object, claims: Iterable[Object]) -> Object | None:
        """Return the claim for which a volume is reserved by name, and bind the volume only to this claim."""
        named = volume["spec"].get("claimRef") or {}
        place = named.get("namespace"), named.get("name")
        mine = (each for each in claims if (each["metadata"]["namespace"], each["metadata"]["name"]) == place)
        claim = next(mine, None)
        if claim is not None:
            self._patch(r.PERSISTENT_VOLUME, volume, {"spec": {"claimRef": {"uid": claim["metadata"]["uid"]}}})
        return claim

    # Shared code

    def _all(self, resource: Resource) -> Iterator[Object]:
        return (entry.object for entry in self._server.store.list(str(resource)))

    def _alive(self, owner: Object) -> list[Object]:
        return [pod for pod in self._pods[owner["metadata"]["uid"]] if not deleting(pod)]

    def _ready(self, owner: Object) -> list[Object]:
        return [pod for pod in self._alive(owner) if is_ready(pod)]

    def _node(self, owner: Object) -> str | None:
        """Return the Ready node with the fewest pods of this owner; None without a Ready node."""
        ready = [node["metadata"]["name"] for node in self._node_list if is_ready(node)]
        taken = [pod["spec"].get("nodeName") for pod in self._pods[owner["metadata"]["uid"]]]
        return min(ready, key=lambda name: (taken.count(name), name), default=None)

    def _tell(self, resource: Resource, found: Object, *, replicas: int, updated: int, ready: int) -> None:
        wanted = {
            "replicas": replicas,
            "updatedReplicas": updated,
            "readyReplicas": ready,
            "availableReplicas": ready,
            "observedGeneration": found["metadata"].get("generation", 1),
        }
        self._wrote |= set_status(self._server, resource, found, wanted)

    def _create(self, resource: Resource, wanted: Object) -> None:
        self._wrote = True
        with contextlib.suppress(Refusal):
            namespace = wanted["metadata"].get("namespace")
            made = self._server.create(resource, namespace, own(wanted), manager=MANAGER)
            if resource is r.POD:
                self._pods[controller_uid(made) or ""].append(made)

    def _patch(self, resource: Resource, found: Object, change: Object) -> None:
        self._wrote = True
        metadata = found["metadata"]
        with contextlib.suppress(Refusal):
            self._server.patch(resource, metadata.get("namespace"), metadata["name"], own(change), manager=MANAGER)

    def _delete(self, resource: Resource, found: Object) -> None:
        self._wrote = True
        metadata = found["metadata"]
        with contextlib.suppress(Refusal):
            self._server.delete(resource, metadata.get("namespace"), metadata["name"], uid=metadata["uid"])


def _is_of(replica_set: Object, template: Object) -> bool:
    """Return whether the ReplicaSet has this template; only the label with the hash differs."""
    own = replica_set["spec"]["template"]
    metadata, labels = own["metadata"], {**own["metadata"]["labels"]}
    labels.pop(_TEMPLATE_HASH, None)
    return {**own, "metadata": {**metadata, "labels": labels}} == {
        **template,
        "metadata": {**template["metadata"], "labels": template["metadata"].get("labels") or {}},
    }


def _replica_set_of(deployment: Object, mark: str) -> Object:
    metadata, spec = deployment["metadata"], deployment["spec"]
    template = spec["template"]
    labels = {**(template["metadata"].get("labels") or {}), _TEMPLATE_HASH: mark}
    return body(
        REPLICA_SET,
        f"{metadata['name']}-{mark}",
        metadata["namespace"],
        labels=labels,
        owner=deployment,
        spec={
            "replicas": spec.get("replicas", 1),
            "selector": {"matchLabels": {**spec["selector"].get("matchLabels", {}), _TEMPLATE_HASH: mark}},
            "template": {**template, "metadata": {**template["metadata"], "labels": labels}},
        },
    )


def _pod_of(owner: Object, name: Object, node: str, labels: dict[str, str] | None = None) -> Object:
    template = owner["spec"]["template"]
    metadata = {
        **{key: value for key, value in template["metadata"].items() if key in ("labels", "annotations")},
        **name,
        "namespace": owner["metadata"]["namespace"],
        "ownerReferences": [reference(owner)],
    }
    if labels:
        metadata["labels"] = {**(metadata.get("labels") or {}), **labels}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {**template["spec"], "nodeName": node},
    }


def _nodes_of(pod: Object) -> frozenset[str] | None:
    """Return the names of nodes in the pod's affinity; None without an affinity."""
    affinity = (pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    if required is None:
        return None
    fields = [field for term in required["nodeSelectorTerms"] for field in term.get("matchFields") or ()]
    return frozenset(name for field in fields if field["key"] == "metadata.name" for name in field["values"])


def _endpoint(pod: Object, *, always: bool) -> Object:
    ready, going = is_ready(pod), deleting(pod)
    conditions = {"ready": always or (ready and not going), "serving": ready, "terminating": going}
    found: Object = {"addresses": [pod["status"]["podIP"]], "conditions": conditions}
    found["targetRef"] = {"kind": "Pod", "name": pod["metadata"]["name"], "uid": pod["metadata"]["uid"]}
    if pod["spec"].get("hostname"):
        found["hostname"] = pod["spec"]["hostname"]
    return found


def set_status(server: ApiServer, resource: Resource, found: Object, wanted: Object) -> bool:
    """Set the status; return whether there was a change."""
    present: Object = found.get("status") or {}
    if "conditions" in wanted:
        conditions = merged_conditions(present.get("conditions") or (), wanted["conditions"])
        wanted = {**wanted, "conditions": conditions}
    change = difference(present, wanted)
    if change:
        metadata = found["metadata"]
        with contextlib.suppress(Refusal):
            place = metadata.get("namespace"), metadata["name"]
            server.patch(resource, *place, own({"status": change}), subresource="status", manager=MANAGER)
    return bool(change)


def _leaves_garbage(store: Store, change: Change) -> bool:
    if change.after is None:
        return not _leaves_nothing(store, change)
    metadata = change.after.object["metadata"]
    fresh = change.before is None and "ownerReferences" in metadata
    return fresh or "deletionTimestamp" in metadata


def _leaves_nothing(store: Store, change: Change) -> bool:
    """Return whether a ConfigMap was deleted that is no object's owner, in a namespace that is not terminating."""
    if change.key.kind != _CONFIG_MAP or change.before is None or change.key.name in _FURNISHED:
        return False
    space = store.get(Key(_NAMESPACE, "", change.key.namespace))
    going = space is None or "deletionTimestamp" in space.object["metadata"]
    return not going and not store.owns(change.before.object["metadata"]["uid"])


def own(value: Any) -> Any:
    """Return a copy: API servers take ownership of their input, and objects in stores are shared."""
    return marshal.loads(marshal.dumps(value))  # noqa: S302 - just created


def _text(date: datetime) -> str:
    return date.strftime("%Y-%m-%dT%H:%M:%SZ")
