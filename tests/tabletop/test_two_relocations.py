"""Two relocations, the HyperShift operators of which serve both: stopped for both, and started by the last of them.

One is the hosted cluster that every test relocates, the other one is its neighbour.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Literal

import pytest

from hcp_dr.engine.journal import FILE_NAME, JournalState, fold
from hcp_dr.errors import CannotMigrate, HcpDrError, MachineUnsafe, NotOurs, OperatorClaimed, TimedOut
from hcp_dr.hypershift.steps import POINT_OF_NO_RETURN
from hcp_dr.kube import resources as r
from hcp_dr.objects.reading import is_deleting
from hcp_dr_lab.hosted.shapes import Shape
from hcp_dr_lab.tabletop.gate import Request
from hcp_dr_lab.tabletop.operator import Ending, Operator
from hcp_dr_lab.tabletop.world import NAME, World
from tests.tabletop.scene import SETTLE, Scene, forget_the_key, scene, twin, unchecked
from tests.tabletop.test_abort import harm
from tests.tabletop.test_interruption import EVERY_KILL

pytestmark = pytest.mark.usefixtures("impatient")
OTHER = "shop2"
CLAIM = ("hcp-dr.operator", "default")
OPERATOR = ("operator", "hypershift")
EVERY = os.environ.get(EVERY_KILL)


class KilledError(Exception):
    """The process is no more."""


def claims(world: World) -> list[str]:
    """Who has claimed the operator of each side, "" where nobody has."""
    found = [side.client().find(r.LEASE, *CLAIM) for side in world.sides]
    return [lease["spec"].get("holderIdentity", "") if lease else "" for lease in found]


def replicas(world: World) -> list[tuple[int, int]]:
    """Of the operator of each side: asked for, and ready."""
    found = [side.client().get(r.DEPLOYMENT, *OPERATOR) for side in world.sides]
    return [(each["spec"]["replicas"], each["status"].get("readyReplicas", 0)) for each in found]


def instances(world: World) -> dict[str, str]:
    """The state of each, of both hosted clusters."""
    return {each.instance_id: each.state for each in world.cloud.machines.instances().values()}


@cache
def replicas_before() -> list[tuple[int, int]]:
    return replicas(scene(Shape.NEIGHBOUR).world)


def where(world: World, name: str) -> list[int]:
    """The numbers of the sides that have its HostedCluster."""
    sides = enumerate(world.sides, 1)
    return [number for number, side in sides if side.client().find(r.HOSTED_CLUSTER, name, "clusters")]


MOVED_TOO = ("neighbour", "foreign")
"""What of the verdict on one of the two tells of the other."""


def assert_unharmed(world: World, words: object = "", before: World | None = None) -> None:
    """All serve, nothing was lost, and both operators are as they were, with nobody's claim on them."""
    world.clock.spend(SETTLE)
    seen = harm(world)
    assert {what: seen[what] for what in seen if what not in MOVED_TOO} == {}, words
    assert instances(world) == instances(before or scene(Shape.NEIGHBOUR).world), words
    for name in world.residents:
        assert world.hosted_client(name).get(r.NAMESPACE, "default"), words
    assert replicas(world) == replicas_before(), words
    assert [side.client().find(r.LEASE, *CLAIM) for side in world.sides] == [None, None], words


def test_phase_by_phase_the_teardown_shares_the_operator() -> None:
    """Between the phases days may pass: no phase before registers."""
    here = scene(Shape.NEIGHBOUR)
    other = Operator(here.world, OTHER)
    assert other.backup().error is None
    assert other.go_on("restore").error is None
    assert other.go_on("verify").error is None
    assert claims(here.world) == ["", ""]
    stopped_in_teardown(here)
    [mine, _] = claims(here.world)
    torn = other.go_on("teardown")
    assert isinstance(torn.error, TimedOut)
    assert mine in torn.error.what
    assert claims(here.world)[0].startswith(mine)
    assert replicas(here.world)[0] == (0, 0)
    assert here.operator.resume().error is None
    assert other.resume().error is None
    assert_unharmed(here.world)


def stop_at(world: World, operator: Operator, there: Callable[[JournalState], bool]) -> None:
    """Kill its process before the next request that writes."""

    def kill(moment: Literal["before", "after"], request: Request) -> None:
        if moment == "before" and request.writes and there(operator.story()):
            raise KilledError

    world.hooks.append(kill)


def makes_claim(request: Request, port: str = "source") -> bool:
    if (request.port, request.verb) != (port, "create") or request.arguments[0] != r.LEASE:
        return False
    return bool(request.arguments[1]["metadata"]["name"] == CLAIM[0])


def with_claim_first(world: World, second: Operator) -> None:
    """When somebody is about to make the first claim, the second one, which has seen none either, makes its own, and
    its process dies."""
    begun: list[bool] = []

    def listen(moment: Literal["before", "after"], request: Request) -> None:
        if not makes_claim(request):
            return
        if moment == "before" and not begun:
            begun.append(True)
            with suppress(KilledError):
                second.relocate()
            begun.append(True)
        elif moment == "after" and len(begun) == 1:
            raise KilledError

    world.hooks.append(listen)


@pytest.mark.usefixtures("nested")
def test_two_that_begin_at_the_same_moment_share_it() -> None:
    here = scene(Shape.NEIGHBOUR)
    second = Operator(here.world, OTHER)
    with_claim_first(here.world, second)
    assert here.operator.relocate().error is None
    here.world.hooks.clear()
    assert claims(here.world)[0].startswith(f"clusters/{OTHER} backup")
    assert second.resume().error is None
    assert (where(here.world, NAME), where(here.world, OTHER)) == ([2], [2])
    assert_unharmed(here.world)


@pytest.mark.usefixtures("nested")
def test_who_calls_it_off_leaves_the_others_in_the_record() -> None:
    here = scene(Shape.NEIGHBOUR)
    second = Operator(here.world, OTHER)
    with_claim_first(here.world, second)
    stop_at(here.world, here.operator, lambda story: story.current == "backup.fence")
    with suppress(KilledError):
        here.operator.relocate()
    here.world.hooks.clear()
    assert here.operator.abort().error is None
    assert claims(here.world)[0].startswith(f"clusters/{OTHER} backup")
    assert second.abort().error is None
    assert_unharmed(here.world)


def crossing() -> tuple[Scene, Operator]:
    """The first is on the first side, the other one on the second, and each is to go to where the other one is."""
    here = twin(_crossed())
    return here, Operator(here.world, OTHER, source=2)


@cache
def _crossed() -> Scene:
    """Nobody's own: go on with a twin."""
    here = scene(Shape.NEIGHBOUR)
    assert Operator(here.world, OTHER).relocate().error is None
    return here


@pytest.mark.usefixtures("nested")
def test_of_two_that_cross_one_steps_back() -> None:
    here, second = crossing()
    with_claim_first(here.world, second)
    ending = here.operator.relocate()
    here.world.hooks.clear()
    assert isinstance(ending.error, OperatorClaimed)
    assert "MGMT2_KUBECONFIG" in ending.error.next
    assert [who.partition(" ")[0] for who in claims(here.world)] == ["", f"clusters/{OTHER}"]
    assert second.resume().error is None
    assert here.operator.resume().error is None
    assert (where(here.world, NAME), where(here.world, OTHER)) == ([2], [1])
    assert_unharmed(here.world)


def test_a_relocation_off_the_destination_stops_it_before_anything() -> None:
    here, second = crossing()
    stop_at(here.world, second, lambda story: story.current == "backup.fence")
    with suppress(KilledError):
        second.relocate()
    here.world.hooks.clear()
    ending = here.operator.relocate()
    assert isinstance(ending.error, CannotMigrate)
    assert [check.name for check in ending.checks if check.stops] == ["operator_claim.destination"]
    assert second.abort().error is None
    assert here.operator.relocate().error is None
    assert_unharmed(here.world)


def restored_paused(world: World, operator: Operator) -> None:
    """Phase by phase, until its HostedCluster is on the destination."""
    assert operator.backup().error is None
    stop_at(world, operator, lambda story: story.current == "restore.node_pools")
    with suppress(KilledError):
        operator.go_on("restore")
    world.hooks.clear()


@pytest.mark.usefixtures("nested")
def test_two_that_are_called_off_on_one_destination_share_its_operator() -> None:
    """Else the second would remember as the operator's replicas the zero that the first has made of them, or start it
    in the deletions of the first."""
    here = scene(Shape.NEIGHBOUR)
    second = Operator(here.world, OTHER)
    restored_paused(here.world, here.operator)
    restored_paused(here.world, second)
    inside: list[Ending] = []

    def listen(moment: Literal["before", "after"], request: Request) -> None:
        deletes = (moment, request.port, request.verb) == ("before", "destination", "delete")
        if deletes and request.arguments[0] == r.HOSTED_CLUSTER and not inside:
            inside.append(Ending(JournalState()))
            inside.append(second.abort())
            assert replicas(here.world)[1] == (0, 0)

    here.world.hooks.append(listen)
    assert here.operator.abort().error is None
    here.world.hooks.clear()
    assert inside[1].error is None
    assert (where(here.world, NAME), where(here.world, OTHER)) == ([1], [1])
    assert_unharmed(here.world)


@pytest.mark.usefixtures("nested")
def test_a_relocation_that_begins_while_another_is_called_off_onto_its_destination_is_told() -> None:
    here = scene(Shape.NEIGHBOUR)
    second = Operator(here.world, OTHER)
    restored_paused(here.world, here.operator)
    inside: list[tuple[str, ...]] = []

    def listen(moment: Literal["before", "after"], request: Request) -> None:
        deletes = (moment, request.port, request.verb) == ("before", "destination", "delete")
        if deletes and request.arguments[0] == r.HOSTED_CLUSTER and not inside:
            inside.append(())
            inside.append(tuple(check.seen for check in second.preflight() if check.name.startswith("operator_claim")))

    here.world.hooks.append(listen)
    assert here.operator.abort().error is None
    [_, [source, destination]] = inside
    assert "no other relocation" in source
    assert "is being aborted, and for some minutes keeps the HyperShift operator of the destination" in destination


# Whose claim it is


def stopped_in_teardown(here: Scene, step: str = "teardown.machines") -> None:
    stop_at(here.world, here.operator, lambda story: story.current == step)
    with suppress(KilledError):
        here.operator.relocate()
    here.world.hooks.clear()


def test_a_claim_that_somebody_deleted_keeps_the_operator_from_coming_back_in_anothers_deletions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    unchecked(monkeypatch)
    here = scene(Shape.NEIGHBOUR)
    source = here.world.sides[0].client()
    stopped_in_teardown(here)
    source.delete(r.LEASE, *CLAIM)
    second = Operator(here.world, OTHER)
    stop_at(here.world, second, lambda story: story.current == "teardown.cluster")
    with suppress(KilledError):
        assert second.relocate().error is None
    here.world.hooks.clear()
    assert claims(here.world)[0].startswith(f"clusters/{OTHER} ")
    ending = here.operator.resume()
    assert isinstance(ending.error, TimedOut)
    assert f"clusters/{OTHER} " in ending.error.what
    assert replicas(here.world)[0] == (0, 0), "it would finish what the other one has half deleted"
    assert second.resume().error is None
    assert here.operator.resume().error is None
    assert_unharmed(here.world)


def test_a_claim_that_somebody_deleted_is_taken_again() -> None:
    here = scene(Shape.NEIGHBOUR)
    stopped_in_teardown(here)
    here.world.sides[0].client().delete(r.LEASE, *CLAIM)
    assert here.operator.resume().error is None
    assert_unharmed(here.world)


def test_who_scales_the_operator_up_in_the_deletions_is_told_from_another_relocation() -> None:
    here = scene(Shape.NEIGHBOUR)
    source = here.world.sides[0].client()
    stopped_in_teardown(here)
    backup_id = (here.operator.story().case or {})["backup_id"]
    assert claims(here.world) == [f"clusters/{NAME} backup {backup_id}", ""]
    source.patch(r.DEPLOYMENT, *OPERATOR, {"spec": {"replicas": 1}})
    here.world.clock.spend(5)
    ending = here.operator.resume()
    assert isinstance(ending.error, MachineUnsafe)
    assert "another client than hcp-dr scaled the operator" in ending.error.what
    source.patch(r.DEPLOYMENT, *OPERATOR, {"spec": {"replicas": 0}})
    here.world.clock.spend(5)
    assert here.operator.resume().error is None
    assert_unharmed(here.world)


def removed_by(todo: str) -> str:
    """The annotation that the printed command removes."""
    [key] = re.findall(r"annotate lease -n default hcp-dr.operator (\S+)-`", todo)
    return str(key)


def annotated(here: Scene, **values: str | None) -> None:
    """By another client, on the source."""
    here.world.sides[0].client().patch(r.LEASE, *CLAIM, {"metadata": {"annotations": values}})


def test_a_holder_that_never_comes_back_is_named_and_removed_by_the_printed_command() -> None:
    here = scene(Shape.NEIGHBOUR)
    stopped_in_teardown(here, "teardown.node_pools")
    second = Operator(here.world, OTHER)
    waited = second.relocate().error
    assert isinstance(waited, TimedOut)
    assert f"clusters/{NAME} backup" in waited.what
    assert replicas(here.world)[0] == (0, 0)
    annotated(here, **{removed_by(waited.next): None})
    assert second.resume().error is None
    assert replicas(here.world) == replicas_before()
    scaled = here.operator.resume().error
    assert isinstance(scaled, MachineUnsafe)
    assert "does not name this relocation any more" in scaled.what


def test_a_removed_holder_whose_hosted_cluster_is_half_deleted_keeps_the_operator_away() -> None:
    here = scene(Shape.NEIGHBOUR)
    source = here.world.sides[0].client()
    stop_at(here.world, here.operator, lambda _: is_deleting(source.get(r.HOSTED_CLUSTER, NAME, "clusters")))
    with suppress(KilledError):
        here.operator.relocate()
    here.world.hooks.clear()
    annotated(here, **{f"holder.hcp-dr.openshift.io/clusters.{NAME}": None})
    second = Operator(here.world, OTHER)
    waited = second.relocate().error
    assert isinstance(waited, TimedOut)
    assert f"being deleted: HostedCluster clusters/{NAME}" in waited.what
    assert replicas(here.world)[0] == (0, 0), "it would wipe the OIDC documents"
    first = here.operator.resume().error
    assert isinstance(first, TimedOut)
    assert second.resume().error is None
    assert here.operator.resume().error is None
    assert_unharmed(here.world)


def test_content_that_hcp_dr_did_not_write_is_named_and_removed_by_the_printed_command() -> None:
    here = scene(Shape.NEIGHBOUR)
    stopped_in_teardown(here)
    annotated(here, **{f"holder.hcp-dr.openshift.io/clusters.{OTHER}": "whatever"})
    refused = here.operator.resume().error
    assert isinstance(refused, NotOurs)
    annotated(here, **{removed_by(refused.next): None})
    assert here.operator.resume().error is None
    assert_unharmed(here.world)


@pytest.mark.parametrize("content", ["7", None])
def test_replicas_that_another_client_wrote_are_not_restored(content: str | None) -> None:
    here = scene(Shape.NEIGHBOUR)
    stopped_in_teardown(here)
    annotated(here, **{"hcp-dr.openshift.io/operator-before": content})
    assert here.operator.resume().error is None
    assert_unharmed(here.world)


def test_an_operator_that_somebody_scales_up_stops_both_before_they_delete_anything() -> None:
    here = scene(Shape.NEIGHBOUR)
    source = here.world.sides[0].client()
    second = Operator(here.world, OTHER)
    stopped_in_teardown(here)
    stop_at(here.world, second, lambda story: story.current == "teardown.node_pools")
    with suppress(KilledError):
        second.relocate()
    here.world.hooks.clear()
    source.patch(r.DEPLOYMENT, *OPERATOR, {"spec": {"replicas": 1}})
    here.world.clock.spend(5)
    for each in (here.operator, second):
        assert isinstance(each.resume().error, MachineUnsafe)
    source.patch(r.DEPLOYMENT, *OPERATOR, {"spec": {"replicas": 0}})
    here.world.clock.spend(5)
    assert isinstance(here.operator.resume().error, TimedOut)
    assert second.resume().error is None
    assert here.operator.resume().error is None
    assert_unharmed(here.world)


def test_a_relocation_that_an_older_release_began_claims_when_it_is_resumed() -> None:
    """Before the point of no return at once, after it when the teardown needs it, also where the operator was stopped
    without; and where it is back, not at all."""
    steps = ("backup.fence", POINT_OF_NO_RETURN, "teardown.machines", "teardown.leftovers")
    for step in steps:
        here = scene(Shape.NEIGHBOUR)
        stopped_in_teardown(here, step)
        told = (line for line in here.operator.story().lines if line.get("step") != "backup.claim_operator")
        here.operator.take_over(fold(told), here.operator.files)
        bucket = here.operator.ports().bucket
        [key] = [item.key for item in bucket.list(f"hcp-dr/clusters/{NAME}/") if item.key.endswith(f"/{FILE_NAME}")]
        bucket.put(key, here.operator.journal_data(), metadata={})
        forget_the_key(here.world)
        with suppress(HcpDrError):
            here.world.sides[0].client().delete(r.LEASE, *CLAIM)
        assert here.operator.resume().error is None, step
        assert_unharmed(here.world, step)


@pytest.mark.parametrize("step", ["teardown.stop_control_plane", "teardown.machines"])
def test_a_claim_that_an_older_release_wrote_is_shared_once_its_relocation_goes_on(step: str) -> None:
    """Until then it is refused: the older release would start the operator in the deletions of others."""
    here = scene(Shape.NEIGHBOUR)
    source = here.world.sides[0].client()
    stopped_in_teardown(here, step)
    backup_id = (here.operator.story().case or {})["backup_id"]
    source.delete(r.LEASE, *CLAIM)
    annotations = {
        "hcp-dr.openshift.io/hosted-cluster": f"clusters/{NAME}",
        "hcp-dr.openshift.io/relocation": backup_id,
        "hcp-dr.openshift.io/side": "source",
    }
    meta = {"name": CLAIM[0], "namespace": CLAIM[1], "annotations": annotations}
    spec = {"holderIdentity": f"clusters/{NAME} backup {backup_id}", "acquireTime": "2026-01-01T00:00:00.000000Z"}
    source.create(r.LEASE, {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": meta, "spec": spec})
    refused = Operator(here.world, OTHER).relocate()
    assert isinstance(refused.error, CannotMigrate)
    assert [check.name for check in refused.checks if check.stops] == ["operator_claim.source"]
    assert here.operator.resume().error is None
    assert Operator(here.world, OTHER).relocate().error is None
    assert_unharmed(here.world)


def test_a_claim_that_is_left_is_seen_from_outside() -> None:
    here = scene()
    assert here.operator.relocate().error is None
    holder = {f"holder.hcp-dr.openshift.io/clusters.{NAME}": "registered source 2026-01-01T00:00:00Z it"}
    left = {"name": CLAIM[0], "namespace": CLAIM[1], "annotations": holder}
    body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": left, "spec": {"holderIdentity": "it"}}
    here.world.sides[0].client().create(r.LEASE, body)
    assert here.verdict().reasons == ("left on the source: Lease default/hcp-dr.operator",)


def prepared_on_destination(here: Scene) -> None:
    """The first one has made the namespaces and the inputs there, also the one that hosted clusters share."""
    here.world.sides[1].client().delete(r.NAMESPACE, "clusters")
    here.world.clock.spend(30)
    stop_at(here.world, here.operator, lambda story: story.current == "backup.fence")
    with suppress(KilledError):
        here.operator.relocate()
    here.world.hooks.clear()


@pytest.mark.usefixtures("nested")
def test_a_shared_namespace_does_not_go_with_what_another_relocation_restored_meanwhile() -> None:
    """Between the look into the namespace and its deletion."""
    here = scene(Shape.NEIGHBOUR)
    second = Operator(here.world, OTHER)
    prepared_on_destination(here)
    inside: list[Ending] = []

    def listen(moment: Literal["before", "after"], request: Request) -> None:
        goes = (moment, request.port, request.verb) == ("before", "destination", "delete")
        if goes and request.arguments[:2] == (r.NAMESPACE, "clusters") and not inside:
            inside.append(Ending(JournalState()))
            inside.append(second.relocate())

    here.world.hooks.append(listen)
    assert here.operator.abort().error is None
    here.world.hooks.clear()
    assert len(inside) == 2
    if inside[1].error is not None:
        assert (second.resume if second.story().command else second.relocate)().error is None
    assert (where(here.world, NAME), where(here.world, OTHER)) == ([1], [2])
    assert_unharmed(here.world)
