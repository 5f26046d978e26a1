"""`hcp-dr backup --online`: nobody is asked, and each has a folder of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hcp_dr.commands import backup_online
from hcp_dr.engine import journal
from hcp_dr.engine.step import Check, Done
from hcp_dr.procedure import APART, BACKUP_ONLINE
from tests.unit.cli.conftest import Hcp
from tests.unit.cli.test_verbs import remembering, toy

pytestmark = pytest.mark.usefixtures("connected")


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The user's state folder of this hosted cluster."""
    warned = toy("preflight.one", lambda _: Done("looked", (Check("bucket", "ok", "written"),)))
    monkeypatch.setattr(backup_online, "ONLINE_PREFLIGHT", (warned,))
    monkeypatch.setitem(APART, BACKUP_ONLINE, (toy("backup.one"), toy("backup.two", remembering)))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "hcp-dr" / "clusters" / "one"


def test_it_asks_nobody_and_takes_a_new_folder_whatever_backup_dir_says(hcp: Hcp, folder: Path, short: Path) -> None:
    ended = hcp("backup", "--online", "-o", "json")
    assert ended.code == 0, ended.err
    result = json.loads(ended.out)
    assert (result["result"], result["command"], result["api_away_s"]) == ("done", "backup --online", None)
    [made] = short.iterdir()
    assert result["backup_dir"] == str(made)
    assert {path.name for path in made.iterdir()} == {
        "journal.jsonl",
        "mirror.key",
        "report.html",
        "report.json",
        "report.txt",
    }
    assert not folder.exists()


def test_another_one_is_taken_beside_it(hcp: Hcp, tmp_path: Path) -> None:
    for name in ("first", "second"):
        assert hcp("backup", "--online", "--backup", str(tmp_path / name)).code == 0
    again = hcp("backup", "--online", "--backup", str(tmp_path / "second"))
    assert again.code == 55
    assert "the folder holds a finished backup --online" in again.paragraph


@pytest.mark.parametrize("verb", [["restore"], ["verify"], ["teardown", "--yes"], ["finish"]])
def test_no_phase_of_a_relocation_follows_in_its_folder(hcp: Hcp, tmp_path: Path, verb: list[str]) -> None:
    made = str(tmp_path / "online")
    assert hcp("backup", "--online", "--backup", made).code == 0
    ended = hcp(*verb, "--backup", made)
    assert ended.code == 55
    assert "an online backup, of a hosted cluster that kept serving" in ended.paragraph
    story = journal.read(Path(made))
    assert story is not None
    assert story.ended


def test_what_does_not_go_with_it(hcp: Hcp) -> None:
    assert hcp("backup", "--online", "--dns", "takeover").code == 3
    assert hcp("backup", "--online", "--documented-key").code == 3
    assert hcp("backup", "--documented-key", "--dns", "handover").code == 3
