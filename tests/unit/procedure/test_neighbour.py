"""I5, for any two names: whatever a neighbour in the same namespace and zone is called, no step carries, plans to
change or counts as left what is the neighbour's."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hcp_dr import upstream
from hcp_dr.engine.journal import RunState
from hcp_dr.engine.planner import plan_step
from hcp_dr.hypershift import inventory
from hcp_dr.hypershift.deletion import protocol as deletion_protocol
from hcp_dr.hypershift.deletion import remains
from hcp_dr.hypershift.deletion.remains import left_on_source
from hcp_dr.hypershift.dns import records
from hcp_dr.kube.port import Object
from hcp_dr.kube.resources import CLUSTER_ROLE, CLUSTER_ROLE_BINDING, CONFIG_MAP, NODE, ROLE, ROLE_BINDING
from hcp_dr.model import Case
from hcp_dr.objects.reading import name_of, namespace_of
from hcp_dr.procedure import BACKUP, RELOCATE, TEARDOWN
from hcp_dr.procedure.backup import delete_routes, protect_instances, release_dns
from hcp_dr.procedure.restore import claim_namespaces, control_plane_secrets, hosted_cluster_inputs, machines
from tests.cases.building import an_object
from tests.ports import World
from tests.unit.engine.toys import Table
from tests.world import CASE, hosted_cluster, relocatable
from tests.world import records as records_of

NAME = st.from_regex(r"[a-z]([a-z0-9-]{0,6}[a-z0-9])?", fullmatch=True)
WORDS = st.sampled_from(["", "2", "-2", "-workers", "-x7k2", "-pull", "-external-dns", "0", "-api", "a", "-clusters"])
FRONT = st.sampled_from(["", "a-", "cname-", "clusters-", "api-", "x", "one-"])
Key = tuple[str, str | None, str]


@st.composite
def neighbours(draw: st.DrawFn) -> tuple[str, str, str, str]:
    """Two names, and two infra ids that begin alike as the names do, or are each other's beginning."""
    name = draw(NAME)
    beside = draw(NAME | st.builds(lambda front, back: f"{front}{name}{back}", FRONT, WORDS))
    assume(name != beside)
    swap = draw(st.booleans())
    name, beside = (beside, name) if swap else (name, beside)
    infra = draw(st.sampled_from([f"{name}-x7k2", name]))
    infra_beside = draw(st.sampled_from([f"{beside}-x7k2", beside, f"{infra}2", f"{infra}-2"]))
    assume(infra != infra_beside)
    return name, beside, infra, infra_beside


def key(item: Object) -> Key:
    return (item["kind"], namespace_of(item), name_of(item))


def of(name: str, infra: str) -> set[Key]:
    """All objects of a hosted cluster."""
    return {key(an_object(item)) for item in hosted_cluster(name, infra)}


def standing(two: tuple[str, str, str, str]) -> tuple[World, Case, set[Key]]:
    """The world, the case of the first, and what is the second's alone."""
    name, beside, infra, infra_beside = two
    world = relocatable(name, beside, infra, infra_beside)
    case = replace(CASE, name=name, infra_id=infra, api_hostname=f"api-{name}.hosted.example")
    return world, case, of(beside, infra_beside) - of(name, infra)


@settings(max_examples=60, deadline=None)
@given(neighbours())
def test_only_ones_own_is_carried_and_all_of_it(two: tuple[str, str, str, str]) -> None:
    world, case, foreign = standing(two)
    taken = {key(item) for item in inventory.read_inventory(world.source, case)}
    assert not taken & foreign
    kinds = {"HostedCluster", "NodePool", "Cluster", "AWSCluster", "Machine", "AWSMachine", "MachineSet"}
    assert {each for each in of(case.name, case.infra_id) if each[0] in kinds} <= taken


@settings(max_examples=15, deadline=None)
@given(neighbours())
def test_nothing_that_is_planned_names_the_neighbours(two: tuple[str, str, str, str]) -> None:
    """Every action of the whole relocation is about an object of one's own, or about what is nobody's."""
    world, case, foreign = standing(two)
    planned = [action for step in RELOCATE for action in plan_step(step, world.ports, case, RunState()).actions]
    assert planned
    told = {f"{kind} {namespace}/{name}" if namespace else f"{kind} {name}" for kind, namespace, name in foreign} | {
        f"instance i-{two[1]}-{number}" for number in (1, 2)
    }
    named = [(action, one) for action in planned for one in told if f"{action}:".find(f" {one}:") >= 0]
    assert named == []


@settings(max_examples=15, deadline=None)
@given(neighbours())
def test_what_is_written_before_the_fence_is_nobodys_but_ones_own(two: tuple[str, str, str, str]) -> None:
    world, case, foreign = standing(two)
    before = {each: world.source.objects[each] for each in foreign}
    replace(Table(world).run(), case=case).carry_out(
        (
            protect_instances.STEP,
            *(step for step in BACKUP if step.name == "backup.export_objects"),
            claim_namespaces.STEP,
            hosted_cluster_inputs.STEP,
            control_plane_secrets.STEP,
            machines.STEP,
        )
    )
    assert {each: world.source.objects[each] for each in foreign} == before
    assert not set(world.destination.objects) & foreign
    assert {one for one, on in world.instances.running.items() if on} == {f"i-{case.name}-1", f"i-{case.name}-2"}


@settings(max_examples=60, deadline=None)
@given(neighbours())
def test_nothing_of_the_neighbours_is_removed_or_counted_as_left(two: tuple[str, str, str, str]) -> None:
    world, case, foreign = standing(two)
    for step in TEARDOWN:
        facts = step.observe(world.ports, case, RunState())
        if isinstance(facts, deletion_protocol.Facts):
            found = {(item.resource.kind, item.namespace, item.name) for item in facts.items}
            assert not found & foreign
    mine = {f"{kind} {name}" for kind, _, name in of(case.name, case.infra_id)}
    assert set(left_on_source(world.ports, case)) <= mine
    assert not {key(route) for route in delete_routes.observe(world.ports, case, RunState()).routes} & foreign


@settings(max_examples=60, deadline=None)
@given(neighbours())
def test_the_neighbours_records_are_never_awaited(two: tuple[str, str, str, str]) -> None:
    world, case, _ = standing(two)
    mine = set(records_of(case.name, "source"))
    theirs = set(records_of(two[1], "source"))
    found = set(records.owned(world.zone.records(), {"source"}, case.control_plane_namespace))
    assert found == mine - theirs
    left = release_dns.observe(world.ports, case, RunState()).remaining
    assert set(left) == found


@settings(max_examples=60, deadline=None)
@given(neighbours())
def test_what_is_outside_of_the_namespaces_is_told_apart(two: tuple[str, str, str, str]) -> None:
    name, beside, _, _ = two
    case = replace(CASE, name=name)

    def outside(of_whom: str) -> list[Object]:
        labels = {upstream.OWNER_NAMESPACE_LABEL: "clusters", upstream.OWNER_NAME_LABEL: of_whom}
        own = f"clusters-{of_whom}"
        return [
            an_object({f"ClusterRole control-plane-operator-{own}": {"labels": labels}}),
            an_object({f"ClusterRoleBinding control-plane-operator-{own}": {"labels": labels}}),
            an_object(f"ClusterRoleBinding hypershift-cluster-api-{own}"),
            an_object(f"Role openshift-ingress/control-plane-operator-{own}"),
            an_object(f"RoleBinding openshift-ingress/control-plane-operator-{own}"),
            an_object(f"ConfigMap openshift-config-managed/hc-clusters-{of_whom}"),
            an_object({f"Node taken-for-{of_whom}": {"labels": {"hypershift.openshift.io/cluster": own}}}),
        ]

    there = [*outside(name), *outside(beside)]
    found = [
        item
        for resource in (CLUSTER_ROLE, CLUSTER_ROLE_BINDING, ROLE, ROLE_BINDING, CONFIG_MAP, NODE)
        for item in remains.outside_of(case, resource, tuple(i for i in there if i["kind"] == resource.kind))
    ]
    assert sorted(map(key, found)) == sorted(map(key, outside(name)))
