"""A hosted cluster in service: created on the first management cluster, filled, its workers Ready."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from hcp_dr.errors import KubernetesError
from hcp_dr.kube.client import connect
from hcp_dr.kube.port import Kubernetes
from hcp_dr.kube.resources import NAMESPACE
from hcp_dr_lab.hosted import cluster, content, environment
from hcp_dr_lab.region.cloud import aws
from hcp_dr_lab.region.layout import MANAGEMENT_CLUSTERS, HostedClusterNames, Layout
from hcp_dr_lab.region.pki import write_secret

API_SECONDS = 150.0
CONTENT_SECONDS = 150.0

Say = Callable[[str], None]


def provision(layout: Layout, name: str, say: Say) -> Path:
    """The env file of the hosted cluster; one that stands already is left as it is."""
    names = HostedClusterNames(name)
    env_file = layout.env_file(name)
    if env_file.exists():
        say(f"the hosted cluster {name} stands already")
        return env_file
    first = MANAGEMENT_CLUSTERS[0]
    seed = aws.seeded(layout)
    options = cluster.Options()
    workers = sum(pool.replicas for pool in options.pools)
    began = time.monotonic()

    def so_far(what: str) -> None:
        say(f"hosted cluster {name}: {what} after {time.monotonic() - began:.0f} s")

    with closing(connect(layout.management_kubeconfig(first), first.name)) as management:
        cluster.create(management, names, seed, options)
        say(f"hosted cluster {name}: created on {first.name}")
        item = cluster.await_available(management, names)
        so_far("its control plane is available")
        write_hosted_kubeconfig(layout, names, management)
    with closing(connect(layout.hosted_kubeconfig(name), f"hosted {name}")) as hosted:
        _await_name(hosted)
        so_far("its API answers by name")
        version = item["status"]["version"]["history"][0]["version"]
        content.apply(hosted, cluster_id=item["spec"]["clusterID"], version=version)
        content.wait_ready(hosted, nodes=workers, seconds=CONTENT_SECONDS, tell=lambda text: say(f"{name}: {text}"))
        so_far("in service")
    values = environment.variables(layout, names, zone_id=seed.zone_id, replicas=workers)
    write_secret(env_file, environment.text(values).encode())
    return env_file


def write_hosted_kubeconfig(layout: Layout, names: HostedClusterNames, management: Kubernetes) -> None:
    """What HyperShift hands out, with the way into the region."""
    handed_out = json.loads(cluster.admin_kubeconfig(management, names))
    for entry in handed_out["clusters"]:
        entry["cluster"]["proxy-url"] = layout.proxy_url
    write_secret(layout.hosted_kubeconfig(names.name), json.dumps(handed_out, indent=2).encode())


def _await_name(hosted: Kubernetes) -> None:
    """Until the API answers by its name, as everybody asks it."""
    deadline = time.monotonic() + API_SECONDS
    while True:
        try:
            hosted.get(NAMESPACE, "default")
        except KubernetesError as error:
            if time.monotonic() > deadline:
                raise cluster.Unready(
                    f"The API of {hosted.name} does not answer by its name {hosted.server} after "
                    f"{API_SECONDS:.0f} s: {error} Everything was left as it is. Look at external-dns on the "
                    "management cluster, and at the logs of the name server and the load balancer."
                ) from error
            time.sleep(0.5)
        else:
            return
