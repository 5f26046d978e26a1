"""Preflight looks at everything, whatever it finds on the way."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hcp_dr.engine.check_run import accept_checks, refusal_of
from hcp_dr.engine.step import Check, Do, Done, PutObject, Step
from hcp_dr.engine.wait import FIRST_ANSWER_TIMEOUT
from hcp_dr.errors import (
    BucketRefused,
    CannotMigrate,
    ClusterUnreachable,
    HcpDrError,
    SettingsError,
    UnknownHostedCluster,
)
from hcp_dr.hypershift.checks import verdict
from tests.unit.engine.toys import Table, checked, step

GOOD, ODD = Check("good", "ok", "fine"), Check("odd", "warning", "strange")
BAD, DARK = Check("bad", "blocked", "broken"), Check("dark", "unknown", "unseen")


def finding(*checks: Check) -> Step[None]:
    return step(lambda _: verdict(checks), lambda *_: None, "preflight.toy")


def failing(error: HcpDrError, name: str = "preflight.broken") -> Step[None]:
    def observe(*_: object) -> None:
        raise error

    return step(lambda _: Done(""), observe, name)


REFUSED = BucketRefused(service="S3", operation="PutObject", object="backups", reason="no")


def test_all_findings_of_all_steps_come_back() -> None:
    steps = [finding(GOOD, BAD), finding(ODD), finding(DARK, GOOD)]
    assert checked(Table().run(), steps) == (GOOD, BAD, ODD, DARK, GOOD)


def test_a_step_that_cannot_look_is_one_unknown_check() -> None:
    checks = checked(Table().run(), [finding(BAD), failing(REFUSED), finding(GOOD)])
    unknown = Check("preflight.broken", "unknown", REFUSED.what, "the check could not run", REFUSED.next)
    assert checks == (BAD, unknown, GOOD)


def test_the_only_thing_that_stops_keeps_its_own_exit_code() -> None:
    with pytest.raises(BucketRefused) as caught:
        checked(Table().run(), [finding(GOOD, ODD), failing(REFUSED), finding(GOOD)])
    assert caught.value is REFUSED


def test_two_things_that_stop_are_told_together() -> None:
    unknown = UnknownHostedCluster(namespace="n", name="x", cluster="source", server="s", seen="")
    checks = checked(Table().run(), [failing(REFUSED), failing(unknown, "preflight.other")])
    assert [check.name for check in checks] == ["preflight.broken", "preflight.other"]


def test_a_passing_error_is_borne_as_everywhere() -> None:
    table = Table()
    error = ClusterUnreachable(cluster="source", verb="get", object="x", reason="gone")
    with pytest.raises(ClusterUnreachable):
        checked(table.run(), [failing(error)])
    assert table.clock.seconds == FIRST_ANSWER_TIMEOUT


def test_what_preflight_writes_it_writes_through_the_loop() -> None:
    table = Table()
    probing = step(
        lambda there: verdict([GOOD]) if there else Do((PutObject("probe", b""),)),
        lambda ports, *_: ports.bucket.head("probe"),
    )
    assert checked(table.run(), [probing]) == (GOOD,)
    assert table.world.written == [("put", "probe", b"", {})]


def test_nothing_that_is_no_error_of_ours_is_swallowed() -> None:
    def broken(*_: object) -> None:
        raise KeyError("a bug")

    with pytest.raises(KeyError):
        checked(Table().run(), [step(lambda _: Done(""), broken)])


def test_blocked_and_unknown_stop_and_a_warning_does_not() -> None:
    assert refusal_of((GOOD, ODD)) is None
    error = refusal_of((GOOD, BAD, ODD, DARK))
    assert isinstance(error, CannotMigrate)
    assert error.values == {"checks": "bad, dark"}
    assert not isinstance(error, SettingsError)


MAY = Check("may", "blocked", "strange", acceptable=True)


def test_an_accepted_check_does_not_stop() -> None:
    checks = checked(Table().run(), [finding(GOOD, MAY)], {"may": "I know"})
    assert checks == (GOOD, replace(MAY, accepted="I know"))
    assert refusal_of(checks) is None


def test_what_needs_no_acceptance_may_be_named() -> None:
    """The same command again, after the trouble has gone."""
    assert checked(Table().run(), [finding(GOOD, ODD)], {"good": "I know", "odd": "I know"}) == (GOOD, ODD)


@pytest.mark.parametrize("name", ["bad", "other"])
def test_only_what_is_acceptable_is_accepted(name: str) -> None:
    with pytest.raises(SettingsError) as caught:
        checked(Table().run(), [finding(GOOD, BAD, MAY)], {name: "I know", "may": "I know"})
    assert caught.value.what.startswith(f"--ignore-check {name}: ")
    assert caught.value.next == "Overridable here: may."


def test_nothing_to_accept_is_said() -> None:
    with pytest.raises(SettingsError) as caught:
        accept_checks((BAD,), {"bad": "I know"})
    assert caught.value.next == "No check of this run can be accepted."


def test_a_check_that_could_not_be_made_is_not_taken_for_an_unknown_name() -> None:
    """The step that would have made it could not look: that is what is to be told."""
    with pytest.raises(BucketRefused):
        checked(Table().run(), [finding(GOOD), failing(REFUSED)], {"may": "I know"})
