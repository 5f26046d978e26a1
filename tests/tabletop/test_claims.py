"""Whoever has written anything does not say that nothing was changed: refusals forced after each step's first act."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import pytest

from hcp_dr.aws.port import Record, RecordChange
from hcp_dr.errors import HcpDrError, NotOurs, NotProven
from hcp_dr.kube import resources as r
from hcp_dr.procedure import PHASES, UNDO
from hcp_dr_lab.ground.names import OPERATOR, OPERATOR_NAMESPACE
from hcp_dr_lab.tabletop.gate import Request
from hcp_dr_lab.tabletop.world import NAME
from tests.claims import NOT_OF_THE_CLUSTER, NOT_TORN_DOWN, denials
from tests.tabletop.scene import Scene, scene
from tests.tabletop.test_abort import EVERY
from tests.tabletop.test_dangers import Killed, scale, sides, stopped

PLACE = "clusters-shop"
READS = ("endpoint status", "member list", "snapshot status", "stat -c", "--max-time")


def pause_lifted(here: Scene) -> None:
    source, _ = sides(here)
    source.patch(r.HOSTED_CLUSTER, NAME, "clusters", {"spec": {"pausedUntil": None}})


def another_content(here: Scene) -> None:
    """Behind the API's name, wherever it is served."""
    try:
        other = {"data": {"nonce": "of-another-cluster"}}
        here.world.hosted_client().patch(r.CONFIG_MAP, "hcp-dr-relocation", "default", other)
    except HcpDrError:
        here.world.sides[0].client()


def a_strangers_name(here: Scene) -> None:
    name = here.world.residents[NAME].server[0]
    label, _, rest = name.partition(".")
    said = '"heritage=external-dns,external-dns/owner=third,external-dns/resource=route/clusters-shop/kube-apiserver"'
    claim = Record(f"{label}-external-dns.{rest}", "TXT", 300, (said,))
    here.operator.ports().zone.change((RecordChange("CREATE", claim),))


def the_operator_is_back(here: Scene) -> None:
    source, _ = sides(here)
    scale(source, OPERATOR_NAMESPACE, OPERATOR, 1)


def the_destination_is_deleted(here: Scene) -> None:
    """By its grace alone: its operator is away."""
    _, destination = sides(here)
    scale(destination, OPERATOR_NAMESPACE, OPERATOR, 0)
    for resource, name, namespace in (
        (r.HOSTED_CLUSTER, NAME, "clusters"),
        (r.NODE_POOL, f"{NAME}-workers", "clusters"),
        (r.NAMESPACE, PLACE, None),
    ):
        if destination.find(resource, name, namespace) is not None:
            destination.delete(resource, name, namespace)


def the_bucket_refuses(here: Scene) -> None:
    here.world.cloud.storage.endpoint = "https://s3.eu-west-1.amazonaws.com"


SABOTAGE: dict[str, Callable[[Scene], None]] = {
    "pause lifted": pause_lifted,
    "another content": another_content,
    "a stranger's name": a_strangers_name,
    "the operator is back": the_operator_is_back,
    "the destination is deleted": the_destination_is_deleted,
    "the bucket refuses": the_bucket_refuses,
}
STEPS = [step.name for step in PHASES["relocate"] if not step.name.startswith("preflight.")]
ALL = [(step, what) for step in STEPS for what in SABOTAGE]
ALL_UNDONE = [
    (step.name, what) for step in UNDO for what in ("pause lifted", "a stranger's name", "the destination is deleted")
]


def has_acted(here: Scene, step: str) -> bool:
    return any(line["line"] == "outcome" and line["step"] == step for line in here.operator.story().lines)


def writings(here: Scene) -> list[Request]:
    """What is written from now on, but the Leases, the bucket's copies and the folder, which are hcp-dr's own."""
    found: list[Request] = []

    def listen(moment: Literal["before", "after"], request: Request) -> None:
        own = request.port in ("bucket", "archive") or r.LEASE in request.arguments
        reads = request.verb == "execute" and any(word in str(request.arguments[3]) for word in READS)
        if moment == "after" and request.writes and not own and not reads:
            found.append(request)

    here.world.hooks.append(listen)
    return found


def after_its_first_act(here: Scene, step: str, act: Callable[[Scene], None]) -> None:
    done: list[str] = []

    def listen(moment: Literal["before", "after"], request: Request) -> None:
        del request
        if moment == "before" and not done and has_acted(here, step):
            done.append(step)
            act(here)

    here.world.hooks.append(listen)


def assert_true(here: Scene, error: HcpDrError, written: list[Request]) -> None:
    told = error.paragraph()
    if written:
        assert denials(told) == [], told
        assert NOT_OF_THE_CLUSTER not in told
    acted = here.operator.story().memory.acted
    if any(step.startswith("teardown.") for step in acted):
        assert NOT_TORN_DOWN not in told


@pytest.mark.parametrize(("step", "what"), ALL if EVERY else ALL[5::17])
def test_who_refuses_after_an_act_does_not_deny_it(step: str, what: str) -> None:
    here = scene()
    after_its_first_act(here, step, SABOTAGE[what])
    written = writings(here)
    ending = here.operator.relocate(dns="handover" if step == "backup.hold_dns" else "release")
    if ending.error is not None:
        assert_true(here, ending.error, written)
        here.world.hooks.pop()
        again = writings(here)
        resumed = here.operator.resume()
        if resumed.error is not None:
            assert_true(here, resumed.error, [*written, *again])


@pytest.mark.parametrize(("step", "what"), ALL_UNDONE if EVERY else ALL_UNDONE[1::11])
def test_who_calls_it_off_and_is_stopped_does_not_deny_what_it_undid(step: str, what: str) -> None:
    here = stopped("restore.start_control_plane", dns="handover")
    lines = len(here.operator.story().lines)
    done: list[str] = []

    def listen(moment: Literal["before", "after"], request: Request) -> None:
        del request
        new = here.operator.story().lines[lines:]
        if moment == "before" and not done and any(("outcome", step) == (e["line"], e.get("step")) for e in new):
            done.append(step)
            SABOTAGE[what](here)

    here.world.hooks.append(listen)
    written = writings(here)
    ending = here.operator.abort()
    if ending.error is not None:
        assert_true(here, ending.error, written)


def test_names_that_are_held_are_not_denied() -> None:
    here = scene()
    label = here.world.residents[NAME].server[0].partition(".")[0]

    def unclaimed(here: Scene) -> None:
        """Somebody takes the claims away, and nothing says any more whose the address is."""
        zone = here.operator.ports().zone
        claims = [each for each in zone.records() if each.type == "TXT" and f"{label}-external-dns." in each.name]
        zone.change([RecordChange("DELETE", each) for each in claims])

    after_its_first_act(here, "backup.hold_dns", unclaimed)
    stopped = here.operator.relocate(dns="handover").error
    assert isinstance(stopped, NotOurs)
    assert "Held records stay held, until `hcp-dr abort` returns them" in stopped.paragraph()


def test_a_teardown_that_has_begun_is_not_denied_by_a_proof_that_is_looked_at_again() -> None:
    here = scene()

    def kill(moment: Literal["before", "after"], request: Request) -> None:
        del request
        if moment == "before" and has_acted(here, "teardown.stop_control_plane"):
            raise Killed

    here.world.hooks.append(kill)
    with pytest.raises(Killed):
        here.operator.relocate()
    here.world.hooks.clear()
    another_content(here)
    stopped = here.operator.resume().error
    assert isinstance(stopped, NotProven)
    assert NOT_TORN_DOWN not in stopped.paragraph()
    assert "What was done so far stays as it is." in stopped.paragraph()


def test_before_it_has_begun_that_is_said() -> None:
    here = scene()
    after_its_first_act(here, "restore.start_control_plane", lambda _: None)

    def lose(moment: Literal["before", "after"], request: Request) -> None:
        del request
        if moment == "before" and here.operator.story().current == "verify.placement":
            another_content(here)

    here.world.hooks.append(lose)
    stopped = here.operator.relocate().error
    assert isinstance(stopped, HcpDrError)
    assert NOT_TORN_DOWN in stopped.paragraph()
