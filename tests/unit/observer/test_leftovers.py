"""Which records of a zone still belong to a hosted cluster on its source."""

from __future__ import annotations

from hcp_dr_lab.ground.layout import HostedClusterNames
from hcp_dr_lab.observer.leftovers import in_zone

NAMES = HostedClusterNames("demo")
OWNER = "mgmt-1-external-dns-owner"


def claim(owner: str = OWNER, resource: str = "route/clusters-demo/kube-apiserver") -> str:
    return f'"heritage=external-dns,external-dns/owner={owner},external-dns/resource={resource}"'


def left(kind: str, value: str) -> list[str]:
    return in_zone([("cname-api-demo-external-dns.hosted.example.", kind, (value,))], OWNER, NAMES)


def test_a_claim_of_the_source_is_left() -> None:
    assert left("TXT", claim()) == [f"TXT cname-api-demo-external-dns.hosted.example. of {OWNER}"]


def test_a_claim_of_the_destination_is_not() -> None:
    assert left("TXT", claim(owner="mgmt-2-external-dns-owner")) == []


def test_an_owner_whose_name_only_begins_alike_is_another() -> None:
    assert left("TXT", claim(owner=OWNER + "-b")) == []


def test_a_claim_for_another_hosted_cluster_is_not() -> None:
    assert left("TXT", claim(resource="route/clusters-demo-b/kube-apiserver")) == []


def test_other_records_claim_nothing() -> None:
    assert left("CNAME", "router.mgmt-1.region.example") == []
