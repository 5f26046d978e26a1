"""One HTTP request made by a pod with its own curl, by a presigned URL, and the answer.

While valid, a URL is a key to the bucket: it is passed by stdin and appears in no process list, on either side. Only
the HTTP status decides whether the request succeeded: curl also exits with 0 after a redirect, although no data was
transferred.
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
"""A transfer that stalls for a minute ends. All options exist in curl 7.61, the version in older images."""
_NO_ANSWER = (5, 6, 7, 18, 28, 35, 52, 55, 56)
"""curl's exit codes for network failures: names, connections, stalls, cuts (curl(1), EXIT CODES)."""
_BUSY = (408, 429, 500, 502, 503, 504)


@dataclass(frozen=True, slots=True)
class Answer:
    """`page` is the HTTP answer, with status 0 if there was none; `message` is curl's own error message."""

    page: page.Page
    body: bytes
    exit_code: int
    message: str

    @property
    def succeeded(self) -> bool:
        """The server answered with success, and the answer is complete."""
        return 200 <= self.page.status < 300 and self.exit_code == 0

    @property
    def refused(self) -> bool:
        """A server answered, but not with success. curl's exit code adds no information then."""
        return self.page.status >= 300

    @property
    def interrupted(self) -> bool:
        """The network failed before the answer was complete."""
        return not self.refused and self.exit_code in _NO_ANSWER

    def why(self) -> str:
        """The reason of an error, for a request without success. Shows no URL."""
        if self.refused:
            return self.page.reason()
        return (
            self.message or f"curl ended with {self.exit_code} and status {self.page.status:03}, and printed no error"
        )


@dataclass(frozen=True, slots=True)
class Place:
    """The container of a pod from which the request is made."""

    namespace: str
    pod: str
    container: str


@dataclass(frozen=True, slots=True)
class Fetched:
    """The result of fetching a known object: `why` it failed, "" for success. `final`: a repetition would fail too."""

    why: str = ""
    final: bool = False


def fetch(cluster: Kubernetes, place: Place, url: str, content: bytes, *, seconds: int) -> Fetched:
    """Whether the pod gets `content` from the presigned URL. The pod stores nothing."""
    answer = ask(cluster, place, [f'url = "{url}"'], options=f" --max-time {seconds}", seconds=3 * seconds)
    if not answer.succeeded:
        return Fetched(answer.why(), final=not answer.interrupted and answer.page.status not in _BUSY)
    if answer.body != content:
        why = f"the answer was {answer.page.status} with {len(answer.body)} bytes that differ from the object"
        return Fetched(why, final=True)
    return Fetched()


def ask(cluster: Kubernetes, place: Place, lines: Sequence[str], *, options: str = "", seconds: float = 60) -> Answer:
    """`lines` are curl's configuration, with every secret; `options` are for its command line, in shell syntax. Raises
    the errors of the cluster's port."""
    config = ("\n".join(lines) + "\n").encode()
    # Older API servers cannot close stdin, so the pod gets the number of bytes to read.
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
    """The last line is curl's report: the status, and the target of a redirect."""
    body, _, report = completed.stdout.rpartition(b"\n")
    status, _, location = report.decode(errors="replace").strip().partition(" ")
    number = int(status) if len(status) == 3 and status.isdecimal() else 0
    return Answer(page.read(number, body, location), body, completed.exit_code, _first_line(completed.stderr))


def _first_line(stderr: bytes) -> str:
    """curl's error is one line; pages of advice may follow."""
    lines = stderr.decode(errors="replace").strip().splitlines()
    error = next((line for line in lines if line.startswith("curl: (")), " ".join(lines))
    return error.strip()[-256:]
