"""Who answers in a cluster's name? Where its certificate is not checked nobody knows, and no proof is one.

It is told before a relocation begins, and may be accepted then. Whoever goes on later has the kubeconfigs of that day:
what was not accepted at the beginning is refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hcp_dr.engine.check_run import was_accepted
from hcp_dr.engine.journal import JournalState
from hcp_dr.engine.step import Check
from hcp_dr.errors import Refused
from hcp_dr.model import Ports, Side

_SIDES: tuple[Side, ...] = ("source", "destination", "hosted")
_TODO = (
    "name it by https in that kubeconfig, with the authority of its certificate, as whoever installed it has it, in "
    "certificate-authority-data, and without insecure-skip-tls-verify"
)


@dataclass(frozen=True, slots=True)
class Server:
    """`unverified` says why nobody knows who answers there, "" where its certificate is checked."""

    side: Side
    url: str
    unverified: str


def read_servers(ports: Ports) -> tuple[Server, ...]:
    """By the kubeconfigs; nobody is asked."""
    clusters = ((side, ports.cluster(side)) for side in _SIDES)
    return tuple(Server(side, cluster.server, cluster.unverified) for side, cluster in clusters)


def checks(servers: Iterable[Server], *, acceptable: bool) -> tuple[Check, ...]:
    return tuple(_check(server, acceptable=acceptable) for server in servers)


def _check(server: Server, *, acceptable: bool) -> Check:
    name = f"tls.{server.side}"
    if not server.unverified:
        return Check(name, "ok", f"{server.url} is believed by its certificate, or is this machine")
    return Check(
        name,
        "blocked",
        f"{server.url}: {server.unverified}",
        "whoever answers there gets the credentials and the Secrets, and may say what he likes: no proof would be one",
        _TODO,
        acceptable,
    )


def must_be_accepted(ports: Ports, story: JournalState) -> None:
    """Raises Refused where a server is not verified that was not accepted so when the story began."""
    for check in checks(read_servers(ports), acceptable=True):
        if check.stops and not was_accepted(story, check):
            side = check.name.partition(".")[2]
            raise Refused(
                what=f"Nobody can know who answers in the name of the {side} cluster ({check.seen}), and that was not "
                "accepted when this began.",
                left="Nothing of the hosted cluster was changed by this command.",
                todo=f"{_TODO[0].upper()}{_TODO[1:]}; then run the command again.",
            )
