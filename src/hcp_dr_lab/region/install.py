"""Ordinary objects put on a cluster of the region, and those that every management cluster has."""

from __future__ import annotations

import time
from collections.abc import Iterable

from hcp_dr.errors import AlreadyExists, KubernetesError
from hcp_dr.kube import resources
from hcp_dr.kube.client import connect
from hcp_dr.kube.port import Kubernetes, Object, Resource
from hcp_dr_lab.region import external_dns
from hcp_dr_lab.region.layout import Layout, ManagementCluster

_SECONDS = 60.0
_KINDS = {
    (resource.api_version, resource.kind): resource
    for resource in vars(resources).values()
    if isinstance(resource, Resource)
}


def furnish(layout: Layout, management: ManagementCluster) -> None:
    """Install external-dns; the stand-in installs the kinds and its operators itself."""
    cluster = connect(layout.management_kubeconfig(management), management.name)
    try:
        apply(cluster, external_dns.objects(layout, management))
    finally:
        cluster.close()


def apply(cluster: Kubernetes, objects: Iterable[Object], *, seconds: float = _SECONDS) -> None:
    """Create what is not there and leave what is; what a young API server refuses in passing is tried again."""
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
