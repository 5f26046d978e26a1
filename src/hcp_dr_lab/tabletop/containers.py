"""Containers in memory: mounts, programs, and handling of signals."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field

from hcp_dr.kube.port import Object
from hcp_dr_lab.tabletop import etcd
from hcp_dr_lab.tabletop.aws import Answer
from hcp_dr_lab.tabletop.shell import PROGRAMS, Call, NotYet, Program, Result, Shell
from hcp_dr_lab.tabletop.twin import sharing

_REFERENCE = re.compile(r"\$\(([A-Za-z_][A-Za-z0-9_]*)\)")
_AT_ONCE = 0.05  # seconds until a program ends after SIGTERM, if it obeys
Fetch = Callable[[str, str, Mapping[str, str], bytes], Answer]
"""An HTTP request: method, URL, headers, body."""


class Files(MutableMapping[str, bytes]):
    """The files of one container, by absolute path: mounts hide its own layer. `volume` is etcd's volume, at `data`."""

    def __init__(self, mounts: Mapping[str, MutableMapping[str, bytes]], data: str, volume: etcd.Volume | None) -> None:
        self._mounts = {path.rstrip("/") + "/": files for path, files in mounts.items()}
        self._layer: dict[str, bytes] = {}
        self.data = data
        self.volume = volume

    def _place(self, path: str) -> tuple[MutableMapping[str, bytes], str]:
        for mount, files in self._mounts.items():
            if path.startswith(mount):
                return files, path.removeprefix(mount)
        return self._layer, path

    def __getitem__(self, path: str) -> bytes:
        files, name = self._place(path)
        if self.volume is not None and self.volume.member is not None and path == f"{self.data}/{etcd.DATA_FILE}":
            return b"etcd"
        return files[name]

    def __setitem__(self, path: str, content: bytes) -> None:
        files, name = self._place(path)
        files[name] = content

    def __delitem__(self, path: str) -> None:
        files, name = self._place(path)
        del files[name]

    def __iter__(self) -> Iterator[str]:
        yield from self._layer
        for mount, files in self._mounts.items():
            yield from (mount + name for name in files)
        if self.volume is not None and self.volume.member is not None:
            yield f"{self.data}/{etcd.DATA_FILE}"

    def __len__(self) -> int:
        return sum(1 for _ in self)


class Unmounted(Exception):
    """A volume of the pod does not exist yet; the text names the volume."""


def read_only(found: Object) -> dict[str, bytes]:
    """Return the files of a mounted Secret or ConfigMap."""
    data = found.get("data") or {}
    if found["kind"] == "Secret":
        return {name: base64.b64decode(text) for name, text in data.items()}
    return {name: text.encode() for name, text in data.items()}


@dataclass(frozen=True, slots=True)
class Tools:
    """The current environment of a container's programs: additional programs, and TCP connections."""

    programs: Mapping[str, Program]
    connects: Callable[[str, int], bool]


@sharing("spec", "environment")
@dataclass(slots=True)
class Container:
    """One container of a pod. `words` is the command line of the running program."""

    name: str
    spec: Object
    environment: Mapping[str, str]
    files: Files
    words: tuple[str, ...] = ()
    obeys: bool = False  # ends at once after SIGTERM
    signals: list[str] = field(default_factory=list)

    def command(self) -> tuple[str, ...]:
        """Return the command with $(NAME) expanded like in the kubelet."""
        words = [*(self.spec.get("command") or ()), *(self.spec.get("args") or ())]
        return tuple(_REFERENCE.sub(lambda found: self.environment.get(found[1], found[0]), word) for word in words)

    def run(self, tools: Tools) -> Result:
        """Run as an init container, to the end. Raises NotYet while waiting."""
        return self._shell(tools, _cannot_wait).start(self.command())

    def start(self, tools: Tools) -> Result:
        """Start a lasting container, until its program runs. An exit code other than 0 means a failed start."""
        command = self.command()
        if not command or command[0].rpartition("/")[2] not in ("sh", "bash"):
            self.words, self.obeys = command, True
            return Result(0, b"", b"")
        shell = self._shell(tools, _cannot_wait)
        try:
            ended = shell.start(command)
        except NotYet:
            self.words, self.obeys = command, shell.ends_at_once
            return Result(0, b"", b"")
        if shell.process is not None:
            self.words, self.obeys = shell.process, True
            return Result(0, b"", b"")
        return Result(ended.code or 1, ended.out, ended.err)

    def execute(self, tools: Tools, command: Sequence[str], stdin: bytes, sleep: Callable[[float], None]) -> Result:
        """Run an additional command, as by exec."""
        return self._shell(tools, sleep).start(command, stdin)

    @property
    def program(self) -> str:
        return self.words[0].rpartition("/")[2] if self.words else ""

    def flag(self, name: str) -> str:
        prefix = f"--{name}="
        return next((word.removeprefix(prefix) for word in self.words if word.startswith(prefix)), "")

    def seconds_to_end(self) -> float:
        """Return the seconds until the end after SIGTERM. An API server serves during its shutdown delay; a second
        signal ends it at once."""
        if len(self.signals) > 1:
            return _AT_ONCE
        delay = self.flag("shutdown-delay-duration")
        if delay:
            return float(delay.removesuffix("s"))
        return _AT_ONCE if self.obeys else float("inf")

    def _shell(self, tools: Tools, sleep: Callable[[float], None]) -> Shell:
        known = {**PROGRAMS, **tools.programs, "kill": self._kill}
        return Shell(known, self.files, self.environment, sleep=sleep, connects=tools.connects)

    def _kill(self, call: Call) -> int:
        """kill -TERM 1"""
        if call.words[-1] != "1":
            return call.fail(f"bash: kill: ({call.words[-1]}) - No such process")
        self.signals.append(next((word.lstrip("-") for word in call.words[1:-1]), "TERM"))
        return 0


def _cannot_wait(seconds: float) -> None:
    raise NotYet(seconds)


def curl(fetch: Fetch) -> Program:
    """Return the program curl, with the features for uploading and downloading snapshots."""

    def program(call: Call) -> int:
        settings = _settings(call)
        upload, output = settings.get("upload-file", [""])[0], settings.get("output", [""])[0]
        if upload and upload not in call.shell.files:
            return call.fail(f"curl: cannot open '{upload}'", 26)
        headers = dict(_header(text) for text in settings.get("header", ()))
        headers = {name: value for name, value in headers.items() if value}
        if upload.startswith("/dev/fd/") and headers.pop("content-length", "") != str(len(call.shell.files[upload])):
            return call.fail(
                "curl: (22) The requested URL returned error: 501", 22
            )  # S3 does not accept chunked uploads
        if "range" in settings:
            headers["range"] = f"bytes={settings['range'][0]}"
        method = "HEAD" if "head" in settings else "PUT" if upload else "GET"
        body = call.shell.files[upload] if upload else b""
        answer = fetch(method, settings["url"][0], headers, body)
        refused = answer.status >= 400 and "fail" in settings
        if output and output != "/dev/null" and not refused:
            call.shell.files[output] = answer.body
        elif not output and not refused:
            call.out += answer.body
        for form in settings.get("write-out", ()):
            call.out += _written_out(form, answer).encode()
        if refused:
            return call.fail(f"curl: (22) The requested URL returned error: {answer.status}", 22)
        return 0

    return program


def _written_out(form: str, answer: Answer) -> str:
    """Format curl's output. By default curl follows no redirect and succeeds; it only prints the redirect's URL."""
    location = answer.headers.get("location", "") if 300 <= answer.status < 400 else ""
    text = form.replace("%{http_code}", f"{answer.status:03}").replace("%{redirect_url}", location)
    return text.replace("\\n", "\n")


_SHORT = {
    "s": "silent",
    "S": "show-error",
    "f": "fail",
    "o": "output",
    "H": "header",
    "T": "upload-file",
    "K": "config",
}
_WITH_VALUE = (
    *("output", "header", "upload-file", "config", "url", "range", "max-time", "retry", "request"),
    *("speed-limit", "speed-time", "write-out"),
)


def _settings(call: Call) -> dict[str, list[str]]:
    """Parse the command line, and the configuration file given there."""
    found: dict[str, list[str]] = {}
    words = list(call.words[1:])
    while words:
        word = words.pop(0)
        if word.startswith("--"):
            _put(found, word[2:], words)
        elif word.startswith("-") and word != "-":
            for letter in word[1:]:
                _put(found, _SHORT.get(letter, letter), words)
        else:
            found.setdefault("url", []).append(word)
    for path in found.pop("config", ()):
        content = call.stdin if path == "-" else call.shell.files[path]
        for line in content.decode().splitlines():
            name, _, value = line.partition("=")
            if name.strip():
                found.setdefault(name.strip(), []).append(value.strip().strip('"'))
    return found


def _put(found: dict[str, list[str]], name: str, words: list[str]) -> None:
    found.setdefault(name, []).append(words.pop(0) if name in _WITH_VALUE else "")


def _header(text: str) -> tuple[str, str]:
    name, _, value = text.partition(":")
    return name.strip().lower(), value.strip()
