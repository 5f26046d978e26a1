"""The loop: rounds, batches, what is journaled when, what is tried again and for how long."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from concurrent import futures
from dataclasses import replace
from typing import Any

import pytest

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.lease import Lease
from hcp_dr.engine.run import HANDS, PASSING_LIMIT, STALE_LIMIT, Run
from hcp_dr.engine.state import Remember
from hcp_dr.engine.step import Check, Decision, Delete, Do, Done, Refuse, Step, Wait, WatchTarget
from hcp_dr.engine.wait import FIRST_ANSWER_TIMEOUT, StopRequested
from hcp_dr.engine.waiting import MOST
from hcp_dr.errors import (
    ClusterUnreachable,
    Contested,
    Forbidden,
    HcpDrError,
    LeaseLost,
    NotFound,
    Refused,
    ServerBusy,
    TimedOut,
)
from hcp_dr.kube.port import Resource
from hcp_dr.kube.resources import CONFIG_MAP, LEASE, POD
from hcp_dr.model import Case, Ports
from tests.cases.building import an_object
from tests.ports import CASE
from tests.unit.engine.leasing import Clusters
from tests.unit.engine.toys import JumpingClock, Table, create, patch, step

VALUES = {"cluster": "source", "verb": "get", "object": "ConfigMap n/a", "reason": "so it is"}


def failing(error: HcpDrError, *, on: str, times: float = float("inf")) -> Callable[[str], None]:
    """Raises on the first so many calls of a verb."""
    left = [times]

    def before(verb: str) -> None:
        if verb == on and left[0] > 0:
            left[0] -= 1
            raise error

    return before


def make_a(found: dict[str, Any]) -> Decision:
    return Done("a is there") if "a" in found else Do((create("a"),))


def test_an_order_takes_rounds_and_each_is_journaled_before_and_after() -> None:
    def plan(found: dict[str, Any]) -> Decision:
        if "owner" not in found:
            return Do((create("owner"),))
        return Do((create("owned"),)) if "owned" not in found else Done("both are there")

    table = Table()
    assert table.run().carry_out_one(step(plan)) == ()
    assert [call[3] for call in table.world.source.asked] == ["owner", "owned"]
    assert table.log.lines == [
        {"line": "step", "step": "toy.step"},
        {"line": "intent", "step": "toy.step", "actions": ["create on source ConfigMap n/owner"]},
        {"line": "outcome", "step": "toy.step", "failed": []},
        {"line": "intent", "step": "toy.step", "actions": ["create on source ConfigMap n/owned"]},
        {"line": "outcome", "step": "toy.step", "failed": []},
        {"line": "done", "step": "toy.step", "because": "both are there", "seconds": 0.0},
    ]


def test_the_intent_is_journaled_before_the_act() -> None:
    table = Table()
    asked_at: dict[str, int] = {}
    table.log.on_line = lambda line: asked_at.setdefault(line, len(table.world.source.asked))
    table.run().carry_out_one(step(make_a))
    assert (asked_at["intent"], asked_at["outcome"]) == (0, 1)


def test_the_actions_of_a_batch_go_out_together() -> None:
    table, together = Table(), threading.Barrier(HANDS, timeout=10)

    def before(verb: str) -> None:
        if verb == "create":
            together.wait()

    table.world.source.before = before
    names = [f"c{number}" for number in range(HANDS)]
    plan = lambda found: Done("all") if set(names) <= set(found) else Do(tuple(map(create, names)))  # noqa: E731
    table.run().carry_out_one(step(plan))
    assert sorted(call[3] for call in table.world.source.asked) == names


def test_what_is_to_be_remembered_is_written_before_the_others_act() -> None:
    table = Table()
    remembered: list[Any] = []
    table.world.source.before = lambda verb: (
        remembered.append(table.log.memory.values.get("key")) if verb == "create" else None
    )
    plan = lambda found: Done("there") if found else Do((create("a"), Remember("key", "value")))  # noqa: E731
    table.run().carry_out_one(step(plan))
    assert remembered == ["value"]
    assert table.log.lines[1] == {"line": "remember", "key": "key", "value": "value"}
    assert table.log.lines[2]["actions"] == ["create on source ConfigMap n/a"]


def test_remembering_alone_is_no_act() -> None:
    table = Table()
    plan = lambda value: Done(value) if value else Do((Remember("key", "value"),))  # noqa: E731
    table.run().carry_out_one(step(plan, lambda _ports, _case, memory: memory.values.get("key")))
    assert table.log.story == ["step", "remember", "done"]


def test_a_refusal_is_journaled_told_and_raised_with_its_checks() -> None:
    table = Table()
    error = Refused(what="It may not be.")
    checks = (Check("one", "blocked", "seen"),)
    run = table.run()
    with pytest.raises(Refused) as caught:
        run.carry_out_one(step(lambda _: Refuse(error, checks)))
    assert caught.value is error
    assert run.last_refusal == Refuse(error, checks)
    assert table.log.lines[-1] == {"line": "failed", "step": "toy.step", "error": "Refused", "text": error.paragraph()}
    assert [(progress.kind, progress.text) for progress in table.told] == [
        ("begin", "-"),
        ("refused", "It may not be."),
    ]


def test_the_checks_of_a_step_that_is_done_are_returned() -> None:
    checks = (Check("one", "warning", "seen"),)
    assert Table().run().carry_out_one(step(lambda _: Done("so", checks))) == checks


@pytest.mark.parametrize("verb", ["list", "create"])
def test_a_passing_error_is_borne_until_it_passes(verb: str) -> None:
    table = Table()
    table.world.source.before = failing(ClusterUnreachable(**VALUES), on=verb, times=3)
    table.run().carry_out_one(step(make_a))
    assert table.clock.pauses == [1.0, 1.0, 1.0]
    assert [progress.seconds for progress in table.told if progress.kind == "again"] == [0.0, 1.0, 2.0]


@pytest.mark.parametrize(("verb", "limit"), [("list", FIRST_ANSWER_TIMEOUT), ("create", PASSING_LIMIT)])
def test_a_passing_error_that_does_not_pass_is_raised_at_its_limit(verb: str, limit: float) -> None:
    """The first look of a run is not waited for long."""
    table = Table()
    error = ClusterUnreachable(**VALUES)
    table.world.source.before = failing(error, on=verb)
    with pytest.raises(ClusterUnreachable) as caught:
        table.run().carry_out_one(step(make_a))
    assert caught.value is error
    assert table.clock.seconds == limit
    assert table.log.story[-1] == "failed"


def test_what_a_cluster_says_of_itself_is_asked_once_however_often_it_is_too_busy() -> None:
    """Of a hundred questions every tenth meets a busy server: each is asked until it is answered, and no more."""
    table = Table()
    asked: list[str] = []

    def before(verb: str) -> None:
        asked.append(verb)
        if len(asked) % 10 == 0:
            raise ServerBusy(retry_after=None, **VALUES)

    def look(ports: Ports, _case: Case, _memory: RunState) -> int:
        kinds = [Resource("", "v1", f"kind-{number}", "Kind") for number in range(100)]
        return sum(ports.source.may("list", kind) for kind in kinds) + len(ports.destination.versions("apps"))

    table.world.source.before = before
    table.run().carry_out_one(step(lambda allowed: Done(f"{allowed} allowed"), look))
    assert table.log.lines[-1]["because"] == "100 allowed"
    assert len(asked) == 111


def test_what_is_said_of_objects_is_asked_each_time() -> None:
    table = Table()
    table.world.source.before = failing(ServerBusy(retry_after=None, **VALUES), on="get", times=1)

    def look(ports: Ports, _case: Case, _memory: RunState) -> int:
        found = ports.source.list(CONFIG_MAP).items
        ports.source.find(CONFIG_MAP, "a", "n")
        return len(found)

    listed: list[int] = []
    table.clock.meanwhile = lambda: listed.append(len(table.world.source.put("ConfigMap n/a")))
    table.run().carry_out_one(step(lambda count: Done(str(count)), look))
    assert table.log.lines[-1]["because"] == "1", "what came meanwhile is seen"


def test_once_answered_a_run_is_patient_with_every_step() -> None:
    table = Table()
    run = table.run()
    run.carry_out_one(step(lambda _found: Done("nothing to do")))
    table.world.source.before = failing(ClusterUnreachable(**VALUES), on="list")
    with pytest.raises(ClusterUnreachable):
        run.carry_out_one(step(make_a))
    assert table.clock.seconds == PASSING_LIMIT


def test_in_preflight_patience_is_shorter() -> None:
    table = Table()
    table.world.source.before = failing(ClusterUnreachable(**VALUES), on="list")
    run = table.run()
    run.patience = 10.0
    with pytest.raises(ClusterUnreachable):
        run.carry_out_one(step(make_a))
    assert table.clock.seconds == 10.0


def test_time_that_passed_before_a_success_does_not_count() -> None:
    table = Table()
    limit = int(PASSING_LIMIT)
    failures = iter([True] * (limit - 10) + [False] + [True] * (limit - 10) + [False])

    def before(verb: str) -> None:
        if verb == "create" and next(failures):
            raise ClusterUnreachable(**VALUES)

    def plan(found: dict[str, Any]) -> Decision:
        missing = [name for name in ("a", "b") if name not in found]
        return Do((create(missing[0]),)) if missing else Done("both")

    table.world.source.before = before
    table.run().carry_out_one(step(plan))
    assert table.clock.seconds == 2 * (limit - 10)


@pytest.mark.parametrize(("asked", "paused"), [(7.0, 7.0), (None, 1.0), (600.0, 30.0)])
def test_a_busy_server_says_when_to_come_back(asked: float | None, paused: float) -> None:
    table = Table()
    table.world.source.before = failing(ServerBusy(retry_after=asked, **VALUES), on="create", times=1)
    table.run().carry_out_one(step(make_a))
    assert table.clock.pauses == [paused]


def test_a_lasting_error_is_raised_at_once_with_what_was_meant_and_what_came_of_it() -> None:
    table = Table()
    table.world.source.before = failing(Forbidden(**VALUES), on="create", times=1)
    with pytest.raises(Forbidden):
        table.run().carry_out_one(step(make_a))
    assert table.log.story == ["step", "intent", "outcome", "failed"]
    what = "The source cluster does not allow these credentials to get ConfigMap n/a: so it is."
    assert table.log.lines[2]["failed"] == [f"create on source ConfigMap n/a: {what}"]
    assert table.clock.pauses == []


def test_a_lasting_error_of_one_action_wins_over_passing_ones_of_its_batch() -> None:
    table = Table()
    errors = iter([ClusterUnreachable(**VALUES), Forbidden(**VALUES)])

    def before(verb: str) -> None:
        if verb == "create":
            raise next(errors)

    table.world.source.before = before
    with pytest.raises(Forbidden):
        table.run().carry_out_one(step(lambda _: Do((create("a"), create("b")))))
    assert len(table.log.lines[2]["failed"]) == 2


def test_an_error_while_looking_that_does_not_pass_is_raised_at_once() -> None:
    table = Table()
    table.world.source.before = failing(Forbidden(**VALUES), on="list")
    with pytest.raises(Forbidden):
        table.run().carry_out_one(step(make_a))
    assert table.clock.pauses == []


def test_an_object_that_changed_meanwhile_is_looked_at_again() -> None:
    table = Table()
    table.world.source.before = failing(NotFound(**VALUES), on="patch", times=2)
    table.world.source.put("ConfigMap n/a")
    plan = lambda found: Done("set") if found["a"].get("data") else Do((patch("a", x="y"),))  # noqa: E731
    table.run().carry_out_one(step(plan))
    assert len(table.clock.pauses) == 2


def test_objects_that_change_under_every_batch_end_it() -> None:
    table = Table()
    table.world.source.before = failing(NotFound(**VALUES), on="patch")
    with pytest.raises(NotFound):
        table.run().carry_out_one(step(lambda _: Do((patch("a", x="y"),))))
    assert table.log.story.count("intent") == STALE_LIMIT


def test_a_lost_answer_is_harmless() -> None:
    """The object was made, the answer was lost: the next look sees it."""
    table = Table()

    def before(verb: str) -> None:
        if verb == "create" and "a" not in str(table.world.source.objects):
            table.world.source.put("ConfigMap n/a")
            raise ClusterUnreachable(**VALUES)

    table.world.source.before = before
    table.run().carry_out_one(step(make_a))
    assert table.log.story == ["step", "intent", "outcome", "done"]


def test_what_is_undone_twice_is_contested_and_its_writers_are_named() -> None:
    table = Table()
    managed = {"managedFields": [{"manager": "gitops"}, {"manager": "hcp-dr"}, {"manager": "gitops"}]}
    table.world.source.put({"ConfigMap n/a": {"metadata": managed}})
    with pytest.raises(Contested) as caught:
        table.run().carry_out_one(step(lambda _: Do((patch("a", x="y"),))))
    assert len(table.world.source.asked) == 2
    assert caught.value.what == (
        'toy.step: another client keeps reverting `patch on source ConfigMap n/a: {"data": {"x": "(hidden)"}}`: '
        "it was applied twice and reverted twice. Field managers of the object: gitops, hcp-dr."
    )


def test_what_is_made_again_under_another_uid_is_contested_too() -> None:
    table = Table()
    uids = iter(["1", "2", "3", "4", "5"])

    def plan(_: dict[str, Any]) -> Decision:
        table.world.source.objects.clear()
        item = table.world.source.put({"ConfigMap n/a": {"uid": next(uids)}})
        return Do((Delete("source", CONFIG_MAP, "a", "n", item["metadata"]["uid"]),))

    with pytest.raises(Contested):
        table.run().carry_out_one(step(plan))
    assert [call[4] for call in table.world.source.asked] == ["1", "2"]


def test_a_finalizer_that_is_put_back_is_contested_whatever_the_version() -> None:
    table = Table()
    table.world.source.put("ConfigMap n/a")
    versions = iter("12345")

    def plan(_: dict[str, Any]) -> Decision:
        return Do((patch_of({"metadata": {"finalizers": None, "resourceVersion": next(versions)}}),))

    def patch_of(body: dict[str, Any]) -> Any:
        one = patch("a")
        return type(one)(one.side, one.resource, one.name, one.namespace, body)

    with pytest.raises(Contested):
        table.run().carry_out_one(step(plan))
    assert len(table.world.source.asked) == 2


def test_the_same_patch_of_other_objects_or_with_other_values_is_not_contested() -> None:
    table = Table()
    for name in "ab":
        table.world.source.put(f"ConfigMap n/{name}")
    rounds = iter([patch(name, x=value) for name in "ab" for value in "123"])

    def plan(_: dict[str, Any]) -> Decision:
        action = next(rounds, None)
        return Do((action,)) if action else Done("all")

    table.run().carry_out_one(step(plan))
    assert len(table.world.source.asked) == 6


def test_what_failed_did_not_succeed() -> None:
    table = Table()
    table.world.source.before = failing(ClusterUnreachable(**VALUES), on="create", times=5)
    table.run().carry_out_one(step(make_a))


MADE = an_object("ConfigMap n/a")
WAIT = Wait("the pod is there", "no pod", 10.0, WatchTarget("source", POD, "n"))


def test_a_wait_ends_when_the_world_has_changed() -> None:
    table = Table()
    table.clock.meanwhile = lambda: table.world.source.objects.update({("ConfigMap", "n", "a"): MADE})
    plan = lambda found: Done("there") if found else Wait("a is there", "nothing", 10.0)  # noqa: E731
    table.run().carry_out_one(step(plan))
    assert table.log.story == ["step", "wait", "done"]
    assert table.log.lines[1] == {
        "line": "wait",
        "step": "toy.step",
        "until": "a is there",
        "seen": "nothing",
        "limit": 10.0,
    }
    assert table.clock.awaited == [(None, None, 2.0)]


def test_a_wait_looks_again_at_once_to_have_a_mark_from_before_its_look() -> None:
    """A change between the look and the watch would be slept through."""
    table = Table()
    with pytest.raises(TimedOut):
        table.run().carry_out_one(step(lambda _: WAIT))
    assert table.clock.pauses == [0.05]
    assert table.clock.awaited[0] == (WAIT.wake, "0", 2.0)


def test_a_wait_that_reaches_its_limit_says_what_and_what_was_seen_last() -> None:
    table = Table()
    with pytest.raises(TimedOut) as caught:
        table.run().carry_out_one(step(lambda _: WAIT))
    assert table.clock.seconds == WAIT.limit
    assert caught.value.paragraph() == (
        "toy.step timed out: it waited 10 s until the pod is there; last state: no pod. "
        "Completed actions stay in effect. "
        "Find and resolve the cause, then run `hcp-dr resume`: the step waits again, with a new limit."
    )
    assert table.log.story == ["step", "wait", "failed"]


def test_a_wait_that_need_not_fail_comes_to_something_else_at_its_limit() -> None:
    table = Table()
    then = Done("it serves without", (Check("pod", "warning", "no pod"),))
    checks = table.run().carry_out_one(step(lambda _: replace(WAIT, then=then)))
    assert table.clock.seconds == WAIT.limit
    assert checks == then.checks
    assert table.log.story == ["step", "wait", "done"]


def test_a_wait_is_journaled_once_and_told_at_every_look() -> None:
    table = Table()
    with pytest.raises(TimedOut):
        table.run().carry_out_one(step(lambda _: WAIT))
    told = [progress for progress in table.told if progress.kind == "wait"]
    assert len(told) == len(table.clock.awaited) + len(table.clock.pauses) + 1
    assert told[-1].text == "until the pod is there; seen: no pod"


def test_a_wait_that_is_held_up_is_that_of_the_other_and_begins_again() -> None:
    """Its own time does not run out while the other one lasts."""
    table = Table()
    other = Wait("the operator is back", "it is stopped", 100.0)
    held_up = lambda *_: other if 5 < table.clock.seconds < 50 else None  # noqa: E731
    with pytest.raises(TimedOut) as caught:
        table.run().carry_out_one(replace(step(lambda _: WAIT), held_up=held_up))
    assert 50 + WAIT.limit <= table.clock.seconds < 55 + WAIT.limit
    assert "the pod is there" in caught.value.what
    assert [line["until"] for line in table.log.lines if line["line"] == "wait"] == [
        "the pod is there",
        "the operator is back",
        "the pod is there",
    ]


def test_a_wait_that_is_held_up_for_long_ends_with_what_holds_it_up() -> None:
    table = Table()
    held_up = replace(step(lambda _: WAIT), held_up=lambda *_: Wait("the operator is back", "stopped", 30.0))
    with pytest.raises(TimedOut) as caught:
        table.run().carry_out_one(held_up)
    assert "the operator is back" in caught.value.what


def test_a_client_that_gives_signs_of_life_is_waited_for_longer_and_not_for_ever() -> None:
    table = Table()
    alive = replace(step(lambda _: WAIT), sign=lambda *_: f"renewed at {table.clock.seconds:.0f}")
    with pytest.raises(TimedOut) as caught:
        table.run().carry_out_one(alive)
    assert MOST * WAIT.limit <= table.clock.seconds < (MOST + 1) * WAIT.limit
    assert "last state: no pod; renewed at " in caught.value.what


def test_the_limit_counts_from_the_last_sign_of_life() -> None:
    table = Table()
    dies = replace(step(lambda _: WAIT), sign=lambda *_: f"renewed at {min(table.clock.seconds, 15):.0f}")
    with pytest.raises(TimedOut):
        table.run().carry_out_one(dies)
    assert 3 * WAIT.limit <= table.clock.seconds < 4 * WAIT.limit


@pytest.mark.parametrize("answer", ["", "renewed long ago", None])
def test_without_a_new_sign_the_limit_is_the_limit(answer: str | None) -> None:
    def sign(*_: object) -> str:
        if answer is None:
            raise ClusterUnreachable(cluster="destination", verb="get", object="Lease", reason="gone")
        return answer

    table = Table()
    with pytest.raises(TimedOut):
        table.run().carry_out_one(replace(step(lambda _: WAIT), sign=sign))
    assert table.clock.seconds == WAIT.limit


def test_what_comes_to_something_else_at_its_limit_is_not_put_off() -> None:
    table = Table()
    wait = replace(WAIT, then=Done("it serves without"))
    table.run().carry_out_one(replace(step(lambda _: wait), sign=lambda *_: f"renewed at {table.clock.seconds}"))
    assert table.clock.seconds == WAIT.limit


def test_what_may_hold_up_a_wait_and_cannot_be_read_does_not() -> None:
    def unanswered(*_: object) -> Wait | None:
        raise ClusterUnreachable(cluster="destination", verb="get", object="Lease", reason="gone")

    table = Table()
    with pytest.raises(TimedOut) as caught:
        table.run().carry_out_one(replace(step(lambda _: WAIT), held_up=unanswered))
    assert "the pod is there" in caught.value.what


def test_two_waits_of_a_step_have_a_deadline_each() -> None:
    table = Table()
    plan = lambda _: Wait("first" if table.clock.seconds < 9 else "second", "nothing", 10.0)  # noqa: E731
    with pytest.raises(TimedOut) as caught:
        table.run().carry_out_one(step(plan))
    assert "second" in caught.value.what
    assert 19 <= table.clock.seconds <= 21


def test_a_stop_is_heeded_between_two_batches() -> None:
    table = Table()
    run = table.run()
    table.log.on_line = lambda line: run.stop.set() if line == "intent" else None
    with pytest.raises(StopRequested):
        run.carry_out_one(step(lambda found: Do((create("b" if "a" in found else "a"),))))
    assert table.log.story == ["step", "intent", "outcome", "stopped"]
    assert [call[3] for call in table.world.source.asked] == ["a"]


def test_a_stop_during_a_wait_is_heeded() -> None:
    table = Table()
    run = table.run()
    table.clock.meanwhile = run.stop.set
    with pytest.raises(StopRequested):
        run.carry_out_one(step(lambda _: WAIT))
    assert table.log.story[-1] == "stopped"


def test_steps_that_are_done_are_skipped_but_a_proof_is_looked_at_again() -> None:
    table = Table()
    table.log.memory = RunState(done=frozenset({"backup.pause", "verify.identity"}))
    pause, fence, proof = (
        step(lambda _: Done("so"), name=name) for name in ("backup.pause", "backup.fence", "verify.identity")
    )
    table.run().carry_out([pause, fence, replace(proof, proof=True)])
    assert [line["step"] for line in table.log.lines if line["line"] == "done"] == ["backup.fence", "verify.identity"]


def test_nothing_comes_after_a_step_that_fails() -> None:
    table = Table()
    with pytest.raises(Refused):
        table.run().carry_out([step(lambda _: Refuse(Refused(what="No."))), step(make_a)])
    assert table.world.written == []


def test_the_checks_of_all_steps_come_together() -> None:
    one, two = Check("one", "ok", "1"), Check("two", "warning", "2")
    steps = [step(lambda _: Done("", (one,))), step(lambda _: Done("", (two,)), name="toy.other")]
    assert Table().run().carry_out(steps) == (one, two)


# taking back


def undoable(name: str, put_back: Callable[[dict[str, Any]], Decision]) -> Step[Any]:
    return replace(step(make_a, name=name), revert=put_back)


def make_b_back(found: dict[str, Any]) -> Decision:
    warning = Check("odd", "warning", "it is odd")
    return Done("b is back", (warning,)) if "b" in found else Do((create("b"),))


def begun(*names: str) -> Table:
    table = Table()
    for name in names:
        table.log.write("step", step=name)
        table.log.write("done", step=name)
    table.log.lines.clear()
    return table


def test_what_was_begun_is_taken_back_in_the_order_given_and_counts_as_done_no_more() -> None:
    table = begun("toy.one", "toy.two", "toy.plain")
    steps = [undoable(name, make_b_back) for name in ("toy.never", "toy.two", "toy.one")]
    checks = table.run().undo([*steps, step(make_a, name="toy.plain")])
    assert [check.name for check in checks] == ["odd", "odd"]
    assert [(line["line"], line.get("step")) for line in table.log.lines] == [
        ("undo", "toy.two"),
        ("intent", "toy.two"),
        ("outcome", "toy.two"),
        ("undone", "toy.two"),
        ("undo", "toy.one"),
        ("undone", "toy.one"),
    ]
    assert table.log.lines[-1]["warnings"] == ["odd: it is odd"]
    assert [progress.step for progress in table.told if progress.kind == "begin"] == ["undo toy.two", "undo toy.one"]
    assert table.log.memory.done == {"toy.plain"}
    assert table.log.memory.undone == {"toy.one", "toy.two"}


def test_what_is_undone_is_not_undone_again() -> None:
    table = begun("toy.one")
    for _ in range(2):
        table.run().undo([undoable("toy.one", make_b_back)])
    assert table.log.story.count("undo") == 1


def test_a_look_back_sees_what_undoing_asks_for() -> None:
    table = begun("toy.one")
    back = replace(undoable("toy.one", lambda seen: Done(str(seen))), look_back=lambda *_: "what was done")
    table.run().undo([back])
    assert table.log.lines[-1]["because"] == "what was done"


def test_undoing_that_is_refused_is_journaled_and_goes_on_later() -> None:
    table = begun("toy.one")
    with pytest.raises(Refused):
        table.run().undo([undoable("toy.one", lambda _: Refuse(Refused(what="Not now.")))])
    assert table.log.story == ["undo", "failed"]
    table.run().undo([undoable("toy.one", make_b_back)])
    assert table.log.memory.undone == {"toy.one"}


# Under a lease


class LongActions(JumpingClock):
    """Whoever waits for hands waits until he has something else to do; the action goes on when time has passed."""

    def __init__(self, until: float) -> None:
        super().__init__()
        self.until, self.enough = until, threading.Event()

    def await_workers(self, works: Collection[futures.Future[Any]], seconds: float | None) -> None:
        if seconds is None or self.seconds >= self.until:
            self.enough.set()
            super().await_workers(works, None)
        elif futures.wait(works, timeout=0.001).not_done:
            self.seconds += seconds


def under_lease(table: Table, clusters: Clusters, *, hands: int = HANDS) -> tuple[Run, Lease]:
    lease = clusters.lease()
    run = Run(table.world.ports, CASE, table.log, clusters.clock, table.told.append, lease=lease, hands=hands)
    return run, lease


@pytest.mark.parametrize("hands", [1, HANDS])
@pytest.mark.parametrize("slow", ["create", "list"])
def test_the_lease_is_kept_while_an_action_or_a_look_lasts_an_hour(hands: int, slow: str) -> None:
    table, clock = Table(), LongActions(3600)
    clusters = Clusters(clock=clock)
    table.world.source.before = lambda verb: None if verb != slow or clock.enough.wait(10) else pytest.fail("too long")
    run, lease = under_lease(table, clusters, hands=hands)
    with lease.acquire():
        first = clusters.seen("source").version
        run.carry_out_one(step(make_a))
        renewals = int(clusters.seen("source").version) - int(first)
    assert 3600 <= clock.seconds < 3700
    assert 3600 / 20 <= renewals <= 3700 / 20 + 2


def stolen(clusters: Clusters) -> None:
    change = {"spec": {"holderIdentity": "a thief"}}
    clusters.client("destination").patch(LEASE, "hcp-dr-clusters-one", "default", change)


def test_a_lost_lease_ends_the_run_before_its_next_action() -> None:
    table, clusters = Table(), Clusters()
    run, lease = under_lease(table, clusters)

    def plan(found: dict[str, Any]) -> Decision:
        if found:
            stolen(clusters)
            clusters.clock.seconds += 20
        return Do((create("b" if found else "a"),))

    with pytest.raises(LeaseLost), lease.acquire():
        run.carry_out_one(step(plan))
    assert [call[3] for call in table.world.source.asked] == ["a"]
    assert table.log.story == ["step", "intent", "outcome", "failed"]
    assert clusters.seen("destination").holder == "a thief"


def test_a_lease_that_is_lost_during_a_batch_lets_nothing_more_of_it_begin() -> None:
    table, clock = Table(), LongActions(20)
    clusters = Clusters(clock=clock)
    run, lease = under_lease(table, clusters, hands=2)

    def before(verb: str) -> None:
        if verb == "create":
            if clusters.seen("destination").holder != "a thief":
                stolen(clusters)
            assert clock.enough.wait(10)

    table.world.source.before = before
    with pytest.raises(LeaseLost), lease.acquire():
        run.carry_out_one(step(lambda _: Do(tuple(create(f"c{number}") for number in range(20)))))
    assert len(table.world.source.asked) <= 2


def test_a_long_pause_is_interrupted_to_keep_the_lease() -> None:
    table, clusters = Table(), Clusters()
    run, lease = under_lease(table, clusters)
    table.world.source.before = failing(ServerBusy(retry_after=30.0, **VALUES), on="create", times=4)
    with lease.acquire():
        run.carry_out_one(step(make_a))
        assert clusters.clock.seconds - 1e-6 <= 120
        assert max(clusters.clock.pauses) <= 20
