"""The snapshot's way: in parts, killed and resumed; room, encryption, fence and URL that are not as they must be."""

from __future__ import annotations

from typing import Literal

import pytest

from hcp_dr.engine.journal import JournalState
from hcp_dr.errors import CommandFailed, Refused, SnapshotDoubtful
from hcp_dr.hypershift.etcd import restore_url
from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Kubernetes
from hcp_dr_lab.ground.layout import BUCKET
from hcp_dr_lab.ground.names import OPERATOR, OPERATOR_NAMESPACE
from hcp_dr_lab.hosted import shapes
from hcp_dr_lab.tabletop.aws.storage import Wanted
from hcp_dr_lab.tabletop.gate import Request
from hcp_dr_lab.tabletop.operator import Operator
from tests.tabletop.scene import Scene, observed, scene
from tests.tabletop.test_dangers import Killed, just_before, scale, sides, stop_before

PART = 5  # MiB, the least that S3 takes
BALLAST = 22 * 1024 * 1024


def heavy() -> Scene:
    """With an etcd that goes in five parts."""
    world = observed(shapes.options(frozenset(), etcd_ballast=BALLAST)).clone()
    operator = Operator(world)
    operator.part_mib = PART
    return Scene(world, operator)


def intents(story: JournalState, step: str = "backup.snapshot_etcd") -> list[str]:
    return [action for line in story.of_kind("intent") if line.step == step for action in line.texts("actions")]


def key_of(here: Scene) -> str:
    [key] = here.world.cloud.storage.keys_of(BUCKET, "hcp-dr/clusters/shop/")[-1:] or [""]
    return key.rpartition("/")[0] + "/snapshot.db"


def moved(key: str) -> str:
    """Where the snapshot is at the end, so that no URL opens it any more."""
    return key.replace("/snapshot.db", "/snapshot-1.db") if "/clusters/shop/" in key else key


def saved(here: Scene) -> list[str]:
    """Files of snapshots in the volumes of both sides' etcd."""
    volumes = [volume for side in here.world.sides for volume in side.kubelet.volumes.values()]
    return [name for volume in volumes for name in volume.files if name.startswith("snapshot-")]


def test_a_large_snapshot_goes_in_parts_and_leaves_nothing_behind() -> None:
    here = heavy()
    ending = here.operator.relocate()
    assert ending.error is None
    assert [action.partition(" of ")[0] for action in intents(ending.story)][1:8] == [
        "begin to upload hcp-dr/clusters/shop/" + key_of(here).split("/")[3] + "/snapshot.db in parts",
        *(f"upload part {number}" for number in range(1, 6)),
        "complete the upload",
    ]
    stored = here.world.cloud.storage.get(BUCKET, moved(key_of(here)))
    assert b'-5"' in here.operator.files["manifest.json"].partition(b'"etag"')[2].splitlines()[0]
    assert len(stored.body) > BALLAST
    assert set(stored.metadata) == {"fence", "sha256", "revision"}
    assert here.world.cloud.storage.uploads(BUCKET) == {}
    assert saved(here) == []
    assert here.verdict().reasons == ()


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_between_parts_only_what_is_missing_is_sent_again(moment: Literal["before", "after"]) -> None:
    here = heavy()
    sent: list[str] = []

    def kill(when: Literal["before", "after"], request: Request) -> None:
        if (
            request.verb == "execute"
            and "dd if=" in str(request.arguments[-1])
            and "curl" in str(request.arguments[-1])
        ):
            if when == "before":
                sent.append("part")
            if len(sent) == 3 and when == moment:
                raise Killed

    here.world.hooks.append(kill)
    with pytest.raises(Killed):
        here.operator.relocate()
    here.world.hooks.clear()
    before = len(intents(here.operator.story()))
    assert here.operator.resume().error is None
    again = [action.split()[2] for action in intents(here.operator.story())[before:] if "upload part" in action]
    assert again == (["3", "4", "5"] if moment == "before" else ["4", "5"])
    assert here.verdict().reasons == ()


def test_an_upload_that_the_journal_does_not_know_is_aborted() -> None:
    here = heavy()
    key: list[str] = []

    def begin() -> None:
        case = here.operator.story().case
        assert case is not None
        key.append(f"hcp-dr/clusters/shop/{case['backup_id']}/snapshot.db")
        here.world.cloud.storage.begin(BUCKET, key[0], Wanted({"fence": "another"}), checksummed=True)

    just_before(here, "backup.snapshot_etcd", begin)
    assert here.operator.relocate().error is None
    stored = here.world.cloud.storage.get(BUCKET, moved(key[0]))
    assert stored.metadata["fence"] != "another"
    assert here.world.cloud.storage.uploads(BUCKET) == {}


def test_a_bucket_that_is_busy_for_a_while_is_asked_again() -> None:
    here = scene()
    fetch, failures = here.world.sides[0].kubelet._fetch, [500, 503, 503]

    def sometimes(method: str, url: str, headers: object, body: bytes) -> object:
        answer = fetch(method, url, headers, body)  # type: ignore[arg-type]
        if method == "PUT" and failures:
            return type(answer)(failures.pop(), {}, b"")
        return answer

    here.world.sides[0].kubelet._fetch = sometimes  # type: ignore[assignment]
    assert here.operator.relocate().error is None
    assert failures == [500, 503], "what arrived although the answer was lost is not sent again"


def test_without_room_nothing_is_saved_and_etcd_lives() -> None:
    here = scene()

    def fill() -> None:
        for volume in here.world.sides[0].kubelet.volumes.values():
            volume.room = 1024 * 1024

    just_before(here, "backup.snapshot_etcd", fill)
    stopped = here.operator.relocate().error
    assert isinstance(stopped, Refused)
    assert "lacks 64 MiB of free space" in stopped.what
    assert saved(here) == []
    for volume in here.world.sides[0].kubelet.volumes.values():
        volume.room *= 1024
    assert here.operator.resume().error is None
    assert here.verdict().reasons == ()


def test_a_save_that_fails_in_the_middle_leaves_no_piece_of_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hcp_dr.hypershift.etcd.snapshot_file.Glance.lacking", 0)
    here = scene()

    def fill() -> None:
        for volume in here.world.sides[0].kubelet.volumes.values():
            volume.room -= volume.free - 1024

    just_before(here, "backup.snapshot_etcd", fill)
    stopped = here.operator.relocate().error
    assert isinstance(stopped, CommandFailed)
    assert "no space left on device" in stopped.what
    assert saved(here) == []


def test_encryption_is_checked_in_the_reply() -> None:
    here = scene()
    here.world.encryption = "aws:kms"
    storage = here.world.cloud.storage

    def weaken(moment: Literal["before", "after"], request: Request) -> None:
        """A bucket that does not do what it is asked for."""
        if moment == "before" and request.port == "bucket" and request.verb == "head":
            for key in storage.keys_of(BUCKET, "hcp-dr/"):
                stored = storage.get(BUCKET, key)
                if key.endswith("snapshot.db") and stored.encryption == "aws:kms":
                    storage.put(BUCKET, key, stored.body, Wanted(stored.metadata, encryption="AES256"))

    here.world.hooks.append(weaken)
    stopped = here.operator.relocate().error
    assert isinstance(stopped, SnapshotDoubtful)
    assert "is AES256 instead of aws:kms, the value of BUCKET_ENCRYPTION" in stopped.what
    here.world.hooks.clear()
    storage.delete(BUCKET, key_of(here))
    assert here.operator.resume().error is None
    assert storage.get(BUCKET, moved(key_of(here))).encryption == "aws:kms"


def test_without_a_wish_what_the_bucket_does_is_told() -> None:
    here = scene()
    ending = here.operator.relocate()
    [check] = [check for check in ending.checks if check.name == "snapshot_encryption"]
    assert (check.verdict, check.seen) == ("ok", "the snapshot is stored with AES256")
    assert b'"encryption": "AES256"' in here.operator.files["manifest.json"]


def test_a_snapshot_of_another_fence_is_refused() -> None:
    here = scene()
    storage = here.world.cloud.storage

    def replace() -> None:
        stored = storage.get(BUCKET, key_of(here))
        storage.put(BUCKET, key_of(here), stored.body, Wanted({**stored.metadata, "fence": "another"}))

    just_before(here, "restore.hosted_cluster", replace)
    stopped = here.operator.relocate().error
    assert isinstance(stopped, SnapshotDoubtful)
    assert "is not the snapshot in the manifest" in stopped.what
    _, destination = sides(here)
    assert destination.find(r.HOSTED_CLUSTER, "shop", "clusters") is None


@pytest.fixture
def short_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    """An URL lives for a minute: the tabletop's days take long."""
    monkeypatch.setattr(restore_url, "URL_SECONDS", 60)
    monkeypatch.setattr(restore_url, "NEEDED", 10)


@pytest.mark.usefixtures("short_lives")
def test_an_url_that_expires_before_the_hosted_cluster_is_made_is_made_anew() -> None:
    here = scene()
    stop_before(here, "restore.hosted_cluster")
    here.world.clock.spend(70)
    assert here.operator.resume().error is None


def by_hand(here: Scene, destination: Kubernetes) -> None:
    """What the refusal says."""
    scale(destination, OPERATOR_NAMESPACE, OPERATOR, 0)
    here.world.clock.spend(5)
    things = [(r.HOSTED_CLUSTER, "shop"), (r.NODE_POOL, "shop-workers")]
    for resource, name in things:
        destination.delete(resource, name, "clusters")
    for resource, name in things:
        found = destination.find(resource, name, "clusters")
        if found is not None:
            destination.patch(resource, name, "clusters", {"metadata": {"finalizers": None}})
    here.world.clock.spend(5)
    scale(destination, OPERATOR_NAMESPACE, OPERATOR, 1)
    here.world.clock.spend(10)


@pytest.mark.usefixtures("short_lives")
def test_an_url_that_expired_before_the_start_is_named_and_its_cure_is_one() -> None:
    here = scene()
    source, destination = sides(here)
    stop_before(here, "restore.start_control_plane")
    documents = here.world.cloud.storage.keys_of(BUCKET)
    here.world.clock.spend(70)
    stopped = here.operator.resume().error
    assert isinstance(stopped, SnapshotDoubtful)
    assert (
        "The restore URL of HostedCluster clusters/shop on the destination is unusable and immutable: it has expired"
        in stopped.what
    )
    assert "X-Amz-Signature" not in stopped.paragraph()
    found = destination.get(r.HOSTED_CLUSTER, "shop", "clusters")
    assert found["spec"]["pausedUntil"] == "true"
    by_hand(here, destination)
    assert destination.find(r.HOSTED_CLUSTER, "shop", "clusters") is None
    ending = here.operator.resume()
    assert ending.error is None, ending.error
    made = destination.get(r.HOSTED_CLUSTER, "shop", "clusters")
    assert made["metadata"]["uid"] != found["metadata"]["uid"]
    assert set(map(moved, documents)) <= set(here.world.cloud.storage.keys_of(BUCKET))
    assert here.verdict().instances_terminated == ()
    assert source.find(r.HOSTED_CLUSTER, "shop", "clusters") is None
