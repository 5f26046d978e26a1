"""What the steps see of the world, and some steps carried out in it by the real loop."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from hcp_dr.aws.port import Record
from hcp_dr.commands.context import Requested
from hcp_dr.commands.discover import api_hostname, discover
from hcp_dr.engine.journal import RunState
from hcp_dr.engine.planner import plan_step
from hcp_dr.engine.step import Done, Refuse, Step
from hcp_dr.errors import ArchiveError, ClusterUnreachable, Forbidden, HcpDrError
from hcp_dr.hypershift.deletion import protocol as deletion_protocol
from hcp_dr.hypershift.deletion import remains
from hcp_dr.hypershift.dns import external_dns, records
from hcp_dr.hypershift.etcd import members as etcd_members
from hcp_dr.hypershift.etcd import snapshot_file
from hcp_dr.hypershift.fence import state as fence_state
from hcp_dr.hypershift.inventory import MACHINERY
from hcp_dr.hypershift.machines import restore
from hcp_dr.hypershift.state import IDENTITY, SNAPSHOT_FILE, SnapshotFile
from hcp_dr.kube.port import Completed
from hcp_dr.kube.resources import CLUSTER_ROLE, CLUSTER_ROLE_BINDING, ROLE
from hcp_dr.objects.archive import MANIFEST
from hcp_dr.objects.reading import name_of
from hcp_dr.procedure.backup import (
    export_again,
    export_objects,
    mark_parent,
    protect_instances,
    release_dns,
)
from hcp_dr.procedure.preflight import capability
from hcp_dr.procedure.preflight import hosted_cluster as preflight_hosted_cluster
from hcp_dr.procedure.restore import (
    carry_again,
    claim_namespaces,
    control_plane_secrets,
    hosted_cluster,
    hosted_cluster_inputs,
    machines,
    node_pools,
)
from hcp_dr.procedure.teardown import aws_machines, cluster, hosted_control_plane
from hcp_dr.procedure.teardown import hosted_cluster as teardown_hosted_cluster
from hcp_dr.procedure.teardown import machines as teardown_machines
from hcp_dr.procedure.teardown import node_pools as teardown_node_pools
from hcp_dr.procedure.verify import await_nodes, hosted_api, identity, placement, publish_api, source_clean
from hcp_dr.upstream import OIDC_FINALIZER
from tests.cases.building import an_object
from tests.ports import MemoryKubernetes, World
from tests.unit.engine.toys import Table
from tests.world import CASE, relocatable

NOTHING = RunState()
LABEL = {"cluster.x-k8s.io/cluster-name": "one-x7k2"}
BEFORE_THE_FENCE = (
    mark_parent.STEP,
    protect_instances.STEP,
    export_objects.STEP,
    claim_namespaces.STEP,
    hosted_cluster_inputs.STEP,
    control_plane_secrets.STEP,
    machines.STEP,
)


@pytest.fixture
def world() -> World:
    return relocatable()


def unreachable(_: str) -> None:
    raise ClusterUnreachable(cluster="hosted", verb="get", object="ConfigMap x", reason="gone")


# carried out by the real loop


def test_all_before_the_fence_is_carried_out_once_and_found_done_again(world: World) -> None:
    """I6: whoever runs it again, here or elsewhere, finds it done."""
    table = Table(world)
    table.run().carry_out(BEFORE_THE_FENCE)
    made = set(world.destination.objects) - set(relocatable().destination.objects)
    assert {f"{kind} {name}" for kind, _, name in made} == {
        "Namespace clusters",
        "Namespace clusters-one",
        "Secret one-pull",
        "ConfigMap one-trust",
        "Secret root-ca",
        "Secret etcd-signer",
        "Secret sa-signing-key",
        "ConfigMap ignition-config",
        "Cluster one-x7k2",
        "AWSCluster one",
        "AWSMachineTemplate one-workers-1a2b",
        "MachineDeployment one-workers",
        "MachineSet one-workers-abc",
        *(f"{kind} w-{number}" for kind in ("Machine", "AWSMachine") for number in (1, 2)),
    }
    assert world.instances.running == {"i-one-1": True, "i-one-2": True, "i-one2-1": False, "i-one2-2": False}
    assert world.hosted.objects["ConfigMap", "default", "mgmt-parent-cluster"]["data"] == {"from": "mgmt-1"}
    before, files = list(world.written), dict(world.archive.files)

    again = Table(world)
    again.log.memory = replace(table.log.memory, done=frozenset())
    again.run().carry_out(BEFORE_THE_FENCE)
    assert world.written == before
    assert world.archive.files == files
    assert again.clock.pauses == []


def test_what_changed_before_the_fence_is_carried_again(world: World) -> None:
    """Rule G: rotated, made, gone and changed between the export and the fence."""
    table = Table(world)
    table.run().carry_out(BEFORE_THE_FENCE)
    source, destination = world.source.objects, world.destination.objects
    source["Secret", "clusters-one", "root-ca"]["data"] = {"ca.crt": "bmV3", "ca.key": "a2V5"}
    source["MachineDeployment", "clusters-one", "one-workers"]["spec"] = {"replicas": 2, "paused": True}
    world.source.put({"Secret clusters-one/fresh": {"data": {"x": "eA=="}}})
    world.source.put({"MachineSet clusters-one/new": {"labels": LABEL, "owners": ["MachineDeployment one-workers"]}})
    del source["ConfigMap", "clusters-one", "ignition-config"]
    untouched = copy.deepcopy(destination["Secret", "clusters-one", "etcd-signer"])
    uid = destination["MachineDeployment", "clusters-one", "one-workers"]["metadata"]["uid"]

    table.run().carry_out((export_again.STEP, carry_again.STEP))
    assert destination["Secret", "clusters-one", "root-ca"]["data"] == {"ca.crt": "bmV3", "ca.key": "a2V5"}
    assert destination["Secret", "clusters-one", "fresh"]["data"] == {"x": "eA=="}
    assert ("ConfigMap", "clusters-one", "ignition-config") not in destination
    deployment = destination["MachineDeployment", "clusters-one", "one-workers"]
    assert (deployment["spec"], deployment["metadata"]["uid"]) == ({"replicas": 2, "paused": True}, uid)
    assert destination["MachineSet", "clusters-one", "new"]["metadata"]["ownerReferences"][0]["uid"] == uid
    assert destination["Secret", "clusters-one", "etcd-signer"] == untouched
    assert "bmV3" not in str(table.log.lines) + str(table.told), "I8"

    before = list(world.written)
    table.log.memory = replace(table.log.memory, done=frozenset())
    table.run().carry_out((carry_again.STEP,))
    assert world.written == before


def test_what_is_restored_is_what_the_backup_holds(world: World) -> None:
    Table(world).run().carry_out(BEFORE_THE_FENCE)
    world.source.objects.clear()
    facts = restore.observe(world.ports, CASE, NOTHING)
    assert [item.entry.kind for item in facts.wanted[:4]] == [resource.kind for resource in MACHINERY[:4]]
    assert isinstance(restore.plan(facts), Done)


def test_a_backup_that_was_tampered_with_is_not_restored(world: World) -> None:
    Table(world).run().carry_out(BEFORE_THE_FENCE)
    world.archive.files["namespaces/clusters-one/machine-w-1.yaml"] += "# a comment\n"
    with pytest.raises(ArchiveError, match="was changed after the backup"):
        restore.observe(world.ports, CASE, NOTHING)


def test_a_secret_named_like_a_token_is_no_token(world: World) -> None:
    world.source.put({"Secret clusters-one/token-of-somebody": {"data": {"x": "eA=="}}})
    wanted = {item.entry.name for item in control_plane_secrets.observe(world.ports, CASE, NOTHING).wanted}
    tokens = {item.entry.name for item in node_pools.observe(world.ports, CASE, NOTHING).tokens.wanted}
    assert "token-of-somebody" in wanted
    assert tokens == {"token-one-workers-1"}


def test_node_pools_without_their_hosted_cluster_are_refused_but_can_be_foreseen(world: World) -> None:
    facts = node_pools.observe(world.ports, CASE, NOTHING)
    assert facts.hosted_cluster == ("one", None)
    assert isinstance(node_pools.plan(facts), Refuse)
    assert not isinstance(node_pools.plan(node_pools.foresee(facts)), Refuse)


# the fence


def test_the_fence_sees_the_pods_that_are_there_whatever_is_asked_for(world: World) -> None:
    world.source.objects["Deployment", "clusters-one", "kube-apiserver"]["spec"]["replicas"] = 0
    fence = fence_state.read_fence(world.source, CASE)
    assert fence.paused is False
    [found] = fence.named(("kube-apiserver",))
    assert (found.replicas, [pod.name for pod in found.pods], found.stopped) == (0, ["kas-a"], False)


@pytest.mark.parametrize(
    ("value", "paused"),
    [("true", True), ("True", True), ("false", False), (None, False), ("2027-01-01T00:00:00Z", False)],
)
def test_a_pause_that_ends_by_itself_is_no_pause(world: World, value: str | None, *, paused: bool) -> None:
    world.source.objects["HostedCluster", "clusters", "one"]["spec"]["pausedUntil"] = value
    assert fence_state.read_fence(world.source, CASE).paused is paused


def test_the_only_etcd_pod_is_the_truth_as_long_as_it_is_ready(world: World) -> None:
    assert etcd_members.truth(world.source, CASE) == "etcd-0"
    assert world.source.asked == [], "nobody has to be asked who leads"
    world.source.objects["Pod", "clusters-one", "etcd-0"]["status"] = {}
    assert etcd_members.truth(world.source, CASE) is None
    del world.source.objects["StatefulSet", "clusters-one", "etcd"]
    assert etcd_members.truth(world.source, CASE) is None


def answering(world: World, text: str, code: int = 0) -> list[Sequence[str]]:
    asked: list[Sequence[str]] = []

    def script(command: Sequence[str], _stdin: bytes | None) -> Completed:
        asked.append(command)
        return Completed(code, text.encode(), b"")

    world.source.script = script
    return asked


def status(revision: int) -> str:
    return json.dumps([{"Status": {"header": {"revision": revision}}}])


@pytest.mark.parametrize(
    ("text", "revisions"),
    [(f"{status(41)}\n{status(42)}\n", (41, 42)), (f"{status(42)}\n{status(42)}\n", (42, 42))],
)
def test_etcds_revision_is_read_twice(world: World, text: str, revisions: tuple[int, int]) -> None:
    asked = answering(world, text)
    assert etcd_members.still_revision(world.source, CASE, "etcd-0") == revisions
    assert asked[0][2].count("endpoint status") == 2


@pytest.mark.parametrize("text", ["", f"{status(42)}\n", "no such command\n"])
def test_a_revision_that_cannot_be_read_twice_does_not_stand_still(world: World, text: str) -> None:
    answering(world, text)
    first, second = etcd_members.still_revision(world.source, CASE, "etcd-0")
    assert first != second


def three_members(cluster: MemoryKubernetes, *leaders: int | None) -> None:
    """etcd with a pod for each of these; each says which member leads. None does not answer."""
    cluster.put(
        {"StatefulSet clusters-one/etcd": {"spec": {"replicas": 3, "selector": {"matchLabels": {"app": "etcd"}}}}}
    )
    for number in range(3):
        pod = {"labels": {"app": "etcd"}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}}
        cluster.put({f"Pod clusters-one/etcd-{number}": pod})
    answers = iter(leaders)

    def script(_command: Sequence[str], _stdin: bytes | None) -> Completed:
        number, leads = len([call for call in cluster.asked if call[0] == "execute"]) - 1, next(answers)
        if leads is None:
            return Completed(1, b"", b"context deadline exceeded")
        header = {"cluster_id": 11, "member_id": number, "revision": 40 + number}
        voting: list[Any] = [{"name": f"etcd-{each}"} for each in (2, 0, 1)]
        table = {"header": header, "members": [*voting, {"name": "learns", "isLearner": True}]}
        return Completed(
            0, f"{json.dumps([{'Status': {'header': header, 'leader': leads}}])}\n{json.dumps(table)}\n".encode(), b""
        )

    cluster.script = script


@pytest.mark.parametrize(
    ("leaders", "truth"),
    [((1, 1, 1), "etcd-1"), ((1, 1, None), "etcd-1"), ((0, 1, 1), "etcd-1"), ((1, None, 1), None), ((9, 9, 9), None)],
)
def test_of_several_members_the_leader_is_the_truth(
    world: World, leaders: tuple[int | None, ...], truth: str | None
) -> None:
    three_members(world.source, *leaders)
    assert etcd_members.truth(world.source, CASE) == truth


def test_each_member_tells_whom_it_knows_but_learners(world: World) -> None:
    three_members(world.source, 1, 1, 1)
    found = etcd_members.members(world.source, CASE)
    assert found[0] == etcd_members.Member("etcd-0", "11", "0", "1", 40, ("etcd-0", "etcd-1", "etcd-2"))
    assert [member.leads for member in found] == [False, True, False]


STATUS = '{"hash": 40762, "revision": 42, "totalKey": 700, "totalSize": 4096}'
FILE = f"{STATUS}\n5ad10e  -\nabcd  -\n"
STAMP = "etcd-0 4096 1700000000"


def read(world: World, path: str, **given: Any) -> SnapshotFile:
    how: dict[str, Any] = {"part_size": 5 * 1024**2, "stamp": STAMP} | given
    return snapshot_file.read_file(world.source, "clusters-one", "etcd-0", path, **how)


def test_a_snapshot_is_told_by_etcds_own_words_and_its_checksum(world: World) -> None:
    answering(world, f"{FILE}abcd\n")
    found = read(world, "/var/lib/data/a b.db")
    assert found == SnapshotFile(4096, "5ad10e", "9f3a", 42, 700, intact=True, stamp=STAMP)
    assert SNAPSHOT_FILE.read({"snapshot_file": json.loads(json.dumps(SNAPSHOT_FILE.to_json(found)))}) == found


def test_what_is_larger_than_a_part_is_summed_part_by_part(world: World) -> None:
    asked = answering(world, f"{FILE}abcd\n01  -\n02  -\n03  -\n")
    found = read(world, "/x", stamp=f"etcd-0 {11 * 1024**2} 1700000000")
    assert found.parts == ("01", "02", "03")
    assert "for n in 0 5 10; do dd if=$f bs=1048576 skip=$n count=5 status=none | sha256sum; done" in asked[0][2]
    answering(world, f"{FILE}abcd\n01  -\n02  -\n")
    assert not read(world, "/x", stamp=f"etcd-0 {11 * 1024**2} 1700000000").intact


def test_a_snapshot_whose_checksum_is_wrong_is_damaged(world: World) -> None:
    answering(world, f"{FILE}dcba\n")
    assert not read(world, "/x").intact


def test_a_snapshot_that_cannot_be_read_is_damaged(world: World) -> None:
    answering(world, "{}\n", code=1)
    assert not read(world, "/x").intact


def test_a_path_is_quoted(world: World) -> None:
    asked = answering(world, "")
    read(world, "/x; rm -rf y")
    assert "f='/x; rm -rf y'" in asked[0][2]


ROOM = "room /dev/nvme1n1 8125880 1000000 90000 2% /var/lib/data\n"


@pytest.mark.parametrize(
    ("told", "seen"),
    [
        (
            f"{ROOM}database 52428800\nfile 4096 1700000000\nmember\nsnapshot-f.db\nsnapshot-f.db.part\n",
            snapshot_file.Glance(92160000, 52428800, STAMP, ("member", "snapshot-f.db", "snapshot-f.db.part")),
        ),
        (f"{ROOM}database 52428800\nfile \nmember\n", snapshot_file.Glance(92160000, 52428800, "", ("member",))),
        ("room \ndatabase \nfile \n", snapshot_file.Glance(None, None, "", ())),
        ("", snapshot_file.Glance(None, None, "", ())),
    ],
)
def test_a_glance_tells_the_room_and_what_is_there(world: World, told: str, seen: snapshot_file.Glance) -> None:
    answering(world, told)
    assert snapshot_file.glance(world.source, "clusters-one", "etcd-0", "/var/lib/data/snapshot-f.db") == seen
    assert seen.lacking == (0 if seen.free is None else 52428800 + 64 * 1024**2 - 92160000)
    assert set(seen.of_save("/var/lib/data/snapshot-f.db")) <= {"snapshot-f.db", "snapshot-f.db.part"}


# names


def test_only_this_clusters_records_are_awaited(world: World) -> None:
    facts = release_dns.observe(world.ports, CASE, NOTHING)
    assert sorted(f"{record.type} {record.name}" for record in facts.remaining) == [
        "A api-one.hosted.example",
        "TXT a-api-one-external-dns.hosted.example",
        "TXT api-one-external-dns.hosted.example",
    ]
    assert (facts.owner, facts.external_dns_ready) == ("source", True)


def test_without_external_dns_the_apis_record_tells_the_owner(world: World) -> None:
    del world.source.objects["Deployment", "hypershift", "external-dns"]
    facts = release_dns.observe(world.ports, CASE, NOTHING)
    assert (facts.owner, len(facts.remaining), facts.external_dns_ready) == ("source", 3, False)
    assert isinstance(release_dns.plan(facts), Refuse)


@pytest.mark.parametrize("owners", [(), ("destination",), ("one", "two")])
def test_an_owner_that_the_apis_record_does_not_tell_is_nobody(world: World, owners: tuple[str, ...]) -> None:
    del world.source.objects["Deployment", "hypershift", "external-dns"]
    said = "heritage=external-dns,external-dns/owner={},external-dns/resource=route/clusters-one/api"
    labels = ("api-one", "a-api-one")
    world.zone.kept = tuple(
        Record(f"{label}-external-dns.hosted.example", "TXT", 60, (said.format(owner),))
        for label, owner in zip(labels, owners, strict=False)
    )
    facts = release_dns.observe(world.ports, CASE, NOTHING)
    assert (facts.owner, facts.remaining) == ("", ())
    assert isinstance(release_dns.plan(facts), Refuse)


@pytest.mark.parametrize(
    "words",
    [
        {"args": ["--provider=aws", "--domain-filter=a.example", "--domain-filter=b.example", "--txt-owner-id=x"]},
        {"args": ["--provider", "aws", "--domain-filter", "a.example", "--domain-filter", "b.example"]},
        {
            "command": ["external-dns", "--provider=aws"],
            "args": ["--domain-filter=a.example", "--domain-filter=b.example"],
        },
    ],
)
def test_arguments_of_external_dns_are_read_in_every_form(words: dict[str, Any]) -> None:
    container = {**words, "env": [{"name": "AWS_ROLE_ARN", "value": "x"}]}
    deployment = {"spec": {"template": {"spec": {"containers": [container]}}}, "status": {"readyReplicas": 1}}
    found = external_dns.read_arguments(deployment, "source")
    assert (found.provider, found.domain_filters, found.credentials) == ("aws", ("a.example", "b.example"), True)
    assert found.owner == ("x" if "--txt-owner-id=x" in words["args"] else "default")


def test_flags_without_a_value_take_none_of_their_neighbours() -> None:
    words = [
        "external-dns",
        "--once",
        "--provider",
        "aws",
        "--domain-filter",
        "--txt-owner-id=x",
        "stray",
        "--interval",
    ]
    deployment = {"spec": {"template": {"spec": {"containers": [{"args": words}]}}}}
    found = external_dns.read_arguments(deployment, "source")
    assert (found.provider, found.domain_filters, found.owner, found.ready) == ("aws", ("",), "x", 0)


def test_a_deployment_without_containers_says_nothing() -> None:
    found = external_dns.read_arguments({}, "source")
    assert (found.there, found.ready, found.provider, found.domain_filters) == (True, 0, "", ())


@pytest.mark.parametrize(
    ("strategy", "hostname"),
    [
        ({"type": "Route", "route": {"hostname": "api.example"}}, "api.example"),
        ({"type": "LoadBalancer", "loadBalancer": {"hostname": "api.example"}}, "api.example"),
        ({"type": "LoadBalancer"}, ""),
        ({"type": "NodePort", "nodePort": {"address": "10.0.0.1"}}, ""),
    ],
)
def test_the_apis_fixed_name_is_read_from_how_it_is_published(strategy: dict[str, Any], hostname: str) -> None:
    services = [{"service": "Ignition"}, {"service": "APIServer", "servicePublishingStrategy": strategy}]
    assert api_hostname({"spec": {"services": services}}) == hostname
    assert api_hostname({}) == ""


# preflight


def test_missing_permissions_are_named_by_verb_and_resource(world: World) -> None:
    world.source.forbidden = {("create", "pods/exec"), ("patch", "machines.cluster.x-k8s.io")}
    source, destination = capability.observe(world.ports, CASE, NOTHING).clusters
    where = "in clusters-one"
    assert source.denied == (f"patch machines.cluster.x-k8s.io {where}", f"create pods/exec {where}")
    assert destination.denied == ()


def test_who_may_make_no_namespaces_needs_them_prepared(world: World) -> None:
    world.destination.forbidden = {("create", "namespaces")}
    _, destination = capability.observe(world.ports, CASE, NOTHING).clusters
    assert "create namespace clusters-one" in destination.denied
    for name in ("clusters", "clusters-one"):
        world.destination.put({f"Namespace {name}": {}})
    _, destination = capability.observe(world.ports, CASE, NOTHING).clusters
    assert destination.denied == ()


def test_a_schema_without_the_url_takes_none(world: World) -> None:
    name = "hostedclusters.hypershift.openshift.io"
    world.destination.put({f"CustomResourceDefinition {name}": {"spec": {"versions": [{"schema": {}}]}}})
    source, destination = capability.observe(world.ports, CASE, NOTHING).clusters
    assert (source.snapshot_urls, destination.snapshot_urls) == (1, 0)


def test_what_stands_against_it_is_seen(world: World) -> None:
    world.source.objects["NodePool", "clusters", "one-workers"]["spec"] |= {"pausedUntil": "true", "replicas": 3}
    world.source.objects["NodePool", "clusters", "one2-workers"]["spec"]["pausedUntil"] = "true"
    world.source.put({"Machine clusters-one/w-3": {"spec": {"clusterName": "one-x7k2"}, "deleting": True}})
    world.hosted.objects["Node", None, "w-2"]["status"] = {}
    world.destination.put("HostedCluster clusters/one")
    facts = preflight_hosted_cluster.observe(world.ports, CASE, NOTHING)
    assert facts.paused == ("NodePool one-workers",)
    assert facts.deleting == ("Machine w-3",)
    assert (facts.replicas_asked, facts.machines, facts.nodes_not_ready) == (3, 3, ("w-2",))
    assert facts.on_destination


def test_whoever_shares_the_control_plane_namespace_is_seen_on_either_side(world: World) -> None:
    world.source.put("HostedCluster clusters-on/e")
    case = replace(CASE, name="on-e", infra_id="x")
    world.source.put({"HostedCluster clusters/on-e": {"spec": {}}})
    world.source.put("HostedCluster clusters/on.e")
    world.destination.put("HostedCluster clusters-on/e")
    facts = preflight_hosted_cluster.observe(world.ports, case, NOTHING)
    assert facts.sharers == ("clusters-on/e", "clusters/on.e", "clusters-on/e")


def test_a_pool_that_scales_by_itself_asks_for_what_stands_for_it(world: World) -> None:
    spec = world.source.objects["NodePool", "clusters", "one-workers"]["spec"]
    del spec["replicas"]
    spec["autoScaling"] = {"min": 1, "max": 9}
    world.source.objects["MachineDeployment", "clusters-one", "one-workers"]["spec"] = {"replicas": 2}
    facts = preflight_hosted_cluster.observe(world.ports, CASE, NOTHING)
    assert (facts.replicas_asked, facts.machines) == (2, 2)
    assert discover(replace(ASKED, replicas=7), world.source, world.destination, "b").name == "one"


def test_what_the_operators_were_told_is_read_from_their_flags(world: World) -> None:
    container = world.source.objects["Deployment", "hypershift", "operator"]["spec"]["template"]["spec"]["containers"][
        0
    ]
    container["args"] = ["run", "--oidc-storage-provider-s3-bucket-name=documents", "--registry-overrides=a=b"]
    source, destination = capability.observe(world.ports, CASE, NOTHING).clusters
    assert (source.documents_bucket, source.build.overrides) == ("documents", "a=b")
    assert (destination.documents_bucket, destination.build.overrides) == ("", "")


def test_an_operator_is_private_only_if_all_of_it_runs_so(world: World) -> None:
    deployment = world.source.objects["Deployment", "hypershift", "operator"]["spec"]["template"]["spec"]["containers"]
    pod = world.source.objects["Pod", "hypershift", "operator-a"]["spec"]["containers"]

    def found() -> str:
        return capability.observe(world.ports, CASE, NOTHING).clusters[0].private_platform

    assert found() == "AWS"
    pod[0]["args"] = ["run"]
    assert found() == "None", "its pod is of the former template"
    deployment[0]["args"], pod[0]["args"] = ["run"], ["run", "--private-platform=AWS"]
    assert found() == "None"
    deployment[0]["args"] = ["run", "--private-platform=AWS"]
    pod[0]["args"] = ["run", "--private-platform", "AWS"]
    assert found() == "AWS"
    pod[0]["args"] = ["run", "--private-platform=Azure"]
    assert found() == "Azure"


ASKED = Requested("clusters", "one", "mgmt-1", "mgmt-2", None, "backups", "Z1", "hosted.example", None, None)


def test_what_can_be_discovered_is_discovered(world: World) -> None:
    found = discover(ASKED, world.source, world.destination, "backup-1")
    assert found == replace(CASE, node_pools=("one-workers",), hosted_cluster_uid="uid-of-one")


def test_a_region_that_is_given_is_kept_for_preflight_to_judge(world: World) -> None:
    assert discover(replace(ASKED, region="eu"), world.source, world.destination, "b").aws_region == "eu"


def test_a_part_of_the_node_pools_may_be_named(world: World) -> None:
    world.source.put({"NodePool clusters/spare": {"spec": {"clusterName": "one", "replicas": 1}}})
    found = discover(replace(ASKED, node_pools=("spare",), replicas=3), world.source, world.destination, "b")
    assert found.node_pools == ("one-workers", "spare"), "all are carried, whatever was named"


# the proof


def test_another_nonce_or_silence_is_no_proof(world: World) -> None:
    memory = NOTHING.with_value("nonce", "mine")
    world.hosted.put({"ConfigMap default/hcp-dr-relocation": {"data": {"nonce": "other"}}})
    assert isinstance(publish_api.plan(publish_api.observe(world.ports, CASE, memory)), Refuse)
    world.hosted.before = unreachable
    facts = publish_api.observe(world.ports, CASE, memory)
    assert (facts.answered, facts.nonce) == (False, None)
    assert facts.silence == "The API server of the hosted cluster did not answer (get ConfigMap x: gone)."


def test_a_refusal_of_the_hosted_api_is_no_silence(world: World) -> None:
    def before(_: str) -> None:
        raise Forbidden(cluster="hosted", verb="get", object="ConfigMap x", reason="no")

    world.hosted.before = before
    with pytest.raises(HcpDrError):
        publish_api.observe(world.ports, CASE, NOTHING)


def test_the_identity_of_before_is_compared_with_what_answers_now(world: World) -> None:
    memory = NOTHING.with_value("nonce", "mine").with_done("restore.start_control_plane")
    world.hosted.put({"ConfigMap default/hcp-dr-relocation": {"data": {"nonce": "mine"}}})
    before = identity.observe(world.ports, CASE, memory).now
    memory = memory.with_remembered(IDENTITY.remember(before))
    three_members(world.destination, *[0] * 9)
    assert isinstance(identity.plan(identity.observe(world.ports, CASE, memory)), Done)
    world.hosted.put({"Node w-2": {"uid": "another"}})
    assert isinstance(identity.plan(identity.observe(world.ports, CASE, memory)), Refuse)
    by_hand = memory.with_value("by_hand", {"modified": 1.0})
    assert isinstance(identity.plan(identity.observe(world.ports, CASE, by_hand)), Done), "it served before that look"


def test_nodes_are_seen_with_their_leases(world: World) -> None:
    memory = NOTHING.with_value("identity", {"nodes": {"w-1": "uid-of-w-1"}})
    del world.hosted.objects["Lease", "kube-node-lease", "w-2"]
    facts = await_nodes.observe(world.ports, CASE, memory)
    assert [(node.name, node.ready, node.renewed) for node in facts.nodes] == [
        ("w-1", True, "10:00:00"),
        ("w-2", True, ""),
    ]
    assert facts.before == {"w-1": "uid-of-w-1"}


def test_placement_and_hosted_api_see_what_is_there(world: World) -> None:
    """On the source, of all places: it has everything."""
    ports = replace(world.ports, destination=world.source)
    case = replace(CASE, node_pools=("one-workers",))
    facts = placement.observe(ports, case, NOTHING)
    assert (facts.available, facts.node_pools, facts.machines) == ("True", ("one-workers",), 2)
    assert facts.not_ready == ("StatefulSet etcd",), "it says nothing of ready replicas"
    assert placement.observe(world.ports, case, NOTHING).available is None
    assert hosted_api.observe(ports, case, NOTHING).version == "4.20.1"


@pytest.mark.parametrize(
    ("before", "after", "unreached"),
    [
        ("True", "True", []),
        ("True", "False", ["False"]),
        ("True", None, [None]),
        (None, "False", ["False"]),
        (None, "True", []),
        ("False", "False", []),
        ("False", None, []),
        ("silent", "False", []),
    ],
)
def test_placement_sees_a_pool_that_does_not_say_any_more_that_it_was_reached(
    world: World, before: str | None, after: str | None, unreached: list[str | None]
) -> None:
    """Rule A11. What the backup does not tell counts as True: unknown is no reason to be silent."""

    def says(status: str | None) -> None:
        pool = world.source.objects["NodePool", "clusters", "one-workers"]
        told = [{"type": "ReachedIgnitionEndpoint", "status": status}] if status in ("True", "False") else []
        told += [{"type": "Ready", "status": "True"}] if status == "silent" else []
        pool["status"] = {"version": "4.20.1", "conditions": told}

    says(before)
    Table(world).run().carry_out((mark_parent.STEP, export_objects.STEP))
    says(after)
    ports = replace(world.ports, destination=world.source)
    facts = placement.observe(ports, replace(CASE, node_pools=("one-workers",)), NOTHING)
    assert [pool.condition for pool in facts.unreached] == unreached
    assert {(pool.name, pool.tokens) for pool in facts.unreached} <= {("one-workers", ("token-one-workers-1",))}


@pytest.mark.parametrize(
    ("replicas", "node_pools"), [(0, ("one-workers",)), (2, ("one-others",))], ids=["no machines", "made since"]
)
def test_placement_does_not_ask_whether_a_pool_was_reached_that_need_not_have_been(
    world: World, replicas: int, node_pools: tuple[str, ...]
) -> None:
    world.source.objects["NodePool", "clusters", "one-workers"]["spec"]["replicas"] = replicas
    ports = replace(world.ports, destination=world.source)
    assert placement.observe(ports, replace(CASE, node_pools=node_pools), NOTHING).unreached == ()


def test_placement_sees_the_mark_of_a_restore(world: World) -> None:
    ports = replace(world.ports, destination=world.source)
    assert not placement.observe(ports, CASE, NOTHING).marked
    hosted = world.source.objects["HostedCluster", "clusters", "one"]
    hosted["metadata"].setdefault("annotations", {})["hypershift.openshift.io/restored-from-backup"] = ""
    assert placement.observe(ports, CASE, NOTHING).marked


# removal


def proven_memory() -> RunState:
    memory = NOTHING.with_value("nonce", "mine")
    for name in deletion_protocol.PROOF:
        memory = memory.with_done(name)
    return memory


@pytest.fixture
def moved(world: World) -> World:
    """The destination serves; the source is as it was."""
    available = {"conditions": [{"type": "Available", "status": "True"}]}
    world.destination.put({"HostedCluster clusters/one": {"status": available}})
    world.hosted.put({"ConfigMap default/hcp-dr-relocation": {"data": {"nonce": "mine"}}})
    return world


def test_a_proven_destination_opens_the_way(moved: World) -> None:
    assert deletion_protocol.proven(moved.ports, CASE, proven_memory()).refusal() is None


@pytest.mark.parametrize("missing", deletion_protocol.PROOF)
def test_every_single_proof_counts(moved: World, missing: str) -> None:
    """I4."""
    memory = proven_memory()
    memory = replace(memory, done=memory.done - {missing})
    assert deletion_protocol.proven(moved.ports, CASE, memory).unproven == (missing,)


def test_a_destination_that_does_not_serve_now_closes_it(moved: World) -> None:
    moved.hosted.objects["ConfigMap", "default", "hcp-dr-relocation"]["data"]["nonce"] = "other"
    assert not deletion_protocol.proven(moved.ports, CASE, proven_memory()).destination_serves
    moved.hosted.objects["ConfigMap", "default", "hcp-dr-relocation"]["data"]["nonce"] = "mine"
    moved.destination.objects["HostedCluster", "clusters", "one"]["status"]["conditions"][0]["status"] = "False"
    assert not deletion_protocol.proven(moved.ports, CASE, proven_memory()).destination_serves
    del moved.destination.objects["HostedCluster", "clusters", "one"]
    assert not deletion_protocol.proven(moved.ports, CASE, proven_memory()).destination_serves


def test_no_nonce_is_no_proof_even_where_none_is_found(moved: World) -> None:
    del moved.hosted.objects["ConfigMap", "default", "hcp-dr-relocation"]
    memory = replace(proven_memory(), values={})
    assert not deletion_protocol.proven(moved.ports, CASE, memory).destination_serves


def test_whoever_could_terminate_is_seen_alive(moved: World) -> None:
    """I1: the operator and the dangerous Deployments, asked for or still there; not the neighbour's."""
    guard = deletion_protocol.guard(moved.ports, CASE, proven_memory())
    assert guard.alive == ("operator 1 pods", "control-plane-operator 1 pods", "capi-provider 1 pods")
    for place, name, pod in (
        ("hypershift", "operator", "operator-a"),
        ("clusters-one", "control-plane-operator", "cpo-a"),
        ("clusters-one", "capi-provider", "capi-a"),
    ):
        moved.source.objects["Deployment", place, name]["spec"]["replicas"] = 0
        assert deletion_protocol.guard(moved.ports, CASE, proven_memory()).alive, "its pod is still there"
        del moved.source.objects["Pod", place, pod]
    assert deletion_protocol.guard(moved.ports, CASE, proven_memory()).alive == ()


@pytest.mark.parametrize(
    ("step", "names"),
    [
        (teardown_node_pools.STEP, {"one-workers"}),
        (aws_machines.STEP, {"w-1", "w-2"}),
        (teardown_machines.STEP, {"w-1", "w-2", "one-workers", "one-workers-abc"}),
        (cluster.STEP, {"one-x7k2", "one", "one-workers-1a2b"}),
        (hosted_control_plane.STEP, {"one"}),
        (teardown_hosted_cluster.STEP, {"one"}),
    ],
    ids=lambda value: value.name if isinstance(value, Step) else "",
)
def test_only_what_is_this_clusters_is_removed(
    moved: World, step: Step[deletion_protocol.Facts], names: set[str]
) -> None:
    """I5."""
    items = step.observe(moved.ports, CASE, proven_memory()).items
    assert {item.name for item in items} == names
    assert {item.namespace for item in items} <= {"clusters", "clusters-one"}
    assert {item.uid for item in items} == {f"uid-of-{name}" for name in names}


def test_a_removal_is_foretold_to_the_last_finalizer(moved: World) -> None:
    meta = moved.source.objects["HostedCluster", "clusters", "one"]["metadata"]
    meta["finalizers"] = [OIDC_FINALIZER, "hypershift.openshift.io/finalizer"]
    strip = "patch on source HostedCluster clusters/one: "
    assert plan_step(teardown_hosted_cluster.STEP, moved.ports, CASE, NOTHING).actions == (
        strip + '{"metadata": {"finalizers": ["hypershift.openshift.io/finalizer"], "resourceVersion": "7"}}',
        "delete on source HostedCluster clusters/one",
        strip + '{"metadata": {"finalizers": null, "resourceVersion": "7"}}',
    )


def test_what_an_operator_would_act_upon_is_seen_and_the_neighbours_is_not(world: World) -> None:
    left = remains.left_on_source(world.ports, CASE)
    assert set(left) == {
        "HostedCluster one",
        "NodePool one-workers",
        "HostedControlPlane one",
        "Cluster one-x7k2",
        "MachineDeployment one-workers",
        "MachineSet one-workers-abc",
        *(f"{kind} w-{number}" for kind in ("Machine", "AWSMachine") for number in (1, 2)),
    }


LABELS = {"hypershift.openshift.io/owner.namespace": "clusters", "hypershift.openshift.io/owner.name": "one"}


def test_roles_of_this_cluster_are_told_by_labels_or_by_the_whole_namespace(world: World) -> None:
    """Rule F5: never the shared ClusterRole, never the neighbour's."""
    roles = (
        an_object({"ClusterRole of-one": {"labels": LABELS}}),
        an_object({"ClusterRole of-one2": {"labels": {**LABELS, "hypershift.openshift.io/owner.name": "one2"}}}),
        an_object("ClusterRole hypershift-cluster-api"),
        an_object("ClusterRole hypershift-cluster-api-clusters-one"),
    )
    assert [name_of(item) for item in remains.outside_of(CASE, CLUSTER_ROLE, roles)] == ["of-one"]
    bindings = tuple(
        an_object(f"ClusterRoleBinding hypershift-cluster-api-{own}")
        for own in ("clusters-one", "clusters-one2", "one")
    )
    found = remains.outside_of(CASE, CLUSTER_ROLE_BINDING, bindings)
    assert [name_of(item) for item in found] == ["hypershift-cluster-api-clusters-one"]
    own_roles = tuple(
        an_object(f"Role openshift-ingress/control-plane-operator-{own}") for own in ("clusters-one", "x")
    )
    assert len(remains.outside_of(CASE, ROLE, own_roles)) == 1
    assert world.written == []


def test_a_clean_source_has_nothing_of_this_cluster_and_all_of_the_neighbours(world: World) -> None:
    world.source.objects = {
        key: item
        for key, item in world.source.objects.items()
        if key[1] != "clusters-one" and not key[2].startswith("one-") and key[2] not in ("one", "clusters-one")
    }
    world.zone.kept = tuple(record for record in world.zone.kept if "one2" in record.name)
    assert source_clean.observe(world.ports, CASE, NOTHING).remaining == ()


def test_everything_that_is_left_is_named(world: World) -> None:
    world.source.put({"ClusterRole of-one": {"labels": LABELS}})
    for name, place, policy in (
        ("pv-1", "clusters-one", "Delete"),
        ("pv-2", "clusters-one", "Retain"),
        ("pv-3", "clusters-one2", "Delete"),
    ):
        claim = {"claimRef": {"namespace": place}, "persistentVolumeReclaimPolicy": policy}
        world.source.put({f"PersistentVolume {name}": {"spec": claim}})
    left = source_clean.observe(world.ports, CASE, NOTHING).remaining
    others = {
        "Namespace clusters-one",
        "ClusterRole of-one",
        "PersistentVolume pv-1",
        "record A api-one.hosted.example",
    }
    assert others <= set(left)
    assert not {"PersistentVolume pv-2", "PersistentVolume pv-3"} & set(left)
    assert not [item for item in left if "one2" in item]
    assert records.owned(world.zone.kept, {"source"}, "clusters-one2"), "the neighbour's records are still there"


def test_the_url_is_signed_only_for_a_snapshot_that_the_manifest_names(world: World) -> None:
    assert hosted_cluster.observe(world.ports, CASE, NOTHING).url == "presigned URL"
    assert MANIFEST not in world.archive.files
