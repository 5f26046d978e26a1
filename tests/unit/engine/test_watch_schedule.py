"""Watches: looked at between rounds, put right like a step, never in the way of one."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from hcp_dr.engine.journal import RunState, fold
from hcp_dr.engine.journal_lines import Line
from hcp_dr.engine.step import Check, Decision, Do, Done, Invalidate, Refuse, Step, Wait, Watch
from hcp_dr.engine.wait import OBSERVE_INTERVAL
from hcp_dr.engine.watch_schedule import MAX_INTERVAL, WatchSchedule
from hcp_dr.errors import ClusterUnreachable, FenceBroken, Refused
from hcp_dr.model import Ports
from tests.unit.engine.toys import Table, create, step

LOOKS: list[float] = []
"""When the toy watch looked, by the engine's clock."""
GONE = ClusterUnreachable(cluster="source", verb="get", object="x", reason="gone")


def watch(table: Table, plan: Any = None, describe: tuple[Check, ...] = ()) -> Watch[Any]:
    """Of the ConfigMap "kept", which somebody may take away; from toy.first until toy.last."""

    def observe(ports: Ports, _case: Any, memory: RunState) -> tuple[bool, RunState]:
        LOOKS.append(table.clock.seconds)
        return ports.source.find(create("x").resource, "kept", "n") is not None, memory

    LOOKS.clear()
    page = Step("watch.toy", "-", observe, plan or (lambda seen: Done("kept") if seen[0] else Do((create("kept"),))))
    return Watch(page, ("toy.first",), "toy.last", lambda seen: None if seen[0] else "it is gone", lambda _: describe)


def first(table: Table) -> None:
    table.log.write("done", step="toy.first", because="", seconds=0.0)


def table_of(seconds: float = 10.0) -> tuple[Table, Step[Any]]:
    table = Table()
    table.world.source.put("ConfigMap n/kept")
    plan = lambda _: Done("over") if table.clock.seconds >= seconds else Wait("it is over", "not yet", 1000.0)  # noqa: E731
    return table, step(plan, lambda *_: None)


def test_it_is_looked_at_only_in_its_span_and_not_too_often() -> None:
    table, lasting = table_of(20.0)
    run = table.run()
    run.watches = (watch(table),)
    run.carry_out_one(lasting)
    assert LOOKS == []
    first(table)
    table.clock.seconds = 0.0
    run.carry_out_one(lasting)
    assert LOOKS
    assert all(later - earlier >= OBSERVE_INTERVAL for earlier, later in pairwise(LOOKS))
    table.log.write("done", step="toy.last", because="", seconds=0.0)
    LOOKS.clear()
    run.carry_out_one(lasting)
    assert LOOKS == []


def test_an_alarm_is_told_and_put_right_while_the_step_goes_on() -> None:
    table, lasting = table_of()
    first(table)
    warned = (Check("watch.toy", "warning", "it was gone"),)
    run = table.run()
    run.watches = (watch(table, describe=warned),)
    del table.world.source.objects["ConfigMap", "n", "kept"]
    assert run.carry_out((lasting,)) == warned
    assert ("ConfigMap", "n", "kept") in table.world.source.objects
    assert [line for line in table.log.lines if line["line"] in ("alarm", "calm")] == [
        {"line": "alarm", "watch": "watch.toy", "text": "it is gone"},
        {"line": "calm", "watch": "watch.toy", "because": "kept"},
    ]
    assert ("warned", "it is gone") in [(progress.kind, progress.text) for progress in table.told]


def test_what_cannot_be_looked_at_holds_nothing_up_and_is_told_once() -> None:
    table, lasting = table_of(300.0)
    first(table)
    run = table.run()
    run.watches = (watch(table),)

    def before(verb: str) -> None:
        if verb == "get":
            raise GONE

    table.world.source.before = before
    [check] = run.carry_out((lasting,))
    assert check.verdict == "warning"
    assert check.seen.startswith("not watched for the last 3")
    assert table.clock.seconds == pytest.approx(300.0, abs=OBSERVE_INTERVAL)
    assert len(LOOKS) < 12
    assert LOOKS[-1] - LOOKS[-2] >= MAX_INTERVAL
    assert [line["line"] for line in table.log.lines if "watch" in line] == ["unwatched"]


def test_a_refusal_of_a_step_is_looked_into_by_the_watches_first() -> None:
    """A step that has guards of its own may be the first to see what a watch puts right."""
    table = Table()
    first(table)
    run = table.run()
    run.watches = (watch(table),)
    guarded = step(lambda found: Done("so") if "kept" in found else Refuse(Refused(what="It is gone.")))
    run.watch_schedules["watch.toy"] = WatchSchedule(next=1000.0)
    run.carry_out_one(guarded)
    table.world.source.objects.clear()
    table.world.source.put("ConfigMap n/kept")
    with pytest.raises(Refused):
        run.carry_out_one(step(lambda _: Refuse(Refused(what="Something else."))))


def forgetting(steps: tuple[str, ...], *, again: bool = True) -> Any:
    error = FenceBroken(what="All is void.")
    return lambda seen: (
        Done("kept") if seen[0] else Do((create("kept"), Invalidate(steps, ("key",), error, again=again)))
    )


def test_steps_that_are_void_are_done_again() -> None:
    table = Table()
    did: list[str] = []

    def one(name: str) -> Step[Any]:
        def plan(_: Any) -> Decision:
            did.append(name)
            if name == "toy.second" and did.count(name) == 1:
                table.world.source.objects.clear()
                table.clock.seconds += OBSERVE_INTERVAL
                return Wait("it is looked at again", "", 100.0)
            return Done("so")

        return step(plan, name=name)

    table.world.source.put("ConfigMap n/kept")
    table.log.write("remember", key="key", value="x")
    run = table.run()
    run.watches = (watch(table, forgetting(("toy.first",))),)
    run.carry_out((one("toy.zeroth"), one("toy.first"), one("toy.second")))
    assert did == ["toy.zeroth", "toy.first", "toy.second", "toy.first", "toy.second"]
    assert table.log.memory.values.get("key") is None


@pytest.mark.parametrize("steps", [("toy.first",), ("toy.other",)])
def test_what_may_or_can_not_be_done_again_ends_the_run_with_its_error(steps: tuple[str, ...]) -> None:
    table, again = Table(), steps != ("toy.first",)
    first(table)
    run = table.run()
    run.watches = (watch(table, forgetting(steps, again=again)),)
    with pytest.raises(FenceBroken):
        run.carry_out((step(lambda _: Done("so"), name="toy.first"), step(lambda _: Done("so"))))
    assert "toy.first" in table.log.memory.done or steps == ("toy.first",)
    assert [line["line"] for line in table.log.lines][-2:] == ["forget", "failed"]


def test_what_is_forgotten_is_forgotten_by_whoever_reads_the_journal() -> None:
    lines: list[dict[str, Any]] = [
        {"line": "remember", "key": "fence", "value": {"id": "a"}},
        {"line": "remember", "key": "nonce", "value": "n"},
        {"line": "done", "step": "backup.fence"},
        {"line": "done", "step": "backup.pause"},
        {"line": "forget", "steps": ["backup.fence"], "keys": ["fence"]},
    ]
    memory = fold(map(Line, lines)).memory
    assert dict(memory.values) == {"nonce": "n"}
    assert memory.done == {"backup.pause"}
