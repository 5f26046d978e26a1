"""The content of the region's images: the programs of the documented commands, at their documented paths."""

from __future__ import annotations

from pathlib import Path

from hcp_dr_lab.ground import payload
from hcp_dr_lab.ground.names import CAPI_PROVIDER, CLUSTER_API, REPOSITORY
from hcp_dr_lab.region.machines.images import Image, Layer, closure, program

_SHELL = ("bash", "curl", "grep", "sed", "find", "gzip", "tar")
_COREUTILS = (
    *("base64", "basename", "cat", "chmod", "chown", "cp", "cut", "date", "dd", "df", "dirname", "du", "echo", "env"),
    *("false", "head", "id", "ln", "ls", "md5sum", "mkdir", "mktemp", "mv", "nohup", "od", "printf", "pwd", "readlink"),
    *("realpath", "rm", "rmdir", "seq", "sha256sum", "sleep", "sort", "stat", "sync", "tail", "tee", "test", "timeout"),
    *("touch", "tr", "true", "uname", "uniq", "wc", "whoami", "xargs"),
)
_ACCOUNTS = {
    "etc/passwd": "root:x:0:0:root:/:/usr/bin/bash\nnobody:x:65534:65534:nobody:/:/usr/bin/false\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}
_CONTROLLERS = (CLUSTER_API, CAPI_PROVIDER)
_CONTROL_PLANE = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
_PUBLIC_AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
_AUTHORITIES_IN_IMAGE = "etc/ssl/certs/ca-certificates.crt"


def management_images(programs: Path, authority: str) -> tuple[Image, ...]:
    """Images of control planes, operators, external-dns, and of an idle program for Deployments without a function.

    `programs` is the folder of the region's programs, `authority` the certificate authority of the region's services.
    Cluster API and its AWS provider have images if they are among the programs.
    """
    shell, trust = _shell(), _trust(authority)
    kubernetes = _programs(programs, {name: name for name in _CONTROL_PLANE})
    idle = ("/usr/bin/sleep", "infinity")
    controllers = [name for name in _CONTROLLERS if (programs / name).exists()]
    operators = payload.binaries().items()
    return (
        _pause(),
        Image("idle", (shell, trust), idle),
        Image("control-plane", (shell, kubernetes, _etcd(programs, "3.5"), trust), idle),
        Image("control-plane-etcd36", (shell, kubernetes, _etcd(programs, "3.6"), trust), idle),
        *(Image(_name(image), (shell, trust, Layer(texts={payload.BINARY: text})), idle) for image, text in operators),
        Image("external-dns", (shell, _programs(programs, {"external-dns": "external-dns"}), trust), idle),
        *(Image(name, (shell, _programs(programs, {name: name}), trust), idle) for name in controllers),
    )


def worker_images(programs: Path) -> tuple[Image, ...]:
    """Images for the pods of the hosted cluster."""
    workload = Layer(closure({"usr/bin/workload": programs / "workload"}), _ACCOUNTS, skeleton=True)
    return (_pause(), Image("workload", (workload,), ("/usr/bin/workload", "serve")))


def _pause() -> Image:
    layer = Layer(closure({"usr/bin/sleep": program("sleep")}), skeleton=True)
    return Image("pause", (layer,), ("/usr/bin/sleep", "infinity"))


def _shell() -> Layer:
    programs = {f"usr/bin/{name}": program(name) for name in (*_SHELL, *_COREUTILS)}
    programs["usr/bin/sh"] = program("bash")
    return Layer(closure(programs), _ACCOUNTS, skeleton=True)


def _trust(authority: str) -> Layer:
    """Return a layer with the machine's certificate authorities and the region's authority."""
    public = _PUBLIC_AUTHORITIES.read_text("utf-8") if _PUBLIC_AUTHORITIES.exists() else ""
    return Layer(texts={_AUTHORITIES_IN_IMAGE: f"{public}\n{authority}"})


def _etcd(programs: Path, line: str) -> Layer:
    """Return a layer like in hosted releases: with etcdutl only if etcdctl no longer supports restore."""
    names = ("etcd", "etcdctl", "etcdutl") if line == "3.6" else ("etcd", "etcdctl")
    return _programs(programs, {name: f"etcd-{line}/{name}" for name in names})


def _name(image: str) -> str:
    return image.removeprefix(f"{REPOSITORY}/").removesuffix(":1")


def _programs(programs: Path, names: dict[str, str]) -> Layer:
    return Layer(closure({f"usr/bin/{file}": programs / name for file, name in names.items()}))
