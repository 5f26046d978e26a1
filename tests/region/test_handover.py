"""`--dns handover` against the real external-dns, which remembers owners for an hour as HyperShift installs it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Kubernetes
from hcp_dr_lab.ground.aws_seed import seeded
from hcp_dr_lab.ground.installed_dns import NAME, NAMESPACE
from hcp_dr_lab.ground.layout import HOSTED_DOMAIN, MANAGEMENT_CLUSTERS, HostedClusterNames, Layout, ManagementCluster
from hcp_dr_lab.hosted import shapes
from hcp_dr_lab.hosted.shapes import Shape
from hcp_dr_lab.region.cloud import clients
from tests.region.conftest import eventually, in_service, management
from tests.region.hands import keepers, pods, record_sets, zone
from tests.region.test_takeover import PUBLISHED, others, see_it_at_work
from tests.region.ways import in_one

FIRST, SECOND = MANAGEMENT_CLUSTERS
SHORT = 30
CACHE = "--txt-cache-interval="


@pytest.mark.long
def test_names_are_handed_over_by_the_real_external_dns(region: Layout) -> None:
    """There and back. The API's name is that of a Service behind a load balancer, the others are those of Routes."""
    balanced = shapes.options([Shape.LOAD_BALANCER])
    with in_service(region, balanced) as hosted, remembering(region, FIRST), remembering(region, SECOND):
        names, before = hosted.names, zone(region)
        shorten(region, names)
        with absences(region, names) as absent:
            in_one(hosted, dns="handover")
            assert keepers(zone(region), names) == {SECOND.external_dns_owner}
            there = targets(region, names)
            assert all(each.endswith((SECOND.load_balancer_domain, SECOND.load_balancer_hostname)) for each in there)
            see_it_at_work(region)
            assert targets(region, names) == there, "it deletes nothing that it only remembers"
            shorten(region, names)
            in_one(hosted, source=2, dns="handover")
        assert absent == []
        after = zone(region)
        assert keepers(after, names) == {FIRST.external_dns_owner}
        assert targets(region, names) != there
        assert others(after, names.name) == others(before, names.name)


@contextmanager
def remembering(region: Layout, cluster: ManagementCluster) -> Iterator[None]:
    """An external-dns that keeps owners for an hour."""
    with management(region, cluster) as client:
        before = client.get(r.DEPLOYMENT, NAME, NAMESPACE)["spec"]["template"]["spec"]["containers"][0]["args"]
        change_arguments(client, [f"{CACHE}1h" if each.startswith(CACHE) else each for each in before])
        try:
            yield
        finally:
            change_arguments(client, before)


def change_arguments(client: Kubernetes, arguments: list[str]) -> None:
    """Until the only pod runs with them."""
    place = "/spec/template/spec/containers/0/args"
    client.patch(r.DEPLOYMENT, NAME, NAMESPACE, [{"op": "replace", "path": place, "value": arguments}])

    def rolled() -> bool:
        found = pods(client, NAME, NAMESPACE)
        told = [(pod["spec"]["containers"][0]["args"], pod["status"].get("containerStatuses", ())) for pod in found]
        return [args == arguments and all(each["ready"] for each in statuses) for args, statuses in told] == [True]

    eventually(rolled, 60, "external-dns runs with other arguments")


def addresses(region: Layout, names: HostedClusterNames) -> dict[str, Any]:
    """The address records at the hosted cluster's names, by name."""
    wanted = {f"{service}-{names.name}.{HOSTED_DOMAIN}." for service in PUBLISHED}
    return {each["Name"]: each for each in record_sets(region) if each["Name"] in wanted and each["Type"] == "CNAME"}


def targets(region: Layout, names: HostedClusterNames) -> list[str]:
    found = addresses(region, names)
    return [found[name]["ResourceRecords"][0]["Value"].rstrip(".") for name in sorted(found)]


def shorten(region: Layout, names: HostedClusterNames) -> None:
    """As careful people do it the day before. external-dns lets a TTL be that nobody asked it for."""
    changes = [
        {"Action": "UPSERT", "ResourceRecordSet": {**found, "TTL": SHORT}}
        for found in addresses(region, names).values()
    ]
    assert len(changes) == len(PUBLISHED)
    route53 = clients.route53(region, outside=True)
    route53.change_resource_record_sets(HostedZoneId=seeded(region).zone_id, ChangeBatch={"Changes": changes})  # type: ignore[typeddict-item]


@contextmanager
def absences(region: Layout, names: HostedClusterNames) -> Iterator[list[str]]:
    """The names that were not in the zone when somebody looked, several times a second."""
    found: list[str] = []
    before = addresses(region, names).keys()
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(0.2):
            found.extend(sorted(before - addresses(region, names).keys()))

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield found
    finally:
        ended.set()
        looking.join()
