"""The first process inside a node's namespace: sets up the machine, then runs containerd and the kubelet."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hcp_dr_lab.ground import layout as addresses
from hcp_dr_lab.region.host import CNI_FOLDER
from hcp_dr_lab.region.machines.disks import await_socket, clone, snapshotter
from hcp_dr_lab.region.machines.images import tag
from hcp_dr_lab.region.machines.node import NodeSpec
from hcp_dr_lab.region.processes import run_as_first_process

_SOCKET = "/run/containerd/containerd.sock"
_KUBELET_PORT = 10250
_LINK_SECONDS = 20.0
_CAP_SYS_RESOURCE = 1 << 24

# Settings that a kubelet changes for the whole machine. They are set in the namespace, so the kubelet changes nothing.
_KERNEL_SETTINGS = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}
# Fixed folders of kubelet, containerd and CNI.
_OWN_FOLDERS = ("/var/lib/cni", "/var/log/pods", "/var/log/containers")
# The node's folder is mounted here: it has the kubelet's sockets, and a socket's path is limited to 107 bytes.
_KUBELET_ROOT = Path("/var/lib/kubelet")


def main() -> int:
    """Set up the node, and run until containerd or the kubelet ends."""
    spec = NodeSpec.load(Path(sys.argv[1]))
    tell = int(sys.argv[2])
    os.write(tell, b"1")
    os.close(tell)
    return run_as_first_process(lambda: _run(spec))


def _run(spec: NodeSpec) -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    _mounts(spec)
    socket.sethostname(spec.name)
    _network(spec)
    environment = {**os.environ, "PATH": f"{spec.programs}:{os.environ['PATH']}"}
    _write_files(spec)
    if not _containerd_root(spec).exists():  # a rebooted node already has its own
        clone(spec.disk, _containerd_root(spec))
    containerd = subprocess.Popen(
        [spec.programs / "containerd", "--config", spec.folder / "containerd.toml", "--log-level", "warn"],
        env=environment,
    )
    await_socket(_SOCKET, containerd)
    kubelet = subprocess.Popen(_kubelet_command(spec), env=environment)
    spec.ready_file.touch()
    while containerd.poll() is None and kubelet.poll() is None:
        time.sleep(0.5)
    ended = "containerd" if containerd.poll() is not None else "kubelet"
    sys.stderr.write(f"node {spec.name}: {ended} ended, so the node ends\n")
    return 1


def _mounts(spec: NodeSpec) -> None:
    """Set up mounts that are private to the node and invisible to the region."""
    _do("mount", "--make-rprivate", "/")
    _do("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
    own = Path("/run/node")
    own.mkdir()
    for folder in _OWN_FOLDERS:
        Path(folder).mkdir(parents=True, exist_ok=True)
        _do("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", folder)
    for place in (_KUBELET_ROOT, spec.folder / "kubelet"):
        place.mkdir(parents=True, exist_ok=True)
    _do("mount", "--bind", str(spec.folder / "kubelet"), str(_KUBELET_ROOT))
    for setting, value in _KERNEL_SETTINGS.items():
        target = Path("/proc/sys") / setting
        if target.exists():
            _bind(own / setting.replace("/", "-"), value + "\n", target)
    _bind(own / "boot_id", spec.boot_id_file.read_text("ascii"), Path("/proc/sys/kernel/random/boot_id"))
    resolver = Path("/etc/resolv.conf").resolve()
    if not resolver.exists():  # a link into the hidden /run
        resolver.parent.mkdir(parents=True, exist_ok=True)
        resolver.touch()
    _bind(own / "resolv.conf", f"nameserver {addresses.RESOLVER}\n", resolver)
    _bind(own / "hosts", f"127.0.0.1 localhost\n{spec.address} {spec.name}\n", Path("/etc/hosts"))


def _network(spec: NodeSpec) -> None:
    deadline = time.monotonic() + _LINK_SECONDS
    while "eth0" not in (name for _, name in socket.if_nameindex()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"node {spec.name} has no link after {_LINK_SECONDS:.0f} s")
        time.sleep(0.02)
    _do("ip", "link", "set", "lo", "up")
    for address in spec.own_addresses:
        _do("ip", "address", "add", f"{address}/32", "dev", "lo")
    _do("ip", "address", "add", f"{spec.address}/{addresses.VPC_PREFIX_LENGTH}", "dev", "eth0")
    _do("ip", "link", "set", "eth0", "up")
    _do("ip", "route", "add", "default", "via", addresses.BRIDGE_ADDRESS)
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1", "ascii")


def _write_files(spec: NodeSpec) -> None:
    (spec.folder / "containerd.toml").write_text(_containerd_configuration(spec), "utf-8")
    network = spec.folder / "cni"
    network.mkdir(exist_ok=True)
    (network / "10-pods.conflist").write_text(json.dumps(_network_configuration(spec), indent=2), "utf-8")
    (spec.folder / "kubelet.json").write_text(json.dumps(_kubelet_configuration(spec), indent=2), "utf-8")


def _containerd_root(spec: NodeSpec) -> Path:
    return spec.folder / "containerd"


def _containerd_configuration(spec: NodeSpec) -> str:
    capabilities = int(Path("/proc/self/status").read_text("ascii").partition("CapEff:")[2].split()[0], 16)
    restricted = "false" if capabilities & _CAP_SYS_RESOURCE else "true"
    return f"""version = 3
root = "{_containerd_root(spec)}"
state = "/run/containerd/state"
disabled_plugins = ["io.containerd.nri.v1.nri", "io.containerd.tracing.processor.v1.otlp"]
[grpc]
  address = "{_SOCKET}"
[ttrpc]
  address = "{_SOCKET}.ttrpc"
[plugins."io.containerd.cri.v1.images"]
  snapshotter = "{snapshotter(spec.folder, Path("/proc/mounts").read_text("utf-8"))}"
[plugins."io.containerd.cri.v1.images".pinned_images]
  sandbox = "{tag("pause")}"
[plugins."io.containerd.cri.v1.runtime"]
  restrict_oom_score_adj = {restricted}
[plugins."io.containerd.cri.v1.runtime".cni]
  bin_dirs = ["{CNI_FOLDER}"]
  conf_dir = "{spec.folder}/cni"
"""


def _network_configuration(spec: NodeSpec) -> dict[str, Any]:
    return {
        "cniVersion": "1.0.0",
        "name": "pods",
        "plugins": [
            {
                "type": "bridge",
                "bridge": "pods0",
                "isGateway": True,
                "ipMasq": False,
                "hairpinMode": True,
                "ipam": {
                    "type": "host-local",
                    "dataDir": "/run/cni",
                    "ranges": [[{"subnet": spec.pod_cidr}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            }
        ],
    }


def _kubelet_configuration(spec: NodeSpec) -> dict[str, Any]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": spec.address,
        "port": _KUBELET_PORT,
        "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
        "authorization": {"mode": "AlwaysAllow"},
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{spec.cgroup}",
        "cgroupsPerQOS": True,
        "clusterDNS": [spec.cluster_dns],
        "clusterDomain": "cluster.local",
        "containerRuntimeEndpoint": f"unix://{_SOCKET}",
        "enforceNodeAllocatable": [],
        "evictionHard": {"memory.available": "1Mi", "nodefs.available": "0.1%", "imagefs.available": "0.1%"},
        "failCgroupV1": False,
        "failSwapOn": False,
        "imageGCHighThresholdPercent": 100,
        "maxPods": 200,
        "oomScoreAdj": 0,
        "podLogsDir": "/var/log/pods",
        "providerID": spec.provider_id,
        "resolvConf": "/etc/resolv.conf",
        "serializeImagePulls": False,
        "volumePluginDir": f"{spec.folder}/volume-plugins",
        **dict(spec.kubelet),
    }


def _kubelet_command(spec: NodeSpec) -> Sequence[str | Path]:
    labels = [f"--node-labels={','.join(spec.labels)}"] if spec.labels else []
    return (
        spec.programs / "kubelet",
        f"--config={spec.folder}/kubelet.json",
        f"--kubeconfig={spec.kubeconfig}",
        f"--hostname-override={spec.name}",
        f"--node-ip={spec.address}",
        f"--root-dir={_KUBELET_ROOT}",
        f"--cert-dir={spec.folder}/kubelet-pki",
        *labels,
    )


def _bind(file: Path, content: str, target: Path) -> None:
    file.write_text(content, "ascii")
    _do("mount", "--bind", str(file), str(target))


def _do(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise OSError(f"`{' '.join(command)}` ended with exit code {done.returncode}: {done.stderr.strip()}")


if __name__ == "__main__":
    sys.exit(main())
