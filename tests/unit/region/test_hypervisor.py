"""What the hypervisor does about what EC2 says, and that it does nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hcp_dr_lab.ground.aws_seed import NO_KUBELET
from hcp_dr_lab.ground.layout import Layout
from hcp_dr_lab.ground.workers import Worker, workers
from hcp_dr_lab.region.machines.hypervisor import Decision, Instance, decide, free_number, parse


def instance(state: str, name: str = "i-1") -> Instance:
    return Instance(name, state, "10.78.2.4", "ip-10-78-2-4.ec2.internal", "demo-r7h2k")


def worker(number: int, state: str = "running") -> Worker:
    return Worker(f"i-{number}", "node", "10.78.2.4", "demo-r7h2k", number, "boot", 7, state)


def test_a_running_instance_without_worker_is_launched() -> None:
    assert decide([instance("running")], {}) == Decision((instance("running"),), ())


def test_a_worker_that_ended_by_itself_is_launched_again() -> None:
    assert decide([instance("running")], {"i-1": False}).launches == (instance("running"),)


def test_a_living_worker_of_a_running_instance_is_left_alone() -> None:
    assert decide([instance("running")], {"i-1": True}) == Decision((), ())


@pytest.mark.parametrize("state", ["shutting-down", "terminated"])
def test_the_worker_of_a_terminated_instance_is_killed(state: str) -> None:
    assert decide([instance(state)], {"i-1": True}) == Decision((), ("i-1",))


@pytest.mark.parametrize("state", ["shutting-down", "terminated"])
def test_a_terminated_instance_without_a_living_worker_needs_nothing(state: str) -> None:
    assert decide([instance(state)], {"i-1": False}) == decide([instance(state)], {}) == Decision((), ())


@pytest.mark.parametrize("state", ["pending", "stopping", "stopped"])
def test_any_other_state_kills_nothing_and_launches_nothing(state: str) -> None:
    assert decide([instance(state)], {"i-1": True}) == decide([instance(state)], {}) == Decision((), ())


def test_an_instance_that_ec2_forgot_keeps_its_worker() -> None:
    assert decide([], {"i-1": True}) == Decision((), ())


def test_an_instance_that_is_there_to_be_counted_gets_no_worker() -> None:
    bare = entry(Tags=[*entry()["Tags"], {"Key": NO_KUBELET["key"], "Value": NO_KUBELET["value"]}])
    found = parse({"Reservations": [{"Instances": [bare]}]})
    assert found == [replace(instance("running"), kubelet=False)]
    assert decide(found, {}) == Decision((), ())


def test_each_worker_has_a_number_of_its_own() -> None:
    assert free_number([]) == 1
    assert free_number([worker(1), worker(2), worker(4)]) == 3


def test_the_number_of_a_terminated_worker_is_free() -> None:
    assert free_number([worker(1, "terminated"), worker(2)]) == 1


def test_the_network_of_a_worker_follows_from_its_number() -> None:
    assert worker(3).pod_cidr == "10.89.3.0/24"


def entry(**changes: Any) -> dict[str, Any]:
    tags = [{"Key": "Name", "Value": "w"}, {"Key": "kubernetes.io/cluster/demo-r7h2k", "Value": "owned"}]
    return {
        "InstanceId": "i-1",
        "State": {"Name": "running"},
        "PrivateIpAddress": "10.78.2.4",
        "PrivateDnsName": "ip-10-78-2-4.ec2.internal",
        "Tags": tags,
        **changes,
    }


def test_instances_of_hosted_clusters_are_read() -> None:
    assert parse({"Reservations": [{"Instances": [entry()]}]}) == [instance("running")]


def test_other_instances_are_none_of_its_business() -> None:
    shared = [{"Key": "kubernetes.io/cluster/demo-r7h2k", "Value": "shared"}]
    assert parse({"Reservations": [{"Instances": [entry(Tags=[]), entry(Tags=shared)]}]}) == []


def test_a_terminated_instance_may_have_no_address() -> None:
    gone = entry(State={"Name": "terminated"})
    del gone["PrivateIpAddress"]
    assert parse({"Reservations": [{"Instances": [gone]}]})[0].address == ""


@pytest.mark.parametrize("content", [None, ""])
def test_before_the_first_launch_there_are_no_workers(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "instances.json").write_text(content)
    assert workers(Layout("test", 0, tmp_path)) == {}
