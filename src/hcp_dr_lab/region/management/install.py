"""The installation of a management cluster before the first hosted cluster: CRDs, operators, external-dns.

A process of the region, so that both clusters are installed in parallel, as soon as their API servers serve.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from pathlib import Path

from hcp_dr.errors import AlreadyExists, KubernetesError
from hcp_dr.kube import resources
from hcp_dr.kube.client import connect
from hcp_dr.kube.port import Kubernetes, Object, Resource
from hcp_dr_lab.ground import layout as region_layout
from hcp_dr_lab.ground.layout import MANAGEMENT_CLUSTERS, Controllers, Layout, ManagementCluster
from hcp_dr_lab.ground.part import Part
from hcp_dr_lab.ground.releases import RELEASES
from hcp_dr_lab.region.management import external_dns
from hcp_dr_lab.standin import install as standin
from hcp_dr_lab.standin import webhook_server

_SECONDS = 60.0
_KINDS = {
    (resource.api_version, resource.kind): resource
    for resource in vars(resources).values()
    if isinstance(resource, Resource)
}


def part(layout: Layout, cluster: ManagementCluster) -> Part:
    """The part serves after a successful end."""
    return Part(
        name=f"{cluster.name}/install",
        command=(sys.executable, "-m", "hcp_dr_lab.region.management.install", str(layout.root), str(cluster.number)),
        probe=lambda: "not done yet",
        limit=_SECONDS + 30,
        after=(f"{cluster.name}/kube-apiserver",),
        passing=True,
    )


def apply(cluster: Kubernetes, objects: Iterable[Object], *, seconds: float = _SECONDS) -> None:
    """Create missing objects, and keep existing objects. Transient errors of a new API server are retried."""
    deadline = time.monotonic() + seconds
    for wanted in objects:
        while not _created(cluster, wanted, last=time.monotonic() > deadline):
            time.sleep(0.2)


def _created(cluster: Kubernetes, wanted: Object, *, last: bool) -> bool:
    try:
        cluster.create(_KINDS[wanted["apiVersion"], wanted["kind"]], wanted)
    except AlreadyExists:
        return True
    except KubernetesError as error:
        if not error.passing or last:
            raise
        return False
    return True


def main() -> None:
    layout = region_layout.load(Path(sys.argv[1]))
    management = MANAGEMENT_CLUSTERS[int(sys.argv[2]) - 1]
    cluster = connect(layout.inside_kubeconfig(management), management.name)
    release = RELEASES[layout.options.releases[management.number - 1]]
    if layout.options.controllers is Controllers.REAL:
        apply(cluster, standin.watched())
    standin.install(cluster, layout.options.crds, webhook_server.address(layout, management), release)
    apply(cluster, external_dns.objects(layout, management))


if __name__ == "__main__":
    main()
