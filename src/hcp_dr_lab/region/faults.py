"""Faults: deliberate failures between the region and clients outside. Decisions only, without sockets.

A fault belongs to a target (`mgmt-1/api`, `shop/api`, `s3`, `route53`, `ec2`, `sts`), strikes matching requests, and
ends after a number of strikes. A fault that strikes only a share of the requests has its own random seed, so that the
same requests in the same order give the same result.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

API_SUFFIX = "/api"
SERVICES = ("s3", "route53", "ec2", "sts")

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_VERBS = frozenset({"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"})
_WRITES = {"POST": "create", "PUT": "update", "PATCH": "patch"}


class FaultError(ValueError):
    """An invalid fault; the text is a complete sentence."""


class Kind(StrEnum):
    """The effect on a struck request."""

    STATUS = "status"  # answered with an HTTP status; the request does not arrive
    DELAY = "delay"  # arrives with a delay in seconds
    CUT = "cut"  # arrives; the response is cut in the middle
    DROP_WATCHES = "drop-watches"  # a new watch is closed after a time in seconds, open watches at once
    GONE = "gone"  # a watch from a resourceVersion, or the next page of a list, is refused as too old (410)


@dataclass(frozen=True, slots=True)
class Request:
    """The fields of a request that faults match. `path` has no query; `action` is the action of EC2 or STS."""

    method: str
    path: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    action: str = ""

    @classmethod
    def of(cls, method: str, target: str, body: str = "") -> Self:
        """Parse the first line of an HTTP request, and the body if it is a form."""
        parts = urlsplit(target)
        asked = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        action = parse_qs(body).get("Action", [""])[-1] or asked.get("Action", "")
        return cls(method, parts.path, asked, action)

    @property
    def watches(self) -> bool:
        return self.method == "GET" and self.parameters.get("watch") in {"1", "true", "True"}

    @property
    def continues(self) -> bool:
        return self.method == "GET" and bool(self.parameters.get("continue"))

    @property
    def resource(self) -> str:
        """The plural resource name, with a subresource after a slash; empty unless this is a path of a Kubernetes
        API."""
        return _kubernetes(self.path)[0]

    @property
    def verb(self) -> str:
        """The verb in terms of Kubernetes' authorization."""
        named = bool(_kubernetes(self.path)[1])
        if self.method == "DELETE":
            return "delete" if named else "deletecollection"
        if self.method in _WRITES:
            return _WRITES[self.method]
        return "get" if named else "watch" if self.watches else "list"


def _kubernetes(path: str) -> tuple[str, str]:
    """Return resource (with subresource) and name, or empty texts."""
    words = path.strip("/").split("/")
    if words[0] == "api" and len(words) > 2:
        rest = words[2:]
    elif words[0] == "apis" and len(words) > 3:
        rest = words[3:]
    else:
        return "", ""
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in {"status", "finalize"}:
        rest = rest[2:]
    name = rest[1] if len(rest) > 1 else ""
    return "/".join([rest[0], *rest[2:3]]), name


@dataclass(frozen=True, slots=True)
class Match:
    """`verb` is an HTTP method or a verb of Kubernetes; `what` a resource (hostedclusters, pods/exec), a path with
    wildcards (/hcp-dr-rehearsal/*snapshot.db), or an action of EC2 or STS. Empty matches all."""

    verb: str = ""
    what: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse `PATCH hostedclusters`, `watch`, `/api/v1/*`, `TerminateInstances`. Raises FaultError."""
        words = ["" if word == "*" else word for word in text.split()]
        if len(words) == 1 and words[0] not in _METHODS | _VERBS:
            words = ["", *words]
        verb, what = (*words, "", "")[:2]
        if len(words) > 2 or (verb and verb not in _METHODS | _VERBS):
            raise FaultError(
                f"{text!r} matches no request: use a verb (an HTTP method, or one of "
                f"{', '.join(sorted(_VERBS))}), then a resource such as hostedclusters or pods/exec, a path such as "
                "/api/v1/*, or an action of EC2."
            )
        return cls(verb, what)

    def __call__(self, request: Request) -> bool:
        if self.verb and self.verb not in {request.method, request.verb if request.resource else ""}:
            return False
        if not self.what:
            return True
        if self.what.startswith("/"):
            return fnmatchcase(request.path, self.what)
        return self.what in {request.resource, request.action}


@dataclass(frozen=True, slots=True)
class Fault:
    """`target` may have wildcards (`*/api`). `seconds` is the delay, or the lifetime of a watch. `times` None means
    until cleared. `percent` of the matching requests are struck."""

    target: str
    kind: Kind
    status: int = 0
    retry_after: int | None = None
    seconds: float = 0.0
    match: str = ""
    times: int | None = None
    percent: float = 100.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Raises FaultError."""
        Match.parse(self.match)
        if self.kind is Kind.STATUS and not 400 <= self.status <= 599:
            raise FaultError(f"{self.status} is no status of a failure: use 400 to 599.")
        if self.seconds < 0 or (self.kind is Kind.DELAY and not self.seconds):
            raise FaultError(f"{self.seconds:g} s is not a valid duration.")
        if self.retry_after is not None and self.retry_after < 0:
            raise FaultError(f"Retry-After cannot be {self.retry_after} s.")
        if self.times is not None and self.times < 1:
            raise FaultError(f"A fault cannot strike {self.times} times.")
        if not 0 < self.percent <= 100:
            raise FaultError(f"{self.percent:g} is not a valid percentage.")

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Self:
        """Parse JSON. Raises FaultError."""
        known = {each.name for each in fields(cls)}
        try:
            kind = Kind(document["kind"])
            return cls(**{name: value for name, value in document.items() if name in known} | {"kind": kind})
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, FaultError):
                raise
            raise FaultError(f"This is not a valid fault: {error}") from error

    @property
    def words(self) -> str:
        """The effect and the affected requests, as text."""
        match self.kind:
            case Kind.STATUS:
                after = f", Retry-After {self.retry_after} s" if self.retry_after is not None else ""
                what = f"status {self.status}{after}"
            case Kind.DELAY:
                what = f"delay {self.seconds:g} s"
            case Kind.DROP_WATCHES:
                what = f"drop watches after {self.seconds:g} s"
            case Kind.GONE:
                what = "410 Gone"
            case Kind.CUT:
                what = "cut in the middle of the answer"
        return " ".join([
            what,
            *([f"for {self.match}"] if self.match else []),
            *([f"({self.percent:g} %, seed {self.seed})"] if self.percent < 100 else []),
        ])  # fmt: skip

    def concerns(self, target: str, request: Request) -> bool:
        """Return whether the fault matches this request."""
        if not fnmatchcase(target, self.target) or not Match.parse(self.match)(request):
            return False
        match self.kind:
            case Kind.DROP_WATCHES:
                return request.watches
            case Kind.GONE:
                return request.continues or (request.watches and bool(request.parameters.get("resourceVersion")))
            case _:
                return True


@dataclass(slots=True)
class _Entry:
    fault: Fault
    chance: random.Random
    struck: int = 0

    @property
    def left(self) -> int | None:
        return None if self.fault.times is None else self.fault.times - self.struck

    def strikes(self, target: str, request: Request) -> bool:
        if self.left == 0 or not self.fault.concerns(target, request):
            return False
        if self.fault.percent < 100 and self.chance.random() * 100 >= self.fault.percent:
            return False
        self.struck += 1
        return True


class Faults:
    """The active faults. `targets` returns the currently available targets."""

    def __init__(self, targets: Callable[[], Iterable[str]]) -> None:
        self._targets = targets
        self._entries: dict[int, _Entry] = {}
        self._last = 0

    def set(self, fault: Fault) -> int:
        """Set a fault, and return its number. Raises FaultError if the target does not exist."""
        known = sorted(self._targets())
        if not any(fnmatchcase(target, fault.target) for target in known):
            raise FaultError(f"There is no target {fault.target}. Targets: {', '.join(known)}.")
        self._last += 1
        self._entries[self._last] = _Entry(fault, random.Random(fault.seed))  # noqa: S311 - repeatable on purpose
        return self._last

    def clear(self, which: str = "") -> list[int]:
        """Remove all faults, one by number, or all of one target; return the numbers. Raises FaultError."""
        gone = [
            number for number, entry in self._entries.items() if which in {"", str(number), entry.fault.target}
        ]  # fmt: skip
        if which and not gone and which not in self._targets():
            raise FaultError(f"{which} is neither the number of an active fault nor a target.")
        for number in gone:
            del self._entries[number]
        return gone

    def strike(self, target: str, request: Request) -> tuple[int, Fault] | None:
        """Return the oldest fault that strikes this request, with its number, and count the strike."""
        for number, entry in self._entries.items():
            if entry.strikes(target, request):
                return number, entry.fault
        return None

    def strike_with(self, number: int, target: str, request: Request) -> bool:
        """Return whether this fault strikes, and count the strike."""
        return self._entries[number].strikes(target, request)

    def rows(self) -> list[dict[str, Any]]:
        """Return one row for each fault: its fields, `number`, `words`, and the counts `struck` and `left`."""
        return [
            {**asdict(entry.fault), "number": number, "words": entry.fault.words}
            | {"struck": entry.struck, "left": entry.left}
            for number, entry in self._entries.items()
        ]
