"""Faults between the product and the services in memory."""

from __future__ import annotations

import pytest

from hcp_dr import errors
from hcp_dr.aws.port import Record, RecordChange
from hcp_dr_lab.tabletop.aws import (
    Interfere,
    MemoryBucket,
    MemoryIdentity,
    MemoryZone,
    Records,
    Refusal,
    Silence,
    Storage,
)
from hcp_dr_lab.tabletop.aws.ports import Moment

API = Record("api.hosted.example", "A", 30, ("10.0.0.1",))


def at(when: Moment, error: Exception) -> Interfere:
    def interfere(moment: Moment, _service: str, operation: str, _subject: str) -> None:
        if moment == when and not operation.startswith("List"):
            raise error

    return interfere


@pytest.mark.parametrize(
    ("error", "seen"),
    [
        (Refusal("SlowDown", "Please reduce your request rate.", 503), errors.AwsBusy),
        (Refusal("InternalError", "We encountered an internal error.", 500), errors.AwsBusy),
        (Refusal("ExpiredToken", "The provided token has expired."), errors.AwsDenied),
        (Refusal("AccessDenied", "Access Denied", 403), errors.BucketRefused),
        (Silence("Connection reset by peer"), errors.AwsUnreachable),
    ],
    ids=str,
)
def test_faults_are_the_product_s_errors(error: Exception, seen: type[errors.AwsError]) -> None:
    storage = Storage(now=lambda: 0.0)
    storage.create_bucket("backups")
    bucket = MemoryBucket(storage, "backups", interfere=at("before", error))
    with pytest.raises(errors.AwsError, match="PutObject key") as caught:
        bucket.put("key", b"body", metadata={})
    assert type(caught.value) is seen
    assert storage.keys_of("backups") == ()


def test_a_lost_answer_is_a_change_that_was_made() -> None:
    records = Records(now=lambda: 0.0)
    zone = MemoryZone(records, records.create_zone("hosted.example"), interfere=at("after", Silence("cut")))
    with pytest.raises(errors.AwsUnreachable):
        zone.change([RecordChange("CREATE", API)])
    assert API in zone.records()
    with pytest.raises(errors.AwsConflict):
        zone.change([RecordChange("CREATE", API)])


def test_every_service_can_be_disturbed() -> None:
    identity = MemoryIdentity(interfere=at("before", Refusal("Throttling", "Rate exceeded")))
    with pytest.raises(errors.AwsBusy, match="STS"):
        identity.arn()
