"""Many instances are described although EC2 takes few requests at once."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from hcp_dr import errors
from hcp_dr.aws.instances import Ec2Instances
from hcp_dr.aws.paging import MAX_AGE
from hcp_dr.aws.port import Instance
from hcp_dr.hypershift.machines.instances import gone


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ({"i-1": "running", "i-2": "running"}, set()),
        ({"i-1": "running", "i-2": "terminated"}, {"i-2"}),
        ({"i-1": "running"}, {"i-2"}),
        ({"i-1": "running", "i-2": "shutting-down"}, set()),
        ({"i-1": "running", "i-2": "stopped"}, set()),
        ({"i-1": "terminated", "i-2": "terminated"}, {"i-1", "i-2"}),
        ({}, set()),
    ],
)
def test_which_instances_exist_no_more(states: dict[str, str], expected: set[str]) -> None:
    """EC2 that knows none may have been asked in another region."""
    known = [Instance(name, state, spot=False, termination_protected=False, tags={}) for name, state in states.items()]
    assert gone(("i-1", "i-2"), known) == expected


IDS = ["i-1", "i-2", "i-3", "i-4"]


class Service:
    """In the place of boto3's client: `left` requests for attributes are answered, the next is refused with `code`."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.left = 2
        self.code = "RequestLimitExceeded"
        self.seconds = 0.0
        client: Any = self
        self.instances = Ec2Instances(client, "us-east-1", now=lambda: self.seconds)

    def get_paginator(self, _: str) -> Any:
        found = [{"InstanceId": name, "State": {"Name": "running"}} for name in IDS]
        return SimpleNamespace(paginate=lambda **_: [{"Reservations": [{"Instances": found}]}])

    def describe_instance_attribute(self, InstanceId: str, Attribute: str) -> Any:  # noqa: N803
        assert Attribute == "disableApiTermination"
        if self.left == 0:
            self.left = 100
            raise ClientError({"Error": {"Code": self.code, "Message": "Request limit exceeded."}}, "Describe")
        self.left -= 1
        self.asked.append(InstanceId)
        return {"DisableApiTermination": {"Value": InstanceId == "i-1"}}

    def modify_instance_attribute(self, **_: Any) -> None:
        pass


def interrupted(code: str = "RequestLimitExceeded") -> Service:
    service = Service()
    service.code = code
    with pytest.raises(errors.AwsError):
        service.instances.describe(IDS)
    service.asked.clear()
    return service


def test_what_was_told_before_a_refusal_is_not_asked_again() -> None:
    service = interrupted()
    found = service.instances.describe(IDS)
    assert [one.termination_protected for one in found] == [True, False, False, False]
    assert service.asked == ["i-3", "i-4"]
    service.instances.describe(IDS)
    assert service.asked[2:] == IDS, "only once"


def test_it_counts_for_a_while_only() -> None:
    service = interrupted()
    service.seconds += MAX_AGE + 1
    service.instances.describe(IDS)
    assert service.asked == IDS


def test_it_does_not_count_after_a_change() -> None:
    service = interrupted()
    service.instances.protect("i-2", on=True)
    service.instances.describe(IDS)
    assert service.asked == IDS


def test_what_does_not_pass_begins_anew() -> None:
    service = interrupted("UnauthorizedOperation")
    service.instances.describe(IDS)
    assert service.asked == IDS
