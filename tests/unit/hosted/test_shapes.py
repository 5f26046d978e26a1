"""From the words of the command line to a hosted cluster's options, and to its manifests."""

from __future__ import annotations

import base64
import itertools
from typing import Any

import pytest

from hcp_dr.kube import resources as r
from hcp_dr.objects.select import referenced_config_maps, referenced_secrets
from hcp_dr_lab.ground import names as standin
from hcp_dr_lab.ground import payload
from hcp_dr_lab.ground.aws_seed import NO_KUBELET, Seed
from hcp_dr_lab.ground.errors import BadOptions
from hcp_dr_lab.ground.layout import HOSTED_DOMAIN
from hcp_dr_lab.hosted import cluster, shapes
from hcp_dr_lab.hosted.cluster import Brought, Options
from hcp_dr_lab.hosted.shapes import Shape

SEED = Seed("Z1", "vpc-1", "subnet-1", "sg-1", "ami-1", "subnet-wide")
BROUGHT = Brought({"metadata": {}, "spec": {}}, (), ())


def made(*given: Shape, machines: int = 0) -> list[tuple[Any, dict[str, Any]]]:
    options = shapes.options(given, machines=machines)
    (names, own), *_ = cluster.population("shop", options)
    return list(cluster.objects(names, SEED, own))


def spec(objects: list[tuple[Any, dict[str, Any]]]) -> dict[str, Any]:
    return next(item["spec"] for resource, item in objects if resource == r.HOSTED_CLUSTER)


def test_no_shape_is_the_plain_cluster() -> None:
    assert shapes.options() == Options()
    assert shapes.options().words == ()


@pytest.mark.parametrize("shape", Shape)
def test_every_shape_changes_something_and_says_so(shape: Shape) -> None:
    assert shapes.options([shape]) != Options()
    assert shapes.options([shape]).words


def test_the_order_of_the_words_does_not_matter() -> None:
    several = [Shape.THREE_MEMBERS, Shape.ETCD_36, Shape.THREE_POOLS, Shape.ENCRYPTED]
    assert {shapes.options(order) for order in itertools.permutations(several)} == {shapes.options(several)}


def payload_of(*asked: Shape) -> payload.Payload:
    return payload.of(spec(made(*asked))["release"]["image"])


def test_what_a_release_holds_is_its_payloads_matter_and_not_its_numbers() -> None:
    next_one, fixed = payload_of(Shape.NEXT_MEMBERS), payload_of(Shape.FIXED_MEMBERS)
    assert not next_one.one_cluster
    assert fixed.one_cluster
    assert next_one.etcd == fixed.etcd == payload_of(Shape.ETCDCTL_ON_36).etcd == payload_of(Shape.ETCD_36).etcd
    assert payload_of() == payload_of(Shape.THREE_MEMBERS)
    assert payload_of().etcd_init == payload_of(Shape.ETCDCTL_ON_36).etcd_init
    assert payload_of().etcd != next_one.etcd
    for shape in (Shape.THREE_MEMBERS, Shape.NEXT_MEMBERS, Shape.FIXED_MEMBERS):
        assert spec(made(shape))["controllerAvailabilityPolicy"] == "HighlyAvailable"
    versions = [standin.release_version(spec(made(shape))["release"]["image"]) for shape in Shape]
    assert {"4.20.8", "4.21.5", "5.0.0"} <= {*versions}


def test_a_release_that_somebody_brings_is_of_the_oldest_kind() -> None:
    for image in ("quay.io/openshift-release-dev/ocp-release:5.0.0-x86_64", "quay.example/release@sha256:1", ""):
        assert payload.of(image) == payload.PAYLOADS[""]


def test_three_pools_are_of_three_kinds() -> None:
    pools = [item for resource, item in made(Shape.THREE_POOLS) if resource == r.NODE_POOL]
    assert [(pool["spec"]["management"]["upgradeType"], pool["spec"]["replicas"]) for pool in pools] == [
        ("Replace", 2),
        ("InPlace", 1),
        ("Replace", 0),
    ]
    options = shapes.options([Shape.THREE_POOLS])
    assert cluster.population("shop", options)[0][0].node_pools == tuple(pool["metadata"]["name"] for pool in pools)
    assert cluster.workers(options) == cluster.replicas(options) == 3


def test_a_load_balancer_publishes_the_api_and_nothing_else() -> None:
    found = spec(made(Shape.LOAD_BALANCER))
    published = standin.published({"spec": found}, "APIServer")
    assert published == standin.Published("LoadBalancer", f"api-shop.{HOSTED_DOMAIN}", 6443)
    kinds = [entry["servicePublishingStrategy"]["type"] for entry in found["services"]]
    assert kinds == ["LoadBalancer", "Route", "Route", "Route"]


def test_everything_referenced_is_there_under_a_name_that_tells_nothing() -> None:
    objects = made(Shape.REFERENCES, Shape.ENCRYPTED)
    present = {(item["kind"], item["metadata"]["name"]) for _, item in objects}
    hosted = next(item for resource, item in objects if resource == r.HOSTED_CLUSTER)
    pools = [item for resource, item in objects if resource == r.NODE_POOL]
    secrets, config_maps = referenced_secrets(hosted), referenced_config_maps(hosted, pools)
    assert {name for kind, name in present if kind == "Secret"} == secrets
    assert {name for kind, name in present if kind == "ConfigMap"} == config_maps
    assert (len(secrets), len(config_maps)) == (9, 6)
    assert not [name for name in (*secrets, *config_maps) if name.startswith("shop")]


def test_what_is_referred_to_comes_before_what_refers_to_it() -> None:
    kinds = [resource for resource, _ in made(Shape.REFERENCES)]
    assert kinds[0] == r.NAMESPACE
    first = kinds.index(r.HOSTED_CLUSTER)
    assert set(kinds[first + 1 :]) == {r.NODE_POOL}


def test_the_neighbour_shares_the_namespace_and_no_name() -> None:
    (one, _), (other, own) = cluster.population("shop", shapes.options([Shape.NEIGHBOUR, Shape.THREE_POOLS]))
    assert (other.namespace, other.name) == (one.namespace, "shop2")
    assert other.infra_id != one.infra_id
    assert other.api_hostname != one.api_hostname
    assert cluster.workers(own) == 1
    first, second = (
        {(item["kind"], item["metadata"]["name"]) for kind, item in cluster.objects(names, SEED) if kind != r.NAMESPACE}
        for names in (one, other)
    )
    assert not first & second


def test_machines_to_be_counted_have_no_kubelet_and_room_for_thousands() -> None:
    options = shapes.options(machines=500)
    pool = next(item for _, item in made(machines=500) if item["metadata"]["name"] == "shop-machines")
    aws = pool["spec"]["platform"]["aws"]
    assert (aws["subnet"], aws["resourceTags"]) == ({"id": "subnet-wide"}, [NO_KUBELET])
    assert (cluster.replicas(options), cluster.workers(options)) == (502, 2)


def test_secrets_to_be_counted_are_in_the_control_plane_namespace() -> None:
    options = shapes.options(secrets=3)
    ((names, own),) = cluster.population("shop", options)
    found = list(cluster.counted_secrets(names, own))
    assert len({item["metadata"]["name"] for item in found}) == 3
    assert {item["metadata"]["namespace"] for item in found} == {"clusters-shop"}
    assert all(base64.b64decode(item["data"]["text"]) for item in found)


@pytest.mark.parametrize(
    ("text", "size"), [("0", 0), ("500MiB", 500 * 2**20), ("2GiB", 2**31), ("3KiB", 3072), ("7B", 7)]
)
def test_sizes(text: str, size: int) -> None:
    assert shapes.size(text) == size


@pytest.mark.parametrize("text", ["", "500MB", "-1", "1.5GiB", "a lot", "MiB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(BadOptions, match="such as 500MiB"):
        shapes.size(text)


@pytest.mark.parametrize(
    ("given", "others", "word"),
    [
        ([Shape.FIXED_MEMBERS, Shape.ETCDCTL_ON_36], {}, "exclude"),
        ([Shape.ENCRYPTED], {"brought": BROUGHT}, "encrypted"),
        ([], {"brought": BROUGHT, "machines": 2}, "machines"),
        ([], {"machines": 100_000}, "--machines"),
        ([], {"secrets": -1}, "--secrets"),
        ([], {"etcd_ballast": 2**33}, "--etcd-ballast"),
    ],
)
def test_contradictions_and_excess_are_refused(given: list[Shape], others: dict[str, Any], word: str) -> None:
    with pytest.raises(BadOptions, match=word) as caught:
        shapes.options(given, **others)
    assert "Nothing was started" in str(caught.value)


def test_a_hosted_cluster_of_ones_own_may_have_a_neighbour_and_ballast() -> None:
    options = shapes.options([Shape.NEIGHBOUR], brought=BROUGHT, etcd_ballast=1, secrets=1)
    assert options.brought == BROUGHT
    assert options.neighbour
