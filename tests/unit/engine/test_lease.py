# ruff: noqa: PT012 - what is raised while a Lease is held is raised in a block of several statements
"""The Lease: who may take it when, how it is kept, lost and given back."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest

from hcp_dr.engine.lease import RENEW_INTERVAL, TRUSTED_SECONDS, Lease, Verdict, decide
from hcp_dr.engine.lease_status import DURATION, NAMESPACE, LeaseStatus, lease_name, read_lease_status
from hcp_dr.engine.wait import FIRST_ANSWER_TIMEOUT, StopRequested
from hcp_dr.errors import ClusterUnreachable, LeaseHeld, LeaseLost, WrongCluster
from hcp_dr.kube.resources import LEASE
from hcp_dr.model import Side
from hcp_dr_lab.tabletop.gate import Request
from hcp_dr_lab.tabletop.kubernetes import ApiServer, Store
from tests.ports import CASE
from tests.unit.engine.leasing import Clusters, Gate

ME, OTHER = "me@a pid 1 run x backup b", "you@b pid 2 run y backup b"
SEEN = LeaseStatus(OTHER, "b/2/1", "10:00", "10:01", 60.0, 0, "5", "b", "", "source")
AGAIN = replace(SEEN, version="6", renewed="10:02")


@pytest.mark.parametrize(
    ("seen", "first", "unchanged", "gone", "verdict"),
    [
        pytest.param(None, None, 0, False, "take", id="absent"),
        pytest.param(replace(SEEN, holder=""), None, 0, False, "take", id="released"),
        pytest.param(replace(SEEN, holder="", version="6"), SEEN, 10, False, "take", id="released-meanwhile"),
        pytest.param(SEEN, SEEN, 0, False, "wait", id="held-fresh"),
        pytest.param(SEEN, SEEN, 59.9, False, "wait", id="unchanged-but-not-long-enough"),
        pytest.param(SEEN, SEEN, 60, False, "take", id="unchanged-for-a-duration"),
        pytest.param(replace(SEEN, duration=90.0), SEEN, 60, False, "wait", id="its-own-duration-is-longer"),
        pytest.param(replace(SEEN, duration=1.0), SEEN, 59, False, "wait", id="never-shorter-than-ours"),
        pytest.param(AGAIN, SEEN, 10, False, "alive", id="renewed"),
        pytest.param(AGAIN, SEEN, 600, False, "alive", id="renewed-however-late-it-is-seen"),
        pytest.param(replace(SEEN, version="6"), SEEN, 60, False, "alive", id="written-with-a-clock-that-stands"),
        pytest.param(replace(SEEN, holder="z", version="6"), SEEN, 60, False, "alive", id="stolen-by-a-third"),
        pytest.param(replace(SEEN, holder=ME), None, 0, False, "ours", id="ours-by-a-lost-answer"),
        pytest.param(replace(SEEN, relocation="b"), SEEN, 0, False, "wait", id="of-this-backup-on-another-machine"),
        pytest.param(SEEN, SEEN, 0, True, "take", id="its-process-was-here-and-is-gone"),
        pytest.param(replace(SEEN, renewed="2099-01-01T00:00:00Z"), SEEN, 60, False, "take", id="its-clock-is-wrong"),
    ],
)
def test_who_may_take_it(
    seen: LeaseStatus | None,
    first: LeaseStatus | None,
    unchanged: float,
    gone: bool,  # noqa: FBT001 - a column of the table
    verdict: Verdict,
) -> None:
    assert decide(seen, first, me=ME, unchanged=unchanged, gone=gone) == verdict


def test_a_long_name_is_cut_and_told_from_others() -> None:
    assert lease_name("clusters", "one") == "hcp-dr-clusters-one"
    names = {lease_name("n" * 40, f"{'a' * 30}.{last}") for last in "abc"}
    assert len(names) == 3
    assert all(len(name) <= 63 for name in names)
    assert lease_name("n" * 40, "a" * 5 + "." + "b" * 60).count(".-") == 0


def test_it_is_made_held_and_given_back_and_says_who_and_for_what() -> None:
    clusters = Clusters()
    lease = clusters.lease()
    lease.record_versions()
    with lease.acquire() as undisturbed:
        assert undisturbed
        for side in ("source", "destination"):
            found = clusters.client(side).get(LEASE, "hcp-dr-clusters-one", NAMESPACE)
            assert found["spec"] == {
                "holderIdentity": "someone@mine pid 7 run mine backup backup-1",
                "leaseDurationSeconds": 60,
                "leaseTransitions": 0,
                "acquireTime": "1970-01-12T13:46:40.000000Z",
                "renewTime": "1970-01-12T13:46:40.000000Z",
            }
            assert found["metadata"]["annotations"] == {
                "hcp-dr.openshift.io/hosted-cluster": "clusters/one",
                "hcp-dr.openshift.io/relocation": "backup-1",
                "hcp-dr.openshift.io/side": side,
                "hcp-dr.openshift.io/process": "mine/7/1",
            }
    assert clusters.holders() == ("", "")
    assert clusters.seen("source").relocation == "backup-1"
    with clusters.lease("next").acquire():
        assert clusters.holders() == ("next", "next")
        assert clusters.seen("source").transitions == 1


def test_it_is_given_back_after_an_error_but_not_by_a_killed_process() -> None:
    clusters = Clusters()
    with suppress(ValueError), clusters.lease().acquire():
        raise ValueError
    assert clusters.holders() == ("", "")
    with pytest.raises(KeyboardInterrupt), clusters.lease().acquire():
        raise KeyboardInterrupt
    assert clusters.holders() == ("mine", "mine")


def test_it_is_given_back_although_the_first_request_is_lost() -> None:
    clusters = Clusters()
    gate = Gate()
    lost: list[str] = []

    def lose(moment: str, request: Request) -> None:
        if moment == "before" and request.verb == "patch" and not lost:
            lost.append(request.port)
            raise ClusterUnreachable(cluster=request.port, verb="patch", object="Lease", reason="connection reset")

    with clusters.lease(ports=clusters.ports("mine", gate)).acquire():
        gate.hooks.append(lose)
    assert lost == ["source"]
    assert (clusters.seen("source").holder, clusters.seen("destination").holder) == ("", "")


def test_one_that_stands_still_is_taken_after_a_duration_of_our_clock() -> None:
    clusters = Clusters()
    held_by_a_dead_one(clusters)
    lease = clusters.lease()
    lease.record_versions()
    with lease.acquire() as undisturbed:
        assert not undisturbed, "preflight looked before the wait"
        assert DURATION <= clusters.clock.seconds <= 2 * DURATION + 5
        assert clusters.holders() == ("mine", "mine")
    waits = [progress for progress in clusters.told if progress.kind == "wait"]
    assert waits[0].text == (
        "until Lease default/hcp-dr-clusters-one on the source cluster is free; seen: held by someone@dead pid 7 run "
        "dead backup backup-1 since 1970-01-12T13:46:40.000000Z; "
        "hcp-dr takes it if the holder does not renew it for 60 s"
    )


def held_by_a_dead_one(clusters: Clusters) -> None:
    with suppress(KeyboardInterrupt), clusters.lease("dead").acquire():
        raise KeyboardInterrupt


def test_one_whose_process_ran_here_and_is_gone_is_taken_at_once() -> None:
    clusters = Clusters()
    held_by_a_dead_one(clusters)
    with clusters.lease(is_gone=lambda mark: mark == "dead/7/1").acquire():
        assert clusters.clock.seconds == 0
        assert clusters.holders() == ("mine", "mine")


def test_one_that_is_renewed_is_refused_and_the_other_is_given_back() -> None:
    clusters = Clusters()
    with clusters.lease("other").acquire():
        patch_time(clusters, "source", holderIdentity="")  # it alone is free
        clusters.clock.meanwhile = lambda: patch_time(clusters, "destination")
        with pytest.raises(LeaseHeld) as caught, clusters.lease().acquire():
            pytest.fail("held by somebody")
        clusters.clock.meanwhile = lambda: None
    assert "held by someone@other pid 7 run other backup backup-1 since 1970" in caught.value.what
    assert clusters.seen("source").holder == ""


def patch_time(clusters: Clusters, side: Side, **spec: str) -> None:
    renewed = {"renewTime": f"2026-01-01T00:00:{int(clusters.clock.seconds) % 60:02}.000000Z", **spec}
    clusters.client(side).patch(LEASE, "hcp-dr-clusters-one", NAMESPACE, {"spec": renewed})


def test_what_is_held_is_kept_while_the_other_is_awaited() -> None:
    clusters = Clusters()
    held_by_a_dead_one(clusters)
    patch_time(clusters, "source", holderIdentity="")
    with clusters.lease().acquire() as undisturbed:
        assert not undisturbed
        assert clusters.clock.seconds >= DURATION
        assert clusters.seen("source").renewed > clusters.seen("source").since


def test_a_stop_while_it_is_awaited() -> None:
    clusters = Clusters()
    held_by_a_dead_one(clusters)
    with pytest.raises(StopRequested), clusters.lease(is_stopped=lambda: clusters.clock.seconds > 5).acquire():
        pytest.fail("held by somebody")
    assert clusters.clock.seconds < 10


def test_it_is_renewed_in_time_and_not_more_often() -> None:
    clusters = Clusters()
    lease = clusters.lease()
    versions = []
    with lease.acquire():
        for _ in range(100):
            clusters.clock.seconds += 1
            lease.renew()
            versions.append(clusters.seen("source").version)
    assert len(set(versions)) == 100 / RENEW_INTERVAL + 1


def test_it_is_lost_when_somebody_else_holds_it() -> None:
    clusters = Clusters()
    lease = clusters.lease()
    with pytest.raises(LeaseLost) as caught, lease.acquire():
        patch_time(clusters, "destination", holderIdentity="a thief")
        clusters.clock.seconds += RENEW_INTERVAL
        lease.renew()
    assert "now a thief holds it" in caught.value.what
    assert clusters.seen("destination").holder == "a thief", "it is not taken back"
    assert clusters.seen("source").holder == ""


def test_a_touch_by_somebody_who_does_not_want_it_does_no_harm() -> None:
    clusters = Clusters()
    lease = clusters.lease()
    with lease.acquire():
        change = {"metadata": {"labels": {"a": "b"}}}
        clusters.client("source").patch(LEASE, "hcp-dr-clusters-one", NAMESPACE, change)
        clusters.clock.seconds += RENEW_INTERVAL
        lease.renew()
        assert clusters.holders() == ("mine", "mine")
        clusters.client("source").delete(LEASE, "hcp-dr-clusters-one", NAMESPACE)
        clusters.clock.seconds += RENEW_INTERVAL
        lease.renew()
        assert clusters.holders() == ("mine", "mine")


@pytest.mark.parametrize("side", ["source", "destination"])
def test_it_is_lost_before_another_may_take_it_when_it_cannot_be_renewed(side: Side) -> None:
    clusters = Clusters()
    lease = clusters.lease()
    with pytest.raises(LeaseLost) as caught, lease.acquire():
        clusters.silent.add(side)
        while clusters.clock.seconds < 10 * DURATION:
            clusters.clock.seconds += 1
            lease.renew()
    assert TRUSTED_SECONDS <= clusters.clock.seconds < DURATION
    assert f"on the {side} management cluster" in caught.value.what
    assert "could not be renewed for 50 s (The API server" in caught.value.what


def test_an_answer_that_comes_too_late_is_no_renewal() -> None:
    """Somebody else may have seen the Lease stand still meanwhile."""
    clusters = Clusters()

    def slowly(moment: str, request: object) -> None:
        if moment == "after" and "source patch" in str(request) and clusters.clock.seconds == RENEW_INTERVAL:
            clusters.clock.seconds += DURATION

    lease = clusters.lease(ports=clusters.ports("mine", Gate([slowly])))
    with pytest.raises(LeaseLost) as caught, lease.acquire():
        clusters.clock.seconds += RENEW_INTERVAL
        lease.renew()
    assert "could not be renewed for 60 s" in caught.value.what


def test_whoever_slept_and_was_not_replaced_goes_on() -> None:
    clusters = Clusters()
    lease = clusters.lease()
    with lease.acquire():
        clusters.clock.seconds += 1000
        lease.renew()
        assert clusters.holders() == ("mine", "mine")


def test_after_the_point_of_no_return_it_is_kept_without_a_silent_source() -> None:
    clusters = Clusters()
    lease = clusters.lease(does_without=lambda side: side == "source")
    with lease.acquire():
        clusters.silent.add("source")
        for _ in range(300):
            clusters.clock.seconds += 1
            lease.renew()
        said = [progress.text for progress in clusters.told if "point of no return" in progress.text]
        assert len(said) == 1
        clusters.silent.clear()
        clusters.clock.seconds += RENEW_INTERVAL
        lease.renew()
        assert clusters.holders() == ("mine", "mine")
        clusters.silent.add("destination")
        with pytest.raises(LeaseLost):
            for _ in range(300):
                clusters.clock.seconds += 1
                lease.renew()


def test_before_it_a_silent_source_is_not_done_without() -> None:
    clusters = Clusters()
    clusters.silent.add("source")
    with pytest.raises(ClusterUnreachable), clusters.lease().acquire():
        pytest.fail("not held")
    assert FIRST_ANSWER_TIMEOUT <= clusters.clock.seconds < FIRST_ANSWER_TIMEOUT + 5


def test_after_it_work_begins_without_a_silent_source_and_ends_when_somebody_has_it() -> None:
    clusters = Clusters()
    held_by_a_dead_one(clusters)
    clusters.silent.add("source")
    lease = clusters.lease(does_without=lambda side: side == "source")
    with pytest.raises(LeaseLost), lease.acquire():
        assert clusters.seen("destination").holder == lease.me
        clusters.silent.clear()
        for _ in range(300):
            clusters.clock.seconds += 1
            if clusters.seen("source").holder != lease.me:
                patch_time(clusters, "source")
            lease.renew()


def test_a_relocation_whose_clusters_are_swapped_is_refused() -> None:
    clusters = Clusters()
    ports = clusters.ports("swapped")
    swapped = replace(ports, source=ports.destination, destination=ports.source)
    with pytest.raises(WrongCluster) as caught, clusters.lease(ports=swapped).acquire():
        pytest.fail("not held")
    assert "it is the destination of this relocation" in caught.value.paragraph()
    assert clusters.client("source").list(LEASE, NAMESPACE).items == ()
    assert clusters.client("destination").list(LEASE, NAMESPACE).items == ()


@pytest.mark.parametrize("side", ["source", "destination"])
def test_on_another_cluster_none_is_taken(side: Side) -> None:
    """Not even one that the case knows nothing of."""
    clusters = Clusters()
    known = {"source": "source_uid", "destination": "destination_uid"}[side]
    for uid in ("of-another", ""):
        lease = clusters.lease()
        lease.case = replace(lease.case, **{known: uid})  # type: ignore[arg-type]
        with pytest.raises(WrongCluster) as caught, lease.acquire():
            pytest.fail("not held")
        assert f"Point {'MGMT_KUBECONFIG' if side == 'source' else 'MGMT2_KUBECONFIG'} at" in caught.value.next
        assert clusters.client(side).list(LEASE, NAMESPACE).items == ()


def test_a_cluster_that_becomes_another_while_it_was_silent_is_not_gone_on_with() -> None:
    clusters = Clusters()
    lease = clusters.lease(does_without=lambda side: side == "source")
    clusters.silent = {"source"}
    with lease.acquire():
        clusters.silent = set()
        clusters.servers["source"] = ApiServer(Store())
        clusters.clock.seconds += 30
        with pytest.raises(WrongCluster):
            lease.renew()


def test_what_is_announced_is_in_both_before_it_is_done() -> None:
    clusters = Clusters()
    lease = clusters.lease()
    with lease.acquire():
        assert clusters.seen("source").reached == ""
        lease.announce("restore.hosted_cluster")
        assert {clusters.seen(side).reached for side in ("source", "destination")} == {"restore.hosted_cluster"}
    again = clusters.lease("again")
    with again.acquire():
        assert clusters.seen("source").reached == "restore.hosted_cluster", "it is that of the relocation, not of a run"
        clusters.silent = {"source"}
        with pytest.raises(ClusterUnreachable):
            again.announce("restore.start_control_plane")
        clusters.silent = set()
    other = clusters.lease("other", case=replace(CASE, backup_id="another"))
    with other.acquire():
        assert clusters.seen("source").reached == ""


def test_what_the_bucket_has_of_the_journal_is_known_to_the_next_of_this_relocation() -> None:
    clusters = Clusters()
    lease = clusters.lease()
    with lease.acquire():
        lease.record_mirrored("1:a", at_once=True)
        assert {clusters.seen(side).mirrored for side in ("source", "destination")} == {"1:a"}
        lease.record_mirrored("2:b", at_once=False)
        assert clusters.seen("source").mirrored == "1:a"
        clusters.clock.seconds += RENEW_INTERVAL
        lease.renew()
        assert clusters.seen("source").mirrored == "2:b"
        assert [cluster.name for cluster in lease.clusters] == ["source", "destination"]
    assert lease.clusters == ()
    again = clusters.lease("again")
    with again.acquire():
        assert again.marks == {"2:b"}
        assert clusters.seen("source").mirrored == "2:b"
    other = clusters.lease("other", case=replace(CASE, backup_id="another"))
    with other.acquire():
        assert other.marks == frozenset()
        assert clusters.seen("source").mirrored == ""


def test_the_last_run_that_wrote_is_known_to_the_next() -> None:
    clusters = Clusters()
    first = clusters.lease("first")
    with first.acquire():
        assert clusters.seen("source").last_run == ""
        first.record_writer(first.me)
        assert clusters.seen("source").last_run == first.me
    second = clusters.lease("second")
    with second.acquire():
        assert second.last_runs == {first.me}
    other = clusters.lease("other", case=replace(CASE, backup_id="another"))
    with other.acquire():
        assert other.last_runs == frozenset()
        assert clusters.seen("destination").last_run == ""


def test_somebody_who_looks_changes_nothing() -> None:
    clusters = Clusters()
    assert read_lease_status(clusters.client("source"), "clusters", "one") is None
    with clusters.lease().acquire():
        before = clusters.seen("source")
        assert read_lease_status(clusters.client("source"), "clusters", "one") == before


def test_a_lease_is_made_by_nobody_twice() -> None:
    """Whoever loses the race sees the other one."""
    clusters = Clusters()
    other: list[Lease] = []

    def faster(moment: str, request: object) -> None:
        if moment == "before" and "create" in str(request) and not other:
            other.append(clusters.lease("faster"))
            other[0]._acquire_one(other[0]._sides[0])

    ports = clusters.ports("mine", Gate([faster]))
    clusters.clock.meanwhile = lambda: patch_time(clusters, "source")
    with pytest.raises(LeaseHeld), clusters.lease(ports=ports).acquire():
        pytest.fail("not held")
