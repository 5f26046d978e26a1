"""What a relocation relies on of Cluster API and its AWS provider, and what it has to fear of them."""

from __future__ import annotations

import copy

import pytest

from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Object, Resource
from hcp_dr.objects.scrub import scrub
from hcp_dr_lab.ground.names import CAPI_PROVIDER
from hcp_dr_lab.standin.pause import PAUSED
from tests.contract.machines import fleet as fleets
from tests.contract.machines.fleet import CHAIN, POOL, Fleet, condition, finalizers, owners
from tests.contract.machines.sides import Side

FINALIZERS = {
    r.CLUSTER: "cluster.cluster.x-k8s.io",
    r.MACHINE_DEPLOYMENT: "cluster.x-k8s.io/machinedeployment",
    r.MACHINE_SET: "cluster.x-k8s.io/machineset",
    r.MACHINE: "machine.cluster.x-k8s.io",
    r.AWS_MACHINE: "awsmachine.infrastructure.cluster.x-k8s.io",
}


def links(fleet: Fleet, resource: Resource) -> set[tuple[str, str, bool]]:
    """The owners of all objects of a kind, each proven by uid."""
    found = set()
    for item in fleet.all(resource):
        for owner in owners(item):
            (kind,) = (one for one in (r.CLUSTER, *CHAIN) if one.kind == owner["kind"])
            assert fleet.get(kind, owner["name"])["metadata"]["uid"] == owner["uid"]
            found.add((item["metadata"]["name"], owner["kind"], bool(owner.get("controller"))))
    return found


def test_a_fleet_comes_into_service(side: Side) -> None:
    fleet = fleets.new(side)
    for resource, finalizer in FINALIZERS.items():
        assert [finalizers(item) for item in fleet.all(resource)] == [[finalizer]]
    name = fleet.only(r.MACHINE)["metadata"]["name"]
    assert fleet.only(r.AWS_MACHINE)["metadata"]["name"] == name
    assert links(fleet, r.MACHINE_DEPLOYMENT) == {(POOL, "Cluster", False)}
    assert {link[1:] for link in links(fleet, r.MACHINE_SET)} == {("MachineDeployment", True)}
    assert links(fleet, r.MACHINE) == {(name, "MachineSet", True)}
    assert links(fleet, r.AWS_MACHINE) == {(name, "Machine", True)}
    assert links(fleet, r.AWS_MACHINE_TEMPLATE) == {(fleets.TEMPLATE, "Cluster", False)}
    (instance,) = fleet.instances()
    assert fleet.only(r.MACHINE)["spec"]["providerID"] == f"aws:///us-east-1a/{instance}"
    fleet.eventually(
        lambda: (fleet.only(r.MACHINE_DEPLOYMENT).get("status") or {}).get("availableReplicas") == 1, "it is available"
    )
    assert fleet.only(r.MACHINE)["status"]["phase"] == "Running"
    assert fleet.only(r.AWS_MACHINE)["status"]["ready"]


@pytest.mark.parametrize("resource", [r.CLUSTER, *CHAIN], ids=str)
def test_each_says_that_it_is_paused(side: Side, resource: Resource) -> None:
    fleet = fleets.new(side)
    name = fleet.only(resource)["metadata"]["name"]
    fleet.noticed(resource, name, "False")
    fleet.pause(fleet.only(resource))
    fleet.noticed(resource, name, "True")
    below = CHAIN if resource is r.CLUSTER else ()
    for kind in below:
        fleet.noticed(kind, fleet.only(kind)["metadata"]["name"], "True")
    fleet.pause(fleet.only(resource), on=False)
    for kind in (resource, *below):
        fleet.noticed(kind, fleet.only(kind)["metadata"]["name"], "False")


class TestPaused:
    """By the Cluster or by annotation, at each level."""

    @pytest.mark.parametrize("by", [r.CLUSTER, r.MACHINE_DEPLOYMENT], ids=str)
    def test_a_changed_template_rolls_nothing(self, side: Side, by: Resource) -> None:
        fleet = fleets.new(side)
        before = fleet.instances()
        fleet.pause(fleet.only(by))
        fleet.create(fleets.template(fleet, "workers-2", 130))
        fleet.patch(fleet.only(r.MACHINE_DEPLOYMENT), fleets.other_template("workers-2"))
        fleet.noticed(r.MACHINE_DEPLOYMENT, POOL, "True")
        assert len(fleet.all(r.MACHINE_SET)) == 1

        fleet.patch(fleet.only(r.MACHINE_DEPLOYMENT), fleets.other_template(fleets.TEMPLATE))
        fleet.pause(fleet.only(by), on=False)
        fleet.noticed(r.MACHINE_DEPLOYMENT, POOL, "False")
        fleet.noticed(r.MACHINE_SET, fleet.only(r.MACHINE_SET)["metadata"]["name"], "False")
        assert fleet.instances() == before

    @pytest.mark.parametrize("by", [r.CLUSTER, r.MACHINE_SET], ids=str)
    def test_no_machine_is_made(self, side: Side, by: Resource) -> None:
        fleet = fleets.new(side)
        fleet.pause(fleet.only(by))
        machine_set = fleet.only(r.MACHINE_SET)
        fleet.noticed(r.MACHINE_SET, machine_set["metadata"]["name"], "True")
        fleet.patch(machine_set, {"spec": {"replicas": 2}})
        fleet.noticed(r.MACHINE_SET, machine_set["metadata"]["name"], "True")
        assert len(fleet.all(r.MACHINE)) == 1

    @pytest.mark.parametrize("by", [r.CLUSTER, r.MACHINE], ids=str)
    def test_a_deleted_machine_stays(self, side: Side, by: Resource) -> None:
        fleet = fleets.new(side)
        name = fleet.only(r.MACHINE)["metadata"]["name"]
        fleet.pause(fleet.only(r.MACHINE_SET))
        fleet.pause(fleet.only(by))
        fleet.noticed(r.MACHINE, name, "True")
        fleet.delete(r.MACHINE, name)
        fleet.noticed(r.MACHINE, name, "True")
        assert finalizers(fleet.get(r.MACHINE, name)) == [FINALIZERS[r.MACHINE]]
        assert "deletionTimestamp" not in fleet.get(r.AWS_MACHINE, name)["metadata"]
        assert len(fleet.running()) == 1

    def test_the_instance_of_a_deleted_held_aws_machine_runs_on(self, side: Side) -> None:
        """The other one, deleted after it, shows that the provider is at work."""
        fleet = fleets.new(side, machines=2)
        held, other = fleet.all(r.AWS_MACHINE)
        fleet.pause(fleet.only(r.MACHINE_SET))
        fleet.pause(held)
        fleet.noticed(r.AWS_MACHINE, held["metadata"]["name"], "True")
        for item in (held, other):
            fleet.delete(r.AWS_MACHINE, item["metadata"]["name"])
        fleet.eventually(lambda: fleet.running() == {held["spec"]["instanceID"]}, "the other's instance is terminated")
        assert finalizers(fleet.get(r.AWS_MACHINE, held["metadata"]["name"])) == [FINALIZERS[r.AWS_MACHINE]]


class TestRestored:
    """Objects of another cluster, created again with their owners' new uids, as `restore.machines` does."""

    def test_held_objects_get_finalizers_but_for_an_aws_machine(self, side: Side) -> None:
        fleet = restored(fleets.new(side, machines=2), held=True)
        for resource in (r.MACHINE_DEPLOYMENT, r.MACHINE_SET, r.MACHINE, r.AWS_MACHINE):
            for item in fleet.all(resource):
                fleet.noticed(resource, item["metadata"]["name"], "True")
        for resource in (r.MACHINE_DEPLOYMENT, r.MACHINE_SET, r.MACHINE):
            assert {tuple(finalizers(item)) for item in fleet.all(resource)} == {(FINALIZERS[resource],)}
        assert {tuple(finalizers(item)) for item in fleet.all(r.AWS_MACHINE)} == {()}

    def test_they_are_adopted_when_they_are_let_go(self, side: Side) -> None:
        source = fleets.new(side, machines=2)
        running = source.running()
        fleet = restored(source, held=True)
        before = {item["metadata"]["name"]: item["metadata"]["uid"] for kind in CHAIN for item in fleet.all(kind)}
        for resource in (r.AWS_MACHINE, r.MACHINE, r.MACHINE_SET, r.MACHINE_DEPLOYMENT):
            for item in fleet.all(resource):
                fleet.pause(item, on=False)
                fleet.noticed(resource, item["metadata"]["name"], "False")
        fleet.serve(2)
        assert {
            item["metadata"]["name"]: item["metadata"]["uid"] for kind in CHAIN for item in fleet.all(kind)
        } == before
        assert fleet.running() == running
        for resource in CHAIN:
            assert {tuple(finalizers(item)) for item in fleet.all(resource)} == {(FINALIZERS[resource],)}

    def test_a_machine_with_a_stale_owner_is_replaced(self, side: Side) -> None:
        """The garbage collector deletes it, for its owner is gone. Whether its instance is terminated or left depends
        on who comes first."""
        source = fleets.new(side)
        before = source.running()
        fleet = restored(source, held=False, stale=True)
        fleet.eventually(lambda: fleet.running() - before, "another instance runs")
        owner = fleet.only(r.MACHINE_SET)["metadata"]["uid"]
        fleet.eventually(
            lambda: [[each["uid"] for each in owners(item)] for item in fleet.all(r.MACHINE)] == [[owner]],
            "only the new Machine is left",
        )

    def test_an_aws_machine_without_provider_id_finds_its_instance_by_name(self, side: Side) -> None:
        source = fleets.new(side)
        (instance,) = source.running()
        fleet = restored(source, held=False, without_provider_id=True)
        name = fleet.only(r.AWS_MACHINE)["metadata"]["name"]
        fleet.eventually(lambda: fleet.get(r.AWS_MACHINE, name)["spec"].get("instanceID"), "it has an instance")
        assert fleet.get(r.AWS_MACHINE, name)["spec"]["instanceID"] == instance
        assert fleet.running() == {instance}

    def test_an_aws_machine_without_provider_id_and_name_gets_another_instance(self, side: Side) -> None:
        source = fleets.new(side)
        before = source.running()
        side.rename(*before)
        fleet = restored(source, held=False, without_provider_id=True)
        fleet.eventually(lambda: fleet.running() > before, "another instance runs")

    def test_an_instance_that_is_not_there_is_not_replaced(self, side: Side) -> None:
        gone = "aws:///us-east-1a/i-0123456789abcdef0"
        fleet = restored(fleets.new(side), held=False, provider_id=gone)
        before = fleet.instances()
        name = fleet.only(r.AWS_MACHINE)["metadata"]["name"]
        fleet.eventually(
            lambda: condition(fleet.get(r.AWS_MACHINE, name), "InstanceReady") == "Unknown", "it looks for the instance"
        )
        assert fleet.get(r.AWS_MACHINE, name)["spec"]["providerID"] == gone
        assert finalizers(fleet.get(r.AWS_MACHINE, name)) == []
        assert fleet.instances() == before


class TestDeleted:
    def test_with_the_provider_the_instance_is_terminated_and_replaced(self, side: Side) -> None:
        fleet = fleets.new(side)
        before = fleet.running()
        fleet.delete(r.MACHINE, fleet.only(r.MACHINE)["metadata"]["name"])
        fleet.eventually(lambda: not fleet.running() & before, "the instance is terminated")
        fleet.eventually(fleet.running, "another instance runs")

    def test_a_protected_instance_is_not_terminated_and_not_replaced(self, side: Side) -> None:
        """Its Machine counts until it is gone. The other one, deleted after it, shows that both controllers act."""
        fleet = fleets.new(side, machines=2)
        protected, other = fleet.all(r.AWS_MACHINE)
        instance = protected["spec"]["instanceID"]
        side.protect(instance)
        for item in (protected, other):
            fleet.delete(r.MACHINE, item["metadata"]["name"])
        fleet.eventually(lambda: other["spec"]["instanceID"] not in fleet.running(), "the other's is terminated")
        fleet.eventually(lambda: len(fleet.running()) == 2, "the other's is replaced")
        assert instance in fleet.running()
        name = protected["metadata"]["name"]
        assert finalizers(fleet.get(r.AWS_MACHINE, name)) == [FINALIZERS[r.AWS_MACHINE]]
        assert len(fleet.all(r.MACHINE)) == 2

    def test_without_the_provider_nothing_happens_to_the_instance(self, side: Side) -> None:
        fleet = fleets.new(side)
        before = fleet.running()
        name = fleet.only(r.MACHINE)["metadata"]["name"]
        side.stop(fleet.namespace, CAPI_PROVIDER)
        fleet.delete(r.MACHINE, name)
        fleet.eventually(
            lambda: "deletionTimestamp" in fleet.get(r.AWS_MACHINE, name)["metadata"], "the AWSMachine is deleted"
        )
        assert finalizers(fleet.get(r.AWS_MACHINE, name)) == [FINALIZERS[r.AWS_MACHINE]]
        assert fleet.running() == before

    def test_with_finalizers_stripped_while_nothing_acts_the_instance_runs_on(self, side: Side) -> None:
        """As `teardown` does; the controllers that come back find nothing."""
        fleet = fleets.new(side)
        before = fleet.instances()
        side.stop(fleet.namespace)
        for resource in CHAIN:
            for item in fleet.all(resource):
                fleet.delete(resource, item["metadata"]["name"])
                fleet.patch(item, {"metadata": {"finalizers": None}})
        fleet.eventually(lambda: not any(fleet.all(resource) for resource in CHAIN), "they are gone")
        side.start(fleet.namespace)
        other = fleets.new(side)
        assert len(other.running()) == 1
        assert fleet.instances() == before


def test_a_deleted_cluster_takes_everything_with_it_but_the_nodes(side: Side) -> None:
    """The HostedControlPlane before the Cluster."""
    fleet = fleets.new(side)
    (instance,) = fleet.running()
    fleet.delete(r.CLUSTER, fleet.infra_id)
    fleet.eventually(lambda: fleet.find(r.CLUSTER, fleet.infra_id) is None, "the Cluster is gone")
    for resource in (*CHAIN, r.HOSTED_CONTROL_PLANE, r.AWS_CLUSTER):
        assert fleet.all(resource) == ()
    assert not fleet.running()
    assert side.cluster.find(r.NODE, f"node-{instance}") is not None


def test_a_changed_template_rolls_all_machines(side: Side) -> None:
    fleet = fleets.new(side)
    before = fleet.running()
    fleet.create(fleets.template(fleet, "workers-2", 130))
    fleet.patch(fleet.only(r.MACHINE_DEPLOYMENT), fleets.other_template("workers-2"))
    fleet.eventually(lambda: fleet.running() > before, "another instance runs")
    for item in fleet.all(r.AWS_MACHINE):
        fleet.eventually(lambda item=item: provider_id(fleet, item), "it has a provider id")  # type: ignore[misc]
        fleet.register(provider_id(fleet, item))
    fleet.eventually(lambda: fleet.running() and not fleet.running() & before, "the former instance is terminated")
    assert len(fleet.all(r.MACHINE_SET)) == 2


def provider_id(fleet: Fleet, item: Object) -> str:
    return str(fleet.get(r.AWS_MACHINE, item["metadata"]["name"])["spec"].get("providerID", ""))


def restored(
    source: Fleet, *, held: bool, stale: bool = False, without_provider_id: bool = False, provider_id: str = ""
) -> Fleet:
    """The fleet's machine objects in another namespace, which stands for another cluster. Nothing acts meanwhile, and
    the source's objects are gone without a trace."""
    side = source.side
    side.stop(source.namespace)
    kept = [(resource, item) for resource in (r.AWS_MACHINE_TEMPLATE, *CHAIN) for item in source.all(resource)]
    for resource in CHAIN:
        for item in source.all(resource):
            source.delete(resource, item["metadata"]["name"])
            source.patch(item, {"metadata": {"finalizers": None}})
    source.delete(r.CLUSTER, source.infra_id)
    source.patch(source.only(r.CLUSTER), {"metadata": {"finalizers": None}})
    source.eventually(lambda: not any(source.all(kind) for kind in (r.CLUSTER, *CHAIN)), "the source is empty")
    side.start(source.namespace)
    fleet = fleets.infrastructure(side, source.infra_id)
    side.stop(fleet.namespace)
    uids: dict[tuple[str, str], str] = {}
    for resource, item in kept:
        body = copy.deepcopy(scrub(item))
        metadata = body["metadata"]
        metadata["namespace"] = fleet.namespace
        above = [owner for owner in owners(item) if (owner["kind"], owner["name"]) in uids]
        metadata["ownerReferences"] = [
            {**owner, "uid": owner["uid"] if stale and resource is r.MACHINE else uids[owner["kind"], owner["name"]]}
            for owner in above
        ]
        if held and resource is not r.AWS_MACHINE_TEMPLATE:
            metadata["annotations"] = {**(metadata.get("annotations") or {}), PAUSED: "held"}
        if resource is r.AWS_MACHINE and without_provider_id:
            del body["spec"]["providerID"]
            body["spec"].pop("instanceID", None)
        if resource in (r.AWS_MACHINE, r.MACHINE) and provider_id:
            body["spec"]["providerID"] = provider_id
        uids[item["kind"], metadata["name"]] = fleet.create(body)["metadata"]["uid"]
    side.start(fleet.namespace)
    return fleet
