"""The region's hypervisor: runs a worker for every running EC2 instance of a hosted cluster.

A worker is a real node in its own namespace. The hypervisor kills a worker only when its instance is terminated. A
worker that ends by itself is started again with a new boot ID, like a rebooted machine. The kubelet's certificate is
signed once, at the first launch: a hosted cluster that returns with another certificate authority has lost its nodes.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from hcp_dr.errors import HcpDrError
from hcp_dr.kube.client import connect
from hcp_dr.kube.port import Kubernetes, Object
from hcp_dr.kube.resources import HOSTED_CONTROL_PLANE, SECRET
from hcp_dr_lab.ground import api_proxy
from hcp_dr_lab.ground import layout as region_layout
from hcp_dr_lab.ground.aws_seed import NO_KUBELET
from hcp_dr_lab.ground.layout import AVAILABILITY_ZONE, MANAGEMENT_CLUSTERS, RESOLVER, Layout
from hcp_dr_lab.ground.names import published
from hcp_dr_lab.ground.part import Part
from hcp_dr_lab.ground.pki import CertificateAuthority
from hcp_dr_lab.ground.workers import Worker, lives, workers, workers_file
from hcp_dr_lab.region.cloud import clients
from hcp_dr_lab.region.machines import cgroups, node
from hcp_dr_lab.region.management.control_plane import write_kubeconfig

POLL_SECONDS = 0.3
REBOOT_SECONDS = 3.0  # minimum time before a worker that ended by itself is started again
ROOT_CA = "root-ca"
_OWNED = "kubernetes.io/cluster/"
_ENDING = frozenset({"shutting-down", "terminated"})


@dataclass(frozen=True, slots=True)
class Instance:
    """An EC2 instance of a hosted cluster. `name` is the private DNS name, and therefore the node's name."""

    instance_id: str
    state: str
    address: str
    name: str
    infra_id: str
    kubelet: bool = True  # whether the instance gets a worker


@dataclass(frozen=True, slots=True)
class Decision:
    """`launches` are instances without a living worker, `kills` the IDs of instances with a worker to kill."""

    launches: tuple[Instance, ...]
    kills: tuple[str, ...]


def decide(instances: Iterable[Instance], alive: Mapping[str, bool]) -> Decision:
    """Decide launches and kills. `alive` has an entry for every instance that ever had a worker. Only the instance's
    state in EC2 leads to a kill."""
    ordered = sorted(instances, key=lambda instance: instance.instance_id)
    return Decision(
        launches=tuple(
            one for one in ordered if one.kubelet and one.state == "running" and not alive.get(one.instance_id, False)
        ),
        kills=tuple(one.instance_id for one in ordered if one.state in _ENDING and alive.get(one.instance_id, False)),
    )


def free_number(workers: Iterable[Worker]) -> int:
    """Return the lowest network number that is not used by a possibly running worker."""
    taken = {worker.number for worker in workers if worker.state != "terminated"}
    return next(number for number in range(1, 255) if number not in taken)


def parse(description: Mapping[str, Any]) -> list[Instance]:
    """Parse the instances of hosted clusters in one page of a DescribeInstances response."""
    found = []
    for reservation in description["Reservations"]:
        for entry in reservation["Instances"]:
            tags = {tag["Key"]: tag["Value"] for tag in entry.get("Tags", ())}
            owners = [
                key.removeprefix(_OWNED) for key, value in tags.items() if key.startswith(_OWNED) and value == "owned"
            ]
            if owners:
                found.append(
                    Instance(
                        instance_id=entry["InstanceId"],
                        state=entry["State"]["Name"],
                        address=entry.get("PrivateIpAddress", ""),
                        name=entry.get("PrivateDnsName", ""),
                        infra_id=owners[0],
                        kubelet=tags.get(NO_KUBELET["key"]) != NO_KUBELET["value"],
                    )
                )
    return found


class NotYetError(Exception):
    """A worker cannot be launched yet; the text is the reason."""


class Hypervisor:
    """Carries out `decide`: reads EC2, starts and kills workers, and records them."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._ec2 = clients.ec2(layout)
        self._management = [connect(layout.inside_kubeconfig(one), one.name) for one in MANAGEMENT_CLUSTERS]
        self._workers = workers(layout)
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._started: dict[str, float] = {}
        self._said: dict[str, str] = {}

    def turn(self) -> None:
        """Read EC2 once, and act."""
        pages = self._ec2.get_paginator("describe_instances").paginate()
        instances = [instance for page in pages for instance in parse(page)]
        self._reap()
        decision = decide(instances, {name: lives(self._layout, worker) for name, worker in self._workers.items()})
        for instance_id in decision.kills:
            self._kill(self._workers[instance_id])
        for instance in decision.launches:
            try:
                self._launch(instance)
            except (NotYetError, HcpDrError, OSError) as error:
                self.say(instance.instance_id, f"{instance.instance_id} cannot be launched yet: {error}")
        workers_file(self._layout).touch()

    def say(self, topic: str, text: str) -> None:
        """Log a text, without consecutive repetitions."""
        if self._said.get(topic) != text:
            self._said[topic] = text
            sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")

    def _kill(self, worker: Worker) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker.pid, signal.SIGKILL)
        self._note(replace(worker, state="terminated"))
        self.say(worker.instance_id, f"{worker.instance_id} is terminated: worker {worker.name} is killed")

    def _launch(self, instance: Instance) -> None:
        before = self._workers.get(instance.instance_id)
        if time.monotonic() - self._started.get(instance.instance_id, -REBOOT_SECONDS) < REBOOT_SECONDS:
            return
        kubeconfig = self._layout.instance(instance.instance_id) / "kubelet.kubeconfig"
        if not kubeconfig.exists():
            self._sign(instance, kubeconfig)
        worker = Worker(
            instance_id=instance.instance_id,
            name=instance.name,
            address=instance.address,
            infra_id=instance.infra_id,
            number=before.number if before else free_number(self._workers.values()),
            boot_id=str(uuid.uuid4()),
            pid=0,
        )
        pid = self._start(worker, kubeconfig)
        self._note(replace(worker, pid=pid))
        how = "ended by itself and is rebooted" if before else "is launched"
        self.say(instance.instance_id, f"{instance.instance_id}: worker {worker.name} {how}, boot ID {worker.boot_id}")

    def _start(self, worker: Worker, kubeconfig: Path) -> int:
        delays = self._layout.options.delays
        spec = node.NodeSpec(
            name=worker.name,
            address=worker.address,
            pod_cidr=worker.pod_cidr,
            cluster_dns=RESOLVER,
            kubeconfig=kubeconfig,
            boot_id=worker.boot_id,
            folder=self._layout.instance(worker.instance_id),
            cgroup=node.cgroup(self._layout, worker.name),
            programs=self._layout.program("kubelet").parent,
            disk=self._layout.disk("worker"),
            provider_id=f"aws:///{AVAILABILITY_ZONE}/{worker.instance_id}",
            kubelet=(
                ("staticPodPath", str(self._static_pods(worker.instance_id))),
                ("featureGates", {"KubeletCrashLoopBackOffMax": True}),
                ("crashLoopBackOff", {"maxContainerRestartPeriod": f"{delays.container_back_off:.0f}s"}),
            ),
            own_addresses=(api_proxy.ADDRESS,),
        )
        cgroups.create(spec.cgroup)
        with (self._layout.logs / f"worker--{worker.name}.log").open("ab") as log:
            child = subprocess.Popen(
                node.command(spec), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self._children[worker.instance_id] = child
        self._started[worker.instance_id] = time.monotonic()
        return child.pid

    def _sign(self, instance: Instance, kubeconfig: Path) -> None:
        """Write a machine's initial files: the pod of its API proxy, and the kubelet's certificate, signed by the
        authority of the current control plane."""
        cluster, control_plane = self._control_plane(instance.infra_id)
        metadata = control_plane["metadata"]
        secret = cluster.find(SECRET, ROOT_CA, metadata["namespace"])
        if secret is None:
            raise NotYetError(f"{cluster.name} has no Secret {metadata['namespace']}/{ROOT_CA}")
        certificate, key = (base64.b64decode(secret["data"][name]) for name in ("ca.crt", "ca.key"))
        identity = CertificateAuthority.load(certificate, key).issue(
            f"system:node:{instance.name}", organizations=("system:nodes",), client=True
        )
        how = published(control_plane, "APIServer")
        if how is None:
            raise NotYetError(f"{cluster.name}: the API of {metadata['name']} has no fixed name")
        static_pods = self._static_pods(instance.instance_id)
        static_pods.mkdir(mode=0o700, parents=True, exist_ok=True)
        pod = api_proxy.manifest(how.hostname, how.port, self._layout.options.delays.api_proxy_check)
        (static_pods / f"{api_proxy.NAME}.json").write_text(json.dumps(pod, indent=2) + "\n", "utf-8")
        server = f"https://{how.hostname}:{how.port}"
        write_kubeconfig(kubeconfig, metadata["name"], server, certificate, identity)

    def _static_pods(self, instance_id: str) -> Path:
        return self._layout.instance(instance_id) / "static-pods"

    def _control_plane(self, infra_id: str) -> tuple[Kubernetes, Object]:
        why_not = []
        for cluster in self._management:
            try:
                items = cluster.list(HOSTED_CONTROL_PLANE).items
            except HcpDrError as error:
                why_not.append(str(error))
                continue
            for item in items:
                if item["spec"].get("infraID") == infra_id:
                    return cluster, item
        reason = f"no management cluster has a HostedControlPlane with infraID {infra_id}."
        raise NotYetError(" ".join([reason, *why_not]))

    def _note(self, worker: Worker) -> None:
        """Write the file atomically, so that concurrent readers see a complete file."""
        self._workers[worker.instance_id] = worker
        new = workers_file(self._layout).with_suffix(".new")
        new.write_text(json.dumps({name: asdict(one) for name, one in self._workers.items()}, indent=1))
        new.replace(workers_file(self._layout))

    def _reap(self) -> None:
        for instance_id, child in list(self._children.items()):
            if child.poll() is not None:
                del self._children[instance_id]


def part(layout: Layout) -> Part:
    """The part serves as soon as it reads EC2 periodically."""

    def probe() -> str | None:
        try:
            age = time.time() - workers_file(layout).stat().st_mtime
        except OSError as error:
            return str(error)
        return None if age < 10 else f"{workers_file(layout)} was not updated for {age:.0f} s"

    return Part(
        name="hypervisor",
        command=(sys.executable, "-m", "hcp_dr_lab.region.machines.hypervisor", str(layout.root)),
        probe=probe,
        after=("aws",),
    )


def main() -> None:
    hypervisor = Hypervisor(region_layout.load(Path(sys.argv[1])))
    while True:
        try:
            hypervisor.turn()
        except Exception as error:  # noqa: BLE001 - an error of the hypervisor must not end workers
            hypervisor.say("turn", f"{type(error).__name__}: {error}")
        time.sleep(POLL_SECONDS)


if __name__ == "__main__":
    main()
