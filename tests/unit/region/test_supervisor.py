from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hcp_dr_lab.ground.part import Part
from hcp_dr_lab.region.supervisor import Supervisor, log_file

FOREVER = (sys.executable, "-c", "import signal; signal.pause()")
SECONDS = 20.0


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    made = Supervisor(tmp_path, {"PATH": "/usr/bin:/bin"})
    yield made
    made.stop_all()


def states(supervisor: Supervisor) -> dict[object, object]:
    return {row["name"]: row["state"] for row in supervisor.describe()}


def await_that(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not reached():
        assert time.monotonic() < deadline


def test_a_part_starts_only_when_those_before_it_serve(supervisor: Supervisor) -> None:
    serves: list[str] = []
    first = Part("first", FOREVER, lambda: None if serves else "not yet")
    supervisor.start_all([Part("second", FOREVER, lambda: None, after=("first",)), first])
    await_that(lambda: states(supervisor)["first"] == "starting")
    assert states(supervisor)["second"] == "waiting"
    assert supervisor.state == "starting"
    serves.append("now")
    await_that(lambda: supervisor.state == "ready")


def test_a_part_that_ends_fails_with_its_exit_code_and_those_after_it_fail_too(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    command = ("/bin/sh", "-c", "echo broken >&2; exit 3")
    supervisor.start_all(
        [Part("a/broken", command, lambda: "no"), Part("after", FOREVER, lambda: None, after=("a/broken",))]
    )
    await_that(lambda: set(states(supervisor).values()) == {"failed"})
    rows = {row["name"]: row for row in supervisor.describe()}
    assert rows["a/broken"]["why"] == "it ended with exit code 3"
    assert rows["after"]["pid"] is None
    assert log_file(tmp_path, "a/broken").read_text("utf-8") == "broken\n"


def test_a_part_that_does_not_serve_in_time_fails_and_says_why(supervisor: Supervisor) -> None:
    supervisor.start_all([Part("late", FOREVER, lambda: "no listener", limit=0)])
    await_that(lambda: supervisor.state == "failed")
    assert supervisor.describe()[0]["why"] == "does not serve after 0 s: no listener"


def test_a_part_with_an_end_of_its_own_is_done(supervisor: Supervisor) -> None:
    supervisor.start_all(
        [
            Part("work", ("/bin/true",), lambda: "not done", passing=True),
            Part("after", FOREVER, lambda: None, after=("work",)),
        ]
    )
    await_that(lambda: supervisor.state == "ready")
    assert states(supervisor) == {"work": "done", "after": "serving"}


def test_what_needs_a_passing_part_that_failed_fails(supervisor: Supervisor) -> None:
    supervisor.start_all(
        [
            Part("work", ("/bin/false",), lambda: "not done", passing=True),
            Part("after", FOREVER, lambda: None, after=("work",)),
        ]
    )
    await_that(lambda: supervisor.state == "failed")
    assert states(supervisor) == {"work": "failed", "after": "failed"}


def test_a_passing_part_that_nobody_needs_may_fail(supervisor: Supervisor) -> None:
    supervisor.start_all([Part("one", FOREVER, lambda: None)])
    await_that(lambda: supervisor.state == "ready")
    supervisor.run(Part("work", ("/bin/false",), lambda: "not done", passing=True))
    await_that(lambda: states(supervisor)["work"] == "failed")
    assert supervisor.state == "ready"


def test_a_missing_program_is_told(supervisor: Supervisor) -> None:
    supervisor.start_all([Part("gone", ("/nowhere/program",), lambda: None)])
    await_that(lambda: supervisor.state == "failed")
    assert "cannot be started" in str(supervisor.describe()[0]["why"])


def test_a_serving_part_that_ends_is_noticed(supervisor: Supervisor) -> None:
    supervisor.start_all([Part("mortal", FOREVER, lambda: None)])
    await_that(lambda: supervisor.state == "ready")
    os.kill(int(str(supervisor.describe()[0]["pid"])), signal.SIGKILL)
    await_that(lambda: supervisor.state == "failed")
    assert states(supervisor) == {"mortal": "ended"}


def test_stop_and_start_again(supervisor: Supervisor) -> None:
    supervisor.start_all([Part("one", FOREVER, lambda: None)])
    await_that(lambda: supervisor.state == "ready")
    before = supervisor.describe()[0]["pid"]
    assert supervisor.stop("one")
    assert not supervisor.stop("one")
    assert states(supervisor) == {"one": "stopped"}
    assert supervisor.start(["one"]) == ("one",)
    assert supervisor.settled(["one"]) == {}
    assert states(supervisor) == {"one": "serving"}
    assert supervisor.start(["one"]) == ()
    assert supervisor.describe()[0]["pid"] != before


def test_a_group_starts_in_its_order_and_says_what_failed(supervisor: Supervisor) -> None:
    supervisor.start_all([Part("after", FOREVER, lambda: None, after=("one",)), Part("one", FOREVER, lambda: None)])
    await_that(lambda: supervisor.state == "ready")
    for name in ("one", "after"):
        supervisor.stop(name)
    began = supervisor.start(["after"])
    assert supervisor.settled(began) == {"after": "its dependency one does not serve"}
    began = supervisor.start(["after", "one"])
    assert supervisor.settled(began) == {}


def test_asked_again_a_part_that_serves_no_more_is_failing(supervisor: Supervisor) -> None:
    healthy = [True]
    supervisor.start_all([Part("one", FOREVER, lambda: None if healthy else "its heartbeat is old")])
    await_that(lambda: supervisor.state == "ready")
    healthy.clear()
    assert supervisor.describe()[0]["state"] == "serving"
    row = supervisor.describe(probe=True)[0]
    assert (row["state"], row["why"]) == ("failing", "its heartbeat is old")


def test_a_name_that_is_alive_is_not_taken_twice(supervisor: Supervisor) -> None:
    supervisor.start_all([Part("one", FOREVER, lambda: None)])
    await_that(lambda: supervisor.state == "ready")
    with pytest.raises(ValueError, match="is running"):
        supervisor.run(Part("one", FOREVER, lambda: None))
    with pytest.raises(KeyError):
        supervisor.stop("two")
