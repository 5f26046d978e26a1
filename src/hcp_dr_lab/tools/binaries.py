"""The programs that the region is made of, and where they come from.

Looked up in KUBEBUILDER_ASSETS, in PATH, in the user's cache; built once from the pinned modules beside this file
otherwise. A program of KUBEBUILDER_ASSETS or PATH is taken only when it tells a version of the pinned line (the same
minor version; for etcd that is what separates the two lines that the region needs); anything else is passed over,
with a note, because a rehearsal with another version would prove something else.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
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
class Program:
    """`name` is how the region asks for it; `file` its name in PATH; `accepts` what its version output must show.

    A program without `asks_version` is the project's own and is not looked for elsewhere.
    """

    name: str
    module: str
    package: str
    file: str
    asks_version: tuple[str, ...] = ()
    accepts: str = ""
    link_flags: str = _STRIPPED


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


def find(say: Say, environment: Mapping[str, str] = os.environ) -> dict[str, Path]:
    """All programs by name; builds those that are nowhere to be found. Raises BuildFailed."""
    toolchain = go.choose(go.needed_version(MODULES))
    cache = cache_folder(environment)
    found = _places(PROGRAMS, toolchain, environment, say)
    missing = [program for program in PROGRAMS if not found[program.name].exists()]
    if missing:
        with _only_builder(cache, say):
            missing = [program for program in missing if not found[program.name].exists()]
            if missing:
                build(missing, found, go.fetched(toolchain, cache, say), say)
    return found


def built(names: Collection[str], environment: Mapping[str, str] = os.environ) -> dict[str, Path]:
    """Those of the programs that are there already, by name; builds and fetches nothing."""
    wanted = [program for program in PROGRAMS if program.name in names]
    places = _places(wanted, go.choose(go.needed_version(MODULES)), environment, lambda _: None)
    return {name: path for name, path in places.items() if path.exists()}


def _places(
    programs: Iterable[Program], toolchain: go.Toolchain, environment: Mapping[str, str], say: Say
) -> dict[str, Path]:
    """Where each is, or will be once it is built."""
    cache = cache_folder(environment)
    return {
        program.name: installed(program, environment, say) or cached(program, cache, toolchain.version)
        for program in programs
    }


def cache_folder(environment: Mapping[str, str]) -> Path:
    """Where built things are kept for the next time."""
    base = environment.get("XDG_CACHE_HOME") or str(Path(environment.get("HOME") or "/root") / ".cache")
    return Path(base) / "hcp-dr-lab"


def cached(program: Program, cache: Path, go_version: str) -> Path:
    """Its place in the cache, whether it is there or not."""
    key = build_key(MODULES / program.module, program.link_flags, go_version)
    return cache / "bin" / f"{program.module}-{key}" / program.file


def build_key(module: Path, link_flags: str, go_version: str) -> str:
    """Changes with everything that a build of the module depends on."""
    digest = hashlib.sha256()
    for file in (module / "go.mod", module / "go.sum", *sorted(module.glob("*.go"))):
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    digest.update(f"{link_flags}\n{go_version}".encode())
    return digest.hexdigest()[:16]


def installed(program: Program, environment: Mapping[str, str], say: Say) -> Path | None:
    """The program in KUBEBUILDER_ASSETS or PATH, the first that tells a version of the pinned line."""
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
        if not program.name.startswith("etcd-"):  # one of its two lines is always the other one
            say(f"passing over {candidate}: it is not of the pinned version ({answer.strip()[:80] or 'no answer'})")
    return None


def accepted(program: Program, answer: str) -> bool:
    """Whether what a program says of its version is of the pinned line."""
    return re.search(program.accepts, answer) is not None


def build(programs: Sequence[Program], found: Mapping[str, Path], go_program: Path, say: Say) -> None:
    """Build each to a temporary name and rename it, so that a half file never has the program's name."""
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
    for left in target.parent.glob(f".{target.name}.*"):  # of a builder that was killed
        left.unlink()
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    command = [str(go_program), "build", "-mod=readonly", "-trimpath", "-ldflags", program.link_flags]
    try:
        done = subprocess.run(
            [*command, "-o", str(partial), program.package],
            cwd=MODULES / program.module,
            env=_build_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode == 0 and partial.exists():
            partial.rename(target)
            return
    finally:
        partial.unlink(missing_ok=True)
    lines = done.stdout.strip().splitlines()[-_LINES_OF_A_FAILED_BUILD:]
    raise BuildFailed(
        f"{program.name} could not be built: `go build {program.package}` in {MODULES / program.module} ended with "
        f"exit code {done.returncode}. What was built before it stays in the cache, and no half file is left. "
        "Settle the cause below and run the command again.\n" + "\n".join(lines)
    )


def _build_environment() -> dict[str, str]:
    """The user's, for proxies and the like, but nothing that would build another program than the key says."""
    fixed = {"CGO_ENABLED": "0", "GOFLAGS": "", "GOTOOLCHAIN": "local", "GOWORK": "off"}
    return {**{name: value for name, value in os.environ.items() if name != "GOROOT"}, **fixed}


@contextmanager
def _only_builder(cache: Path, say: Say) -> Iterator[None]:
    """One builder at a time for a user's cache; the other waits and then finds what was built."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "build.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another process builds the programs; waiting for it")
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
    """Make every program reachable below one folder by its name."""
    shutil.rmtree(folder, ignore_errors=True)
    for name, path in found.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(path.resolve())
