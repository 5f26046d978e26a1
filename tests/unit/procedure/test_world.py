"""Every step looks at one whole world: preflight finds nothing against it, and the whole relocation can be planned in
it, without a single write, and without a word about the neighbour."""

from __future__ import annotations

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.planner import plan_step
from hcp_dr.hypershift import inventory
from hcp_dr.objects.archive import page
from hcp_dr.objects.reading import name_of
from hcp_dr.procedure import PREFLIGHT, RELOCATE
from tests.unit.engine.toys import Table, checked
from tests.world import CASE, reads, relocatable


def test_preflight_finds_nothing_against_it() -> None:
    world = relocatable()
    checks = checked(Table(world).run(), PREFLIGHT)
    assert [check for check in checks if check.verdict != "ok"] == []


def test_each_check_has_a_name_of_its_own_by_which_it_can_be_accepted() -> None:
    names = [check.name for check in checked(Table(relocatable()).run(), PREFLIGHT)]
    assert len(names) > 60
    assert len(set(names)) == len(names)


def test_preflight_writes_one_probe_and_deletes_it() -> None:
    """I9."""
    world = relocatable()
    checked(Table(world).run(), PREFLIGHT)
    key = f"{CASE.key_prefix}/probe"
    assert world.bucket.asked == [("put", key, b"probe", {}), ("delete", key)]
    [command] = [call for call in world.written if call not in world.bucket.asked and not reads(call)]
    assert command[:4] == ("execute", "clusters-one", "etcd-0", "etcd")
    assert not any(word in command[4][-1] for word in ("--upload-file", "--output", ">")), "nothing of it is kept there"
    assert "signature" not in command[4][-1], "an URL goes in by stdin"


EXPECTED = ("do", "nothing", "check", "wait")
"""Nothing is done before it has begun, refused, or unknown."""


def test_the_whole_relocation_can_be_planned_and_nothing_is_written() -> None:
    """I9."""
    world = relocatable()
    planned = [plan_step(step, world.ports, CASE, RunState()) for step in RELOCATE]
    assert {step.name: (step.outlook, step.text) for step in planned if step.outlook not in EXPECTED} == {}
    assert [call for call in world.written if not reads(call)] == []
    assert world.archive.files == {}


def test_the_plan_says_what_matters_and_nothing_of_the_neighbour() -> None:
    """I5."""
    world = relocatable()
    told = {step.name: step.actions for step in (plan_step(s, world.ports, CASE, RunState()) for s in RELOCATE)}
    assert not [action for actions in told.values() for action in actions if "one2" in action]
    assert told["backup.protect_instances"][1:] == (
        "set termination protection of instance i-one-1",
        "set termination protection of instance i-one-2",
    )
    assert told["restore.start_control_plane"] == (
        (
            'patch on destination HostedCluster clusters/one: {"metadata": {"annotations": '
            '{"hypershift.openshift.io/restored-from-backup": null}}, "spec": {"pausedUntil": null}}'
        ),
    )
    assert "delete on source HostedCluster clusters/one" in told["teardown.hosted_cluster"]
    assert "delete on source Namespace clusters-one" in told["teardown.leftovers"]
    assert "delete on source Namespace clusters" not in told["teardown.leftovers"]


def test_no_credential_and_no_signed_url_is_in_a_plan() -> None:
    """I8."""
    world = relocatable()
    planned = str([plan_step(step, world.ports, CASE, RunState()) for step in RELOCATE])
    for secret in ("Y2VydA==", "a2V5", "dA==", "signature"):
        assert secret not in planned


def test_all_that_is_the_clusters_is_carried_and_nothing_else() -> None:
    world = relocatable()
    live = inventory.read_inventory(world.source, CASE)
    assert [page(item).entry.file for item in live] == [
        "namespaces/clusters/hc-one.yaml",
        "namespaces/clusters/np-one-workers.yaml",
        "namespaces/clusters/secret-one-pull.yaml",
        "namespaces/clusters/configmap-one-trust.yaml",
        "namespaces/clusters-one/secret-root-ca.yaml",
        "namespaces/clusters-one/secret-etcd-signer.yaml",
        "namespaces/clusters-one/secret-sa-signing-key.yaml",
        "namespaces/clusters-one/secret-token-one-workers-1.yaml",
        "namespaces/clusters-one/configmap-ignition-config.yaml",
        "namespaces/clusters-one/hcp-one.yaml",
        "namespaces/clusters-one/cl-one-x7k2.yaml",
        "namespaces/clusters-one/awscl-one.yaml",
        "namespaces/clusters-one/awsmt-one-workers-1a2b.yaml",
        "namespaces/clusters-one/machinedeployment-one-workers.yaml",
        "namespaces/clusters-one/machineset-one-workers-abc.yaml",
        "namespaces/clusters-one/machine-w-1.yaml",
        "namespaces/clusters-one/machine-w-2.yaml",
        "namespaces/clusters-one/awsm-w-1.yaml",
        "namespaces/clusters-one/awsm-w-2.yaml",
    ]
    assert "one2" not in {name_of(item) for item in live}


def test_machine_objects_in_its_own_namespace_are_carried_only_if_they_are_its_own() -> None:
    """Older templates bear neither label nor owner; a Machine that is of another Cluster is not this one's."""
    world = relocatable()
    world.source.put("AWSMachineTemplate clusters-one/of-old")
    world.source.put({"Machine clusters-one/stray": {"spec": {"clusterName": "another"}}})
    world.source.put("Cluster clusters-one/another")
    carried_names = {(item["kind"], name_of(item)) for item in inventory.read_inventory(world.source, CASE)}
    assert ("AWSMachineTemplate", "of-old") in carried_names
    assert not {("Machine", "stray"), ("Cluster", "another")} & carried_names
