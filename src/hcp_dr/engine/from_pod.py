"""One HTTP request that a pod makes with its own curl, by a presigned URL, and what was answered to it.

An URL is a key to the bucket while it lives: it goes in by stdin and is in no process list, here or there. What became
of the request is said by its HTTP status alone: curl ends well with a redirect too, by which nothing came and nothing
went.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hcp_dr.aws import page
from hcp_dr.kube.port import Completed, Kubernetes

_CURL = (
    "curl --silent --show-error --speed-limit 1024 --speed-time 60 --config -"
    r" --write-out '\n%{http_code} %{redirect_url}'"
)
"""One that stalls for a minute ends. All of it is known to curl 7.61, which older images have."""
_NO_ANSWER = (5, 6, 7, 18, 28, 35, 52, 55, 56)
"""curl's exit codes for what the network does: names, connections, stalls, cuts (curl(1), EXIT CODES)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`page` is what came back of HTTP, with status 0 where nothing did; `said` is curl's own word for why."""

    page: page.Page
    body: bytes
    exit_code: int
    said: str

    @property
    def succeeded(self) -> bool:
        """The request was answered with success, and heard to its end."""
        return 200 <= self.page.status < 300 and self.exit_code == 0

    @property
    def refused(self) -> bool:
        """Somebody answered, and not with success. How curl ended says no more then."""
        return self.page.status >= 300

    @property
    def unheard(self) -> bool:
        """The network failed before an answer was whole."""
        return not self.refused and self.exit_code in _NO_ANSWER

    def why(self) -> str:
        """Of one that did not succeed, as the reason of an error. Shows no URL."""
        if self.refused:
            return self.page.reason()
        return self.said or f"curl ended with {self.exit_code} and status {self.page.status:03}, and it said nothing"


@dataclass(frozen=True, slots=True)
class Place:
    """Where the request is made from: a container of a pod."""

    namespace: str
    pod: str
    container: str


def ask(cluster: Kubernetes, place: Place, lines: Sequence[str], *, options: str = "", seconds: float = 60) -> Answer:
    """`lines` are those of curl's configuration, with all that is secret; `options` are for its command line, as the
    shell reads them. Raises what the cluster refuses."""
    config = ("\n".join(lines) + "\n").encode()
    # Older API servers cannot close stdin, so that the pod is told how much to read.
    script = f"set -o pipefail; head -c {len(config)} | {_CURL}{options}"
    completed = cluster.execute(
        place.namespace,
        place.pod,
        place.container,
        ["/bin/bash", "-c", script],
        stdin=config,
        seconds=seconds,
    )
    return read(completed)


def read(completed: Completed) -> Answer:
    """The last line is curl's report of the status, and of where a redirect leads."""
    body, _, report = completed.stdout.rpartition(b"\n")
    status, _, location = report.decode(errors="replace").strip().partition(" ")
    number = int(status) if len(status) == 3 and status.isdecimal() else 0
    return Answer(page.read(number, body, location), body, completed.exit_code, _first_line(completed.stderr))


def _first_line(stderr: bytes) -> str:
    """curl says in one line what is wrong, and may go on with advice for pages."""
    lines = stderr.decode(errors="replace").strip().splitlines()
    told = next((line for line in lines if line.startswith("curl: (")), " ".join(lines))
    return told.strip()[-256:]
