"""Container images without a registry or a container engine: docker-archives of programs and required libraries.

An image is a list of layers; a layer is a list of files of this machine.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hcp_dr_lab.ground.names import REPOSITORY

_LINKS = {"bin": "usr/bin", "sbin": "usr/bin", "usr/sbin": "bin"}
_FOLDERS = {"etc": 0o755, "run": 0o755, "tmp": 0o1777, "usr/bin": 0o755, "var": 0o755}


@dataclass(frozen=True, slots=True)
class Layer:
    """`files` maps a path in the image to a file of this machine, `texts` to the content of a small file."""

    files: Mapping[str, Path] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    skeleton: bool = False  # with the folders and links of a root file system

    @property
    def key(self) -> str:
        """A key that changes with the layer's content."""
        stamps = {path: source.resolve().stat() for path, source in self.files.items()}
        parts = [
            [[path, stamp.st_size, stamp.st_mtime_ns, stamp.st_mode] for path, stamp in sorted(stamps.items())],
            sorted(self.texts.items()),
            self.skeleton,
        ]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]


@dataclass(frozen=True, slots=True)
class Image:
    """`name` is the last component of docker.io/hcp-dr-lab/<name>:1."""

    name: str
    layers: tuple[Layer, ...]
    command: tuple[str, ...] = ()
    environment: tuple[str, ...] = ("PATH=/usr/bin",)

    @property
    def tag(self) -> str:
        return tag(self.name)


def tag(name: str) -> str:
    return f"{REPOSITORY}/{name}:1"


def closure(programs: Mapping[str, Path]) -> dict[str, Path]:
    """Return the programs, by path in the image, with all shared libraries listed by ldd."""
    files = dict(programs)
    for program in programs.values():
        done = subprocess.run(["ldd", program], capture_output=True, text=True, check=False)
        for library in libraries(done.stdout):
            files[library] = Path(library)
    return files


def libraries(ldd: str) -> list[str]:
    """Return the absolute paths in ldd's output; none for a static program."""
    return re.findall(r"(?:=> |^\s+)(/\S+) \(0x", ldd, re.MULTILINE)


def write_archive(target: Path, images: Sequence[Image]) -> None:
    """Write one docker-archive with all images, and every layer once."""
    manifest = []
    digests: dict[str, str] = {}
    with tarfile.open(target, "w") as archive:
        for image in images:
            for layer in image.layers:
                if layer.key not in digests:
                    digests[layer.key] = _add_layer(archive, layer, target.with_name(f".{target.name}.layer"))
            config = json.dumps(_config(image, [digests[layer.key] for layer in image.layers])).encode()
            config_name = f"{hashlib.sha256(config).hexdigest()}.json"
            _add_bytes(archive, config_name, config)
            layers = [f"{digests[layer.key]}.tar" for layer in image.layers]
            manifest.append({"Config": config_name, "RepoTags": [image.tag], "Layers": layers})
        _add_bytes(archive, "manifest.json", json.dumps(manifest).encode())


def key(images: Sequence[Image]) -> str:
    """Return a key that changes with the images' content."""
    parts = [[image.name, image.command, image.environment, [layer.key for layer in image.layers]] for image in images]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _config(image: Image, digests: Iterable[str]) -> dict[str, Any]:
    return {
        "architecture": {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine),
        "os": "linux",
        "config": {"Env": list(image.environment), "Cmd": list(image.command)},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}" for digest in digests]},
    }


def _add_layer(archive: tarfile.TarFile, layer: Layer, scratch: Path) -> str:
    """Add a layer, and return its digest."""
    try:
        _write_layer(scratch, layer)
        with scratch.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
        _add_file(archive, f"{digest}.tar", scratch, 0o644)
    finally:
        scratch.unlink(missing_ok=True)
    return digest


def _write_layer(target: Path, layer: Layer) -> None:
    with tarfile.open(target, "w") as archive:
        if layer.skeleton:
            for path, mode in _FOLDERS.items():
                _add_member(archive, path, tarfile.DIRTYPE, mode)
            for path, to in _LINKS.items():
                _add_member(archive, path, tarfile.SYMTYPE, 0o777, to)
        for path, source in sorted(layer.files.items()):
            _add_file(archive, path.lstrip("/"), source.resolve(), source.stat().st_mode & 0o755)
        for path, text in sorted(layer.texts.items()):
            _add_bytes(archive, path.lstrip("/"), text.encode(), 0o755 if text.startswith("#!") else 0o644)


def _add_member(archive: tarfile.TarFile, path: str, kind: bytes, mode: int, to: str = "") -> None:
    member = tarfile.TarInfo(path)
    member.type, member.mode, member.linkname = kind, mode, to
    archive.addfile(member)


def _add_file(archive: tarfile.TarFile, path: str, source: Path, mode: int) -> None:
    member = tarfile.TarInfo(path)
    member.size, member.mode = source.stat().st_size, mode
    with source.open("rb") as content:
        archive.addfile(member, content)


def _add_bytes(archive: tarfile.TarFile, path: str, content: bytes, mode: int = 0o644) -> None:
    member = tarfile.TarInfo(path)
    member.size, member.mode = len(content), mode
    archive.addfile(member, io.BytesIO(content))


def program(name: str) -> Path:
    """Find a program of this machine. Raises FileNotFoundError."""
    found = shutil.which(name, path="/usr/bin:/bin:/usr/sbin:/sbin")
    if found is None:
        raise FileNotFoundError(f"{name} is not installed on this machine")
    return Path(found)
