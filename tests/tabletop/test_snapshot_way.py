"""The way of the snapshot is tried from the destination before the fence: what would keep etcd from its snapshot is
found while the hosted API serves, and nothing of the trial stays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import pytest

from hcp_dr.errors import NotRestorable, Refused, TimedOut
from hcp_dr.hypershift import steps
from hcp_dr.hypershift.etcd import restorable
from hcp_dr.hypershift.etcd.rehearsal import LABEL
from hcp_dr.hypershift.state import SNAPSHOT_TRIED, RestoreProbe
from hcp_dr.kube import resources as r
from hcp_dr_lab.ground.layout import BUCKET
from hcp_dr_lab.ground.names import CONTROL_PLANE_IMAGE
from hcp_dr_lab.tabletop.aws import Answer
from hcp_dr_lab.tabletop.gate import Request
from tests.tabletop.scene import Scene, scene
from tests.tabletop.test_abort import assert_as_before, boundaries, taken_over
from tests.tabletop.test_dangers import OWN, sides
from tests.tabletop.test_pulling import NO_HOST, OTHER, another_node
from tests.tabletop.test_rights import restricted
from tests.tabletop.test_transfer import intents

STEP = "restore.try_snapshot"
DENIED = Answer(403, {}, b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>")
ELSEWHERE = Answer(302, {"location": "https://login.proxy.example/?u=1"}, b"")
WELCOME = Answer(200, {}, b"<html>welcome</html>")
BUSY = Answer(503, {}, b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>")


def left(here: Scene) -> tuple[list[str], list[str]]:
    """Pods and objects of the trial."""
    pods = [pod["metadata"]["name"] for pod in sides(here)[1].list(r.POD, labels=LABEL).items]
    return pods, [key for key in here.world.cloud.storage.keys_of(BUCKET, "hcp-dr/") if "probe" in key]


def answering(here: Scene, answer: Answer) -> None:
    """In the bucket's place, on the way from the destination's node."""

    def fetch(method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        del method, url, headers, body
        return answer

    here.world.sides[1].kubelet._fetch = fetch


def test_it_takes_nothing_but_the_printed_roles_and_nothing_stays() -> None:
    here = restricted()
    ending = here.operator.relocate()
    assert ending.error is None
    tried = ending.story.memory.get(SNAPSHOT_TRIED)
    assert tried is not None
    assert (tried.nodes, dict(tried.untried)) == (("mgmt-2-node",), {})
    assert left(here) == ([], [])
    assert here.verdict().reasons == ()


def test_a_node_on_which_no_pod_runs_is_a_warning() -> None:
    here = scene()
    another_node(here).unpullable[CONTROL_PLANE_IMAGE] = NO_HOST
    ending = here.operator.relocate()
    assert ending.error is None
    [check] = [check for check in ending.checks if check.name == "snapshot_way"]
    assert check.verdict == "warning"
    assert f"no pod ran on {OTHER} (ImagePullBackOff: {NO_HOST})" in check.seen
    assert left(here) == ([], [])


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (DENIED, "403 AccessDenied: Access Denied"),
        (ELSEWHERE, "302, a redirect to login.proxy.example"),
        (WELCOME, "the answer was 200 with 20 bytes that differ from the object"),
    ],
    ids=["denied", "redirected", "another answer"],
)
def test_what_the_destination_cannot_fetch_ends_it_before_the_fence(answer: Answer, words: str) -> None:
    here = scene()
    answering(here, answer)
    ending = here.operator.relocate()
    assert type(ending.error) is Refused
    for each in ("node mgmt-2-node", words, "the hosted API still serves", "hcp-dr abort"):
        assert each in ending.error.paragraph()
    assert "X-Amz" not in ending.error.paragraph()
    assert steps.BACKUP_FENCE not in ending.story.memory.begun
    assert here.operator.abort().error is None
    assert left(here) == ([], [])
    assert_as_before(here.world, ())


def test_a_bucket_that_is_slow_is_awaited_and_a_resume_goes_on() -> None:
    here = scene()
    fetch = here.world.sides[1].kubelet._fetch
    answering(here, BUSY)
    ending = here.operator.relocate()
    assert type(ending.error) is TimedOut
    assert "mgmt-2-node: 503 SlowDown" in ending.error.what
    here.world.sides[1].kubelet._fetch = fetch
    assert here.operator.resume().error is None
    assert left(here) == ([], [])
    assert here.verdict().reasons == ()


def test_an_evicted_pod_is_made_again() -> None:
    here = scene()
    evicted: list[str] = []

    def evict(moment: Literal["before", "after"], request: Request) -> None:
        if moment == "after" and request.verb == "create" and here.operator.story().current == STEP and not evicted:
            name = request.arguments[1]["metadata"]["name"]
            evicted.append(name)
            status = {"phase": "Failed", "reason": "Evicted", "message": "The node was low on memory"}
            sides(here)[1].patch(r.POD, name, OWN, {"status": status}, subresource="status")

    here.world.hooks.append(evict)
    ending = here.operator.relocate()
    assert ending.error is None
    assert len(evicted) == 1
    assert (
        len([each for each in intents(ending.story, STEP) if f"create on destination Pod {OWN}/{evicted[0]}" in each])
        == 2
    )
    assert left(here) == ([], [])


def test_tools_that_the_image_lacks_on_the_destination_end_it_before_the_fence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another image under the same name; the source's is as it was."""
    here = scene()

    def without_tools(looked: RestoreProbe, *_: object) -> RestoreProbe:
        return RestoreProbe(looked.release, looked.members, called=("etcdctl",), tools=("etcdctl",))

    monkeypatch.setattr(restorable, "probe_image", without_tools)
    ending = here.operator.relocate()
    assert isinstance(ending.error, NotRestorable)
    assert "etcdctl can no longer restore in etcd's image" in ending.error.what
    assert steps.BACKUP_FENCE not in ending.story.memory.begun
    assert here.operator.abort().error is None
    assert left(here) == ([], [])


def test_killed_at_each_of_its_actions_it_is_resumed_or_called_off() -> None:
    found = boundaries(step=STEP)
    assert {each.words.split()[2] for each in found} >= {"create", "delete", "put"}
    for each in found:
        world, operator = taken_over(each)
        assert operator.resume().error is None, each.words
        assert left(Scene(world, operator)) == ([], []), each.words
        world, operator = taken_over(each)
        assert operator.abort().error is None, each.words
        assert left(Scene(world, operator)) == ([], []), each.words
        assert_as_before(world, (), each.words)
