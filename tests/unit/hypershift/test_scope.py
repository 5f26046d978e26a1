"""What a journal may dictate, whoever wrote it: nothing that is not this hosted cluster's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import pytest

from hcp_dr.aws.port import Instance, Record
from hcp_dr.engine.journal import RunState
from hcp_dr.engine.state import Key
from hcp_dr.errors import NotOurs
from hcp_dr.hypershift import scope
from hcp_dr.hypershift.state import DNS_HELD, DNS_IMAGE
from hcp_dr.kube.port import Object
from hcp_dr.kube.resources import AWS_MACHINE, HOSTED_CLUSTER, NODE_POOL
from hcp_dr.model import RELOCATION_ANNOTATION
from hcp_dr.procedure.backup import (
    delete_routes,
    fence,
    hold_dns,
    mark_parent,
    pause,
    protect_instances,
    release_dns,
    snapshot_etcd,
)
from hcp_dr.procedure.finish import expire_url, unprotect_instances
from hcp_dr.procedure.restore import adopt_machines, carry_again, hosted_cluster, node_pools
from hcp_dr.procedure.teardown import operator_back
from tests.ports import CASE, World
from tests.world import records, relocatable

OWNER = '"heritage=external-dns,external-dns/owner={},external-dns/resource=route/{}/api"'
API, OAUTH = "api-one.hosted.example", "oauth-one.hosted.example"
OWN = scope.Own("clusters-one", frozenset({API, OAUTH}), "hosted.example", "one.example.com", ("hosted.example",))


def remembering(**values: Any) -> RunState:
    memory = RunState()
    for key, value in values.items():
        memory = memory.with_value(key, value)
    return memory


def refused(use: Callable[..., object], *arguments: Any, **named: Any) -> str:
    """What is wrong, where this use of a journal's value is refused."""
    with pytest.raises(NotOurs) as caught:
        use(*arguments, **named)
    assert caught.value.exit_code == 72
    assert caught.value.left_as == "Nothing of this step was done."
    assert caught.value.what.isprintable()
    return caught.value.what


def route(name: str = "oauth", namespace: str = "clusters-one", host: str = OAUTH, **changes: Any) -> Object:
    spec = {"host": host, "to": {"kind": "Service", "name": "oauth"}}
    body = {"apiVersion": "route.openshift.io/v1", "kind": "Route", "spec": spec}
    return {**body, "metadata": {"name": name, "namespace": namespace}, **changes}


@pytest.mark.parametrize(
    "body",
    [
        route(),
        route(host=""),
        route(host="OAUTH-one.hosted.example."),
        route(host="oauth-clusters-one.apps.mgmt.hosted.example"),
        route(host="oauth.apps.one.hypershift.local"),
        route(host="somewhere.else.example"),
        route(host="https.apps.one.example.com"),
    ],
)
def test_routes_as_hypershift_makes_them_are_put_back(body: Object) -> None:
    assert scope.routes(remembering(routes={"oauth": body}), OWN) == {"oauth": body}


@pytest.mark.parametrize("filters", [(), ("",), ("else.example",)])
def test_of_a_host_beside_its_own_a_record_may_be_made(filters: tuple[str, ...]) -> None:
    """Whatever the journal says of the domain: external-dns on the source says for what it makes records."""
    mine = scope.own(replace(CASE, domain="of-the-journal"), None, filters)
    body = route(host="www.else.example")
    assert "www.else.example" in refused(scope.routes, remembering(routes={"oauth": body}), mine)
    refused(scope.hostnames, remembering(service_hostnames={"a": "www.else.example"}), mine)


def test_a_route_whose_generated_name_was_shortened_is_put_back() -> None:
    name, namespace = "ignition-server-proxy", "clusters-with-quite-a-long-name-of-its-own"
    whole = f"{name}-{namespace}"
    mine = replace(OWN, namespace=namespace)
    for tail, fine in (("-0a1b2c3d", True), ("-0a1b2c3", False), ("", False), ("-evil-one", False)):
        body = route(name, namespace, f"{whole[:53]}{tail}.hosted.example")
        if fine:
            assert scope.routes(remembering(routes={name: body}), mine)
        else:
            refused(scope.routes, remembering(routes={name: body}), mine)


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("oauth", route(namespace="hypershift")),
        ("oauth", route(namespace="clusters-one2")),
        ("oauth", route("another")),
        ("../x", route("../x")),
        ("oauth", route(kind="ClusterRoleBinding")),
        ("oauth", route(apiVersion="v1")),
        ("oauth", route(host="www.hosted.example")),
        ("oauth", route(host="api-one2.hosted.example")),
        ("oauth", route(host="hosted.example")),
        ("oauth", route(host=f"{OAUTH},www.hosted.example")),
        ("oauth", route(host="xoauth-clusters-one.hosted.example")),
        ("oauth", "text"),
        ("oauth", None),
        ("oauth", {}),
    ],
)
def test_a_route_that_is_not_its_own_is_refused(name: str, body: Any) -> None:
    assert ": routes " in refused(scope.routes, remembering(routes={name: body}), OWN)


@pytest.mark.parametrize("value", ["text", [], 7, True])
def test_a_value_of_another_kind_is_refused(value: Any) -> None:
    refused(scope.routes, remembering(routes=value), OWN)
    refused(scope.hostnames, remembering(service_hostnames=value), OWN)
    refused(scope.changed, remembering(changed=value), CASE, ("Secret",))


@pytest.mark.parametrize(
    ("name", "text"), [("x", "www.hosted.example"), ("x", f"{API},www.hosted.example"), ("/", API)]
)
def test_a_hostname_of_a_service_that_is_not_its_own_is_refused(name: str, text: str) -> None:
    assert scope.hostnames(remembering(service_hostnames={"kube-apiserver": API}), OWN) == {"kube-apiserver": API}
    memory = remembering(service_hostnames={name: text})
    assert "service_hostnames has" in refused(scope.hostnames, memory, OWN)


def address(**changes: Any) -> dict[str, Any]:
    return {"name": API, "type": "CNAME", "ttl": 60, "values": ["router.mgmt-1.example"], "alias": None, **changes}


def claim(owner: str = "mgmt-1", namespace: str = "clusters-one", **changes: Any) -> dict[str, Any]:
    text = OWNER.format(owner, namespace)
    return {"name": "api-one-external-dns.hosted.example", "type": "TXT", "ttl": 300, "values": [text], **changes}


@pytest.mark.parametrize(
    "record",
    [
        address(),
        address(type="A", values=["10.0.0.1"]),
        address(type="A", ttl=None, values=[], alias=["Z2", "lb.example", True]),
        claim(),
        claim(name="cname-api-one-external-dns.hosted.example"),
    ],
)
def test_records_at_its_names_are_put_back(record: dict[str, Any]) -> None:
    image: Any = {"owner": "mgmt-1", "records": [record]}
    assert scope.image(remembering(dns_image=image), DNS_IMAGE, OWN) == DNS_IMAGE.read({"dns_image": image})


@pytest.mark.parametrize(
    "record",
    [
        address(name="www.hosted.example"),
        address(name="hosted.example"),
        address(name="api-one2.hosted.example"),
        address(name="x.api-one.hosted.example"),
        address(name="*.hosted.example"),
        address(name="api-one.other.example"),
        address(type="MX"),
        address(type="NS"),
        address(ttl=10**9),
        address(ttl="60"),
        address(ttl=True),
        address(values=[7]),
        claim(owner="another"),
        claim(namespace="clusters-one2"),
        claim(name="www-external-dns.hosted.example"),
        claim(name=API),
        claim(values=["v=spf1 -all"]),
        claim(values=[OWNER.format("mgmt-1", "clusters-one"), "v=spf1 -all"]),
        {"type": "A"},
        {},
        "text",
        None,
        address(alias=["Z2"]),
    ],
)
def test_a_record_that_is_not_at_its_names_or_not_kept_for_it_is_refused(record: Any) -> None:
    image: Any = {"owner": "mgmt-1", "records": [record]}
    for key in (DNS_IMAGE, DNS_HELD):
        memory = remembering(**{key.name: image})
        assert f": {key.name} " in refused(scope.image, memory, key, OWN)


def test_a_record_of_an_orphaned_owner_is_put_back() -> None:
    image: Any = {"owner": "mgmt-1", "orphaned": ["older"], "records": [claim(), claim(owner="older")]}
    assert scope.image(remembering(dns_image=image), DNS_IMAGE, OWN) == DNS_IMAGE.read({"dns_image": image})
    for owner in ("", "a b"):
        memory = remembering(dns_image={**image, "orphaned": [owner]})
        assert ": dns_image " in refused(scope.image, memory, DNS_IMAGE, OWN)


@pytest.mark.parametrize("owner", ["", None, 7, 'a,b"', "a b"])
def test_an_owner_that_no_external_dns_is_called_is_refused(owner: Any) -> None:
    memory = remembering(dns_image={"owner": owner, "records": []})
    assert ": dns_image " in refused(scope.image, memory, DNS_IMAGE, OWN)


def test_records_at_names_that_its_routes_had_are_put_back_where_these_are_its_own() -> None:
    host = "oauth-clusters-one.apps.mgmt.hosted.example"
    image: Any = {"owner": "mgmt-1", "records": [address(name=host)]}
    memory = remembering(dns_image=image, routes={"oauth": route(host=host)})
    assert scope.image(memory, DNS_IMAGE, OWN, published=True) == DNS_IMAGE.read({"dns_image": image})
    refused(scope.image, memory, DNS_IMAGE, OWN)
    forged = remembering(dns_image=image, routes={"oauth": route(host=host, namespace="hypershift")})
    refused(scope.image, forged, DNS_IMAGE, OWN, published=True)


@pytest.mark.parametrize(
    "values",
    [
        *({"kube-apiserver": count} for count in (11, -1, "1", 1.0, True, None)),
        {"capi-provider": 1},
        {"x/../y": 1},
    ],
)
def test_replicas_beyond_reason_or_of_others_are_refused(values: dict[str, Any]) -> None:
    key = Key("r", dict[str, int])
    assert scope.replicas(remembering(r={"kube-apiserver": 3}), key, ("kube-apiserver",)) == {"kube-apiserver": 3}
    assert scope.replicas(remembering(), key, ()) is None
    assert ": r " in refused(scope.replicas, remembering(r=values), key, ("kube-apiserver",))


@pytest.mark.parametrize(
    "values",
    [
        {"asked": {"NodePool/a": {"x": 1}}},
        {"asked": {"NodePool/a": "x" * 64}},
        {"asked": {"NodePool/a": "a\nb"}},
        {"reached": {"Cluster/a": 1}},
        {"machines": {"Machine/a": "true"}},
        {"asked": "all"},
    ],
)
def test_a_pause_that_is_no_word_is_refused(values: dict[str, Any]) -> None:
    fine = {"asked": {"NodePool/a": None, "NodePool/b": "2026-01-01T00:00:00Z"}, "machines": {"Machine/a": False}}
    pauses = scope.pauses(remembering(paused_before=fine))
    assert pauses is not None
    assert {"asked": pauses.asked, "machines": pauses.machines} == fine
    assert ": paused_before " in refused(scope.pauses, remembering(paused_before=values))


@pytest.mark.parametrize(
    "place", [["Secret", "kube-system", "a"], ["Role", "clusters", "a"], ["Secret", "clusters", "A"]]
)
def test_what_changed_is_its_own_or_refused(place: Any) -> None:
    fine = {"f": ["Secret", "clusters", "a"]}
    assert scope.changed(remembering(changed=fine), CASE, ("Secret",)) == {"f": ("Secret", "clusters", "a")}
    assert "changed has" in refused(scope.changed, remembering(changed={"f": place}), CASE, ("Secret",))


@pytest.mark.parametrize("value", ["../x", "a b", "", "a/b", "-a", 7, "a" * 101, "a\n"])
def test_an_id_that_could_lead_elsewhere_is_refused(value: Any) -> None:
    assert scope.snapshot_id(RunState()) is None
    for fine in ("k3j9", "by-hand-1f2e"):
        assert scope.snapshot_id(remembering(fence={"id": fine})) == fine
    assert "fence is" in refused(scope.snapshot_id, remembering(fence={"id": value}))


# Each page reads its part of the journal so.


@pytest.fixture
def world() -> World:
    return relocatable()


def undone(step: Any, world: World, **values: Any) -> Any:
    look = step.look_back or step.observe
    return step.revert(look(world.ports, CASE, remembering(**values)))


def test_a_forged_route_is_made_nowhere(world: World) -> None:
    forged = {"evil": route("evil", "hypershift", "evil.hosted.example")}
    refused(undone, delete_routes.STEP, world, routes=forged, service_hostnames={})
    refused(undone, delete_routes.STEP, world, routes={}, service_hostnames={"x": "www.hosted.example"})


@pytest.mark.parametrize("step", [release_dns.STEP, hold_dns.STEP])
def test_a_forged_record_is_made_nowhere(world: World, step: Any) -> None:
    key = "dns_image" if step is release_dns.STEP else "dns_held"
    forged = {"owner": "source", "at": 0, "records": [asdict(Record("www.hosted.example", "A", 60, ("192.0.2.1",)))]}
    refused(undone, step, world, **{key: forged})


def test_without_its_hosted_cluster_no_name_is_known_to_be_its_own(world: World) -> None:
    image = {"owner": "source", "records": [asdict(record) for record in records("one", "source")]}
    undone(release_dns.STEP, world, dns_image=image)
    del world.source.objects["HostedCluster", "clusters", "one"]
    with pytest.raises(NotOurs, match=r"not at \(none\)"):
        release_dns.look_back(world.ports, CASE, remembering(dns_image=image))


def test_an_address_of_another_kind_at_its_name_is_somebody_elses(world: World) -> None:
    [kept, *_] = records("one", "source")
    image = {"owner": "source", "records": [asdict(kept)]}
    world.zone.kept = (Record(kept.name, "CNAME", 60, ("of.somebody.example",)),)
    assert isinstance(undone(release_dns.STEP, world, dns_image=image).error, NotOurs)


def test_names_of_a_neighbour_that_are_held_stay_held(world: World) -> None:
    """Also where somebody says that this relocation is the neighbour's."""
    mine, others = records("one", "source"), records("one2", "hcp-dr-of-the-neighbour")
    world.zone.kept = (*mine, *others)
    held = {"owner": "evil", "at": 0, "records": [asdict(r) for r in records("one", "evil")]}
    case = replace(CASE, backup_id="of-the-neighbour")
    found = hold_dns.look_back(world.ports, case, remembering(dns_held=held))
    assert found.changes == ()


@pytest.mark.parametrize(
    ("step", "values"),
    [
        (fence.STEP, {"replicas_before": {"capi-provider": 1}}),
        (fence.STEP, {"replicas_before": {"kube-apiserver": 10**6}}),
        (hosted_cluster.STEP, {"destination_operator_before": {"operator": 10**6}}),
        (node_pools.STEP, {"destination_operator_before": {"external-dns": 1}}),
        (pause.STEP, {"paused_before": {"asked": {"HostedCluster/one": {"a": 1}}}}),
        (mark_parent.STEP, {"nonce": "n", "marks_before": {"mgmt-parent-cluster": "text"}}),
        (snapshot_etcd.STEP, {"fence": {"id": "../../../etc/passwd"}}),
    ],
)
def test_what_else_an_abort_would_apply_is_bounded(world: World, step: Any, values: dict[str, Any]) -> None:
    refused(undone, step, world, **values)


@pytest.mark.parametrize(
    ("step", "values"),
    [
        (operator_back.STEP, {"operator_before": {"operator": 10**6}}),
        (operator_back.STEP, {"operator_before": {"other": 1}}),
        (adopt_machines.STEP, {"paused_before": {"asked": {"NodePool/one-workers": 7}}}),
        (carry_again.STEP, {"changed": {"f": ["Secret", "kube-system", "a"]}}),
        (snapshot_etcd.STEP, {"fence": {"id": "a; rm -rf /"}}),
        (unprotect_instances.STEP, {"protection": {"i-one-1": "no"}}),
        (expire_url.STEP, {"snapshot_moved": "hcp-dr/clusters/two/backup-1/snapshot-1.db"}),
        (expire_url.STEP, {"snapshot_moved": f"{CASE.key_prefix}/snapshot.db"}),
        (expire_url.STEP, {"snapshot_moved": f"{CASE.key_prefix}/journal.jsonl"}),
        (expire_url.STEP, {"snapshot_moved": f"{CASE.key_prefix}/snapshot-01.db"}),
    ],
)
def test_what_a_resume_would_apply_is_bounded(world: World, step: Any, values: dict[str, Any]) -> None:
    refused(step.observe, world.ports, CASE, remembering(**values))


def test_protection_of_an_instance_that_is_not_its_own_is_left(world: World) -> None:
    world.instances.running = dict.fromkeys(world.instances.running, True)
    own, other = {"i-one-1": False}, {"i-one2-1": False}
    assert undone(protect_instances.STEP, world, protection=own).actions
    assert "protection has i-one2-1" in refused(undone, protect_instances.STEP, world, protection=own | other)
    for machine in world.source.list(AWS_MACHINE, "clusters-one").items:
        world.destination.put(machine)
    unprotect_instances.STEP.observe(world.ports, CASE, remembering(protection=own))
    refused(unprotect_instances.STEP.observe, world.ports, CASE, remembering(protection=other))


@pytest.mark.parametrize(
    ("tags", "infra_id", "own"),
    [
        ({"kubernetes.io/cluster/one-x7k2": "owned"}, "one-x7k2", True),
        ({"sigs.k8s.io/cluster-api-provider-aws/cluster/one-x7k2": "owned"}, "one-x7k2", True),
        ({"kubernetes.io/cluster/one2-x7k2": "owned"}, "one-x7k2", False),
        ({"kubernetes.io/cluster/": "owned"}, "", False),
        ({}, "one-x7k2", False),
    ],
)
def test_an_instance_whose_machine_is_gone_is_known_by_its_tag(
    tags: dict[str, str], infra_id: str, *, own: bool
) -> None:
    instance = Instance("i-1", "running", spot=False, termination_protected=True, tags=tags)
    if own:
        scope.check_own_instances([instance], (), infra_id)
    else:
        refused(scope.check_own_instances, [instance], (), infra_id)


def test_what_a_neighbour_has_on_the_destination_is_not_taken_away_whatever_relocation_it_bears(world: World) -> None:
    bears = {"annotations": {RELOCATION_ANNOTATION: CASE.backup_id}}
    for resource, name, spec in (
        (HOSTED_CLUSTER, "one2", {"pausedUntil": "true"}),
        (NODE_POOL, "one2-workers", {"clusterName": "one2"}),
    ):
        world.destination.put({f"{resource.kind} clusters/{name}": {**bears, "spec": spec}})
    for step in (hosted_cluster.STEP, node_pools.STEP):
        assert step.look_back is not None
        assert step.look_back(world.ports, CASE, RunState()).items == ()
