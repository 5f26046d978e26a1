"""What the watch of the fence says, and what it takes for void."""

from __future__ import annotations

from typing import Any

import pytest

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.state import Remember
from hcp_dr.engine.step import Do, Invalidate
from hcp_dr.hypershift.fence import watch as fence_watch
from hcp_dr.hypershift.state import BREACHES
from hcp_dr.hypershift.steps import POINT_OF_NO_RETURN
from hcp_dr.procedure import RELOCATE, RESTORE_BY_HAND
from tests.cases.building import build
from tests.cases.reading import FOLDER, read
from tests.tabletop.scene import scene

WHY = "only what is between them is watched"


def facts(case: str, **changed: Any) -> fence_watch.Facts:
    given = read(FOLDER / "watch.fence" / f"{case}.yaml")["facts"]
    return build(fence_watch.Facts, {**given, **changed})  # type: ignore[no-any-return]


def said(**breach: Any) -> Any:
    [check] = fence_watch.describe_breaches(
        RunState().with_value(BREACHES.name, [{"what": "it was lifted", "seen": 60.0, **breach}])
    )
    return check


def test_what_is_void_is_all_from_the_fence_to_the_point_of_no_return_and_the_pause() -> None:
    order = [step.name for step in RELOCATE]
    between = order[order.index("backup.fence") : order.index(POINT_OF_NO_RETURN)]
    assert set(fence_watch.VOID) == {"backup.pause", *between}


def test_it_is_watched_from_the_fence_until_teardown_has_stopped_the_source() -> None:
    watch = fence_watch.WATCH
    fenced = RunState().with_done("backup.fence")
    assert not watch.in_force(RunState())
    assert watch.in_force(fenced), WHY
    assert not watch.in_force(fenced.with_done("teardown.stop_control_plane"))
    order = [step.name for step in RELOCATE]
    assert order.index(watch.after[0]) < order.index(POINT_OF_NO_RETURN) < order.index(watch.until)


def test_a_fence_that_was_made_by_hand_is_watched_from_when_its_backup_is_accepted() -> None:
    watch = fence_watch.WATCH
    assert set(watch.after) & {step.name for step in RESTORE_BY_HAND} == {"by_hand.accept_backup"}
    assert watch.in_force(RunState().with_done("by_hand.accept_backup")), WHY


def test_a_snapshot_that_was_made_by_hand_is_not_taken_anew() -> None:
    decision = fence_watch.plan(facts("before-the-point-of-no-return-the-snapshot-is-void", by_hand=True))
    assert isinstance(decision, Do)
    forget = decision.actions[-1]
    assert isinstance(forget, Invalidate)
    assert (forget.steps, forget.keys, forget.again) == ((), (), False)
    assert "made by hand may be void" in forget.error.what


def test_an_alarm_names_what_and_who() -> None:
    assert fence_watch.alarm(facts("the-fence-holds")) is None
    assert fence_watch.alarm(facts("all-that-came-back-is-stopped-at-once", suspects=["gitops at T"])) == (
        "the fence on the source was lifted: its HostedCluster is no longer paused; scaled up again: "
        "control-plane-operator 1, kube-apiserver 1 (written by gitops at T)"
    )


@pytest.mark.parametrize("count", [1, 2, 3, 4, 6])
def test_the_source_is_fenced_anew_so_often_and_then_somebody_must_act(count: int) -> None:
    lifted = [{"what": "it was lifted", "seen": 1.0, "closed": 2.0}] * (count - 1) + [
        {"what": "it was lifted", "seen": 3.0}
    ]
    decision = fence_watch.plan(facts("before-the-point-of-no-return-the-snapshot-is-void", breaches=lifted))
    assert isinstance(decision, Do)
    forget = decision.actions[-1]
    assert isinstance(forget, Invalidate)
    assert forget.again is (count not in (3, 6))
    assert "fence" in forget.keys


def test_a_closed_breach_has_its_window_and_the_new_generations_are_the_fences() -> None:
    decision = fence_watch.plan(facts("after-it-the-source-is-fenced-and-no-more"))
    assert isinstance(decision, Do)
    remembered = {action.key: action.value for action in decision.actions if isinstance(action, Remember)}
    [breach] = BREACHES.read(remembered) or ()
    assert (breach.seen, breach.closed, breach.released, breach.revision) == (999.0, 1000.0, True, 57)
    assert remembered["fence"] == {
        "id": "fence-1",
        "revision": 57,
        "at": 1000.0,
        "generations": dict.fromkeys(
            ("control-plane-operator", "kube-apiserver", "openshift-apiserver", "openshift-oauth-apiserver"), 0
        ),
        "uids": dict.fromkeys(
            ("control-plane-operator", "kube-apiserver", "openshift-apiserver", "openshift-oauth-apiserver"), ""
        ),
    }


def test_what_is_told_of_a_breach() -> None:
    assert fence_watch.describe_breaches(RunState()) == ()
    before = said(closed=61.0, released=False)
    assert (before.verdict, before.why) == (
        "warning",
        "the old snapshot was discarded, and a new one was taken",
    )
    after = said(closed=61.0, released=True, since=0.0, wrote=True, stood=42, revision=57)
    assert after.seen == (
        "it was lifted; seen at 1970-01-01T00:01:00Z, fenced again at 1970-01-01T00:01:01Z; "
        "etcd there went from revision 42 to 57; its API was up"
    )
    assert "acknowledged after 1970-01-01T00:00:00Z" in after.why
    assert "is lost; there is no record of what was written" in after.why
    still = said(closed=61.0, released=True, stood=42, revision=42)
    assert "is still at revision 42: nothing was written" in still.seen
    assert "not fenced again yet" in said().seen


def test_a_look_at_a_fence_that_holds_is_one_object_and_one_list() -> None:
    here = scene()
    asked: list[str] = []

    def listen(moment: str, request: Any) -> None:
        if moment == "before":
            asked.append(str(request))

    ports = here.operator.ports()
    case = here.operator.case()
    here.world.hooks.append(listen)
    assert here.operator.backup().error is None
    asked.clear()
    seen = fence_watch.observe(ports, case, here.operator.story().memory)
    assert fence_watch.alarm(seen) is None
    assert asked == ["source get HostedCluster shop clusters", "source list Deployment clusters-shop"]
