"""The product's access to the world: every request takes a little time, and tests may interfere through hooks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar, cast

_Port = TypeVar("_Port")
_LOCK = threading.RLock()

WRITES = frozenset(
    {
        *("create", "replace", "patch", "delete", "execute"),
        *("put", "copy", "begin_upload", "complete_upload", "abort_upload", "change", "protect", "write"),
    }
)
"""Verbs of the ports that change the world; `execute` possibly does."""


@dataclass(frozen=True, slots=True)
class Request:
    """One call of a port: source, destination, hosted, bucket, zone, instances, identity or archive."""

    port: str
    verb: str
    arguments: tuple[Any, ...]

    @property
    def writes(self) -> bool:
        return self.verb in WRITES

    def __str__(self) -> str:
        words = [str(getattr(each, "kind", each))[:60] for each in self.arguments[:3]]
        return f"{self.port} {self.verb} {' '.join(words)}"


Hook = Callable[[Literal["before", "after"], Request], None]
"""May raise: the product gets the exception instead of the response, or instead of sending the request."""


class Passed(Protocol):
    """The parts of the world that a request uses."""

    hooks: list[Hook]
    asking: float

    @property
    def clock(self) -> Any: ...


def gated(port: _Port, name: str, world: Passed) -> _Port:
    """Return the port with its gate."""
    return cast("_Port", _Gate(port, name, world))


class _Gate:
    def __init__(self, port: Any, name: str, world: Passed) -> None:
        self._port = port
        self._name = name
        self._world = world

    @property
    def name(self) -> Any:
        return self._port.name

    @property
    def server(self) -> Any:
        return self._port.server

    @property
    def context(self) -> Any:
        return self._port.context

    @property
    def authority(self) -> Any:
        return self._port.authority

    @property
    def unverified(self) -> Any:
        return self._port.unverified

    @property
    def zone_id(self) -> Any:
        return self._port.zone_id

    @property
    def region(self) -> Any:
        return self._port.region

    @property
    def encryption(self) -> Any:
        return self._port.encryption

    @property
    def folder(self) -> Any:
        return self._port.folder

    def __getattr__(self, verb: str) -> Callable[..., Any]:
        asked: Callable[..., Any] = getattr(self._port, verb)
        if self._name == "archive" and verb not in WRITES:
            return asked  # a local file: not subject to interference

        def ask(*arguments: Any, **named: Any) -> Any:
            world, request = self._world, Request(self._name, verb, arguments)
            with _LOCK:
                if request.writes:
                    world.clock.spend(world.asking)
                else:
                    world.clock.idle(world.asking)
                for hook in world.hooks:
                    hook("before", request)
                answer = asked(*arguments, **named)
                if request.writes:
                    world.clock.stir()
                for hook in world.hooks:
                    hook("after", request)
                return answer

        return ask
