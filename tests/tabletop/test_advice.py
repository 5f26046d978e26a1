"""Each command that is printed works in the state in which it is printed: it is no usage error, sends nobody in a
circle, and whoever follows it comes to a good end."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from hcp_dr.errors import Forbidden
from hcp_dr.kube.resources import NODE
from hcp_dr_lab.tabletop.gate import Request
from tests.tabletop.scene import scene
from tests.tabletop.terminal import Ended, Saved, Terminal

_QUOTED = re.compile(r"`(hcp-dr [^`]+)`")
_SHOWN = re.compile(r"^(?:  do now +| {4})(hcp-dr .+)$", re.MULTILINE)
HOPS = 3
JOURNALS = (Path("backup/journal.jsonl"),)
VERBS = (
    *("status", "preflight", "plan", "plan relocate", "relocate --yes", "backup --yes", "backup --online", "restore"),
    *("verify", "teardown --yes", "finish"),
)
"""What an engineer may type who does not know, or does not think of, what is begun."""
MOMENTS = ("restore.hosted_cluster", "teardown.cluster")


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    return Terminal(scene(), tmp_path / "home", monkeypatch, capsys)


def advice(ended: Ended) -> list[str]:
    """The commands to run next, in the order in which they are printed."""
    told = f"{ended.out}\n{ended.paragraph}"
    return list(dict.fromkeys((*_SHOWN.findall(f"{told}\n{ended.err}"), *_QUOTED.findall(told))))


def run(terminal: Terminal, line: str) -> Ended:
    program, *words = shlex.split(line)
    assert program == "hcp-dr"
    ended = terminal.run(*words)
    assert ended.code not in (2, 3), f"{line}: {ended.err}"
    return ended


def follow(terminal: Terminal, saved: Saved, line: str, before: tuple[str, ...] = ()) -> None:
    """Run it from there, and if it is refused, whatever it advises."""
    assert line not in before, f"a circle: {before}"
    assert len(before) < HOPS, f"no end: {before}"
    terminal.load(saved)
    ended = run(terminal, line)
    if ended.code in (0, 1):
        return
    following = advice(ended)
    assert following, f"{line} leads nowhere: {ended.paragraph}"
    for each in following:
        follow(terminal, saved, each, (*before, line))


def follow_all(terminal: Terminal, saved: Saved, verbs: tuple[str, ...] = VERBS) -> set[str]:
    """Whatever is printed for these verbs in this state; the commands that were followed."""
    printed: set[str] = set()
    terminal.load(saved)
    journal = [saved.files.get(path) for path in JOURNALS]
    for verb in verbs:
        ended = terminal(*verb.split())
        if [data for path in JOURNALS if (data := terminal.read(path))] != [data for data in journal if data]:
            terminal.load(saved)
        assert ended.code != 2, f"{verb}: {ended.err}"
        following = advice(ended)
        leads = following or ended.code in (0, 1) or "BACKUP_DIR" in ended.paragraph
        assert leads, f"{verb} leads nowhere: {ended.paragraph}"
        printed |= set(following)
    for line in sorted(printed):
        follow(terminal, saved, line)
    return {shlex.split(line)[1] for line in printed}


def killed(terminal: Terminal, *moments: str) -> dict[str, Saved]:
    """What is left by a process that is killed at the beginning of each of these steps, a minute later."""
    saved: dict[str, Saved] = {}

    def keep(step: str) -> None:
        if step in moments:
            saved[step] = terminal.save()

    terminal.on_step = keep
    assert terminal("relocate", "--yes").code == 0
    terminal.on_step = None
    assert set(saved) == set(moments)
    for each in saved.values():
        each.here.world.clock.spend(70)
    return saved


def test_after_a_kill(terminal: Terminal) -> None:
    for step, saved in killed(terminal, *MOMENTS).items():
        verbs = follow_all(terminal, saved)
        passed = step.startswith(("verify", "teardown"))
        assert verbs == {"resume", "status"} | (set() if passed else {"abort"}), step


def test_after_a_kill_on_another_machine(terminal: Terminal) -> None:
    saved = killed(terminal, "backup.pause")
    elsewhere = Terminal(terminal.here, terminal.home.parent / "laptop", terminal.patch, terminal.capture)
    elsewhere.machine = "laptop"
    for step, each in saved.items():
        verbs = follow_all(elsewhere, Saved(each.here, {}), VERBS[:7])
        assert verbs == {"resume", "status"} | (set() if step.startswith(("verify", "teardown")) else {"abort"}), step


def test_a_run_that_is_at_work_is_not_disturbed(terminal: Terminal) -> None:
    """By an engineer on another machine."""
    told: list[Ended] = []
    elsewhere = Terminal(terminal.here, terminal.home.parent / "laptop", terminal.patch, terminal.capture)
    elsewhere.machine = "laptop"

    def ask(step: str) -> None:
        if step == "backup.fence":
            left = terminal.save()
            elsewhere.load(Saved(left.here, {}))
            told.extend(elsewhere(*verb.split()) for verb in VERBS[:7])
            elsewhere.load(Saved(left.here, {}))

    terminal.on_step = ask
    terminal("relocate", "--yes")
    for verb, ended in zip(VERBS[1:7], told[1:], strict=True):
        assert ended.code == 56, f"{verb}: {ended.err}"
        assert re.search(r"begun 2026-01-01T00:00:\d\dZ by engineer@bastion pid ", ended.paragraph)
        assert "Wait until engineer@bastion pid " in ended.paragraph
        assert "; it is at " in ended.paragraph
    assert "wait: engineer@bastion pid " in told[0].out


def test_after_an_error(terminal: Terminal) -> None:
    """The error itself, and what it leads to once its cause is removed."""
    world = terminal.here.world

    def refuse(moment: str, request: Request) -> None:
        if moment == "before" and request.port in ("source", "destination") and "Lease" not in str(request):
            raise Forbidden(cluster=request.port, verb=request.verb, object="x", reason="RBAC")

    terminal.on_step = lambda begun: world.hooks.append(refuse) if begun == "verify.placement" else None
    ended = terminal("relocate", "--yes")
    terminal.on_step = None
    world.hooks.clear()
    assert ended.code == 25
    saved = terminal.save()
    following = advice(ended)
    assert [shlex.split(line)[1] for line in following] == ["rbac", "resume"]
    for line in following:
        follow(terminal, saved, line)


def test_after_the_source_died_too(terminal: Terminal) -> None:
    """Before the point of no return the newest backup is restored."""
    assert terminal("backup", "--online").code == 0
    [saved] = killed(terminal, "restore.hosted_cluster").values()
    saved.here.world.die(saved.here.world.sides[0])
    saved.here.world.clock.spend(5)
    assert "restore" in follow_all(terminal, saved, ("status", "resume", "relocate --yes"))


def test_after_the_point_of_no_return_no_backup_is_offered(terminal: Terminal) -> None:
    [saved] = killed(terminal, "verify.identity").values()
    saved.here.world.die(saved.here.world.sides[0])
    saved.here.world.clock.spend(5)
    terminal.load(saved)
    assert "--source-lost" not in terminal("status").out
    ended = terminal("resume")
    assert "--source-lost" not in ended.err
    assert terminal.here.world.hosted_client().list(NODE).items


def test_a_source_that_dies_before_the_teardown(terminal: Terminal) -> None:
    [saved] = killed(terminal, "teardown.stop_control_plane").values()
    saved.here.world.die(saved.here.world.sides[0])
    saved.here.world.clock.spend(5)
    terminal.load(saved)
    ended = terminal("resume")
    assert "If the source never comes back, nothing else is left to do" in ended.err
    assert "--source-lost" not in ended.err


@pytest.mark.parametrize(
    "commands",
    [("backup --yes",), ("backup --yes", "restore", "verify", "teardown --yes")],
    ids=len,
)
def test_between_two_phases(terminal: Terminal, commands: tuple[str, ...]) -> None:
    for command in commands:
        assert terminal(*command.split()).code == 0
    follows = "restore" if len(commands) == 1 else "finish"
    saved, asked = terminal.save(), ("status", "resume", "relocate --yes", "preflight")
    assert follows in follow_all(terminal, saved, asked)
    elsewhere = Terminal(terminal.here, terminal.home.parent / "laptop", terminal.patch, terminal.capture)
    elsewhere.machine = "laptop"
    assert follows in follow_all(elsewhere, Saved(saved.here, {}), ("status", "relocate --yes"))


def test_after_the_end_and_with_source_and_destination_exchanged(terminal: Terminal) -> None:
    assert terminal("relocate", "--yes").code == 0
    saved = terminal.save()
    for verb in ("preflight", "plan relocate"):
        assert "It is on the destination management cluster" in terminal(verb.split()[0]).paragraph
    follow_all(terminal, saved, ("status", "preflight", "resume", "abort --yes", "relocate --yes"))
    back = Terminal(terminal.here, terminal.home.parent / "back", terminal.patch, terminal.capture, source=2)
    assert back("preflight").code in (0, 1)
    assert back("relocate", "--yes").code in (0, 1)


def test_nothing_is_begun(terminal: Terminal) -> None:
    saved = terminal.save()
    assert follow_all(terminal, saved, ("status", "resume", "abort --yes", "verify")) == {"relocate"}
