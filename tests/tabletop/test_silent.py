"""Preflight while a cluster or a part of AWS does not answer: all that can still be checked is checked, and each
silence is told once."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hcp_dr.engine.wait import FIRST_ANSWER_TIMEOUT
from hcp_dr.errors import AwsUnreachable, ClusterUnreachable, Unauthorized
from hcp_dr_lab.tabletop.gate import Request
from tests.tabletop.scene import Scene, scene
from tests.tabletop.terminal import Terminal
from tests.tabletop.test_dangers import stopped

SERVICES = {"bucket": "S3", "zone": "Route53", "instances": "EC2", "identity": "STS"}
CLUSTERS = ("source", "destination", "hosted")
ALONE = {
    "source": {
        *("tls.source", "external_dns.source", "hostname.APIServer", "versions.source", "permissions.source"),
        *("operator_claim.source", "platform", "deletion", "scaling", "upgrade", "machines.held", "owners.gitops"),
        *("carried.volumes", "webhooks.stored_versions"),
    },
    "destination": {
        *("tls.destination", "external_dns.destination", "permissions.destination"),
        *("operator.destination", "operator_claim.destination", "destination.namespace"),
    },
    "hosted": {"permissions.hosted"},
    "bucket": {"bucket", "credentials"},
    "zone": {"zone"},
}
"""Checks that need this peer alone."""


def silence(here: Scene, *ports: str) -> None:
    def refuse(moment: str, request: Request) -> None:
        if moment != "before" or request.port not in ports:
            return
        if request.port in CLUSTERS:
            raise ClusterUnreachable(cluster=request.port, verb=request.verb, object="x", reason="connection refused")
        raise AwsUnreachable(service=SERVICES[request.port], operation=request.verb, object="x", reason="timed out")

    here.world.hooks.append(refuse)


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    return Terminal(scene(), tmp_path / "home", monkeypatch, capsys)


def found(terminal: Terminal, *verb: str) -> tuple[int | None, dict[str, dict[str, Any]]]:
    ended = terminal(*(verb or ("preflight",)), "-o", "json")
    assert ended.code not in (0, 2), ended.err
    checks = json.loads(ended.out)["checks"]
    names = [check["name"] for check in checks]
    assert len(names) == len(set(names)), "each is told once"
    return ended.code, {check["name"]: check for check in checks}


SILENT = [
    *(("source",), ("destination",), ("hosted",), ("bucket",), ("zone",), ("instances",), ("identity",)),
    *(("source", "hosted"), ("source", "destination", "hosted"), ("bucket", "zone", "instances", "identity")),
    *(("destination", "bucket"), ("source", "destination", "hosted", "bucket", "zone", "instances", "identity")),
]


@pytest.mark.parametrize("ports", SILENT, ids=" ".join)
def test_what_can_be_checked_is_checked(terminal: Terminal, ports: tuple[str, ...]) -> None:
    silence(terminal.here, *ports)
    code, checks = found(terminal)
    told = {name.partition(".")[2] for name in checks if name.startswith("answers.")}
    assert told <= set(ports)
    assert {name for name in told if name in CLUSTERS} == {name for name in ports if name in CLUSTERS}
    assert bool(told) == bool(ports)
    assert all(checks[f"answers.{name}"]["verdict"] == "unknown" for name in told)
    texts = " ".join(check["seen"] for check in checks.values())
    assert texts.count("did not answer") == len(told)
    for port, names in ALONE.items():
        if port not in ports and not (port == "bucket" and "identity" in ports):
            assert names <= set(checks), port
    assert checks["backup_dir"]["verdict"] == "ok"
    assert code in (10, 29, 44)
    assert not terminal.backup.exists()


def test_two_causes_are_told_in_one_run(terminal: Terminal) -> None:
    """Expired credentials of the source, and a destination that is down."""
    silence(terminal.here, "destination")

    def refuse(moment: str, request: Request) -> None:
        if moment == "before" and request.port == "source":
            raise Unauthorized(cluster="source", verb=request.verb, object="x", reason="Unauthorized")

    terminal.here.world.hooks.append(refuse)
    code, checks = found(terminal)
    assert code == 10
    assert "does not accept the credentials" in checks["answers.source"]["seen"]
    assert "did not answer" in checks["answers.destination"]["seen"]
    assert checks["zone"]["verdict"] == "ok"


@pytest.mark.parametrize("verb", [["preflight"], ["relocate", "--yes"], ["backup", "--yes"]], ids=lambda verb: verb[0])
def test_a_silent_source_leads_to_the_newest_backup(terminal: Terminal, verb: list[str]) -> None:
    """And the advice works as printed."""
    assert terminal("backup", "--online").code == 0
    world = terminal.here.world
    world.clock.spend(600)
    world.die(world.sides[0])
    world.clock.spend(5)
    _, checks = found(terminal, *verb)
    todo = checks["answers.source"]["todo"]
    assert "writes of the last 11 minutes are lost" in todo
    assert "etcd revision " in todo
    assert "hcp-dr restore --source-lost" in terminal("status").out


def full(_terminal: Terminal, patch: pytest.MonkeyPatch) -> None:
    patch.setattr("hcp_dr.folder.NEEDED_BYTES", 1 << 60)


def foreign(terminal: Terminal, _patch: pytest.MonkeyPatch) -> None:
    terminal.backup.mkdir(mode=0o700)
    (terminal.backup / "of-somebody").write_text("x")


def open_to_others(terminal: Terminal, _patch: pytest.MonkeyPatch) -> None:
    terminal.backup.mkdir()
    terminal.backup.chmod(0o755)


def nowhere(terminal: Terminal, _patch: pytest.MonkeyPatch) -> None:
    terminal.settings["BACKUP_DIR"] = "/proc/x"


def below_a_file(terminal: Terminal, _patch: pytest.MonkeyPatch) -> None:
    (terminal.home / "file").write_text("x")
    terminal.settings["BACKUP_DIR"] = str(terminal.home / "file" / "backup")


@pytest.mark.parametrize(
    "spoil", [full, foreign, open_to_others, nowhere, below_a_file], ids=lambda each: each.__name__
)
def test_the_backup_folder_is_checked_with_all_else(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Terminal, pytest.MonkeyPatch], None]
) -> None:
    spoil(terminal, monkeypatch)
    code, checks = found(terminal)
    assert code == 10
    assert [name for name, check in checks.items() if check["verdict"] == "blocked"] == ["backup_dir"]
    assert len(checks) > 60


def test_contradicting_settings_are_one_check_among_all(terminal: Terminal) -> None:
    terminal.settings["NODEPOOLS"] = "of-another"
    code, checks = found(terminal)
    assert code == 3
    assert "NODEPOOLS is of-another" in checks["settings"]["seen"]
    assert len(checks) > 60


def test_a_resume_gives_up_soon_although_an_earlier_proof_is_read_again() -> None:
    here = stopped("backup.snapshot_etcd")
    silence(here, "bucket")
    began = here.world.clock.now()
    assert isinstance(here.operator.resume().error, AwsUnreachable)
    assert here.world.clock.now() - began < 2 * FIRST_ANSWER_TIMEOUT
