"""What the verbs print, journal and refuse: results on stdout, progress on stderr, the confirmation in between."""

from __future__ import annotations

import io
import json
import os
import signal
import stat
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from hcp_dr.commands import abort, resume
from hcp_dr.engine import journal
from hcp_dr.engine.state import Remember
from hcp_dr.engine.step import Check, Decision, Do, Done, Refuse, Step
from hcp_dr.errors import ArchiveError, Refused, SettingsError
from hcp_dr.hypershift.state import DNS, DNS_HELD, PULLED, RecordImage
from hcp_dr.hypershift.steps import POINT_OF_NO_RETURN
from hcp_dr.kube.resources import HOSTED_CLUSTER
from hcp_dr.model import HANDOVER
from hcp_dr.procedure import PHASES, PREFLIGHT
from hcp_dr.procedure.backup.hold_dns import STEP as HOLD_DNS
from hcp_dr.procedure.restore.pull_images import LEFT_OUT
from tests.ports import CASE, World
from tests.unit.cli.conftest import Hcp
from tests.world import reads

pytestmark = pytest.mark.usefixtures("connected")


def toy(name: str, plan: Any = None) -> Step[Any]:
    return Step(name, "-", lambda _ports, _case, memory: memory, plan or (lambda _: Done(f"{name} is done")))


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A backup of two steps and a teardown of one, instead of the real ones."""
    monkeypatch.setitem(PHASES, "backup", (toy("backup.one"), toy("backup.two", remembering)))
    monkeypatch.setitem(PHASES, "teardown", (toy("teardown.one"),))


def remembering(memory: Any) -> Decision:
    return Done("two is done") if memory.values.get("seen") else Do((Remember("seen", "yes"),))


def holding(memory: Any) -> Decision:
    asked = memory.get(DNS) == HANDOVER and not memory.has(DNS_HELD)
    return Do((DNS_HELD.remember(RecordImage("one", (), 0.0)),)) if asked else Done("held, or not asked to")


def test_preflight_says_what_it_found(hcp: Hcp, folder: Path) -> None:
    ended = hcp("preflight", "-o", "json")
    assert ended.code == 0, ended.err
    found = json.loads(ended.out)
    assert found["verdict"] == "ok"
    assert set(found["checks"][0]) == {"name", "verdict", "seen", "why", "todo", "acceptable", "accepted"}
    assert not folder.exists()


WARNED = (Check("spot_instances", "warning", "i-1 is a Spot instance"),)


def test_preflight_with_nothing_but_warnings_passes_and_says_so(hcp: Hcp, world: World) -> None:
    private = {"spec": {"platform": {"aws": {"region": "us-east-1", "endpointAccess": "PublicAndPrivate"}}}}
    world.source.patch(HOSTED_CLUSTER, "one", "clusters", private)
    ended = hcp("preflight", "-o", "json")
    assert (ended.code, json.loads(ended.out)["verdict"]) == (1, "warning")


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("verb", ["backup", "teardown", "resume"])
def test_done_with_warnings_is_an_exit_code_of_its_own(hcp: Hcp, monkeypatch: pytest.MonkeyPatch, verb: str) -> None:
    warned = toy("backup.two", lambda _: Done("done", WARNED))
    words = {"resume": ["resume"]}.get(verb, [verb, "--yes"])
    if verb == "teardown":
        assert hcp("backup", "--yes").code == 0
        monkeypatch.setitem(PHASES, "teardown", (toy("teardown.one", lambda _: Done("done", WARNED)),))
    if verb == "resume":
        stuck = toy("backup.two", lambda _: Refuse(Refused(what="Not yet.")))
        monkeypatch.setitem(PHASES, "backup", (PHASES["backup"][0], stuck))
        assert hcp("backup", "--yes").code == 70
    monkeypatch.setitem(PHASES, "backup", (PHASES["backup"][0], warned))
    ended = hcp(*words, "-o", "json")
    assert ended.code == 1, ended.err
    assert json.loads(ended.out)["warnings"] == ["spot_instances: i-1 is a Spot instance"]
    assert json.loads(hcp("status", "-o", "json").out)["state"] == "ended"


def test_preflight_that_finds_a_problem_shows_all_and_ends_with_its_code(hcp: Hcp, world: World) -> None:
    world.destination.served = {}
    world.instances.running.clear()
    ended = hcp("preflight")
    assert ended.code == 10
    lines = ended.out.splitlines()
    assert [line.split()[1] for line in lines if line.startswith("blocked")] == ["versions.destination", "instances"]
    assert lines[-1] == "verdict: blocked"
    assert "\nhcp-dr: This hosted cluster cannot be relocated now: " in ended.err
    assert "blocked by versions.destination, instances." in ended.err


def test_a_plan_estimates_how_long_the_api_would_be_away(hcp: Hcp) -> None:
    estimate = json.loads(hcp("plan", "-o", "json").out)["estimate"]
    assert estimate["api_away_least_s"] < estimate["api_away_most_s"]
    assert set(estimate["parts"][0]) == {"name", "least_s", "most_s", "because"}
    assert estimate["not_known"]
    told = hcp("plan").out
    assert (
        f"the hosted API would be unavailable for {estimate['api_away_least_s']} to {estimate['api_away_most_s']} s"
        in told
    )


GITOPS = {"argocd.argoproj.io/tracking-id": "shop:hypershift.openshift.io/HostedCluster:clusters/one"}


@pytest.fixture
def owned(world: World) -> None:
    world.source.objects["HostedCluster", "clusters", "one"]["metadata"]["annotations"] = GITOPS


@pytest.mark.usefixtures("owned")
def test_what_may_be_accepted_says_how(hcp: Hcp) -> None:
    ended = hcp("preflight")
    assert ended.code == 10
    assert 'to override: --ignore-check owners.gitops --reason "..."' in ended.out


@pytest.mark.usefixtures("owned", "short")
def test_an_accepted_check_is_shown_journaled_and_in_the_result(hcp: Hcp, folder: Path) -> None:
    words = ("--ignore-check", "owners.gitops", "--reason", "sync is off since noon")
    seen = hcp("preflight", *words, "-o", "json")
    assert seen.code == 0, seen.err
    found = json.loads(seen.out)
    assert found["verdict"] == "warning"
    [check] = [check for check in found["checks"] if check["accepted"]]
    assert (check["name"], check["verdict"], check["accepted"]) == (
        "owners.gitops",
        "blocked",
        "sync is off since noon",
    )
    assert "blocked, and accepted: sync is off since noon" in hcp("preflight", *words).out
    assert not folder.exists()

    assert "on mgmt-2. Accepted by you: owners.gitops. Confirmation is required" in hcp("backup", *words).err
    assert not folder.exists()
    ended = hcp("backup", "--yes", *words, "-o", "json")
    assert ended.code == 0, ended.err
    [accepted] = json.loads(ended.out)["accepted"]
    story = journal.read(folder)
    assert story is not None
    assert [line["line"] for line in story.lines][:2] == ["begin", "accepted"]
    line = story.lines[1]
    assert (line["check"], line["reason"]) == ("owners.gitops", "sync is off since noon")
    assert str(line["seen"]).startswith("blocked: applied repeatedly, or owned: HostedCluster one: annotation argocd")
    assert str(line["who"]).endswith("arn:aws:iam::1:user/relocator")
    assert accepted == {key: line[key] for key in ("check", "seen", "reason", "who")}
    text = hcp("status", "-o", "json")
    assert text.code == 0


@pytest.mark.usefixtures("owned")
@pytest.mark.parametrize("verb", ["preflight", "relocate", "backup"])
@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--ignore-check", "owners.gitops"], "--ignore-check is given 1 times and --reason 0 times"),
        (["--ignore-check", "owners.gitops", "--reason", "  "], "a --reason with a text"),
        (["--reason", "because"], "--ignore-check is given 0 times and --reason 1 times"),
        (["--ignore-check", "a", "--ignore-check", "a", "--reason", "b", "--reason", "c"], "Name each check once"),
        (["--ignore-check", "instances", "--reason", "I know"], "Overridable here: owners.gitops."),
        (["--ignore-check", "no.such", "--reason", "I know"], "--ignore-check no.such: no overridable check"),
    ],
)
def test_nothing_else_can_be_accepted(
    hcp: Hcp, world: World, folder: Path, *, verb: str, words: list[str], told: str
) -> None:
    world.instances.running.clear()
    ended = hcp(verb, *words)
    assert ended.code == 3
    assert told in ended.paragraph
    probed = bool(world.bucket.asked)
    assert ("Nothing was changed anywhere." in ended.paragraph) is not probed
    assert ("Nothing of the hosted cluster was changed." in ended.paragraph) is probed
    assert not folder.exists()


@pytest.mark.usefixtures("owned")
@pytest.mark.parametrize("option", ["--ignore-check", "--accept"])
def test_a_check_is_ignored_by_the_options_new_and_its_old_name(hcp: Hcp, option: str) -> None:
    ended = hcp("preflight", option, "owners.gitops", "--reason", "sync is off since noon", "-o", "json")
    assert ended.code == 0, ended.err
    accepted = {check["name"]: check["accepted"] for check in json.loads(ended.out)["checks"] if check["accepted"]}
    assert accepted == {"owners.gitops": "sync is off since noon"}


def test_preflight_asks_for_leases_on_both_sides(hcp: Hcp, world: World) -> None:
    for cluster, verb in ((world.source, "update"), (world.destination, "patch")):
        cluster.forbidden.add((verb, "leases.coordination.k8s.io"))
    ended = hcp("preflight")
    assert ended.code == 10
    assert "not allowed: update leases.coordination.k8s.io" in ended.out
    assert "not allowed: patch leases.coordination.k8s.io" in ended.out


@pytest.mark.parametrize("phase", sorted(PHASES))
def test_a_plan_is_printed_and_nothing_is_written(hcp: Hcp, world: World, folder: Path, phase: str) -> None:
    ended = hcp("plan", phase, "-o", "yaml")
    assert (ended.code, ended.err) == (0, "")
    told = yaml.safe_load(ended.out)
    steps = told["steps"]
    assert (told["estimate"] is not None) is (phase == "relocate")
    assert [step["name"] for step in steps] == [step.name for step in PHASES[phase]]
    assert all(set(step) == {"name", "documented", "outlook", "text", "actions", "waits"} for step in steps)
    reading = ("endpoint status -w json", "snapshot status $f -w json")
    read = [call for call in world.written if call[0] == "execute" and any(word in call[4][-1] for word in reading)]
    assert [call for call in world.written if not reads(call) and call not in read] == []
    assert not folder.exists()


@pytest.mark.parametrize("verb", ["relocate", "backup"])
def test_nobody_there_to_confirm_means_no(hcp: Hcp, folder: Path, verb: str) -> None:
    ended = hcp(verb)
    assert ended.code == 76
    told = ended.err.splitlines()[-1]
    assert told == (
        "hcp-dr: The API of hosted cluster clusters/one stops on mgmt-1 until it serves on mgmt-2. "
        "Confirmation is required, but stdin is not a terminal. Nothing of the hosted cluster was changed. "
        "Run the command again and type the hosted cluster's name, or pass --yes."
    )
    assert not folder.exists()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize(("typed", "code"), [("one\n", 0), ("one2\n", 76), ("\n", 76), ("", 76)])
def test_the_name_is_typed_to_confirm(
    hcp: Hcp, folder: Path, monkeypatch: pytest.MonkeyPatch, typed: str, code: int
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(typed))
    ended = hcp("backup")
    assert ended.code == code
    assert folder.exists() is (code == 0)
    assert "Type the hosted cluster's name (one) to continue: " in ended.err


@pytest.mark.usefixtures("short")
def test_a_command_is_journaled_carried_out_and_reported(hcp: Hcp, folder: Path) -> None:
    ended = hcp("backup", "--yes", "-o", "json")
    assert ended.code == 0, ended.err
    result = json.loads(ended.out)
    assert (result["result"], result["command"], result["backup_dir"]) == ("done", "backup", str(folder))
    assert [(step["name"], step["because"]) for step in result["steps"]] == [
        ("backup.one", "backup.one is done"),
        ("backup.two", "two is done"),
    ]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    story = journal.read(folder)
    assert story is not None
    assert story.ended
    assert story.case is not None
    assert story.case["infra_id"] == "one-x7k2"
    assert [line["line"] for line in story.lines] == [
        *("begin", "checked", "step", "done", "step", "remember", "done", "end")
    ]
    assert json.loads((folder / "report.json").read_text())["state"] == "done"
    told = json.loads(hcp("report", "-o", "json").out)
    assert (told["hosted_cluster"], told["from"], told["to"]) == ("clusters/one", "mgmt-1", "mgmt-2")
    assert {check["step"] for check in told["checks"]} == {"preflight"}
    assert hcp("report").out == (folder / "report.txt").read_text()
    assert hcp("report", "-o", "html").out == (folder / "report.html").read_text()


@pytest.mark.usefixtures("short")
def test_a_folder_by_itself_is_enough_for_a_report(hcp: Hcp, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hcp("backup", "--yes")
    wanted = hcp("report", "-o", "json").out
    for name in ("HC_CLUSTER_NS", "HC_CLUSTER_NAME", "MGMT_KUBECONFIG", "BUCKET_NAME"):
        monkeypatch.delenv(name, raising=False)
    assert hcp("report", "-o", "json").code == SettingsError.exit_code
    assert hcp("report", "-o", "json", "--backup", str(folder)).out == wanted
    above = hcp("report", "--backup", str(folder.parent))
    assert above.code == ArchiveError.exit_code
    assert "it holds no journal" in above.paragraph


@pytest.mark.usefixtures("short")
def test_a_finished_folder_is_not_used_again(hcp: Hcp, folder: Path) -> None:
    hcp("backup", "--yes")
    ended = hcp("backup", "--yes")
    assert ended.code == 55
    assert "the folder holds a finished backup" in ended.paragraph
    resumed = hcp("resume")
    assert resumed.code == 57
    assert resumed.paragraph.startswith(f"There is nothing to resume: the backup in {folder} is finished.")


@pytest.mark.usefixtures("short")
def test_what_stopped_goes_on_where_it_was(hcp: Hcp, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    broken = toy("backup.two", lambda _: Refuse(Refused(what="The world is not as it should be.")))
    whole = PHASES["backup"]
    monkeypatch.setitem(PHASES, "backup", (whole[0], broken))
    stopped = hcp("backup", "--yes")
    assert stopped.code == 70
    assert stopped.err.splitlines()[-1].startswith("hcp-dr: The world is not as it should be. ")

    for words in (["backup", "--yes"], ["teardown", "--yes"]):
        again = hcp(*words)
        assert again.code == 56, words
        assert "is not finished: its backup has not ended (begun " in again.paragraph
        assert "it is at backup.two, 1 steps left" in again.paragraph
        assert f"`hcp-dr resume --backup {folder}`, or undo it with `hcp-dr abort --backup {folder}`" in again.paragraph

    status = json.loads(hcp("status", "-o", "json").out)
    assert (status["state"], status["step"], status["done"]) == ("unfinished", "backup.two", ["backup.one"])
    assert status["last_error"].startswith("The world is not as it should be.")

    monkeypatch.setitem(PHASES, "backup", whole)
    resumed = hcp("resume", "--backup", str(folder), "--no-pull-images")
    assert resumed.code == 0, resumed.err
    assert "> backup.one" not in resumed.err
    story = journal.read(folder)
    assert story is not None
    assert story.memory.values.get("pulled_images") == PULLED.to_json(LEFT_OUT)
    assert "> backup.two" in resumed.err
    assert json.loads(hcp("status", "-o", "json").out)["state"] == "ended"


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize(
    ("held", "dns", "says"),
    [
        (True, "release", "are already held"),
        (True, "handover", "are already held"),
        (False, "handover", "are not held, and holding them must precede the fence"),
        (False, "takeover", None),
    ],
)
def test_how_names_move_is_decided_when_they_are_held(
    hcp: Hcp, monkeypatch: pytest.MonkeyPatch, *, held: bool, dns: str, says: str | None
) -> None:
    hold = toy(HOLD_DNS.name, holding)
    broken = toy("backup.two", lambda _: Refuse(Refused(what="The world is not as it should be.")))
    whole = PHASES["backup"]
    monkeypatch.setitem(PHASES, "backup", (whole[0], hold, broken))
    assert hcp("backup", "--yes", *(("--dns", "handover") if held else ())).code == 70
    resumed = hcp("resume", "--dns", dns)
    assert resumed.code == (55 if says else 70)
    assert (says or "The world is not as it should be.") in resumed.paragraph


@pytest.mark.usefixtures("short")
def test_a_phase_that_follows_goes_on_in_the_same_folder(hcp: Hcp, folder: Path) -> None:
    hcp("backup", "--yes")
    unconfirmed = hcp("teardown")
    assert unconfirmed.code == 76
    assert "Hosted cluster clusters/one is removed from mgmt-1; its instances keep running." in unconfirmed.paragraph
    ended = hcp("teardown", "--yes")
    assert ended.code == 0, ended.err
    story = journal.read(folder)
    assert story is not None
    assert story.memory.done == {"backup.one", "backup.two", "teardown.one"}


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_after_the_current_action(
    hcp: Hcp, monkeypatch: pytest.MonkeyPatch, folder: Path, number: signal.Signals
) -> None:
    def interrupted(_: Any) -> Decision:
        os.kill(os.getpid(), number)
        return Do((Remember("done", "yes"),))

    handlers = [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)]
    monkeypatch.setitem(PHASES, "backup", (toy("backup.one", interrupted),))
    ended = hcp("backup", "--yes")
    assert ended.code == 128 + number
    assert f"Stopped by {number.name} after the current action; completed actions stay in effect." in ended.err
    assert f"hcp-dr resume --backup {folder}" in ended.err
    story = journal.read(folder)
    assert story is not None
    assert story.memory.values.get("done") == "yes"
    assert (story.ended, story.lines[-1]["line"]) == (False, "stopped")
    assert [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)] == handlers


@pytest.mark.usefixtures("short")
def test_without_a_folder_given_one_is_found_below_the_users_state(
    hcp: Hcp, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("BACKUP_DIR")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert hcp("status").code == 57
    assert hcp("backup", "--yes").code == 0
    [made] = (tmp_path / "state" / "hcp-dr" / "clusters" / "one").iterdir()
    assert json.loads(hcp("status", "-o", "json").out)["backup_dir"] == str(made)


def test_preflight_is_no_part_of_the_journal_and_comes_first_everywhere() -> None:
    assert PHASES["relocate"][: len(PREFLIGHT)] == PREFLIGHT


def test_a_wrong_word_is_a_usage_error(hcp: Hcp) -> None:
    assert hcp("relocate", "--dry").code == 2
    assert hcp("plan", "-o", "xml").code == 2


# abort


def taking_back(memory: Any) -> Decision:
    return Done("it is as it was") if memory.values.get("back") else Do((Remember("back", "yes"),))


@pytest.fixture
def returnable(short: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the short backup the second step is undone, and nothing is asked of the world."""
    two = replace(PHASES["backup"][1], revert=taking_back)
    monkeypatch.setitem(PHASES, "backup", (PHASES["backup"][0], two))
    for module in (abort, resume):
        monkeypatch.setattr(module, "UNDO", (two,))
    monkeypatch.setattr(abort, "IN_SERVICE", (toy("verify.one"),))
    assert short is None


@pytest.mark.usefixtures("returnable")
def test_a_finished_backup_is_called_off_and_its_folder_is_over(hcp: Hcp, folder: Path) -> None:
    hcp("backup", "--yes")
    unconfirmed = hcp("abort")
    assert unconfirmed.code == 76
    assert "hosted cluster clusters/one is aborted: mgmt-1 serves it again, and" in unconfirmed.paragraph
    ended = hcp("abort", "--yes", "-o", "json")
    assert ended.code == 0, ended.err
    result = json.loads(ended.out)
    assert (result["result"], result["command"], result["undone"]) == ("done", "abort", ["backup.two"])
    status = json.loads(hcp("status", "-o", "json").out)
    assert (status["command"], status["state"]) == ("abort", "ended")
    assert (status["done"], status["undone"]) == (["backup.one", "verify.one"], ["backup.two"])
    for words, code in ((["abort", "--yes"], 57), (["resume"], 57), (["teardown", "--yes"], 55), (["backup"], 55)):
        refused = hcp(*words)
        assert refused.code == code, words
    assert "its relocation was aborted, and teardown would begin it again" in hcp("teardown", "--yes").paragraph
    assert "undone           backup.two" in hcp("status").out
    story = journal.read(folder)
    assert story is not None
    assert [line["line"] for line in story.lines][-7:] == ["begin", "undo", "remember", "undone", "step", "done", "end"]


@pytest.mark.usefixtures("returnable")
def test_an_abort_that_stopped_goes_on_as_an_abort(hcp: Hcp, monkeypatch: pytest.MonkeyPatch) -> None:
    hcp("backup", "--yes")
    monkeypatch.setattr(abort, "IN_SERVICE", (toy("verify.one", lambda _: Refuse(Refused(what="Not yet."))),))
    assert hcp("abort", "--yes").code == 70
    status = json.loads(hcp("status", "-o", "json").out)
    assert (status["command"], status["state"], status["step"]) == ("abort", "unfinished", "verify.one")
    assert "its abort has not ended" in hcp("teardown", "--yes").paragraph
    monkeypatch.setattr(abort, "IN_SERVICE", (toy("verify.one"),))
    resumed = hcp("resume")
    assert resumed.code == 0, resumed.err
    assert "> undo backup.two" not in resumed.err
    assert resumed.out.startswith("abort: done\nundone: backup.two\n")


@pytest.mark.usefixtures("returnable")
def test_nothing_is_called_off_where_nothing_was_begun_or_the_point_of_no_return_is_passed(
    hcp: Hcp, folder: Path
) -> None:
    assert hcp("abort", "--yes").code == 57
    folder.mkdir(mode=0o700)
    case = CASE.to_json()
    with closing(journal.Journal(folder, now=lambda: 0.0)) as writer:
        writer.write("begin", command="relocate", case=case)
    assert "no step was begun that could be undone" in hcp("abort", "--yes").paragraph
    with closing(journal.Journal(folder, now=lambda: 0.0)) as writer:
        writer.write("step", step="backup.two")
        writer.write("intent", step=POINT_OF_NO_RETURN, actions=[])
        story = writer.story
    refused = hcp("abort", "--yes")
    assert refused.code == 77
    assert "The point of no return is passed: the journal has" in refused.paragraph
    assert "hcp-dr resume" in refused.paragraph
    assert journal.read(folder) == story
