"""What a presigned URL says of itself, and how long what is signed now holds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.credentials import Credentials, RefreshableCredentials

from hcp_dr.aws.instances import StsIdentity
from hcp_dr.aws.presigned import by_session, ends_at

URL = "https://b.s3.amazonaws.com/key?X-Amz-Date=20261128T224500Z&X-Amz-Expires=3600&X-Amz-Signature=s"


def test_when_it_ends() -> None:
    assert ends_at(URL) == datetime(2026, 11, 28, 23, 45, tzinfo=UTC).timestamp()


@pytest.mark.parametrize("url", ["https://b.example/key", URL.replace("3600", "soon"), URL.replace("T", "-")])
def test_one_that_does_not_say(url: str) -> None:
    assert ends_at(url) is None


def test_whether_a_session_signed_it() -> None:
    assert not by_session(URL)
    assert by_session(URL + "&X-Amz-Security-Token=t")


def refreshable(seconds: float) -> RefreshableCredentials:
    def fresh() -> dict[str, Any]:
        ends = (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()
        return {"access_key": "a", "secret_key": "s", "token": "t", "expiry_time": ends}

    return RefreshableCredentials.create_from_metadata(fresh(), fresh, "assume-role", 0, 0)


@pytest.mark.parametrize(
    ("credentials", "lasts"),
    [
        (Credentials("a", "s"), True),
        (Credentials("a", "s", "token"), None),
        (refreshable(7200), True),
        (refreshable(900), False),
    ],
)
def test_how_long_what_is_signed_now_holds(credentials: Credentials, lasts: bool | None) -> None:  # noqa: FBT001
    assert StsIdentity(None, credentials).lasts(1800) is lasts  # type: ignore[arg-type]
