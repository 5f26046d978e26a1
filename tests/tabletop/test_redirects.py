"""S3 that redirects whoever comes with a presigned URL: a bucket that is some hours old asked at the global host, a
bucket of another region, somebody on the way. A redirect is no success and nobody's ill will."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from hcp_dr.engine.step import Check
from hcp_dr.errors import BucketRefused, CannotMigrate, SnapshotDoubtful
from hcp_dr_lab.ground.layout import BUCKET
from hcp_dr_lab.tabletop.aws import Answer
from hcp_dr_lab.tabletop.gate import Request
from hcp_dr_lab.tabletop.operator import Operator
from tests.tabletop.scene import Scene, scene
from tests.tabletop.test_dangers import Killed, just_before
from tests.tabletop.test_transfer import heavy, intents, saved

HOME = f"{BUCKET}.s3.eu-west-2.amazonaws.com"
PLACES = {
    "a young bucket at the global host": ("https://s3.amazonaws.com", "307 TemporaryRedirect"),
    "another region's host": ("https://s3.us-east-1.amazonaws.com", "301 PermanentRedirect"),
}
STEP = "backup.snapshot_etcd"


def london(here: Scene) -> None:
    """The bucket is in eu-west-2, and was made a moment ago."""
    here.world.cloud.storage.region = "eu-west-2"
    here.world.cloud.storage.made[BUCKET] = here.world.clock.epoch()
    at_home(here)


def at_home(here: Scene) -> None:
    here.world.cloud.storage.endpoint = "https://s3.eu-west-2.amazonaws.com"


def of_pod(checks: tuple[Check, ...]) -> Check:
    return next(check for check in checks if check.name == "bucket.source")


@pytest.mark.parametrize(("endpoint", "words"), PLACES.values(), ids=PLACES)
def test_preflight_stops_it_before_anything_is_touched(endpoint: str, words: str) -> None:
    here = scene()
    london(here)
    here.world.cloud.storage.endpoint = endpoint
    check = of_pod(here.operator.preflight())
    assert (check.verdict, check.acceptable) == ("blocked", False)
    assert f"{words}, a redirect to {HOME}" in check.seen
    written: list[str] = []
    kept = here.world.cloud.storage.keys_of(BUCKET)

    def listen(moment: str, request: Request) -> None:
        if moment == "before" and request.writes and request.verb != "execute":
            written.append(f"{request.port} {request.verb}")

    here.world.hooks.append(listen)
    for command in (here.operator.relocate, Operator(here.world).back_up_online):
        assert isinstance(command().error, CannotMigrate)
    assert set(written) == {"bucket put", "bucket delete"}, "the probe"
    assert here.world.cloud.storage.keys_of(BUCKET) == kept


def test_at_the_regions_own_host_a_bucket_that_was_just_made_will_do() -> None:
    here = scene()
    london(here)
    assert of_pod(here.operator.preflight()).verdict == "ok"
    assert here.operator.relocate().error is None
    assert here.verdict().reasons == ()


@pytest.mark.parametrize("size", ["whole", "parts"])
@pytest.mark.parametrize(("endpoint", "words"), PLACES.values(), ids=PLACES)
def test_an_upload_that_is_redirected_was_refused_by_the_bucket(endpoint: str, words: str, size: str) -> None:
    here = scene() if size == "whole" else heavy()
    london(here)

    def elsewhere() -> None:
        here.world.cloud.storage.endpoint = endpoint

    just_before(here, STEP, elsewhere)
    ending = here.operator.relocate()
    assert type(ending.error) is BucketRefused
    assert ending.error.exit_code == 42
    assert f"{words}, a redirect to {HOME}" in ending.error.what
    assert "AWS_ENDPOINT_URL_S3" in ending.error.next
    assert "X-Amz" not in ending.error.paragraph()
    assert [action for action in intents(ending.story) if "complete" in action] == []
    at_home(here)
    assert here.operator.resume().error is None
    assert saved(here) == []
    assert here.verdict().reasons == ()


def test_killed_between_parts_and_redirected_afterwards() -> None:
    here = heavy()
    london(here)
    sent: list[str] = []

    def kill(when: str, request: Request) -> None:
        if request.verb == "execute" and "dd if=" in str(request.arguments[-1]) and "curl" in str(request.arguments):
            sent.append(when)
            if len(sent) > 3:
                raise Killed

    here.world.hooks.append(kill)
    with pytest.raises(Killed):
        here.operator.relocate()
    here.world.hooks.clear()
    here.world.cloud.storage.endpoint = "https://s3.amazonaws.com"
    arrived = here.world.cloud.storage.uploads(BUCKET)
    ending = here.operator.resume()
    assert type(ending.error) is BucketRefused
    assert here.world.cloud.storage.uploads(BUCKET) == arrived, "what had arrived is kept"
    at_home(here)
    assert here.operator.resume().error is None
    assert here.verdict().reasons == ()


def test_an_online_backup_that_is_redirected() -> None:
    here = scene()
    london(here)
    machine = Operator(here.world)

    def elsewhere() -> None:
        here.world.cloud.storage.endpoint = "https://s3.amazonaws.com"

    def begun() -> bool:
        return machine.story().current == STEP

    def listen(moment: str, request: Request) -> None:
        del request
        if moment == "before" and begun():
            elsewhere()

    here.world.hooks.append(listen)
    ending = machine.back_up_online()
    assert type(ending.error) is BucketRefused
    assert "307 TemporaryRedirect" in ending.error.what


@pytest.mark.parametrize("size", ["whole", "parts"])
def test_who_answers_well_in_the_buckets_place_is_no_rival(size: str) -> None:
    """A proxy that says yes to all: nothing is there, and nobody took it away."""
    here = scene() if size == "whole" else heavy()

    def yes(method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        del method, url, headers, body
        return Answer(200, {}, b"<html>welcome</html>")

    def between() -> None:
        for side in here.world.sides:
            side.kubelet._fetch = yes

    just_before(here, STEP, between)
    ending = here.operator.relocate()
    assert type(ending.error) is BucketRefused
    assert "the bucket confirmed this twice, but the result is missing" in ending.error.what
    assert "somebody" not in ending.error.paragraph()


def test_who_answers_the_probe_in_the_buckets_place_is_found_by_its_bytes() -> None:
    here = scene()
    for side in here.world.sides:
        side.kubelet._fetch = lambda *_: Answer(200, {}, b"<html>welcome</html>")
    check = of_pod(here.operator.preflight())
    assert (check.verdict, check.acceptable) == ("blocked", False)
    assert "answer was 200 with 20 bytes that differ from the object" in check.seen


def test_an_url_to_restore_from_that_is_redirected_is_not_used() -> None:
    here = scene()
    london(here)

    def elsewhere() -> None:
        here.world.cloud.storage.endpoint = "https://s3.amazonaws.com"

    just_before(here, "restore.hosted_cluster", elsewhere)
    ending = here.operator.relocate()
    assert isinstance(ending.error, SnapshotDoubtful)
    assert f"307 TemporaryRedirect, a redirect to {HOME}" in ending.error.what
    at_home(here)
    assert here.operator.resume().error is None
    assert here.verdict().reasons == ()
