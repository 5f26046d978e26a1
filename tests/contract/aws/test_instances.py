"""What the product and its stand-in operators rely on of EC2 and STS."""

from __future__ import annotations

import pytest

from hcp_dr import errors
from tests.contract.aws.sides import Computing

UNKNOWN = "i-0123456789abcdef0"


def test_instances_come_in_the_order_asked_and_unknown_ones_not_at_all(computing: Computing) -> None:
    first, second = computing.launch(2, {"Name": "worker", "kubernetes.io/cluster/one": "owned"})
    found = computing.instances.describe([second, UNKNOWN, first])
    assert [one.instance_id for one in found] == [second, first]
    for one in found:
        assert (one.state, one.spot, one.termination_protected) == ("running", False, False)
        assert one.tags == {"Name": "worker", "kubernetes.io/cluster/one": "owned"}
    assert computing.instances.describe([UNKNOWN]) == ()
    assert computing.instances.describe([]) == ()
    assert computing.instances.region == "us-east-1"


def test_more_instances_than_one_request_takes(computing: Computing) -> None:
    ids = computing.launch(410)
    assert computing.terminate(*ids[5:]) == ""
    found = computing.instances.describe(ids)
    assert [one.instance_id for one in found] == ids
    assert [one.state for one in found] == ["running"] * 5 + ["terminated"] * 405


def test_a_protected_instance_is_not_terminated_and_holds_up_the_others(computing: Computing) -> None:
    one, other = computing.launch(2)
    computing.instances.protect(one, on=True)
    computing.instances.protect(one, on=True)
    assert [found.termination_protected for found in computing.instances.describe([one, other])] == [True, False]
    assert computing.terminate(other, one) == "OperationNotPermitted"
    assert [found.state for found in computing.instances.describe([one, other])] == ["running", "running"]
    computing.instances.protect(one, on=False)
    assert not computing.instances.describe([one])[0].termination_protected
    assert computing.terminate(other, one) == ""
    assert [found.state for found in computing.instances.describe([one, other])] == ["terminated", "terminated"]


def test_a_terminated_instance_is_told_without_its_attributes(computing: Computing) -> None:
    (one,) = computing.launch(1, {"Name": "worker"})
    computing.instances.protect(one, on=True)
    computing.instances.protect(one, on=False)
    assert computing.terminate(one) == ""
    (found,) = computing.instances.describe([one])
    assert (found.state, found.termination_protected) == ("terminated", False)
    assert computing.terminate(one) == ""


def test_an_unknown_instance_cannot_be_protected_or_terminated(computing: Computing) -> None:
    with pytest.raises(errors.AwsError, match="does not exist") as refused:
        computing.instances.protect(UNKNOWN, on=True)
    assert type(refused.value) is errors.AwsError
    assert UNKNOWN in str(refused.value)
    (one,) = computing.launch(1)
    assert computing.terminate(one, UNKNOWN) == "InvalidInstanceID.NotFound"
    assert computing.instances.describe([one])[0].state == "running"


def test_whose_credentials_these_are(computing: Computing) -> None:
    assert computing.identity.arn().startswith("arn:aws:")
