"""What a management cluster has on it before the first hosted cluster: the kinds, the operators, external-dns.

A process of the region, so that both clusters are furnished at the same time and as soon as their API servers are up.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import yaml

from hcp_dr.errors import AlreadyExists, KubernetesError
from hcp_dr.kube import resources
from hcp_dr.kube.client import connect
from hcp_dr.kube.port import Kubernetes, Object, Resource
from hcp_dr.kube.resources import CUSTOM_RESOURCE_DEFINITION
from hcp_dr_lab import standin
from hcp_dr_lab.region import external_dns
from hcp_dr_lab.region import layout as region_layout
from hcp_dr_lab.region.layout import MANAGEMENT_CLUSTERS, Layout, ManagementCluster
from hcp_dr_lab.region.part import Part

_CRDS = Path(standin.__file__).parent / "crds"
_SECONDS = 60.0
_KINDS = {
    (resource.api_version, resource.kind): resource
    for resource in vars(resources).values()
    if isinstance(resource, Resource)
}


def part(layout: Layout, cluster: ManagementCluster) -> Part:
    """Serves when it has ended well."""
    return Part(
        name=f"{cluster.name}/install",
        command=(sys.executable, "-m", "hcp_dr_lab.region.install", str(layout.root), str(cluster.number)),
        probe=lambda: "it is not done yet",
        limit=_SECONDS + 30,
        after=(f"{cluster.name}/kube-apiserver",),
        passing=True,
    )


def definitions(folder: Path) -> Iterator[Object]:
    """The CustomResourceDefinitions of a folder."""
    for file in sorted(folder.glob("*.yaml")):
        for document in yaml.load_all(file.read_text("utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            if document:
                yield document


def apply(cluster: Kubernetes, objects: Iterable[Object], *, seconds: float = _SECONDS) -> None:
    """Create what is not there and leave what is; what a young API server refuses in passing is tried again."""
    deadline = time.monotonic() + seconds
    for wanted in objects:
        kind = _KINDS[wanted["apiVersion"], wanted["kind"]]
        while True:
            try:
                cluster.create(kind, wanted)
            except AlreadyExists:
                break
            except KubernetesError as error:
                if not error.passing or time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
            else:
                break


def await_established(cluster: Kubernetes, names: Iterable[str], *, seconds: float = _SECONDS) -> None:
    """Until the API server serves all of these kinds."""
    deadline = time.monotonic() + seconds
    while missing := sorted(set(names) - set(_established(cluster))):
        if time.monotonic() > deadline:
            raise TimeoutError(f"the API server does not serve {', '.join(missing)} after {seconds:.0f} s")
        time.sleep(0.1)


def _established(cluster: Kubernetes) -> Iterator[str]:
    for item in cluster.list(CUSTOM_RESOURCE_DEFINITION).items:
        conditions = item.get("status", {}).get("conditions", [])
        if any(condition["type"] == "Established" and condition["status"] == "True" for condition in conditions):
            yield item["metadata"]["name"]


def main() -> None:
    layout = region_layout.load(Path(sys.argv[1]))
    management = MANAGEMENT_CLUSTERS[int(sys.argv[2]) - 1]
    cluster = connect(layout.inside_kubeconfig(management), management.name)
    kinds = list(definitions(_CRDS))
    apply(cluster, kinds)
    apply(cluster, external_dns.objects(layout, management))
    await_established(cluster, [kind["metadata"]["name"] for kind in kinds])


if __name__ == "__main__":
    main()
