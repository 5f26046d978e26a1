"""external-dns on each management cluster writes the records of its own Routes, under its own name, and no others."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hcp_dr.kube.port import Kubernetes, Object
from hcp_dr.kube.resources import NAMESPACE, ROUTE
from hcp_dr_lab.ground.layout import HOSTED_DOMAIN, MANAGEMENT_CLUSTERS, Layout
from tests.region.conftest import Hosted, eventually, management
from tests.region.hands import record_sets

FIRST, SECOND = MANAGEMENT_CLUSTERS
PLACE = "names"


@pytest.fixture
def second(region: Layout) -> Iterator[Kubernetes]:
    """The second management cluster with a namespace for Routes."""
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": PLACE}}
    with management(region, SECOND) as client:
        client.create(NAMESPACE, body)
        yield client
        client.delete(NAMESPACE, PLACE)
        eventually(lambda: client.find(NAMESPACE, PLACE) is None, 60, f"the namespace {PLACE} is gone")


def test_a_route_gets_a_record_and_loses_it(region: Layout, second: Kubernetes) -> None:
    host = f"api-names.{HOSTED_DOMAIN}"
    second.create(ROUTE, route(host))
    eventually(lambda: owners(region, host) == [SECOND.external_dns_owner], 60, "the record is written and claimed")
    second.delete(ROUTE, "kube-apiserver", PLACE)
    eventually(lambda: owners(region, host) == [], 60, "the record is given up")


def test_the_name_of_a_hosted_cluster_stays_with_its_first_owner(hosted: Hosted, second: Kubernetes) -> None:
    host = hosted.names.api_hostname
    assert owners(hosted.layout, host) == [FIRST.external_dns_owner]
    own = f"api-other.{HOSTED_DOMAIN}"
    second.create(ROUTE, route(host, "foreign"))
    second.create(ROUTE, route(own, "own"))
    eventually(lambda: owners(hosted.layout, own), 60, "the second external-dns has worked through its Routes")
    assert owners(hosted.layout, host) == [FIRST.external_dns_owner]
    second.delete(ROUTE, "foreign", PLACE)
    second.delete(ROUTE, "own", PLACE)
    eventually(lambda: not owners(hosted.layout, own), 60, "its own record is given up")
    assert owners(hosted.layout, host) == [FIRST.external_dns_owner]


def owners(region: Layout, host: str) -> list[str]:
    """Who claims the record, by the TXT beside it."""
    first, _, rest = host.partition(".")
    claim = f"cname-{first}-external-dns.{rest}."
    values = [
        value["Value"]
        for record in record_sets(region)
        if record["Name"] == claim and record["Type"] == "TXT"
        for value in record["ResourceRecords"]
    ]
    words = [word for value in values for word in value.strip('"').split(",")]
    return [word.partition("=")[2] for word in words if word.startswith("external-dns/owner=")]


def route(host: str, name: str = "kube-apiserver") -> Object:
    return {
        "apiVersion": "route.openshift.io/v1",
        "kind": "Route",
        "metadata": {"name": name, "namespace": PLACE},
        "spec": {
            "host": host,
            "to": {"kind": "Service", "name": "kube-apiserver"},
            "tls": {"termination": "passthrough"},
        },
    }
