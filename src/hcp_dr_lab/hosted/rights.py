"""Grant exactly the rights that `hcp-dr rbac` prints to the product's user, in the role of an administrator."""

from __future__ import annotations

import time
from collections.abc import Callable

from hcp_dr.errors import AlreadyExists, KubernetesError
from hcp_dr.hypershift.access import roles
from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Kubernetes, Object
from hcp_dr.model import Side
from hcp_dr_lab.ground.layout import PRODUCT_USER

_KINDS = {each.kind: each for each in (r.NAMESPACE, r.CLUSTER_ROLE, r.CLUSTER_ROLE_BINDING, r.ROLE, r.ROLE_BINDING)}
_TRIES = 20


def grant(cluster: Kubernetes, side: Side, namespace: str, name: str) -> None:
    """Apply the output of `hcp-dr rbac SIDE` for the hosted cluster `namespace`/`name`."""
    for wanted in roles.manifests(side, namespace, name, roles.user(PRODUCT_USER)):
        _persistently(lambda wanted=wanted: _give(cluster, wanted))  # type: ignore[misc]


def _persistently(work: Callable[[], None]) -> None:
    """Retry, because faults may already be in effect. Applying twice has the same result as applying once."""
    for _ in range(_TRIES):
        try:
            return work()
        except KubernetesError as error:
            if not error.passing:
                raise
            time.sleep(0.2)
    return work()


def _give(cluster: Kubernetes, wanted: Object) -> None:
    place = wanted["metadata"].get("namespace")
    if place and cluster.find(r.NAMESPACE, place) is None:
        # an OpenShift management cluster already has the namespaces of the router and of the dashboards
        cluster.create(r.NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": place}})
    _apply(cluster, wanted)


def _apply(cluster: Kubernetes, wanted: Object) -> None:
    resource, meta = _KINDS[wanted["kind"]], wanted["metadata"]
    try:
        cluster.create(resource, wanted)
    except AlreadyExists:
        rest = {key: value for key, value in wanted.items() if key in ("rules", "subjects")}
        marks = {"metadata": {"annotations": meta["annotations"]}} if "annotations" in meta else {}
        if rest or marks:
            cluster.patch(resource, meta["name"], meta.get("namespace"), {**rest, **marks})
