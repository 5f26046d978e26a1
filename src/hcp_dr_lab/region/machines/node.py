"""A node: a separate namespace inside the region, with a real containerd and kubelet, like a machine.

`command` returns the node's process. The process becomes `unshare`; its end (for example when an instance is
terminated) ends all processes, mounts and links of the node. The node's folder has the state that outlives a restart.
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
    """The specification of a node. `folder` is for the node's state; `disk` is the initial disk with images;
    `kubeconfig` is the kubelet's; `cgroup` is the kubelet's existing root group."""

    name: str
    address: str  # on the region's bridge
    pod_cidr: str
    cluster_dns: str
    kubeconfig: Path
    boot_id: str  # empty: a new boot ID at every start
    folder: Path
    cgroup: str
    programs: Path  # the folder of kubelet, containerd, its shim and ctr
    disk: Path
    provider_id: str = ""
    labels: tuple[str, ...] = ()  # key=value
    kubelet: tuple[tuple[str, Any], ...] = ()  # more fields of the kubelet's configuration
    own_addresses: tuple[str, ...] = ()  # reachable only on the node itself

    def save(self) -> Path:
        """Write the file that `command`'s process reads."""
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
        """The same after every start, so that ARP caches of neighbours stay valid."""
        return "02:00:" + ":".join(f"{int(byte):02x}" for byte in self.address.split("."))

    @property
    def boot_id_file(self) -> Path:
        """The file with the boot ID since the last start."""
        return self.folder / "boot-id"

    @property
    def ready_file(self) -> Path:
        """The file exists when containerd serves and the kubelet was started."""
        return self.folder / "started"


def link_name(node: str) -> str:
    """Return the name of the region's end of a node's link."""
    return f"n{zlib.crc32(node.encode()):08x}"


def command(spec: NodeSpec) -> tuple[str, ...]:
    """Write the specification, and return the command that starts the node inside the region. SIGKILL powers it off."""
    return (sys.executable, "-m", "hcp_dr_lab.region.machines.node", str(spec.save()))


def cgroup(layout: Layout, node: str) -> str:
    """Return the root group for a node's kubelet."""
    return f"{layout.cgroup}/{node}"


def main() -> None:
    """Become the namespace's process, after forking the process that attaches the link."""
    specification = Path(sys.argv[1])
    spec = NodeSpec.load(specification)
    spec.ready_file.unlink(missing_ok=True)
    spec.boot_id_file.write_text(f"{spec.boot_id or uuid.uuid4()}\n", "ascii")
    cgroups.remove(spec.cgroup)  # a kubelet needs seconds for every remaining pod group
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
    os.execvp(  # noqa: S606 - no shell needed
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
    """Connect the namespace to the region's bridge as soon as the namespace exists."""
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
    deadline = time.monotonic() + _ATTACH_SECONDS  # the link of a node killed just before may still exist
    while subprocess.run(["ip", "link", "add", link, *peer], check=False).returncode != 0:
        if time.monotonic() > deadline:
            raise TimeoutError(f"cannot create the link {link} of node {spec.name}")
        time.sleep(0.1)
    subprocess.run(["ip", "link", "set", link, "master", addresses.BRIDGE, "up"], check=True)
    subprocess.run(["ip", "route", "replace", spec.pod_cidr, "via", spec.address], check=True)


if __name__ == "__main__":
    main()
