"""What is in the region's images: the programs that the documented commands run, at the paths where they run them."""

from __future__ import annotations

from pathlib import Path

from hcp_dr_lab.region.images import Image, Layer, closure, program, write_archive
from hcp_dr_lab.region.layout import Layout

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
_PUBLIC_AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
_AUTHORITIES_IN_IMAGE = "etc/ssl/certs/ca-certificates.crt"


def write_archives(layout: Layout, cache: Path) -> None:
    """The images of management nodes and those of workers."""
    write_archive(layout.image_archive("management"), management_images(layout), cache)
    write_archive(layout.image_archive("worker"), worker_images(layout), cache)


def management_images(layout: Layout) -> tuple[Image, ...]:
    """Control planes, external-dns, and the idle program of Deployments that only have to be there."""
    shell, trust = _shell(), _trust(layout)
    kubernetes = _programs(layout, {name: name for name in _CONTROL_PLANE})
    idle = ("/usr/bin/sleep", "infinity")
    return (
        _pause(),
        Image("idle", (shell, trust), idle),
        Image("control-plane", (shell, kubernetes, _etcd(layout, "3.5"), trust), idle),
        Image("control-plane-etcd36", (shell, kubernetes, _etcd(layout, "3.6"), trust), idle),
        Image("external-dns", (shell, _programs(layout, {"external-dns": "external-dns"}), trust), idle),
    )


_CONTROL_PLANE = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")


def worker_images(layout: Layout) -> tuple[Image, ...]:
    """What the pods of the hosted cluster run; small, since each worker imports it at its first launch."""
    workload = Layer(closure({"usr/bin/workload": layout.program("workload")}), _ACCOUNTS, skeleton=True)
    return (_pause(), Image("workload", (workload,), ("/usr/bin/workload", "serve")))


def _pause() -> Image:
    layer = Layer(closure({"usr/bin/sleep": program("sleep")}), skeleton=True)
    return Image("pause", (layer,), ("/usr/bin/sleep", "infinity"))


def _shell() -> Layer:
    programs = {f"usr/bin/{name}": program(name) for name in (*_SHELL, *_COREUTILS)}
    programs["usr/bin/sh"] = program("bash")
    return Layer(closure(programs), _ACCOUNTS, skeleton=True)


def _trust(layout: Layout) -> Layer:
    """The machine's authorities and the region's own."""
    public = _PUBLIC_AUTHORITIES.read_text("utf-8") if _PUBLIC_AUTHORITIES.exists() else ""
    return Layer(texts={_AUTHORITIES_IN_IMAGE: f"{public}\n{layout.ca_file.read_text('utf-8')}"})


def _etcd(layout: Layout, line: str) -> Layer:
    return _programs(layout, {name: f"etcd-{line}/{name}" for name in ("etcd", "etcdctl", "etcdutl")})


def _programs(layout: Layout, names: dict[str, str]) -> Layer:
    return Layer(closure({f"usr/bin/{file}": layout.program(name) for file, name in names.items()}))
