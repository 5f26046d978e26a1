"""Every command, with each peer exchanged between two steps: another management cluster, the same twice, the two
swapped, another hosted cluster, AWS account or bucket. Nothing of the innocent region is written, and nothing goes on
here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from hcp_dr.commands.plan import plan
from hcp_dr.commands.status import status
from hcp_dr.engine.journal import JournalState
from hcp_dr.errors import (
    ArchiveError,
    CannotMigrate,
    HcpDrError,
    SameCluster,
    SettingsError,
    UnknownHostedCluster,
    WrongCluster,
)
from hcp_dr.model import Ports
from hcp_dr_lab.tabletop.aws.ports import MemoryBucket, MemoryIdentity
from hcp_dr_lab.tabletop.aws.storage import Storage
from hcp_dr_lab.tabletop.gate import Request
from hcp_dr_lab.tabletop.operator import Operator
from tests.tabletop.by_hand import Hands
from tests.tabletop.scene import Scene, scene, twin
from tests.tabletop.test_dangers import stopped
from tests.tabletop.test_namesakes import STOPPED_IN, Elsewhere, after_phase, swapped

Exchange = Callable[[Ports, Ports], Ports]
"""Of the ports here, and of those of the innocent region."""


def another_account(ours: Ports, theirs: Ports) -> Ports:
    identity = MemoryIdentity("arn:aws:sts::210987654321:assumed-role/relocator/me")
    return replace(ours, identity=identity, zone=theirs.zone, instances=theirs.instances)


def another_bucket(ours: Ports, theirs: Ports) -> Ports:
    storage = Storage(now=theirs.now, region="eu-west-1")
    return replace(ours, bucket=MemoryBucket(storage, ours.bucket.name))


MANAGEMENT: dict[str, Exchange] = {
    "another source": lambda ours, theirs: replace(ours, source=theirs.source),
    "another destination": lambda ours, theirs: replace(ours, destination=theirs.destination),
    "another region": lambda _ours, theirs: theirs,
    "the source twice": lambda ours, _theirs: replace(ours, destination=ours.source),
    "the destination twice": lambda ours, _theirs: replace(ours, source=ours.destination),
    "swapped": lambda ours, _theirs: swapped(ours),
}
AWS: dict[str, Exchange] = {"another account": another_account, "another bucket": another_bucket}
HOSTED: dict[str, Exchange] = {"another hosted cluster": lambda ours, theirs: replace(ours, hosted=theirs.hosted)}
REFUSALS = dict.fromkeys(MANAGEMENT, WrongCluster) | dict.fromkeys(AWS, SettingsError)


def exchanged(here: Scene, exchange: Exchange) -> Elsewhere:
    there = Elsewhere(here)
    real = here.operator.ports

    def ports() -> Ports:
        ours = real()
        return exchange(ours, there.world.ports(ours.archive))

    here.operator.ports = ports  # type: ignore[method-assign]
    return there


def written(here: Scene) -> list[str]:
    """By any command from now on, here."""
    found: list[str] = []

    def listen(moment: str, request: Request) -> None:
        if moment == "before" and request.writes and request.port != "archive":
            found.append(f"{request.port} {request.verb} {request.arguments[:2]}")

    here.world.hooks.append(listen)
    return found


def error_of(act: Callable[[], object]) -> HcpDrError | None:
    try:
        return getattr(act(), "error", None)
    except HcpDrError as error:
        return error


GO_ON: dict[str, Callable[[Operator], object]] = {
    "resume": lambda operator: operator.resume(),
    "abort": lambda operator: operator.abort(),
    "plan resume": lambda operator: operator.plan("resume"),
    "plan abort": lambda operator: operator.plan("abort"),
}


@pytest.mark.parametrize("step", STOPPED_IN)
@pytest.mark.parametrize("way", REFUSALS)
def test_nothing_goes_on_with_an_exchanged_peer(way: str, step: str) -> None:
    here = stopped(step)
    there = exchanged(here, (MANAGEMENT | AWS)[way])
    seen = written(here)
    for command, act in GO_ON.items():
        error = error_of(lambda act=act: act(here.operator))  # type: ignore[misc]
        if not command.startswith("plan"):
            assert isinstance(error, HcpDrError), command
        if command == "resume":
            assert isinstance(error, REFUSALS[way]), error
    assert seen == []
    there.assert_untouched()


@pytest.mark.parametrize("way", MANAGEMENT)
def test_status_reads_no_lease_of_another_cluster(way: str) -> None:
    here = stopped("teardown.stop_control_plane")
    there = exchanged(here, MANAGEMENT[way])
    seen = written(here)
    told = status(here.operator.context()).around
    assert any(isinstance(each, WrongCluster) for each in told.unread.values())
    assert seen == []
    there.assert_untouched()


@pytest.mark.parametrize("phase", ["restore", "verify", "teardown", "finish"])
@pytest.mark.parametrize("way", REFUSALS)
def test_no_phase_begins_with_an_exchanged_peer(way: str, phase: str) -> None:
    before = ("backup", "restore", "verify", "teardown", "finish")
    here = twin(after_phase(before[before.index(phase) - 1]))
    there = exchanged(here, (MANAGEMENT | AWS)[way])
    seen = written(here)
    assert isinstance(here.operator.go_on(phase).error, REFUSALS[way])
    assert isinstance(error_of(lambda: plan(here.operator.context(), phase)), (HcpDrError, type(None)))
    assert seen == []
    there.assert_untouched()


@pytest.mark.parametrize("step", STOPPED_IN)
@pytest.mark.parametrize("command", ["resume", "abort"])
def test_another_hosted_cluster_is_never_written(step: str, command: str) -> None:
    here = stopped(step)
    there = exchanged(here, HOSTED["another hosted cluster"])
    error = error_of(lambda: GO_ON[command](here.operator))
    there.assert_untouched()
    assert isinstance(error, HcpDrError)


BEGIN: dict[str, Callable[[Operator], object]] = {
    "relocate": lambda operator: operator.relocate(),
    "backup": lambda operator: operator.backup(),
    "backup --online": lambda operator: operator.back_up_online(),
    "restore by hand": lambda operator: operator.restore_by_hand(),
    "plan": lambda operator: operator.plan("relocate"),
}
UNLIKE = ("the source twice", "the destination twice", "swapped", "another hosted cluster", "another account")
"""What shows before anything is known of a relocation."""


FITS = ("another account", "backup --online")
"""An online backup needs no instance."""


@pytest.mark.parametrize(
    ("way", "command"), [(way, command) for way in UNLIKE for command in BEGIN if (way, command) != FITS]
)
def test_nothing_begins_with_peers_that_do_not_fit(way: str, command: str) -> None:
    here = scene()
    if command == "restore by hand":
        hands = Hands(here.world)
        hands.backup()
        here.operator.take_over(JournalState(), hands.files)
    there = exchanged(here, (MANAGEMENT | AWS | HOSTED)[way])
    seen = written(here)
    error = error_of(lambda: BEGIN[command](here.operator))
    if command != "plan":
        refusals = (SameCluster, UnknownHostedCluster, CannotMigrate, WrongCluster, ArchiveError)
        assert isinstance(error, refusals), error
    assert [each for each in seen if not each.startswith("bucket ") and " execute " not in each] == []
    there.assert_untouched()


def test_another_server_or_authority_of_the_same_cluster_is_told_and_goes_on() -> None:
    here = stopped("restore.hosted_cluster")
    story = here.operator.story()
    moved = {"source_server": "https://before.example:6443", "destination_authority": "of-before"}
    here.operator.take_over(replace(story, case={**(story.case or {}), **moved}), here.operator.files)
    assert here.operator.resume().error is None
    notes = [each.text for each in here.operator.told if each.kind == "note" and each.text.startswith("The kubeconfig")]
    assert len(notes) == 2
    assert "instead of https://before.example:6443" in notes[0]
    assert "with another certificate authority" in notes[1]
    assert here.verdict().reasons == ()
