"""A worker's local API proxy (`region.machines.api_proxy`), in memory: the name is resolved once at startup."""

from __future__ import annotations

from typing import Protocol

from hcp_dr_lab.ground.api_proxy import FAILURES
from hcp_dr_lab.tabletop.clock import Clock
from hcp_dr_lab.tabletop.hosted_api import HostedApi

BACK_OFF_SECONDS = 2.0


class Names(Protocol):
    """The name resolution of the proxy."""

    def address(self, hostname: str) -> str | None:
        """Return None while the name cannot be resolved."""
        ...

    def behind(self, address: str, hostname: str, port: int) -> HostedApi | None:
        """Return the API server for a new connection to this address with this server name."""
        ...


class ApiProxy:
    """`check` is the period of the liveness probe, in seconds."""

    def __init__(self, hostname: str, port: int, *, clock: Clock, names: Names, check: float) -> None:
        self.address: str | None = None  # None while the proxy is not running
        self.restarts = 0
        self._server = (hostname, port)
        self._clock = clock
        self._names = names
        self._check = check
        self._failures = 0
        self._next = clock.now()

    def turn(self) -> None:
        """Start the proxy, or perform its liveness probe, when due."""
        now = self._clock.now()
        if now < self._next:
            return
        if self.address is None:
            self.address = self._names.address(self._server[0])
            self._next = now + (BACK_OFF_SECONDS if self.address is None else self._check)
            return
        self._failures = 0 if self.reached() is not None else self._failures + 1
        self._next = now + self._check
        if self._failures >= FAILURES:
            self.restart()

    def restart(self) -> None:
        """Stop the proxy; it starts again after a delay."""
        self.address, self._failures = None, 0
        self.restarts += 1
        self._next = self._clock.now() + BACK_OFF_SECONDS

    def reached(self) -> HostedApi | None:
        """The API server that clients of the proxy reach."""
        if self.address is None:
            return None
        found = self._names.behind(self.address, *self._server)
        return found if found is not None and found.server() is not None else None
