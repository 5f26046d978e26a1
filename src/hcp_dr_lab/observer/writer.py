"""A writer: creates, updates and deletes its own ConfigMaps in the hosted cluster, and records every write."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from hcp_dr_lab.observer.api import Answer, HostedApi
from hcp_dr_lab.observer.evidence import Verb, Write

NAMESPACE = "observer"
LABEL = "observer"
_PATH = f"/api/v1/namespaces/{NAMESPACE}/configmaps"
_TURNS: tuple[Verb, ...] = ("create", "update", "create", "delete")
_METHODS = {"create": "POST", "update": "PATCH", "delete": "DELETE"}


class Ask(Protocol):
    """Takes method, path and body; returns the answer and whether the connection was reused."""

    def __call__(self, method: str, path: str, body: Any = None) -> tuple[Answer, bool]: ...


@dataclass(frozen=True, slots=True)
class Place:
    """A writer's target: the public name if `side` is empty, otherwise the address of an API server of this side."""

    side: str = ""
    address: str = ""


class Writer:
    """For one thread. `run` identifies the ConfigMaps of this observation, `number` the ConfigMaps of this writer.

    A name with an unacknowledged write is never written again, because the write may still arrive. After such a write
    only new names are written until the API answers, so that an outage does not use up the acknowledged names.
    """

    def __init__(
        self,
        ask: Ask,
        tell: Callable[[Write], None],
        run: str,
        number: int,
        place: Place,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._ask = ask
        self._tell = tell
        self._run = run
        self._prefix = f"{run}-{number}"
        self._place = place
        self._now = now
        self._kept: deque[tuple[str, int]] = deque()
        self._turn = 0
        self._answered = True

    def write(self) -> None:
        """Perform the next write."""
        self._turn += 1
        verb = _TURNS[self._turn % len(_TURNS)] if self._answered and self._kept else "create"
        name, sequence = (f"{self._prefix}-{self._turn}", 0) if verb == "create" else self._kept.popleft()
        sequence += 1
        started = self._now()
        answer, kept = self._ask(_METHODS[verb], *self._request(verb, name, sequence))
        self._answered = answer.good
        if answer.good and verb != "delete":
            self._kept.append((name, sequence))
        place = self._place
        self._tell(
            Write(
                name,
                sequence,
                started,
                self._now(),
                acknowledged=answer.good,
                detail=answer.detail,
                verb=verb,
                side=place.side,
                address=place.address,
                kept=kept,
                refused=400 <= answer.status < 500,
            )
        )

    def _request(self, verb: Verb, name: str, sequence: int) -> tuple[str, Any]:
        if verb == "delete":
            return f"{_PATH}/{name}", None
        data = content(name, sequence)
        if verb == "update":
            return f"{_PATH}/{name}", {"data": data}
        metadata = {"name": name, "labels": {LABEL: self._run}}
        return _PATH, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def content(name: str, sequence: int) -> dict[str, str]:
    """Return the data of a ConfigMap after the write with this sequence."""
    return {"sequence": str(sequence), "text": f"write {sequence} of {name}"}


def sequence_of(name: str, data: dict[str, str]) -> int:
    """Return the sequence of the write with this content; 0 without such a write."""
    number = int(data.get("sequence", "0")) if data.get("sequence", "").isdigit() else 0
    return number if number and data == content(name, number) else 0


def read_back(api: HostedApi, run: str) -> dict[str, int]:
    """Return the sequences of all ConfigMaps of this observation, by name. Raises OSError if listing fails."""
    return sequences(_all(api, run))


def sequences(items: Iterable[Any]) -> dict[str, int]:
    """Return the sequences of these ConfigMaps, by name."""
    return {item["metadata"]["name"]: sequence_of(item["metadata"]["name"], item["data"]) for item in items}


def _all(api: HostedApi, run: str) -> Iterator[Any]:
    token = ""
    while True:
        path = f"{_PATH}?labelSelector={LABEL}%3D{run}&limit=500"
        answer = api.ask("GET", path + (f"&continue={token}" if token else ""), timeout=10)
        if not answer.good:
            raise OSError(f"the ConfigMaps cannot be listed: {answer.detail}")
        page = answer.json()
        yield from page["items"]
        token = page["metadata"].get("continue", "")
        if not token:
            return
