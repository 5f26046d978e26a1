"""Where connections go, and which Routes are admitted."""

from __future__ import annotations

import copy

import pytest

from hcp_dr.kube.port import Object
from hcp_dr_lab.ground.network.routing import Backend, admissions, collect_host_names, is_admitted, table

HOST = "api-demo.hosted.rehearsal.example"
ROUTER = "router.mgmt-1.region.rehearsal.example"
NOW = "2026-01-01T00:00:00Z"


def route(name: str = "kube-apiserver", created: str = NOW, **spec: object) -> Object:
    return {
        "metadata": {"name": name, "namespace": "clusters-demo", "creationTimestamp": created, "uid": name},
        "spec": {"host": HOST, "to": {"kind": "Service", "name": "kube-apiserver"}, **spec},
    }


def admit(*routes: Object) -> list[Object]:
    """The routes with the statuses that they ought to have."""
    done = copy.deepcopy(list(routes))
    for each in admissions(done, ROUTER, NOW):
        next(item for item in done if item["metadata"]["name"] == each.name)["status"] = each.status
    return done


def endpoint_slice(
    *endpoints: Object, service: str = "kube-apiserver", port: int = 6443, name: str = "https"
) -> Object:
    return {
        "metadata": {
            "name": f"{service}-{name}",
            "namespace": "clusters-demo",
            "labels": {"kubernetes.io/service-name": service},
        },
        "ports": [{"name": name, "port": port}],
        "endpoints": list(endpoints),
    }


def endpoint(address: str, **conditions: bool) -> Object:
    return {"addresses": [address], "conditions": {"ready": True, **conditions}}


def test_an_admitted_route_leads_to_the_ready_pods() -> None:
    slices = [
        endpoint_slice(
            endpoint("10.88.1.5"),
            endpoint("10.88.1.6", ready=False),
            endpoint("10.88.1.7", ready=True, terminating=True),
        )
    ]
    made = table(admit(route()), [], slices)
    assert made.for_route(HOST) == {Backend("10.88.1.5", 6443)}
    assert made.present == {"10.88.1.5", "10.88.1.6", "10.88.1.7"}
    assert made.for_route("other.example") == frozenset()
    assert made.for_route(None) == frozenset()


def test_a_route_that_is_not_admitted_leads_nowhere() -> None:
    assert table([route()], [], [endpoint_slice(endpoint("10.88.1.5"))]).for_route(HOST) == frozenset()


@pytest.mark.parametrize(("chosen", "port"), [("https", 6443), ("metrics", 9443), (9443, 9443), ("6443", 6443)])
def test_the_port_is_chosen_by_name_or_number(chosen: str | int, port: int) -> None:
    slices = [
        endpoint_slice(endpoint("10.88.1.5")),
        endpoint_slice(endpoint("10.88.1.5"), port=9443, name="metrics"),
    ]
    made = table(admit(route(port={"targetPort": chosen})), [], slices)
    assert made.for_route(HOST) == {Backend("10.88.1.5", port)}


def test_pods_of_two_slices_stand_side_by_side() -> None:
    slices = [endpoint_slice(endpoint("10.88.1.5")), endpoint_slice(endpoint("10.88.1.6"))]
    made = table(admit(route()), [], slices)
    assert made.for_route(HOST) == {Backend("10.88.1.5", 6443), Backend("10.88.1.6", 6443)}


def test_admission_says_who_routes_and_settles() -> None:
    admitted = admit(route())[0]
    ingress = admitted["status"]["ingress"][0]
    assert is_admitted(admitted)
    assert (ingress["host"], ingress["routerName"]) == (HOST, "default")
    assert ingress["routerCanonicalHostname"] == ROUTER
    assert admissions([admitted], ROUTER, "later") == []
    assert not is_admitted({**admitted, "spec": {**admitted["spec"], "host": "new.example"}})


def test_a_status_brought_from_another_cluster_is_written_anew() -> None:
    other = ROUTER.replace("mgmt-1", "mgmt-2")
    wanted = admissions(admit(route()), other, NOW)
    assert [each.status["ingress"][0]["routerCanonicalHostname"] for each in wanted] == [other]


def test_the_oldest_claim_of_a_host_wins_until_it_goes() -> None:
    first, second = admit(route("old"), route("young", created="2026-01-02T00:00:00Z"))
    assert is_admitted(first)
    assert not is_admitted(second)
    assert second["status"]["ingress"][0]["conditions"][0]["reason"] == "HostAlreadyClaimed"
    assert admissions([first, second], ROUTER, NOW) == []
    assert is_admitted(admit(second)[0])


def test_routes_without_host_or_in_deletion_are_left_alone() -> None:
    going, hostless = route("going"), route("hostless")
    going["metadata"]["deletionTimestamp"] = NOW
    del hostless["spec"]["host"]
    assert admissions([going, hostless], ROUTER, NOW) == []


def load_balancer(name: str, hostname: str | None = None) -> Object:
    annotations = {"external-dns.alpha.kubernetes.io/hostname": hostname} if hostname else {}
    return {
        "metadata": {"name": name, "namespace": "clusters-demo", "annotations": annotations},
        "spec": {"type": "LoadBalancer", "ports": [{"name": "https", "port": 6443}]},
    }


def test_one_load_balancer_takes_all_and_several_are_told_apart_by_name() -> None:
    slices = [
        endpoint_slice(endpoint("10.88.1.5"), service="a"),
        endpoint_slice(endpoint("10.88.1.6"), service="b"),
    ]
    alone = table([], [load_balancer("a")], slices)
    assert alone.for_load_balancer(None) == {Backend("10.88.1.5", 6443)}
    both = table([], [load_balancer("a", "a.example"), load_balancer("b", "B.example")], slices)
    assert both.for_load_balancer("b.example") == {Backend("10.88.1.6", 6443)}
    assert both.for_load_balancer(None) == frozenset()
    unnamed = [load_balancer("a"), load_balancer("b", "b.example")]
    assert table([], unnamed, slices).for_load_balancer("a.example") == frozenset()
    before = collect_host_names([load_balancer("a", "a.example"), load_balancer("b", "b.example")], {})
    assert table([], unnamed, slices, before=before).for_load_balancer("a.example") == {Backend("10.88.1.5", 6443)}
