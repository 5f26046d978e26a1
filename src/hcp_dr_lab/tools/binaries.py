"""Find or build the region's programs.

Programs are looked up in KUBEBUILDER_ASSETS, in PATH and in the user's cache. Otherwise they are built once from the
pinned modules beside this file. A program of KUBEBUILDER_ASSETS or PATH is used only if it reports a version of the
pinned line (the same minor version; for etcd the minor version separates the two lines that the region needs). Other
versions are skipped with a note, because a rehearsal with another version proves nothing about the pinned version.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hcp_dr_lab.ground.errors import BuildFailed
from hcp_dr_lab.tools import go

MODULES = Path(__file__).parent
KUBERNETES_VERSION = "v1.37.2"
_STRIPPED = "-s -w"
_LINES_OF_A_FAILED_BUILD = 20

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Trimmed:
    """A required module that is built without some of its files, because they alone import expensive packages."""

    module: str
    without: frozenset[str]


@dataclass(frozen=True, slots=True)
class Program:
    """`name` is the name in the region, `file` the name in PATH, `accepts` the pattern for the version output.

    A program without `asks_version` belongs to this project, or cannot report its version; it is not looked up
    elsewhere.
    """

    name: str
    module: str
    package: str
    file: str
    asks_version: tuple[str, ...] = ()
    accepts: str = ""
    link_flags: str = _STRIPPED
    trimmed: Trimmed | None = None


def _kubernetes(name: str) -> Program:
    return Program(
        name,
        "kubernetes",
        f"k8s.io/kubernetes/cmd/{name}",
        name,
        ("--version",),
        r"Kubernetes v1\.37\.",
        f"{_STRIPPED} -X k8s.io/component-base/version.gitVersion={KUBERNETES_VERSION}",
    )


def _etcd(line: str) -> tuple[Program, ...]:
    """The module's server package is the program etcd."""
    accepts = rf"[Vv]ersion: {re.escape(line)}\."
    folder = f"etcd-{line}"
    return (
        Program(f"{folder}/etcd", folder, "go.etcd.io/etcd/server/v3", "etcd", ("--version",), accepts),
        Program(f"{folder}/etcdctl", folder, "go.etcd.io/etcd/etcdctl/v3", "etcdctl", ("version",), accepts),
        Program(f"{folder}/etcdutl", folder, "go.etcd.io/etcd/etcdutl/v3", "etcdutl", ("version",), accepts),
    )


def _containerd(name: str, asks_version: str) -> Program:
    package = f"github.com/containerd/containerd/v2/cmd/{name}"
    return Program(name, "containerd", package, name, (asks_version,), r"\bv?2\.4\.\d")


PROGRAMS: tuple[Program, ...] = (
    *_etcd("3.6"),
    *_etcd("3.5"),
    _containerd("containerd", "--version"),
    _containerd("containerd-shim-runc-v2", "-v"),
    _containerd("ctr", "--version"),
    Program(
        "versitygw",
        "versitygw",
        "github.com/versity/versitygw/cmd/versitygw",
        "versitygw",
        ("--version",),
        r"\bv?1\.8\.",
    ),
    Program("external-dns", "external-dns", "sigs.k8s.io/external-dns", "external-dns", ("--version",), r"\bv?0\.21\."),
    Program("workload", "workload", ".", "workload"),
    *(_kubernetes(name) for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet")),
)
_PROVIDER = Trimmed(
    "sigs.k8s.io/cluster-api-provider-aws/v2", frozenset({"controllers/rosacluster_controller.go", "docs", "test"})
)
"""ROSA's controller alone imports the ROSA command line and its SDK: four hundred packages."""
CONTROLLERS: tuple[Program, ...] = (
    Program("cluster-api", "cluster-api", "sigs.k8s.io/cluster-api", "cluster-api"),
    Program("capi-provider", "cluster-api", ".", "capi-provider", trimmed=_PROVIDER),
)
"""Cluster API and its AWS provider, in one module, so that the common packages are compiled once."""


def find(
    say: Say, environment: Mapping[str, str] = os.environ, programs: Sequence[Program] = PROGRAMS
) -> dict[str, Path]:
    """Return these programs by name, and build the missing programs. Raises BuildFailed."""
    toolchain = go.choose(go.needed_version(MODULES))
    cache = cache_folder(environment)
    found = _places(programs, toolchain, environment, say)
    missing = [program for program in programs if not found[program.name].exists()]
    if missing:
        with _only_builder(cache, say):
            missing = [program for program in missing if not found[program.name].exists()]
            if missing:
                build(missing, found, go.fetched(toolchain, cache, say), say)
    return found


def built(names: Collection[str], environment: Mapping[str, str] = os.environ) -> dict[str, Path]:
    """Return the programs already present, by name, without building or fetching."""
    wanted = [program for program in (*PROGRAMS, *CONTROLLERS) if program.name in names]
    places = _places(wanted, go.choose(go.needed_version(MODULES)), environment, lambda _: None)
    return {name: path for name, path in places.items() if path.exists()}


def _places(
    programs: Iterable[Program], toolchain: go.Toolchain, environment: Mapping[str, str], say: Say
) -> dict[str, Path]:
    """Return the path of each program, whether present or still to be built."""
    cache = cache_folder(environment)
    return {
        program.name: installed(program, environment, say) or cached(program, cache, toolchain.version)
        for program in programs
    }


def cache_folder(environment: Mapping[str, str]) -> Path:
    """Return the cache for built programs."""
    base = environment.get("XDG_CACHE_HOME") or str(Path(environment.get("HOME") or "/root") / ".cache")
    return Path(base) / "hcp-dr-lab"


def cached(program: Program, cache: Path, go_version: str) -> Path:
    """Return the program's path in the cache, whether present or not."""
    key = build_key(MODULES / program.module, program.link_flags, go_version)
    return cache / "bin" / f"{program.module}-{key}" / program.file


def build_key(module: Path, link_flags: str, go_version: str) -> str:
    """Return a key that changes with every input of the module's build."""
    digest = hashlib.sha256()
    for file in (module / "go.mod", module / "go.sum", *sorted(module.glob("*.go"))):
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    digest.update(f"{link_flags}\n{go_version}".encode())
    return digest.hexdigest()[:16]


def installed(program: Program, environment: Mapping[str, str], say: Say) -> Path | None:
    """Return the first program in KUBEBUILDER_ASSETS or PATH that reports a version of the pinned line."""
    if not program.asks_version:
        return None
    assets = environment.get("KUBEBUILDER_ASSETS")
    folders = ([assets] if assets else []) + environment.get("PATH", "").split(os.pathsep)
    seen = dict.fromkeys(Path(folder) / program.file for folder in folders if folder)
    for candidate in seen:
        if not candidate.is_file() or not os.access(candidate, os.X_OK):
            continue
        answer = _version_output(candidate, program.asks_version)
        if accepted(program, answer):
            return candidate
        if not program.name.startswith("etcd-"):  # always finds the second etcd line too
            say(f"skipping {candidate}: not the pinned version ({answer.strip()[:80] or 'no answer'})")
    return None


def accepted(program: Program, answer: str) -> bool:
    """Return whether the program's version output matches the pinned line."""
    return re.search(program.accepts, answer) is not None


def build(programs: Sequence[Program], found: Mapping[str, Path], go_program: Path, say: Say) -> None:
    """Build each program under a temporary name and rename it: an incomplete file never has the program's name."""
    say(
        f"building {len(programs)} programs for the region, once for this user; "
        "the first time this takes about 25 minutes on two cores"
    )
    for number, program in enumerate(programs, 1):
        say(f"building {program.name} ({number} of {len(programs)})")
        started = time.monotonic()
        _build_one(program, found[program.name], go_program)
        say(f"built {program.name} in {time.monotonic() - started:.0f} s")


def _build_one(program: Program, target: Path, go_program: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    for leftover in target.parent.glob(f".{target.name}.*"):  # from a killed builder
        leftover.unlink()
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    command = ["build", "-mod=readonly", "-trimpath", "-ldflags", program.link_flags]
    try:
        with tempfile.TemporaryDirectory(prefix="hcp-dr-lab-") as scratch:
            if program.trimmed is not None:
                command.append(f"-modfile={_trim(program, program.trimmed, go_program, Path(scratch))}")
            done = _run(go_program, program, [*command, "-o", str(partial), program.package])
        if done.returncode == 0 and partial.exists():
            partial.rename(target)
            return
    finally:
        partial.unlink(missing_ok=True)
    raise _failure(program, f"build {program.package}", done)


def _run(go_program: Path, program: Program, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(go_program), *arguments],
        cwd=MODULES / program.module,
        env=_build_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def _failure(program: Program, command: str, done: subprocess.CompletedProcess[str]) -> BuildFailed:
    lines = done.stdout.strip().splitlines()[-_LINES_OF_A_FAILED_BUILD:]
    return BuildFailed(
        f"{program.name} could not be built: `go {command}` in {MODULES / program.module} ended with "
        f"exit code {done.returncode}. Programs built earlier stay in the cache; no incomplete file is left. "
        "Fix the error below and run the command again.\n" + "\n".join(lines)
    )


def _trim(program: Program, trimmed: Trimmed, go_program: Path, scratch: Path) -> Path:
    """Copy the required module without the files, and return a go.mod that uses the copy. The module is verified by
    go.sum before. (The go command accepts no overlay of its own cache.)"""
    done = _run(go_program, program, ["mod", "download", "-json", trimmed.module])
    if done.returncode != 0:
        raise _failure(program, f"mod download {trimmed.module}", done)
    found, _ = json.JSONDecoder().raw_decode(done.stdout[done.stdout.index("{") :])  # after lines of progress
    source, copy = Path(found["Dir"]), scratch / "module"

    def left_out(folder: str, names: list[str]) -> list[str]:
        return [name for name in names if str(Path(folder, name).relative_to(source)) in trimmed.without]

    shutil.copytree(source, copy, ignore=left_out)
    module, target = MODULES / program.module, scratch / "go.mod"
    target.write_text(f"{(module / 'go.mod').read_text('utf-8')}\nreplace {trimmed.module} => {copy}\n", "utf-8")
    shutil.copyfile(module / "go.sum", scratch / "go.sum")
    return target


def _build_environment() -> dict[str, str]:
    """Return the user's environment (proxies and so on) without variables that change the build's result."""
    fixed = {"CGO_ENABLED": "0", "GOFLAGS": "", "GOTOOLCHAIN": "local", "GOWORK": "off"}
    return {**{name: value for name, value in os.environ.items() if name != "GOROOT"}, **fixed}


@contextmanager
def _only_builder(cache: Path, say: Say) -> Iterator[None]:
    """Allow one builder at a time for a user's cache; a second process waits and then uses the built programs."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "build.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another process that builds the programs")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _version_output(program: Path, arguments: Sequence[str]) -> str:
    try:
        done = subprocess.run(
            [program, *arguments], capture_output=True, text=True, check=False, timeout=10, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout + done.stderr


def link(found: Mapping[str, Path], folder: Path) -> None:
    """Link every program into one folder by its name."""
    shutil.rmtree(folder, ignore_errors=True)
    for name, path in found.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(path.resolve())


if __name__ == "__main__":
    sys.exit(0 if built(sys.argv[1:]).keys() == set(sys.argv[1:]) else "not built yet")
