"""A kubeconfig that became insecure on the way, as the operator of the tabletop meets it."""

from __future__ import annotations

from typing import Any

import pytest

from hcp_dr.errors import CannotMigrate, Refused
from hcp_dr_lab.tabletop.kubernetes.client import Client
from tests.tabletop.scene import Scene, scene


def insecure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Client, "unverified", property(lambda _: "insecure-skip-tls-verify is true in its kubeconfig"))


def writes(here: Scene) -> list[str]:
    seen: list[str] = []

    def listen(moment: str, request: Any) -> None:
        if moment == "before" and request.writes:
            seen.append(str(request))

    here.world.hooks.append(listen)
    return seen


def test_nothing_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    here = scene()
    insecure(monkeypatch)
    assert isinstance(here.operator.relocate().error, CannotMigrate)
    assert isinstance(here.operator.back_up_online().error, CannotMigrate)
    sides = ("tls.source", "tls.destination", "tls.hosted")
    assert here.operator.backup(reasons=dict.fromkeys(sides, "the tabletop's")).error is None
    assert here.operator.go_on("restore").error is None


@pytest.mark.parametrize("command", ["restore", "verify", "teardown", "finish", "resume", "abort", "restore_lost"])
def test_nothing_goes_on_that_was_not_accepted(monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    here = scene()
    operator = here.operator
    assert operator.backup().error is None
    if command == "resume":
        operator.memory.journal.write("begin", command="restore")
    insecure(monkeypatch)
    seen = writes(here)
    with pytest.raises(Refused, match="The server of the"):
        carried_out(here, command)
    assert seen == []


def carried_out(here: Scene, command: str) -> None:
    operator = here.operator
    commands = {"resume": operator.resume, "abort": operator.abort, "restore_lost": operator.restore_lost}
    ending = commands.get(command, lambda: operator.go_on(command))()
    if ending.error is not None:
        raise ending.error
