"""Peers that do not answer: each is asked once, and what needs it is not asked again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, cast

from hcp_dr.errors import AwsBusy, AwsUnreachable, ClusterUnreachable, HcpDrError, ServerBusy, Unauthorized
from hcp_dr.model import Ports, Side

CLUSTERS: tuple[Side, ...] = ("source", "destination", "hosted")
AWS = {"S3": "bucket", "Route53": "zone", "EC2": "instances", "STS": "identity"}
"""The ports by the name of their service in errors."""
_UNOPENED = {
    "name": "",
    "server": "(unknown)",
    "context": "",
    "unverified": "",
    "authority": "",
    "zone_id": "",
    "region": "",
}


class Unanswered(Exception):
    """A request to a peer that is known not to answer."""

    def __init__(self, peer: str) -> None:
        super().__init__(peer)
        self.peer = peer


class SilentPort:
    """In the place of the port of such a peer. `port` is None if it could not be opened."""

    def __init__(self, peer: str, port: object | None = None) -> None:
        self._peer = peer
        self._port = port

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        value = getattr(self._port, name) if self._port is not None else _UNOPENED.get(name, self._refuse)
        return self._refuse if callable(value) else value

    def _refuse(self, *_arguments: object, **_named: object) -> Any:
        raise Unanswered(self._peer)


def peer_of(error: HcpDrError) -> str | None:
    """The port of the peer that answers no request at all, by this error; None if only this request failed."""
    match error:
        case ClusterUnreachable() | ServerBusy() | Unauthorized():
            name = str(error.values.get("cluster"))
            return name if name in CLUSTERS else None
        case AwsUnreachable() | AwsBusy():
            return AWS.get(str(error.values.get("service")))
    return None


def without(ports: Ports, peers: Mapping[str, object]) -> Ports:
    """The ports, with these peers silent."""
    return replace(ports, **{peer: cast("Any", SilentPort(peer, getattr(ports, peer))) for peer in peers})


def open_or_silence(peer: str, open_port: Callable[[], Any], errors: dict[str, HcpDrError]) -> Any:
    """The port, or its silent replacement if it cannot be opened; its error is added to `errors`."""
    try:
        return open_port()
    except HcpDrError as error:
        errors[peer] = error
        return SilentPort(peer)
