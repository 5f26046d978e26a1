"""Both ways between hcp-dr and the documented commands: each restores what the other one has backed up."""

from __future__ import annotations

import itertools
import os

import pytest
import yaml

from hcp_dr.engine.journal import JournalState
from hcp_dr.engine.step import Check
from hcp_dr.errors import CannotMigrate, FenceBroken, NotProven, PastNoReturn, Refused, SnapshotDoubtful, Unfinished
from hcp_dr.kube import resources as r
from hcp_dr_lab.ground.layout import BUCKET, PRODUCT_USER
from hcp_dr_lab.hosted.shapes import Shape
from hcp_dr_lab.observer import tabletop as observation
from hcp_dr_lab.tabletop.gate import Request
from hcp_dr_lab.tabletop.kubernetes.access import Caller
from hcp_dr_lab.tabletop.operator import Ending, Operator
from hcp_dr_lab.tabletop.world import NAME
from tests.tabletop.by_hand import FILE, Hands
from tests.tabletop.scene import SETTLE, Scene, scene, unguarded
from tests.tabletop.test_another_machine import touch
from tests.tabletop.test_fence_watch import breaches, during, replicas, scale
from tests.tabletop.test_interruption import EVERY_KILL, Left, resumed


class Killed(BaseException):
    """The product's process is gone."""


AFTER = ("verify", "teardown", "finish")


def restored(here: Scene, hands: Hands) -> Ending:
    here.operator.take_over(JournalState(), hands.files)
    return here.operator.restore_by_hand()


def check(ending: Ending, name: str) -> Check:
    return next(check for check in ending.checks if check.name == name)


def untouched(here: Scene) -> list[str]:
    """What the product wrote since; one that only looks writes nothing anywhere."""
    changed: list[str] = []

    def listen(moment: str, request: object) -> None:
        if moment == "before" and getattr(request, "writes", False) and "execute" not in str(request):
            changed.append(str(request))

    here.world.hooks.append(listen)
    return changed


@pytest.mark.parametrize(
    "asked",
    [
        (),
        (Shape.ETCD_36,),
        (Shape.THREE_POOLS, Shape.LOAD_BALANCER),
        (Shape.ENCRYPTED, Shape.REFERENCES, Shape.NEIGHBOUR),
    ],
    ids=lambda asked: "+".join(asked) or "plain",
)
def test_a_backup_made_by_hand_is_restored_proven_and_removed_from_the_source(asked: tuple[Shape, ...]) -> None:
    here = scene(*asked)
    hands = Hands(here.world)
    hands.backup()
    made = dict(hands.files)
    ending = restored(here, hands)
    assert ending.error is None
    assert {path: here.operator.files[path] for path in made} == made, "the files stay as they were made"
    for phase in AFTER:
        assert here.operator.go_on(phase).error is None, phase
    assert here.verdict().reasons == ()


def test_what_the_documented_commands_leave_out_is_found_before_anything_is_written() -> None:
    here = scene(Shape.REFERENCES, Shape.THREE_POOLS)
    hands = Hands(here.world, mended=False)
    hands.backup()
    changed = untouched(here)
    ending = restored(here, hands)
    assert isinstance(ending.error, CannotMigrate)
    assert changed == []
    complete = check(ending, "complete")
    for kind in ("NodePool clusters/", "AWSMachineTemplate clusters-shop/", "ConfigMap clusters/", "Secret clusters/"):
        assert kind in complete.seen, kind
    assert "oc get awsmachinetemplates.v1beta2.infrastructure.cluster.x-k8s.io -n clusters-shop " in complete.todo
    assert "/namespaces/clusters/np-" in complete.todo


def test_nothing_of_the_neighbour_is_restored_although_a_prefix_caught_its_secrets() -> None:
    here = scene(Shape.NEIGHBOUR)
    hands = Hands(here.world)
    hands.backup()
    neighbour = next(name for name in here.world.residents if name != NAME)
    assert neighbour.startswith(NAME)
    caught = [path for path in hands.files if f"/secret-{neighbour}-" in path]
    assert caught
    assert restored(here, hands).error is None
    there = {item["metadata"]["name"] for item in hands.destination.list(r.SECRET, "clusters").items}
    assert not [name for name in there if name.startswith(f"{neighbour}-")]


def test_files_beside_the_documented_ones_are_not_taken() -> None:
    here = scene()
    hands = Hands(here.world)
    hands.backup()
    whole = hands.files["namespaces/clusters/hc-shop.yaml"]
    for beside in ("hc-shop-restore", "hc-shop-new"):
        hands.files[f"namespaces/clusters/{beside}.yaml"] = whole.replace(b"pausedUntil", b"pausedNever")
    hands.files["namespaces/clusters/notes.txt"] = b"do not forget"
    assert restored(here, hands).error is None


def test_a_snapshot_that_is_older_than_the_fence_is_refused_while_a_whole_one_can_be_had() -> None:
    here = scene()
    hands = Hands(here.world)
    hands.save_and_upload()
    here.world.clock.spend(60)
    hands.pause()
    hands.scale_down()
    hands.export()
    hands.delete_routes()
    changed = untouched(here)
    ending = restored(here, hands)
    assert isinstance(ending.error, CannotMigrate)
    assert changed == []
    assert "before the first API server was scaled down" in check(ending, "snapshot_whole").seen
    hands.save_and_upload()
    assert restored(here, hands).error is None
    assert here.operator.go_on("verify").error is None
    assert here.verdict().lost == ()


def test_a_loss_that_is_confirmed_keeps_the_source_from_being_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The source's etcd is the only place where the rest may still be. Down, it does not show what its image can, which
    stops a restore too."""
    here = scene()
    hands = Hands(here.world)
    hands.save_and_upload()
    here.world.clock.spend(60)
    hands.pause()
    hands.scale_down()
    hands.export()
    hands.delete_routes()
    hands.source.patch(r.STATEFUL_SET, "etcd", "clusters-shop", {"spec": {"replicas": 0}})
    here.world.clock.spend(60)
    assert check(restored(here, hands), "etcd_restore").verdict == "unknown"
    unguarded(monkeypatch)
    ending = restored(here, hands)
    assert ending.error is None
    assert check(ending, "snapshot_whole").verdict == "warning"
    assert here.operator.go_on("verify").error is None
    removed = here.operator.go_on("teardown")
    assert isinstance(removed.error, NotProven)
    assert "before the first API server was scaled down" in removed.error.what
    assert hands.source.find(r.HOSTED_CLUSTER, "shop", "clusters") is not None


def test_an_open_fence_is_refused() -> None:
    here = scene()
    hands = Hands(here.world)
    hands.backup()
    hands.source.patch(r.DEPLOYMENT, "kube-apiserver", "clusters-shop", {"spec": {"replicas": 1}})
    here.world.clock.spend(30)
    ending = restored(here, hands)
    assert isinstance(ending.error, CannotMigrate)
    assert "kube-apiserver" in check(ending, "fence").seen


def test_a_damaged_object_is_refused() -> None:
    here = scene()
    hands = Hands(here.world)
    hands.backup()
    whole = hands.bucket.get("shop-etcd-0-snapshot.db")
    hands.bucket.put("shop-etcd-0-snapshot.db", whole[:-7], metadata={})
    ending = restored(here, hands)
    assert isinstance(ending.error, CannotMigrate)
    assert check(ending, "snapshot").verdict == "blocked"


def test_an_object_that_is_not_the_pods_file_asks() -> None:
    here = scene()
    hands = Hands(here.world)
    hands.backup()
    hands.in_etcd("etcd-0", f"rm {FILE}")
    ending = restored(here, hands)
    assert ending.error is None
    assert "no file" in check(ending, "snapshot_whole").seen
    assert isinstance(here.operator.go_on("teardown").error, NotProven)


def test_a_machine_that_went_since_is_refused() -> None:
    here = scene()
    hands = Hands(here.world)
    hands.backup()
    path = next(path for path in hands.files if "/awsm-" in path)
    machine = yaml.safe_load(hands.files[path])
    machine["metadata"]["name"] = "gone"
    hands.files["namespaces/clusters-shop/awsm-gone.yaml"] = yaml.safe_dump(machine).encode()
    ending = restored(here, hands)
    assert isinstance(ending.error, CannotMigrate)
    assert check(ending, "up_to_date").verdict == "blocked"


def test_somebody_who_saves_anew_meanwhile_is_noticed() -> None:
    here = scene()
    hands = Hands(here.world)
    hands.backup()

    def overwrite(moment: str, request: object) -> None:
        if moment == "before" and str(request).startswith("source patch Deployment"):
            here.world.hooks.remove(overwrite)
            hands.bucket.put("shop-etcd-0-snapshot.db", b"something else", metadata={})

    here.world.hooks.append(overwrite)
    ending = restored(here, hands)
    assert isinstance(ending.error, SnapshotDoubtful)
    assert hands.destination.find(r.NAMESPACE, "clusters-shop") is None


def test_it_goes_on_after_a_kill_at_any_write() -> None:
    here = scene()
    hands = Hands(here.world)
    hands.backup()
    left: list[Left] = []
    writes = itertools.count()
    every = 1 if os.environ.get(EVERY_KILL) else 29

    def remember(moment: str, request: Request) -> None:
        story = here.operator.story()
        writing = request.writes and story.case is not None and not story.ended and request.verb != "execute"
        if writing and next(writes) % every == 1 % every:
            hooks, here.world.hooks = here.world.hooks, []
            files = dict(here.operator.files)
            left.append(Left(f"{moment} {request}", here.world.clone(), here.operator.story(), files))
            here.world.hooks = hooks

    here.world.hooks.append(remember)
    assert restored(here, hands).error is None
    assert len(left) > 3
    for kill in left:
        world, operator = resumed(kill)
        assert operator.resume().error is None, kill.words
        for phase in AFTER:
            assert operator.go_on(phase).error is None, (kill.words, phase)
        world.clock.spend(SETTLE)
        assert observation.of(world).verdict().reasons == (), kill.words


def up_and_down(here: Scene) -> None:
    scale(here, "kube-apiserver", 1)
    scale(here, "kube-apiserver", 0)


def test_a_writer_that_came_and_went_after_the_judgement_is_known() -> None:
    here = scene()
    hands = Hands(here.world)
    hands.backup()
    during(here, "by_hand.accept_backup", lambda: up_and_down(here))
    ending = restored(here, hands)
    assert isinstance(ending.error, CannotMigrate)
    assert hands.destination.find(r.NAMESPACE, "clusters-shop") is None


@pytest.mark.parametrize("step", ["restore.machines", "restore.start_control_plane"])
def test_a_fence_that_is_lifted_before_the_point_of_no_return_ends_the_restore_for_good(step: str) -> None:
    here = scene()
    hands = Hands(here.world)
    hands.backup()
    during(here, step, lambda: scale(here, "kube-apiserver", 1))
    ending = restored(here, hands)
    assert isinstance(ending.error, FenceBroken)
    assert replicas(here)["kube-apiserver"] == 0
    assert isinstance(here.operator.resume().error, FenceBroken)
    found = hands.destination.find(r.HOSTED_CLUSTER, "shop", "clusters")
    assert found is None or found["spec"]["pausedUntil"] == "true"
    assert not here.verdict().split_brain


def test_a_fence_that_is_lifted_after_it_is_closed_again_at_once() -> None:
    here = scene()
    hands = Hands(here.world)
    hands.backup()
    during(here, "by_hand.recognize", lambda: scale(here, "kube-apiserver", 1))
    ending = restored(here, hands)
    assert ending.error is None
    [breach] = breaches(ending)
    assert breach.released is True
    assert check(ending, "watch.fence").verdict == "warning"
    assert replicas(here)["kube-apiserver"] == 0
    assert not here.verdict().split_brain


def test_it_is_not_called_off() -> None:
    here = scene()
    hands = Hands(here.world)
    hands.backup()

    def kill(_moment: str, request: Request) -> None:
        if request.writes and here.operator.story().current == "restore.node_pools":
            raise Killed

    here.world.hooks.append(kill)
    with pytest.raises(Killed):
        restored(here, hands)
    here.world.hooks.remove(kill)
    changed = untouched(here)
    ending = here.operator.abort()
    assert isinstance(ending.error, Refused)
    assert not isinstance(ending.error, PastNoReturn)
    assert "fenced by hand" in ending.error.what
    assert changed == []
    assert here.operator.resume().error is None
    assert isinstance(here.operator.abort().error, PastNoReturn)


@pytest.mark.usefixtures("nested")
def test_another_one_at_work_is_noticed_before_anything_is_written() -> None:
    here = scene()
    hands = Hands(here.world)
    hands.backup()
    late: list[Ending] = []

    def second() -> None:
        other = Operator(here.world, machine="another")
        other.take_over(JournalState(), hands.files)
        hooks, here.world.hooks = here.world.hooks, []
        here.world.hooks.append(lambda _moment, request: touch(here) if request.verb == "find" else None)
        late.append(other.restore_by_hand())
        here.world.hooks = hooks

    during(here, "restore.machines", second)
    assert restored(here, hands).error is None
    [ending] = late
    assert isinstance(ending.error, Unfinished)
    assert "Wait until engineer@bastion" in ending.error.next
    assert not ending.story.lines


def test_it_needs_no_more_than_the_printed_roles() -> None:
    here = scene(Shape.THREE_POOLS, Shape.REFERENCES)
    here.world.grant()
    hands = Hands(here.world)
    hands.backup()
    here.operator = Operator(here.world, caller=Caller(PRODUCT_USER))
    ending = restored(here, hands)
    assert ending.error is None
    for phase in AFTER:
        assert here.operator.go_on(phase).error is None, phase
    assert here.verdict().reasons == ()


def test_our_backup_is_restored_by_hand() -> None:
    here = scene(Shape.THREE_POOLS)
    assert here.operator.backup(documented_key=True).error is None
    hands = Hands(here.world)
    hands.restore(here.operator.files, "shop-etcd-0-snapshot.db")
    hands.start()
    hands.adopt()
    for phase in AFTER:
        assert here.operator.go_on(phase).error is None, phase
    assert here.verdict().reasons == ()


def test_the_documented_key_is_written_only_where_it_is_asked_for() -> None:
    here = scene()
    assert here.operator.relocate().error is None
    assert here.world.cloud.storage.keys_of(BUCKET, "shop-etcd") == ()


def test_what_is_under_the_documented_key_and_not_ours_is_left() -> None:
    here = scene()
    hands = Hands(here.world)
    hands.bucket.put("shop-etcd-0-snapshot.db", b"somebody's", metadata={})
    changed = untouched(here)
    ending = here.operator.backup(documented_key=True)
    assert isinstance(ending.error, CannotMigrate)
    assert check(ending, "documented_key").verdict == "blocked"
    assert {text.split()[0] for text in changed} == {"bucket"}, "preflight's probe"
    assert hands.bucket.get("shop-etcd-0-snapshot.db") == b"somebody's"


def test_the_documented_key_of_an_earlier_backup_of_ours_is_replaced() -> None:
    here = scene()
    hands = Hands(here.world)
    metadata = {"hosted-cluster": "clusters/shop", "sha256": "older"}
    hands.bucket.put("shop-etcd-0-snapshot.db", b"older", metadata=metadata)
    assert here.operator.backup(documented_key=True).error is None
    stored = hands.bucket.head("shop-etcd-0-snapshot.db")
    assert stored is not None
    assert stored.metadata["sha256"] != "older"
