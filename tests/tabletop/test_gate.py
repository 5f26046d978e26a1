"""What another client changes right before the point of no return, after all was proven: the gate is closed, nothing is
started on the destination, and the relocation resumes or aborts from there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import pytest

from hcp_dr.aws.port import Record, RecordChange
from hcp_dr.errors import AwsUnreachable, HcpDrError, NotOurs, NotRestorable, Refused, SnapshotDoubtful
from hcp_dr.hypershift.steps import POINT_OF_NO_RETURN
from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Resource
from hcp_dr.objects.archive import Manifest
from hcp_dr.objects.reading import dig
from hcp_dr_lab.ground.layout import BUCKET
from hcp_dr_lab.tabletop.aws.storage import Wanted
from hcp_dr_lab.tabletop.gate import Request
from tests.tabletop.scene import Scene, scene
from tests.tabletop.test_fence_watch import OWN, lift, scale, source

SLOW = 25.0
"""Seconds that the bucket takes to answer: long enough for an API server to come up."""


def while_the_intent_is_mirrored(here: Scene, act: Callable[[], None]) -> None:
    """The last slow thing before the act: all that the step has read is older."""
    done: list[bool] = []

    def listen(moment: Literal["before", "after"], request: Request) -> None:
        story = here.operator.story()
        if moment == "after" and not done and POINT_OF_NO_RETURN in story.memory.acted and request.port == "bucket":
            done.append(True)
            act()

    here.world.hooks.append(listen)


def while_the_url_is_tried(here: Scene, act: Callable[[], None]) -> None:
    done: list[bool] = []

    def listen(moment: Literal["before", "after"], request: Request) -> None:
        trying = (request.port, request.verb) == ("bucket", "size_behind")
        if moment == "before" and not done and trying and here.operator.story().current == POINT_OF_NO_RETURN:
            done.append(True)
            act()

    here.world.hooks.append(listen)


def is_paused_there(here: Scene) -> bool:
    found = here.world.sides[1].client().get(r.HOSTED_CLUSTER, "shop", "clusters")
    return bool(dig(found, "spec", "pausedUntil") == "true")


def replace_the_snapshot(here: Scene, *, metadata: bool) -> None:
    """By zeros of the same size."""
    storage = here.world.cloud.storage
    snapshot = Manifest.from_text(here.operator.files["manifest.json"]).snapshot
    assert snapshot is not None
    key, stored = snapshot.key, storage.get(BUCKET, snapshot.key)
    kept = dict(stored.metadata) if metadata else {"fence": "another"}
    storage.put(BUCKET, key, bytes(len(stored.body)), Wanted(metadata=kept))


def stop_the_operator(here: Scene) -> None:
    there = here.world.sides[1].client(manager="somebody")
    there.patch(r.DEPLOYMENT, "operator", "hypershift", {"spec": {"replicas": 0}})
    here.world.clock.spend(SLOW)


def occupy_the_name(here: Scene) -> None:
    name = here.operator.case().api_hostname
    here.operator.ports().zone.change([RecordChange("CREATE", Record(name, "CNAME", 60, ("elsewhere.example",)))])


def change_an_authority(here: Scene) -> None:
    there = here.world.sides[1].client(manager="somebody")
    there.patch(r.SECRET, "root-ca", OWN, {"data": {"ca.crt": "YW5vdGhlcg=="}})


def stop_external_dns(here: Scene) -> None:
    there = here.world.sides[1].client(manager="somebody")
    there.patch(r.DEPLOYMENT, "external-dns", "hypershift", {"spec": {"replicas": 0}})


@pytest.mark.parametrize("moment", [while_the_intent_is_mirrored, while_the_url_is_tried])
def test_a_fence_that_is_lifted_meanwhile_is_seen(moment: Callable[[Scene, Callable[[], None]], None]) -> None:
    here = scene()

    def lift_for_long() -> None:
        lift(here)
        here.world.clock.spend(SLOW)

    moment(here, lift_for_long)
    ending = here.operator.relocate()
    assert ending.error is None
    verdict = here.verdict()
    assert (verdict.reasons, verdict.lost, verdict.split_brain) == ((), (), False)


def test_a_writer_that_was_created_again_is_no_writer_that_stood_still() -> None:
    """Its generation is what it was; its uid is not."""
    here = scene()

    def created_again() -> None:
        body = source(here).get(r.DEPLOYMENT, "kube-apiserver", OWN)
        source(here).delete(r.DEPLOYMENT, "kube-apiserver", OWN)
        here.world.clock.spend(3)
        metadata = {key: body["metadata"][key] for key in ("name", "namespace", "labels")}
        fresh = {**body, "metadata": metadata, "spec": {**body["spec"], "replicas": 1}}
        del fresh["status"]
        source(here).create(r.DEPLOYMENT, fresh)
        here.world.clock.spend(SLOW)
        scale(here, "kube-apiserver", 0)
        here.world.clock.spend(60)

    while_the_intent_is_mirrored(here, created_again)
    ending = here.operator.relocate()
    assert ending.error is None
    verdict = here.verdict()
    assert (verdict.reasons, verdict.lost, verdict.split_brain) == ((), (), False)


def change_the_key(here: Scene) -> None:
    """As the hosted-cluster-config-operator reports it, which no fence stops."""
    target = {"provider": "AESCBC", "aescbc": {"secret": {"name": "shop-key-2"}, "dataHash": "b" * 64}}
    status = {"status": {"secretEncryption": {"targetKey": target}}}
    source(here).patch(r.HOSTED_CONTROL_PLANE, "shop", OWN, status, subresource="status")


@pytest.mark.parametrize(
    ("act", "error"),
    [
        (change_the_key, NotRestorable),
        (lambda here: replace_the_snapshot(here, metadata=False), SnapshotDoubtful),
        (lambda here: replace_the_snapshot(here, metadata=True), SnapshotDoubtful),
        (stop_the_operator, Refused),
        (occupy_the_name, NotOurs),
        (change_an_authority, NotOurs),
        (stop_external_dns, Refused),
    ],
    ids=[
        "another encryption key",
        *("another snapshot", "another snapshot with the metadata of ours", "no operator", "a name that is taken"),
        *("another authority", "no external-dns"),
    ],
)
def test_nothing_is_started_and_it_can_be_aborted(act: Callable[[Scene], None], error: type[HcpDrError]) -> None:
    here = scene()
    while_the_intent_is_mirrored(here, lambda: act(here))
    ending = here.operator.relocate()
    assert isinstance(ending.error, error)
    assert is_paused_there(here)
    assert not ending.story.acted_in(POINT_OF_NO_RETURN)
    here.world.hooks.clear()
    again = here.operator.resume()
    assert type(again.error) is error
    assert is_paused_there(here)
    if act is occupy_the_name:
        name = here.operator.case().api_hostname
        [record] = [each for each in here.operator.ports().zone.records() if each.name == name]
        here.operator.ports().zone.change([RecordChange("DELETE", record)])
    assert here.operator.abort().error is None
    verdict = here.verdict()
    assert (verdict.lost, verdict.split_brain) == ((), False)
    assert here.world.sides[0].api(OWN) is not None


def test_it_goes_on_where_the_gate_is_open_again() -> None:
    here = scene()
    while_the_intent_is_mirrored(here, lambda: stop_the_operator(here))
    assert isinstance(here.operator.relocate().error, Refused)
    here.world.hooks.clear()
    there = here.world.sides[1].client(manager="somebody")
    there.patch(r.DEPLOYMENT, "operator", "hypershift", {"spec": {"replicas": 1}})
    here.world.clock.spend(SLOW)
    assert here.operator.resume().error is None
    verdict = here.verdict()
    assert (verdict.lost, verdict.split_brain) == ((), False)
    assert [reason for reason in verdict.reasons if "operator of the destination" not in reason] == []


def delete(here: Scene, resource: Resource, namespace: str, name: str = "") -> None:
    """An input as an abort of another relocation would, which created it; an authority, or a machine object, as an
    engineer who tidies up."""
    there = here.world.sides[1].client(manager="somebody")
    name = name or there.list(resource, namespace).items[0]["metadata"]["name"]
    there.delete(resource, name, namespace)


def delete_an_input(here: Scene) -> None:
    delete(here, r.SECRET, "clusters", "registry-login-for-shop")


RESTORED: dict[str, Callable[[Scene], None]] = {
    "an input": delete_an_input,
    "an authority": lambda here: delete(here, r.SECRET, OWN, "root-ca"),
    "a machine": lambda here: delete(here, r.AWS_MACHINE, OWN),
    "machines and what owns them": lambda here: delete(here, r.MACHINE_SET, OWN),
    "a template": lambda here: delete(here, r.AWS_MACHINE_TEMPLATE, OWN),
    "a NodePool": lambda here: delete(here, r.NODE_POOL, "clusters"),
}


@pytest.mark.parametrize("what", RESTORED)
def test_what_is_deleted_before_is_created_again(what: str) -> None:
    """Else the control plane starts with an authority that no node trusts, or machines cannot be adopted."""
    here = scene()
    while_the_url_is_tried(here, lambda: RESTORED[what](here))
    assert here.operator.relocate().error is None
    assert here.verdict().reasons == ()


def test_an_input_that_is_deleted_meanwhile_closes_the_gate_until_it_is_created_again() -> None:
    here = scene()
    while_the_intent_is_mirrored(here, lambda: delete_an_input(here))
    ending = here.operator.relocate()
    assert ending.error is None
    [withdrawn] = [line for line in ending.story.lines if line["line"] == "withdrawn"]
    assert "the destination has every object of the backup" in str(withdrawn["because"])
    assert here.verdict().reasons == ()


def test_another_relocation_that_stops_the_operator_meanwhile_is_awaited() -> None:
    here = scene()
    there = here.world.sides[1].client()

    def share() -> None:
        holder = {"holder.hcp-dr.openshift.io/clusters.other": "stopped destination 2026-01-01T00:00:00Z other-1"}
        meta = {"name": "hcp-dr.operator", "namespace": "default", "annotations": holder}
        there.create(r.LEASE, {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": meta})
        here.world.hooks.append(end_it_when_awaited)

    def end_it_when_awaited(moment: Literal["before", "after"], request: Request) -> None:
        del moment, request
        if any(line["line"] == "wait" and "stopped" in str(line["until"]) for line in here.operator.story().lines[-1:]):
            here.world.hooks.remove(end_it_when_awaited)
            there.delete(r.LEASE, "hcp-dr.operator", "default")

    while_the_intent_is_mirrored(here, share)
    ending = here.operator.relocate()
    assert ending.error is None
    [withdrawn] = [line for line in ending.story.lines if line["line"] == "withdrawn"]
    [awaited] = [
        line["seen"] for line in ending.story.lines if line["line"] == "wait" and "stopped" in str(line["until"])
    ]
    assert "no other relocation has the HyperShift operator of the destination stopped" in str(withdrawn["because"])
    assert "clusters/other backup other-1" in str(awaited)
    assert here.verdict().reasons == ()


def test_a_bucket_that_does_not_answer_at_the_gate_is_asked_again() -> None:
    here = scene()
    failed: list[bool] = []

    def listen(moment: Literal["before", "after"], request: Request) -> None:
        story = here.operator.story()
        at_the_gate = POINT_OF_NO_RETURN in story.memory.acted and (request.port, request.verb) == ("bucket", "head")
        if moment == "before" and at_the_gate and len(failed) < 2:
            failed.append(True)
            raise AwsUnreachable(service="S3", operation=request.verb, object="bucket", reason="timed out")

    here.world.hooks.append(listen)
    assert here.operator.relocate().error is None
    assert here.verdict().reasons == ()
