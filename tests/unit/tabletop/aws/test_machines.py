"""What of EC2 in memory the contract cannot show: how long things take, Spot, boots, and what operators see."""

from __future__ import annotations

import pytest

from hcp_dr import errors
from hcp_dr_lab.standin.change import RunInstance
from hcp_dr_lab.tabletop.aws import Machines, MemoryInstances, Pace, Refusal

WANTED = RunInstance("ami-1", "m5.large", "subnet-1", ("sg-1",), "user data", {"Name": "worker"})


class Clock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def now(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def machines(clock: Clock) -> Machines:
    return Machines(now=clock.now, pace=Pace(start=10, stop=20, shut_down=30))


def test_states_follow_the_clock(machines: Machines, clock: Clock) -> None:
    one = machines.run(WANTED).instance_id
    seen = [machines.state(one)]
    for seconds, act in ((10, None), (0, machines.stop), (20, None), (0, machines.start), (10, None)):
        clock.seconds += seconds
        if act:
            act(one)
        seen.append(machines.state(one))
    assert seen == ["pending", "running", "stopping", "stopped", "pending", "running"]
    machines.terminate(one)
    assert machines.state(one) == "shutting-down"
    clock.seconds += 30
    assert machines.state(one) == "terminated"
    machines.terminate(one)
    assert machines.state(one) == "terminated"
    with pytest.raises(Refusal, match="IncorrectInstanceState"):
        machines.start(one)


def test_boots_are_counted(machines: Machines) -> None:
    one = machines.run(WANTED).instance_id
    machines.start(one)
    assert machines.machine(one).boots == 1, "it runs already"
    machines.reboot(one)
    machines.stop(one)
    machines.start(one)
    assert machines.machine(one).boots == 3


def test_operators_see_what_the_region_s_cloud_shows(machines: Machines, clock: Clock) -> None:
    first, second = machines.run(WANTED), machines.run(WANTED)
    assert (first.private_address, first.private_name) == ("10.0.128.4", "ip-10-0-128-4.ec2.internal")
    assert second.private_address == "10.0.128.5"
    assert first.provider_id == f"aws:///us-east-1a/{first.instance_id}"
    assert len(first.instance_id) == 19
    clock.seconds += 10
    machines.terminate(first.instance_id)
    seen = machines.instances()
    assert {name: one.state for name, one in seen.items()} == {
        first.instance_id: "shutting-down",
        second.instance_id: "running",
    }
    assert seen[second.instance_id].tags == {"Name": "worker"}
    assert "user data" not in repr(machines.machine(second.instance_id))


def test_a_group_is_in_use_until_its_last_instance_is_terminated(machines: Machines, clock: Clock) -> None:
    one = machines.run(WANTED).instance_id
    machines.terminate(one)
    assert machines.groups_in_use() == {"sg-1"}
    clock.seconds += 30
    assert machines.groups_in_use() == frozenset()


def test_a_spot_instance_takes_no_protection(machines: Machines) -> None:
    one = machines.run(WANTED, spot=True).instance_id
    port = MemoryInstances(machines)
    assert port.describe([one])[0].spot
    with pytest.raises(errors.AwsError, match="Spot"):
        port.protect(one, on=True)
    machines.terminate(one)


def test_clones_begin_alike_and_go_their_own_ways(machines: Machines, clock: Clock) -> None:
    one = machines.run(WANTED).instance_id
    clock.seconds += 10
    later = Clock()
    later.seconds = clock.seconds
    other = machines.clone(now=later.now)
    machines.terminate(one)
    assert other.state(one) == "running"
    assert machines.run(WANTED).instance_id == other.run(WANTED).instance_id, "the same randomness"
    other.protect(one, on=True)
    assert not machines.machine(one).protected
