"""A journal that is older than what was done: a disk was rolled back, an old copy of the folder is used, and the bucket
has no mirror or does not answer. Nothing is started on the source on the word of such a journal."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hcp_dr.engine.journal import FILE_NAME, fold
from hcp_dr.engine.journal_lines import Line
from hcp_dr.engine.lease_status import REACHED_ANNOTATION
from hcp_dr.errors import AwsUnreachable, ClusterUnreachable, HcpDrError, JournalError, NotAuthentic, PastNoReturn
from hcp_dr.kube import resources as r
from hcp_dr_lab.ground.layout import BUCKET
from hcp_dr_lab.tabletop.gate import Request
from tests.tabletop.scene import Scene, forget_marks
from tests.tabletop.test_abort import counted
from tests.tabletop.test_dangers import OWN, sides, stop_before, stopped


def rolled_back(stopped_in: str, to: str) -> Scene:
    """The journal ends where `to` was begun, and the mirror is gone."""
    here = stopped(stopped_in)
    lines = []
    for line in here.operator.story().lines:
        if line.get("line") == "step" and line.get("step") == to:
            break
        lines.append(line)
    here.operator.take_over(fold(lines), here.operator.files)
    storage = here.world.cloud.storage
    for key in storage.keys_of(BUCKET, "hcp-dr/"):
        if key.endswith(FILE_NAME):
            storage.delete(BUCKET, key)
    return here


def without_bucket(_moment: str, request: Request) -> None:
    if request.port == "bucket":
        raise AwsUnreachable(service="S3", operation=request.verb, object="bucket", reason="timed out")


def without_destination(_moment: str, request: Request) -> None:
    if request.port == "destination":
        raise ClusterUnreachable(cluster="destination", verb=request.verb, object="it", reason="no route to host")


def assert_refused(here: Scene, kind: type[HcpDrError]) -> HcpDrError:
    """Before anything was written anywhere: the source's API servers stay at zero."""
    story, written = here.operator.story(), counted(here.world)
    error = here.operator.abort().error
    here.world.hooks.clear()
    assert isinstance(error, kind), error
    assert written == []
    assert here.operator.story() == story
    assert sides(here)[0].get(r.DEPLOYMENT, "kube-apiserver", OWN)["spec"]["replicas"] == 0
    assert here.world.sides[0].api(OWN) is None
    return error


@pytest.mark.parametrize("hook", [None, without_bucket], ids=["no mirror", "no bucket"])
@pytest.mark.parametrize("to", ["backup.snapshot_etcd", "restore.carry_again", "restore.hosted_cluster"])
@pytest.mark.parametrize("stopped_in", ["verify.publish_api", "verify.await_nodes", "restore.adopt_machines"])
def test_while_the_destination_serves(stopped_in: str, to: str, hook: Callable[[str, Request], None] | None) -> None:
    here = rolled_back(stopped_in, to)
    if hook is not None:
        here.world.hooks.append(hook)
    error = assert_refused(here, PastNoReturn)
    paused_again = stopped_in == "restore.adopt_machines"  # for the look at the machine templates
    proof = "there is a HostedControlPlane on the destination" if paused_again else "HostedCluster is not paused"
    assert proof in error.what
    assert not here.verdict().split_brain


def test_while_the_destination_has_it_paused() -> None:
    here = rolled_back("restore.start_control_plane", "restore.hosted_cluster")
    error = assert_refused(here, JournalError)
    assert "the destination has a HostedCluster of this relocation, but the journal has no record of that" in error.what
    assert "--backup" in error.next


@pytest.mark.parametrize(
    ("stopped_in", "kind"),
    [
        ("restore.node_pools", JournalError),
        ("verify.publish_api", PastNoReturn),
        ("verify.await_nodes", PastNoReturn),
    ],
)
def test_while_the_destination_does_not_answer(stopped_in: str, kind: type[HcpDrError]) -> None:
    """The source's Lease has it: what it was told before anything was made there."""
    here = rolled_back(stopped_in, "restore.hosted_cluster")
    here.world.hooks.append(without_destination)
    error = assert_refused(here, kind)
    assert "the Lease on the source announces" in error.what


def test_a_resumed_abort_asks_too() -> None:
    """Begun by a journal that knew all; its machine was rolled back after that, and somebody decided to go on without
    the lines that the Leases record."""
    here = rolled_back("verify.await_nodes", "restore.hosted_cluster")
    assert isinstance(here.operator.resume().error, NotAuthentic)
    forget_marks(here.world)
    story = here.operator.story()
    begin = Line(at=story.lines[-1].at, line="begin", command="abort", case=story.case)
    here.operator.take_over(story.after(begin), here.operator.files)
    ending = here.operator.resume()
    assert isinstance(ending.error, PastNoReturn)
    assert here.world.sides[0].api(OWN) is None
    assert not here.verdict().split_brain


def test_what_was_announced_is_of_this_relocation_only() -> None:
    """After an abort another one begins: nothing of the first is held against it."""
    here = stopped("restore.node_pools")
    source, _ = sides(here)
    lease = source.get(r.LEASE, "hcp-dr-clusters-shop", "default")
    assert lease["metadata"]["annotations"][REACHED_ANNOTATION] == "restore.hosted_cluster"
    assert here.operator.abort().error is None
    second = type(here.operator)(here.world)
    here.world.hooks.clear()
    here.operator = second
    stop_before(here, "backup.snapshot_etcd")
    lease = source.get(r.LEASE, "hcp-dr-clusters-shop", "default")
    assert REACHED_ANNOTATION not in lease["metadata"]["annotations"]
    assert second.abort().error is None
