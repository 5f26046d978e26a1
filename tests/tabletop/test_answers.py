"""What may answer in the bucket's place, wherever a presigned URL is used: no answer but the bucket's own counts,
nobody is accused, and when the bucket answers again, all goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hcp_dr.errors import AwsBusy, AwsUnreachable, BucketRefused, CannotMigrate, Contested, SnapshotDoubtful, TimedOut
from hcp_dr.hypershift.steps import POINT_OF_NO_RETURN
from hcp_dr_lab.tabletop.aws import Answer
from tests.tabletop.scene import Scene, scene
from tests.tabletop.test_dangers import just_before
from tests.tabletop.test_redirects import STEP, of_pod
from tests.tabletop.test_transfer import heavy

PAGE = b"<html>sign in</html>"


def refused(code: str) -> bytes:
    return f'<?xml version="1.0"?>\n<Error><Code>{code}</Code><Message>no</Message></Error>'.encode()


def sized(body: bytes) -> dict[str, str]:
    return {"content-length": str(len(body))}


ANSWERS: dict[str, tuple[Answer, str]] = {
    "307": (Answer(307, {"location": "https://there.example/"}, refused("TemporaryRedirect")), "307 TemporaryRedirect"),
    "301": (Answer(301, {}, refused("PermanentRedirect")), "301 PermanentRedirect"),
    "302": (Answer(302, {"location": "https://portal.example/"}, b""), "302"),
    "304": (Answer(304, {}, b""), "304"),
    "400": (Answer(400, {}, refused("IllegalLocationConstraintException")), "400 Illegal"),
    "403": (Answer(403, {}, refused("AccessDenied")), "403 AccessDenied"),
    "404": (Answer(404, {}, refused("NoSuchBucket")), "404 NoSuchBucket"),
    "407": (Answer(407, {}, PAGE), "407"),
    "503": (Answer(503, {}, refused("SlowDown")), "503 SlowDown"),
    "200 with a page": (Answer(200, sized(PAGE), PAGE), "200"),
    "200 with nothing": (Answer(200, sized(b""), b""), "200"),
    "206": (Answer(206, sized(PAGE), PAGE), "206"),
    "204": (Answer(204, {}, b""), "204"),
}
each_answer = pytest.mark.parametrize("answer", ANSWERS)
some_answers = pytest.mark.parametrize("answer", ["307", "403", "503", "200 with a page"])
"""Each as different as can be: here an answer costs two relocations."""


def pods_hear(here: Scene, answer: Answer, *sides: int) -> Callable[[], None]:
    """Every pod of these sides hears this answer, until the result is called."""
    kubelets = [here.world.sides[side].kubelet for side in sides]
    before = [kubelet._fetch for kubelet in kubelets]

    def hear(*_: Any) -> Answer:
        return answer

    def restore() -> None:
        for kubelet, fetch in zip(kubelets, before, strict=True):
            kubelet._fetch = fetch

    for kubelet in kubelets:
        kubelet._fetch = hear
    return restore


@each_answer
def test_preflight_finds_it_and_nothing_begins(answer: str) -> None:
    here, (said, words) = scene(), ANSWERS[answer]
    pods_hear(here, said, 0)
    check = of_pod(here.operator.preflight())
    assert (check.verdict, check.acceptable) == ("blocked", False)
    assert words in check.seen
    ending = here.operator.relocate()
    assert isinstance(ending.error, CannotMigrate)
    assert ending.story.command is None


@pytest.mark.parametrize(
    ("size", "answer"),
    [*(("whole", answer) for answer in ("307", "403", "503", "200 with nothing")), ("parts", "404"), ("parts", "206")],
)
def test_an_upload_to_nowhere_is_no_rival_and_goes_on(answer: str, size: str) -> None:
    here, (said, words) = scene() if size == "whole" else heavy(), ANSWERS[answer]
    restore: list[Callable[[], None]] = []
    just_before(here, STEP, lambda: restore.append(pods_hear(here, said, 0)))
    ending = here.operator.relocate()
    assert isinstance(ending.error, BucketRefused | AwsBusy), ending.error
    assert not isinstance(ending.error, Contested)
    assert (
        words in ending.error.what or "the bucket confirmed this twice, but the result is missing" in ending.error.what
    )
    assert "somebody" not in ending.error.paragraph()
    assert "client" not in ending.error.paragraph()
    restore[0]()
    assert here.operator.resume().error is None
    assert here.verdict().reasons == ()


@pytest.mark.parametrize("step", ["restore.hosted_cluster", POINT_OF_NO_RETURN])
@some_answers
def test_an_url_that_opens_something_else_is_not_used(answer: str, step: str) -> None:
    """As tried from here, before a HostedCluster is created, and before it is started."""
    here, (said, words) = scene(), ANSWERS[answer]
    storage = here.world.cloud.storage
    asked = storage.request

    def hear(method: str, *rest: Any) -> Answer:
        return said if method == "GET" else asked(method, *rest)

    just_before(here, step, lambda: setattr(storage, "request", hear))
    ending = here.operator.relocate()
    assert isinstance(ending.error, SnapshotDoubtful | AwsBusy | AwsUnreachable), ending.error
    assert any(word in ending.error.what for word in (*words.split(), "bytes instead of"))
    assert not ending.story.acted_in(POINT_OF_NO_RETURN)
    storage.request = asked  # type: ignore[method-assign]
    assert here.operator.resume().error is None
    assert here.verdict().reasons == ()


@pytest.mark.parametrize("answer", ["403", "200 with a page"])
def test_an_etcd_that_hears_it_on_the_destination_is_told_of(answer: str) -> None:
    """Past the point of no return: what etcd-init says is in its log, and it tries again."""
    here, (said, _) = scene(), ANSWERS[answer]
    restore: list[Callable[[], None]] = []
    just_before(here, POINT_OF_NO_RETURN, lambda: restore.append(pods_hear(here, said, 1)))
    ending = here.operator.relocate()
    assert isinstance(ending.error, TimedOut), ending.error
    assert "etcd is not ready" in ending.error.what
    assert "etcd-init" in ending.error.next
    restore[0]()
    assert here.operator.resume().error is None
    assert here.verdict().reasons == ()
