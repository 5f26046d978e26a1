"""A node: a namespace of its own inside the region, with a real containerd and kubelet, as a machine would be.

`command` gives the process that is the node. It ends up as `unshare`, whose death (that of an instance terminated, for
one) takes every process, mount and link of the node with it. What the node keeps over a restart is in its folder.
"""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import time
import uuid
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from hcp_dr_lab.ground import layout as addresses
from hcp_dr_lab.ground.layout import Layout
from hcp_dr_lab.region.machines import cgroups

_ATTACH_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """What makes this node this node. `folder` keeps what is its own; `disk`, with the images, is what it starts from;
    `kubeconfig` is the kubelet's; `cgroup` is the kubelet's root group, made before."""

    name: str
    address: str  # on the region's bridge
    pod_cidr: str
    cluster_dns: str
    kubeconfig: Path
    boot_id: str  # empty: a new one each time that it starts
    folder: Path
    cgroup: str
    programs: Path  # the folder of kubelet, containerd, its shim and ctr
    disk: Path
    provider_id: str = ""
    labels: tuple[str, ...] = ()  # key=value
    kubelet: tuple[tuple[str, Any], ...] = ()  # more fields of the kubelet's configuration
    own_addresses: tuple[str, ...] = ()  # that nobody else reaches

    def save(self) -> Path:
        """Write it where `command`'s process reads it."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = self.folder / "node.json"
        file.write_text(json.dumps(dataclasses.asdict(self), default=str, indent=2) + "\n", "utf-8")
        return file

    @classmethod
    def load(cls, file: Path) -> Self:
        values = json.loads(file.read_text("utf-8"))
        for name in ("kubeconfig", "folder", "programs", "disk"):
            values[name] = Path(values[name])
        values["labels"] = tuple(values["labels"])
        values["kubelet"] = tuple((name, value) for name, value in values["kubelet"])
        values["own_addresses"] = tuple(values["own_addresses"])
        return cls(**values)

    @property
    def link(self) -> str:
        """The region's end of the node's link."""
        return link_name(self.name)

    @property
    def hardware_address(self) -> str:
        """The same after each start, so that no neighbour has to forget the one before."""
        return "02:00:" + ":".join(f"{int(byte):02x}" for byte in self.address.split("."))

    @property
    def boot_id_file(self) -> Path:
        """The boot ID that it has, since it started last."""
        return self.folder / "boot-id"

    @property
    def ready_file(self) -> Path:
        """There when containerd serves and the kubelet was started."""
        return self.folder / "started"


def link_name(node: str) -> str:
    """The region's end of the link of the node of that name."""
    return f"n{zlib.crc32(node.encode()):08x}"


def command(spec: NodeSpec) -> tuple[str, ...]:
    """Write the specification and say how the node is started, inside the region. SIGKILL is its power switch."""
    return (sys.executable, "-m", "hcp_dr_lab.region.machines.node", str(spec.save()))


def cgroup(layout: Layout, node: str) -> str:
    """The kubelet's root group of a node of the region."""
    return f"{layout.cgroup}/{node}"


def main() -> None:
    """Become the namespace, and leave behind the process that gives it its link."""
    specification = Path(sys.argv[1])
    spec = NodeSpec.load(specification)
    spec.ready_file.unlink(missing_ok=True)
    spec.boot_id_file.write_text(f"{spec.boot_id or uuid.uuid4()}\n", "ascii")
    cgroups.remove(spec.cgroup)  # a kubelet takes seconds for each group of a pod that ended with the power
    cgroups.create(spec.cgroup)
    unshared, unshared_from_inside = os.pipe()
    os.set_inheritable(unshared_from_inside, True)  # noqa: FBT003
    namespace = os.getpid()
    if os.fork() == 0:
        if os.fork() == 0:
            os.close(unshared_from_inside)
            _attach(spec, namespace, unshared)
        os._exit(0)
    os.wait()
    os.execvp(  # noqa: S606 - no shell is wanted
        "unshare",
        [
            *("unshare", "--mount", "--net", "--pid", "--uts", "--fork", "--kill-child", "--mount-proc"),
            *(
                sys.executable,
                "-m",
                "hcp_dr_lab.region.machines.node_inside",
                str(specification),
                str(unshared_from_inside),
            ),
        ],
    )


def _attach(spec: NodeSpec, namespace: int, unshared: int) -> None:
    """Hang the namespace on the region's bridge, as soon as it says that it is there."""
    code = 1
    try:
        if os.read(unshared, 1):
            _link(spec, namespace)
            code = 0
    finally:
        os._exit(code)


def _link(spec: NodeSpec, namespace: int) -> None:
    link, mac = spec.link, spec.hardware_address
    peer = ("type", "veth", "peer", "name", "eth0", "address", mac, "netns", str(namespace))
    deadline = time.monotonic() + _ATTACH_SECONDS  # the link of a node killed a moment ago may still be going
    while subprocess.run(["ip", "link", "add", link, *peer], check=False).returncode != 0:
        if time.monotonic() > deadline:
            raise TimeoutError(f"the link {link} of node {spec.name} cannot be made")
        time.sleep(0.1)
    subprocess.run(["ip", "link", "set", link, "master", addresses.BRIDGE, "up"], check=True)
    subprocess.run(["ip", "route", "replace", spec.pod_cidr, "via", spec.address], check=True)


if __name__ == "__main__":
    main()
