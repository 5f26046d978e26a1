"""Is a cluster's server certificate verified? Without verification any server could answer, and no proof is valid.

Preflight reports this before a relocation begins, and the engineer may accept it then. A later command may have other
kubeconfigs: a finding that was not accepted at the beginning is refused.
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
    "use https in that kubeconfig, with the certificate authority of the server, as provided at its installation, in "
    "certificate-authority-data, and without insecure-skip-tls-verify"
)


@dataclass(frozen=True, slots=True)
class Server:
    """`unverified` is the reason why the server is not verified, "" if its certificate is."""

    side: Side
    url: str
    unverified: str


def read_servers(ports: Ports) -> tuple[Server, ...]:
    """From the kubeconfigs, without any request."""
    clusters = ((side, ports.cluster(side)) for side in _SIDES)
    return tuple(Server(side, cluster.server, cluster.unverified) for side, cluster in clusters)


def checks(servers: Iterable[Server], *, acceptable: bool) -> tuple[Check, ...]:
    return tuple(_check(server, acceptable=acceptable) for server in servers)


def _check(server: Server, *, acceptable: bool) -> Check:
    name = f"tls.{server.side}"
    if not server.unverified:
        return Check(name, "ok", f"{server.url} is verified by its certificate, or is this machine")
    return Check(
        name,
        "blocked",
        f"{server.url}: {server.unverified}",
        "any server there gets the credentials and the Secrets, and may answer at will: no proof would be valid",
        _TODO,
        acceptable,
    )


def check_accepted(ports: Ports, story: JournalState) -> None:
    """Raises Refused for an unverified server that was not accepted at the beginning of the story."""
    for check in checks(read_servers(ports), acceptable=True):
        if check.stops and not was_accepted(story, check):
            side = check.name.partition(".")[2]
            raise Refused(
                what=f"The server of the {side} cluster cannot be verified ({check.seen}), and that was not accepted "
                "at the beginning of the relocation.",
                left="Nothing of the hosted cluster was changed by this command.",
                todo=f"{_TODO[0].upper()}{_TODO[1:]}; then run the command again.",
            )
