"""Bring hosted clusters into service: created on the first management cluster, with content and Ready workers."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from hcp_dr.errors import AlreadyExists, KubernetesError
from hcp_dr.kube.client import connect
from hcp_dr.kube.port import Kubernetes, Object
from hcp_dr.kube.resources import NAMESPACE, SECRET
from hcp_dr.kube.stored import as_stored
from hcp_dr.model import Side
from hcp_dr_lab.ground import aws_seed
from hcp_dr_lab.ground.errors import LabError
from hcp_dr_lab.ground.layout import (
    MANAGEMENT_CLUSTERS,
    PRODUCT_USER,
    HostedClusterNames,
    HostedClusterRecord,
    Layout,
    record,
    recorded,
)
from hcp_dr_lab.ground.pki import CertificateAuthority, write_secret
from hcp_dr_lab.hosted import ballast, cluster, content, environment, rights
from hcp_dr_lab.hosted.cluster import Options

SIGNER = "customer-system-admin-signer"
API_SECONDS = 150.0
CONTENT_SECONDS = 150.0

Say = Callable[[str], None]
_PLAIN = Options()


def provision(layout: Layout, name: str, say: Say, options: Options = _PLAIN) -> Path:
    """Bring the hosted cluster, and its neighbour if requested, into service. Return the hosted cluster's env file.

    An existing hosted cluster is left unchanged; LabError if its shape differs. `name` applies unless the user brings a
    hosted cluster.
    """
    population = cluster.population(name, options)
    first = population[0][0]
    if (standing := recorded(layout, first.name)) is not None:
        if standing.shape != options.words:
            raise LabError(
                f"The hosted cluster {first.name} already exists in the region {layout.name} with another shape: "
                f"{', '.join(standing.shape) or 'plain'}. It was left unchanged. Use another --name for the region, or "
                f"stop this region first: `hcp-dr-lab down --name {layout.name}`."
            )
        say(f"hosted cluster {first.name}: already in service")
        return layout.env_file(first.name)
    for change in options.brought.changes if options.brought is not None else ():
        say(f"hosted cluster {first.name}: fitted: {change}")
    began = time.monotonic()
    seed = aws_seed.seeded(layout)
    management_cluster = MANAGEMENT_CLUSTERS[0]
    with closing(
        as_stored(connect(layout.management_kubeconfig(management_cluster), management_cluster.name))
    ) as management:
        for names, own in population:
            cluster.create(management, names, seed, own)
            say(f"hosted cluster {names.name}: created on {management.name}")
        for names, own in reversed(population):  # the neighbour first: both are in service at the end
            _serve(_Work(layout, management, names, own, seed.zone_id, began, say))
            beside = "".join(other.name for other, _ in population[1:]) if names == first else ""
            record(layout, HostedClusterRecord(names, options.words if names == first else own.words, beside))
    return layout.env_file(first.name)


@dataclass(frozen=True, slots=True)
class _Work:
    """The work of bringing one hosted cluster into service."""

    layout: Layout
    management: Kubernetes
    names: HostedClusterNames
    options: Options
    zone_id: str
    began: float
    say: Say

    def report(self, what: str) -> None:
        self.say(f"hosted cluster {self.names.name}: {what} after {time.monotonic() - self.began:.0f} s")


def _serve(work: _Work) -> None:
    names, options = work.names, work.options
    patience = work.layout.options.patience
    item = cluster.await_available(work.management, names, cluster.AVAILABLE_SECONDS * patience)
    work.report("control plane available")
    write_hosted_kubeconfig(work.layout, names, work.management)
    _add(work.management, names, options, work.say)
    with closing(connect(work.layout.hosted_kubeconfig(names.name), f"hosted {names.name}")) as hosted:
        _await_name(hosted, API_SECONDS * patience)
        work.report("API answers by name")
        _fill(hosted, item, cluster.workers(options), CONTENT_SECONDS * patience, work.say)
        rights.grant(hosted, "hosted", names.namespace, names.name)
        work.report("in service")
    grant(work.layout, names, source=1)
    values = environment.variables(
        work.layout,
        names,
        zone_id=work.zone_id,
        replicas=cluster.replicas(options),
        availability=item["spec"].get("controllerAvailabilityPolicy", "HighlyAvailable"),
    )
    write_secret(work.layout.env_file(names.name), environment.text(values).encode())


def _add(management: Kubernetes, names: HostedClusterNames, options: Options, say: Say) -> None:
    """Add objects that only increase the count and size of a relocation."""
    for wanted in cluster.counted_secrets(names, options):
        try:
            management.create(SECRET, wanted)
        except AlreadyExists:
            continue
    if options.etcd_ballast:
        ballast.put(management, names, options.etcd_ballast, say)


def _fill(hosted: Kubernetes, item: Object, nodes: int, seconds: float, say: Say) -> None:
    version = item["status"]["version"]["history"][0]["version"]
    content.apply(hosted, cluster_id=item["spec"]["clusterID"], version=version)
    content.wait_ready(
        hosted, nodes=nodes, seconds=seconds, tell=lambda text: say(f"{item['metadata']['name']}: {text}")
    )


def write_hosted_kubeconfig(layout: Layout, names: HostedClusterNames, management: Kubernetes) -> None:
    """Write HyperShift's kubeconfig with the region's proxy, and another for the product's user, signed by the
    authority for the customer's own users."""
    handed_out = json.loads(cluster.admin_kubeconfig(management, names))
    for entry in handed_out["clusters"]:
        entry["cluster"]["proxy-url"] = layout.proxy_url
    write_secret(layout.hosted_kubeconfig(names.name), json.dumps(handed_out, indent=2).encode())
    signer = management.get(SECRET, SIGNER, names.control_plane_namespace)["data"]
    authority = CertificateAuthority.load(*(base64.b64decode(signer[key]) for key in ("ca.crt", "ca.key")))
    identity = authority.issue(PRODUCT_USER, client=True)
    for entry in handed_out["users"]:
        pair = {"client-certificate-data": identity.cert_pem, "client-key-data": identity.key_pem}
        entry["user"] = {key: base64.b64encode(value).decode() for key, value in pair.items()}
    write_secret(layout.product_kubeconfig(names.name), json.dumps(handed_out, indent=2).encode())


def grant(layout: Layout, names: HostedClusterNames, *, source: int) -> None:
    """Grant rights on the management clusters to the product's user, for a relocation away from cluster `source`."""
    sides: tuple[Side, Side] = ("source", "destination")
    for side, management in zip(sides, MANAGEMENT_CLUSTERS[:: 1 if source == 1 else -1], strict=True):
        with closing(connect(layout.management_kubeconfig(management), management.name)) as administrator:
            rights.grant(administrator, side, names.namespace, names.name)


def _await_name(hosted: Kubernetes, seconds: float) -> None:
    """Wait until the API answers by its public name."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            hosted.get(NAMESPACE, "default")
        except KubernetesError as error:
            if time.monotonic() > deadline:
                raise cluster.Unready(
                    f"The API of {hosted.name} does not answer by its name {hosted.server} after "
                    f"{seconds:.0f} s: {error} Nothing was changed. Check external-dns on the management cluster, "
                    "and the logs of the name server and the load balancer."
                ) from error
            time.sleep(0.5)
        else:
            return
