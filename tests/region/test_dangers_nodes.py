"""A node's own way to its API bites as the real one does: it keeps the address that the API's name had."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import closing, contextmanager
from urllib.parse import urlsplit

from hcp_dr.errors import HcpDrError
from hcp_dr.kube import resources as r
from hcp_dr.kube.client import connect
from hcp_dr.kube.port import Kubernetes, Object
from hcp_dr_lab.ground.aws_seed import seeded
from hcp_dr_lab.ground.layout import MANAGEMENT_CLUSTERS, Layout
from hcp_dr_lab.ground.names import published
from hcp_dr_lab.hosted.content import OVN_NAMESPACE
from tests.region import hands
from tests.region.conftest import Hosted, eventually, management

FIRST, SECOND = MANAGEMENT_CLUSTERS


def test_pods_go_on_talking_to_the_old_control_plane_while_it_answers(hosted: Hosted) -> None:
    """The API's name is moved by hand: whoever resolves it finds nobody, and the pods of the workers go on as before.
    When the old one ends they reach nobody, until there is a control plane at the address that their proxies have."""
    layout, names = hosted.layout, hosted.names
    with closing(connect(layout.hosted_kubeconfig(names.name), "hosted")) as inside:
        pods = {pod["metadata"]["name"]: pod["status"]["podIP"] for pod in inside.list(r.POD, OVN_NAMESPACE).items}
        assert pods
        assert all(talks(layout, address) for address in pods.values())
        with management(layout, FIRST) as source, moved(hosted, source):
            eventually(lambda: not answers(hosted), 30, "nobody answers by the API's name")
            assert all(talks(layout, address) for address in pods.values())
            hands.pause(source, r.HOSTED_CLUSTER, names.name, names.namespace)
            for deployment in ("control-plane-operator", "kube-apiserver"):
                hands.scale(source, deployment, names.control_plane_namespace, 0)
            silent = "no pod reaches the API"
            eventually(lambda: not any(talks(layout, address) for address in pods.values()), 60, silent)
            hands.pause(source, r.HOSTED_CLUSTER, names.name, names.namespace, None)
        eventually(lambda: answers(hosted), 90, "the API answers by its name again")
        eventually(lambda: all(talks(layout, address) for address in pods.values()), 60, "the pods reach it again")


@contextmanager
def moved(hosted: Hosted, source: Kubernetes) -> Iterator[None]:
    """The API's name leads to the second management cluster's load balancer; external-dns puts it back afterwards."""
    place = hosted.names.control_plane_namespace
    (plane,) = source.list(r.HOSTED_CONTROL_PLANE, place).items
    how = published(plane, "APIServer")
    assert how is not None
    hands.scale(source, "external-dns", "hypershift", 0)
    eventually(lambda: not hands.pods(source, "external-dns", "hypershift"), 60, "external-dns has ended")
    try:
        record: Object = {"Name": how.hostname, "Type": "CNAME", "TTL": 5}
        record["ResourceRecords"] = [{"Value": SECOND.load_balancer_hostname}]
        hands.aws(hosted.layout, "route53").change_resource_record_sets(
            HostedZoneId=seeded(hosted.layout).zone_id,
            ChangeBatch={"Changes": [{"Action": "UPSERT", "ResourceRecordSet": record}]},
        )
        yield
    finally:
        hands.scale(source, "external-dns", "hypershift", 1)


def talks(layout: Layout, address: str) -> bool:
    """Whether the pod of that address reaches the API by its node's own way."""
    way = urlsplit(layout.proxy_url)
    with closing(http.client.HTTPConnection(way.hostname or "", way.port, timeout=10)) as connection:
        connection.set_tunnel(address, 8080)
        connection.request("GET", "/")
        return connection.getresponse().status == http.HTTPStatus.OK


def answers(hosted: Hosted) -> bool:
    """On a connection of its own: one that is kept does not follow the name."""
    with closing(connect(hosted.layout.hosted_kubeconfig(hosted.names.name), "hosted")) as inside:
        try:
            return bool(inside.get(r.NAMESPACE, "default"))
        except HcpDrError:
            return False
