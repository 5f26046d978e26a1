"""A kubelet in memory: starts containers for its node's pods, step by step, and ends them on request.

Containers live here and not in the API: they keep running while the API is unavailable, and after a forced deletion of
their pod.
"""

from __future__ import annotations

import contextlib
import hashlib
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Completed, Object
from hcp_dr_lab.ground import payload
from hcp_dr_lab.standin.shape import deleting, difference
from hcp_dr_lab.tabletop import etcd
from hcp_dr_lab.tabletop.clock import NEVER, Clock
from hcp_dr_lab.tabletop.containers import Container, Fetch, Files, Tools, Unmounted, curl, read_only
from hcp_dr_lab.tabletop.controllers import own
from hcp_dr_lab.tabletop.hosted_api import HostedApi
from hcp_dr_lab.tabletop.kubernetes import ApiServer, Key
from hcp_dr_lab.tabletop.kubernetes.refusal import Refusal, internal
from hcp_dr_lab.tabletop.shell import NotYet, Result
from hcp_dr_lab.tabletop.twin import sharing

MANAGER = "kubelet"
PERIOD = 0.1
INIT_SECONDS = 0.3  # minimum time of an init container
START_SECONDS: Mapping[str, float] = {"etcd": 0.6, "kube-apiserver": 2.0}  # until a program serves
OTHER_START_SECONDS = 0.4
BACK_OFF_SECONDS = 5.0
RETRY_SECONDS = 0.2
_LOOKED_AT = frozenset(map(str, (r.POD, r.SECRET, r.CONFIG_MAP, r.PERSISTENT_VOLUME_CLAIM, r.PERSISTENT_VOLUME)))
_ETCD_36 = "etcd36"
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})


@sharing("object", "reported")
@dataclass(slots=True, eq=False)
class Pod:
    """The kubelet's state of a pod. `stage`: waiting, init, starting, running, ended, ending."""

    object: Object
    address: str = ""
    stage: str = "waiting"
    step: int = 0  # the next init container
    next: float = 0.0
    done: list[str] = field(default_factory=list)  # successful init containers
    containers: dict[str, Container] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    restarts: int = 0
    message: str = ""
    reported: tuple[Any, ...] = ()  # the object and the other inputs of the last reported status
    unpulled: dict[str, str] = field(default_factory=dict)  # images that the node cannot pull, with reasons
    shared: dict[str, dict[str, bytes]] = field(default_factory=dict)  # emptyDirs
    etcd: etcd.Process | None = None
    api: HostedApi | None = None

    @property
    def namespace(self) -> str:
        return str(self.object["metadata"]["namespace"])

    @property
    def name(self) -> str:
        return str(self.object["metadata"]["name"])

    @property
    def lives(self) -> bool:
        """Whether the containers are running."""
        return self.stage == "running" or (self.stage == "ending" and bool(self.containers))


class Kubelet:
    """`reach` returns the API server, or None while it is unreachable. `volumes` are the node's folders, by path.
    `networked` returns whether pods reach their API through the node's API proxy; None without a proxy."""

    def __init__(
        self,
        node: str,
        pod_network: str,
        *,
        clock: Clock,
        chance: random.Random,
        reach: Callable[[], ApiServer | None],
        fetch: Fetch,
        period: float = PERIOD,
        networked: Callable[[], bool] | None = None,
    ) -> None:
        self.node = node
        self.pods: dict[str, Pod] = {}
        self.volumes: dict[str, etcd.Volume] = {}
        self.unpullable: dict[str, str] = {}  # the registry's errors by image
        self._network = pod_network  # the first three bytes of pod addresses
        self._given = 1
        self._clock = clock
        self._chance = chance
        self._reach = reach
        self._fetch = fetch
        self._period = period
        self._networked = networked
        self._seen: tuple[int, int] = (0, -1)
        self._last = -period

    def power_off(self) -> None:
        """Stop all containers; at the next turn all pods of the API server start again."""
        self.pods.clear()
        self._seen = (0, -1)

    # Turns

    def due(self) -> float:
        own_next = NEVER
        for pod in self.pods.values():
            own_next = min(own_next, pod.next)
        server = self._reach()
        if server is not None and self._seen != (id(server.store), server.store.revision):
            return min(own_next, self._last + self._period)
        return own_next

    def turn(self) -> None:
        server = self._reach()
        now = self._clock.now()
        if server is not None:
            self._look(server)
        for pod in list(self.pods.values()):
            if pod.next <= now:
                pod.next = NEVER
                self._act(pod, server)
        if server is not None:
            for pod in list(self.pods.values()):
                self._tell(pod, server)

    def _look(self, server: ApiServer) -> None:
        store, before = server.store, self._seen
        self._seen, self._last = (id(store), store.revision), self._clock.now()
        known = before[0] == id(store) and before[1] >= store.compacted
        if known and not any(change.key.kind in _LOOKED_AT for change in store.since(before[1])):
            return
        mine = {
            entry.object["metadata"]["uid"]: entry.object
            for entry in store.list(str(r.POD))
            if entry.object["spec"].get("nodeName") == self.node
        }
        now = self._clock.now()
        for uid, found in mine.items():
            pod = self.pods.get(uid)
            if pod is None:
                pod = self.pods[uid] = Pod(found, next=now)
            pod.object = found
            if deleting(found) and pod.stage != "ending":
                self._end(pod, found["metadata"].get("deletionGracePeriodSeconds", 0))
            elif pod.stage == "waiting":
                pod.next = now
        for uid, pod in self.pods.items():
            if uid not in mine and pod.stage != "ending":  # forced deletion: without a grace period
                self._end(pod, pod.object["spec"].get("terminationGracePeriodSeconds", 30))

    # From a pod to its containers

    def _act(self, pod: Pod, server: ApiServer | None) -> None:
        match pod.stage:
            case "waiting" if server is not None:
                self._mount(pod, server)
            case "init":
                self._initialize(pod)
            case "starting":
                self._start(pod)
            case "running":
                self._restart(pod)
            case "ending":
                self._bury(pod, server)

    def _mount(self, pod: Pod, server: ApiServer) -> None:
        try:
            mounts = {volume["name"]: self._volume(pod, volume, server) for volume in _volumes(pod.object)}
        except Unmounted as missing:
            pod.message = str(missing)
            return
        specs = (*(pod.object["spec"].get("initContainers") or ()), *_containers(pod))
        images = {str(spec.get("image", "")) for spec in specs}
        pod.unpulled = {image: self.unpullable[image] for image in sorted(images & self.unpullable.keys())}
        if pod.unpulled:
            pod.next = self._clock.now() + BACK_OFF_SECONDS
            return
        if not pod.address:
            self._given += 1
            pod.address = f"{self._network}.{self._given}"
        for word in ("initContainers", "containers"):
            for spec in pod.object["spec"].get(word) or ():
                pod.containers[spec["name"]] = self._container(pod, spec, mounts)
        pod.message = ""
        if pod.object["spec"].get("initContainers"):
            pod.stage, pod.next = "init", self._clock.now() + INIT_SECONDS
        else:
            self._soon(pod)

    def _volume(self, pod: Pod, volume: Object, server: ApiServer) -> MutableMapping[str, bytes] | etcd.Volume:
        namespace = pod.namespace
        for word, resource, key in (("secret", r.SECRET, "secretName"), ("configMap", r.CONFIG_MAP, "name")):
            if word in volume:
                entry = server.store.get(Key(str(resource), namespace, volume[word][key]))
                if entry is None:
                    if volume[word].get("optional"):
                        return {}
                    raise Unmounted(f"{resource.kind} {volume[word][key]} not found")
                return read_only(entry.object)
        if "persistentVolumeClaim" in volume:
            name = volume["persistentVolumeClaim"]["claimName"]
            claim = server.store.get(Key(str(r.PERSISTENT_VOLUME_CLAIM), namespace, name))
            volume_name = claim.object["spec"].get("volumeName") if claim is not None else None
            found = server.store.get(Key(str(r.PERSISTENT_VOLUME), "", volume_name or ""))
            if found is None:
                raise Unmounted(f"PersistentVolumeClaim {name} is not bound")
            return self.volumes.setdefault(found.object["spec"]["hostPath"]["path"], etcd.Volume())
        return pod.shared.setdefault(volume["name"], {})

    def _container(
        self, pod: Pod, spec: Object, mounts: Mapping[str, MutableMapping[str, bytes] | etcd.Volume]
    ) -> Container:
        folders: dict[str, MutableMapping[str, bytes]] = {}
        data, kept = "", None
        for mount in spec.get("volumeMounts") or ():
            found = mounts[mount["name"]]
            if isinstance(found, etcd.Volume):
                data, kept = mount["mountPath"].rstrip("/"), found
                folders[data] = found.files
            else:
                folders[mount["mountPath"]] = found
        files = Files(folders, data, kept)
        binary = payload.binaries().get(spec.get("image", ""))
        if binary is not None:
            files[f"/{payload.BINARY}"] = binary.encode()
        return Container(spec["name"], spec, _environment(pod.object, spec), files)

    def _initialize(self, pod: Pod) -> None:
        specs = pod.object["spec"]["initContainers"]
        container = pod.containers[specs[pod.step]["name"]]
        now = self._clock.now()
        try:
            ended = container.run(self._tools(pod, container))
        except NotYet as wait:
            pod.next = now + max(wait.seconds, RETRY_SECONDS)
            return
        if ended.code:
            self._failed(pod, ended)
            return
        pod.done.append(container.name)
        pod.step += 1
        if pod.step < len(specs):
            pod.next = now + INIT_SECONDS
        else:
            self._soon(pod)

    def _soon(self, pod: Pod) -> None:
        """Start the containers; they serve after a delay."""
        pod.stage = "starting"
        names = [spec["name"] for spec in pod.object["spec"]["containers"]]
        pod.next = self._clock.now() + max(START_SECONDS.get(name, OTHER_START_SECONDS) for name in names)

    def _start(self, pod: Pod) -> None:
        for spec in pod.object["spec"]["containers"]:
            container = pod.containers[spec["name"]]
            container.signals.clear()
            ended = container.start(self._tools(pod, container))
            if not ended.code and container.program == "etcd":
                ended = self._start_etcd(pod, container)
            if ended.code:
                self._failed(pod, ended)
                return
            if container.program == "kube-apiserver":
                pod.api = HostedApi(pod.namespace, container, self, clock=self._clock, chance=self._chance)
                pod.api.address = pod.address
            pod.ids[container.name] = f"containerd://{self._chance.getrandbits(256):064x}"
        ends = pod.object["spec"].get("restartPolicy") == "Never"  # programs in such pods are short
        pod.stage, pod.message = "ended" if ends else "running", ""

    def _start_etcd(self, pod: Pod, container: Container) -> Result:
        volume = container.files.volume
        if volume is None:
            return Result(1, b"", b"etcd has no volume")
        peers = [other.containers["etcd"].files.volume for other in self._members(pod)]
        running = (other.etcd for other in self._members(pod) if other.etcd is not None)
        try:
            member = etcd.started(container.words, volume, [found for found in peers if found], running)
        except etcd.Failed as error:
            return Result(1, b"", str(error).encode())
        certificate = container.files.get(container.flag("cert-file"), b"")
        release = "3.6" if _ETCD_36 in container.spec.get("image", "") else "3.5"
        pod.etcd = etcd.Process(member, frozenset({pod.name, pod.address}), certificate, release)
        return Result(0, b"", b"")

    def _failed(self, pod: Pod, ended: Result) -> None:
        pod.restarts += 1
        pod.message = ended.err.decode(errors="replace").strip()[-200:]
        pod.next = self._clock.now() + BACK_OFF_SECONDS

    def _restart(self, pod: Pod) -> None:
        """Restart a program that ended by itself or by a signal."""
        pod.restarts += 1
        self._kill(pod)
        self._soon(pod)

    # The end

    def _end(self, pod: Pod, grace: float) -> None:
        ran = pod.stage == "running"
        pod.stage = "ending"
        seconds = 0.0
        if ran:
            for spec in pod.object["spec"]["containers"]:
                container = pod.containers[spec["name"]]
                container.signals.append("TERM")
                seconds = max(seconds, container.seconds_to_end())
            if pod.api is not None:
                pod.api.stopping = True
        pod.next = self._clock.now() + min(seconds, grace)

    def _bury(self, pod: Pod, server: ApiServer | None) -> None:
        self._kill(pod)
        pod.containers.clear()
        metadata = pod.object["metadata"]
        if server is None:  # reported when the API is reachable again
            pod.next = self._clock.now() + 1.0
            return
        with contextlib.suppress(Refusal):
            place = metadata["namespace"], metadata["name"]
            server.delete(r.POD, *place, uid=metadata["uid"], grace_seconds=0)
        self.pods.pop(metadata["uid"], None)

    def _kill(self, pod: Pod) -> None:
        if pod.api is not None:
            pod.api.end()
        pod.api = pod.etcd = None

    # Status

    def _tell(self, pod: Pod, server: ApiServer) -> None:
        metadata = pod.object["metadata"]
        ready = self.is_ready(pod)
        seen = (ready, pod.stage, pod.lives, pod.restarts, len(pod.done), pod.address, pod.message, *pod.ids.values())
        if pod.reported and pod.reported[0] is pod.object and pod.reported[1:] == seen:
            return
        status = self._status(pod, ready=ready)
        present = pod.object.get("status") or {}
        change = difference(present, status)
        if not change:
            pod.reported = () if pod.unpulled else (pod.object, *seen)
            return
        time = self._clock.date().strftime("%Y-%m-%dT%H:%M:%SZ")
        known = {entry["type"]: entry for entry in present.get("conditions") or ()}
        status["conditions"] = [
            entry
            | {
                "lastTransitionTime": known[entry["type"]].get("lastTransitionTime", time)
                if entry["type"] in known and known[entry["type"]]["status"] == entry["status"]
                else time
            }
            for entry in status["conditions"]
        ]
        change = difference(present, status)
        with contextlib.suppress(Refusal):
            place = metadata["namespace"], metadata["name"]
            pod.object = server.patch(r.POD, *place, own({"status": change}), subresource="status", manager=MANAGER)

    def _status(self, pod: Pod, *, ready: bool) -> Object:
        first = pod.object["spec"].get("initContainers") or ()
        known = {entry["type"]: entry for entry in (pod.object.get("status") or {}).get("conditions") or ()}

        def condition_of(kind: str, *, true: bool) -> Object:
            status = "True" if true else "False"
            entry = {"type": kind, "status": status}
            before = known.get(kind)
            if before is not None and before["status"] == status:
                entry["lastTransitionTime"] = before["lastTransitionTime"]
            return entry

        status: Object = {
            "phase": "Running" if pod.lives else "Succeeded" if pod.stage == "ended" else "Pending",
            "conditions": [
                condition_of("Initialized", true=len(pod.done) == len(first)),
                condition_of("Ready", true=ready),
                condition_of("ContainersReady", true=ready),
                condition_of("PodScheduled", true=True),
            ],
            "containerStatuses": [
                {
                    "name": spec["name"],
                    "ready": ready,
                    "restartCount": pod.restarts,
                    "containerID": pod.ids.get(spec["name"], ""),
                    "image": spec.get("image", ""),
                    **_pulled(pod, spec),
                    "state": _state(pod, spec),
                }
                for spec in pod.object["spec"]["containers"]
            ],
        }
        if pod.address:
            status |= {"podIP": pod.address, "podIPs": [{"ip": pod.address}]}
        if first:
            status["initContainerStatuses"] = [
                {
                    "name": spec["name"],
                    "ready": spec["name"] in pod.done,
                    "restartCount": 0,
                    "state": {"terminated": {"exitCode": 0}} if spec["name"] in pod.done else {"waiting": {}},
                }
                for spec in first
            ]
        return status

    def is_ready(self, pod: Pod) -> bool:
        """Return the result of the probes."""
        if not pod.lives or (pod.stage == "ending" and pod.api is None):
            return False
        if pod.etcd is not None:
            return self.quorum(pod.etcd.member.cluster)
        if self._networked is not None and any("network" in spec.get("command", ()) for spec in _containers(pod)):
            return self._networked()
        return pod.api is None or pod.api.ready

    # What runs on the node

    def apis(self, namespace: str) -> Iterator[HostedApi]:
        """Return all running hosted API servers in a namespace, including terminating servers."""
        for pod in self.pods.values():
            if pod.api is not None and pod.namespace == namespace:
                yield pod.api

    def at(self, address: str) -> Pod | None:
        return next((pod for pod in self.pods.values() if pod.address == address and pod.lives), None)

    def quorum(self, cluster: etcd.Cluster) -> bool:
        processes = (pod.etcd for pod in self.pods.values() if pod.etcd is not None)
        alive = {each.member.member_id for each in processes if each.member.cluster is cluster}
        return len(alive & cluster.members.keys()) > len(cluster.members) // 2

    def behind(self, namespace: str, host: str, asking: Pod | None = None) -> list[etcd.Process]:
        """Return the etcd processes behind a host name in a namespace: localhost, a Service, or a Service's pod."""
        if host in _LOCAL:
            return [asking.etcd] if asking is not None and asking.etcd is not None else []
        first, _, rest = host.partition(".")
        pods = [pod for pod in self.pods.values() if pod.etcd is not None and pod.namespace == namespace]
        named = [pod for pod in pods if first in (pod.name, pod.address) or host == pod.address]
        if named and rest:
            return [pod.etcd for pod in named if pod.etcd is not None]
        server = self._reach()
        service = server.store.get(Key(str(r.SERVICE), namespace, first)) if server is not None else None
        if service is None:
            return []
        chosen = (service.object["spec"].get("selector") or {}).items()
        always = bool(service.object["spec"].get("publishNotReadyAddresses"))
        return [
            pod.etcd
            for pod in sorted(pods, key=lambda pod: pod.name)
            if chosen <= (pod.object["metadata"].get("labels") or {}).items()
            and (always or (self.is_ready(pod) and pod.stage == "running"))
            and pod.etcd is not None
        ]

    def _members(self, pod: Pod) -> Iterable[Pod]:
        """Return the other pods of the same etcd."""
        return [
            other
            for other in self.pods.values()
            if other is not pod and other.namespace == pod.namespace and "etcd" in other.containers
        ]

    # Commands

    def execute(
        self, found: Object, container: str, command: Sequence[str], stdin: bytes | None, seconds: float
    ) -> Completed:
        """Implements tabletop.kubernetes.Command."""
        del seconds
        pod = self.pods.get(found["metadata"]["uid"])
        if pod is None or not pod.lives or container not in pod.containers:
            raise internal(f"container not found ({container!r})")
        running = pod.containers[container]
        before = len(running.signals)
        ended = running.execute(self._tools(pod, running), command, stdin or b"", self._clock.spend)
        if len(running.signals) > before:
            self._signalled(pod, running)
        return Completed(ended.code, ended.out, ended.err)

    def _signalled(self, pod: Pod, container: Container) -> None:
        end = self._clock.now() + container.seconds_to_end()
        if pod.stage == "ending":
            pod.next = min(pod.next, end)
        elif pod.stage == "running":
            pod.next = end
            if pod.api is not None:
                pod.api.stopping = True

    def _tools(self, pod: Pod, container: Container) -> Tools:
        def reach(host: str) -> list[etcd.Process]:
            return self.behind(pod.namespace, host, pod)

        def connects(host: str, port: int) -> bool:
            del port
            return bool(reach(host))

        programs = {"curl": curl(self._fetch)}
        volume = container.files.volume
        if volume is not None or container.name == "etcd":
            release = "3.6" if _ETCD_36 in container.spec.get("image", "") else "3.5"
            tools = etcd.Programs(release, reach, self.quorum, container.files.data, volume or etcd.Volume())
            programs |= tools.programs()
        return Tools(programs, connects)


def _containers(pod: Pod) -> Iterable[Object]:
    found: Iterable[Object] = pod.object["spec"]["containers"]
    return found


def _pulled(pod: Pod, spec: Object) -> Object:
    """Return the state of a container in a pod with a failed pull: images are pulled one by one, so other images
    exist."""
    image = spec.get("image", "")
    there = pod.stage != "waiting" or (pod.unpulled and image not in pod.unpulled)
    return {"imageID": _image_id(image)} if there else {}


@cache
def _image_id(image: str) -> str:
    """Return an image ID like that of an image without a registry: without a digest of its own."""
    return f"sha256:{hashlib.sha256(image.encode()).hexdigest()}"


def _state(pod: Pod, spec: Object) -> Object:
    if pod.lives:
        return {"running": {}}
    why = pod.unpulled.get(spec.get("image", ""))
    if why:
        return {"waiting": {"reason": "ImagePullBackOff", "message": why}}
    if pod.stage == "ended" or (pod.unpulled and pod.object["spec"].get("restartPolicy") == "Never"):
        return {"terminated": {"exitCode": 0, "reason": "Completed"}}
    return {"waiting": {"reason": pod.message or "Starting"}}


def _volumes(pod: Object) -> Iterable[Object]:
    return pod["spec"].get("volumes") or ()


def _environment(pod: Object, spec: Object) -> dict[str, str]:
    fields = {
        "metadata.name": pod["metadata"]["name"],
        "metadata.namespace": pod["metadata"]["namespace"],
        "spec.nodeName": pod["spec"].get("nodeName", ""),
    }
    found = {}
    for entry in spec.get("env") or ():
        path = ((entry.get("valueFrom") or {}).get("fieldRef") or {}).get("fieldPath", "")
        found[entry["name"]] = entry.get("value", fields.get(path, ""))
    return found
