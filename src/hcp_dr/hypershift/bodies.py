"""The objects as they are created on the destination: paused, with new owners, marked with their relocation. The dry
runs before the fence and the restore send the same objects."""

from __future__ import annotations

import copy
from collections.abc import Iterable

from hcp_dr.hypershift.backup_objects import Restorable, marked
from hcp_dr.kube.port import Object
from hcp_dr.kube.resources import HOSTED_CLUSTER
from hcp_dr.objects import ignition
from hcp_dr.objects.graph import relink
from hcp_dr.objects.reading import dig
from hcp_dr.objects.select import is_token_secret
from hcp_dr.upstream import OIDC_FINALIZER


def namespace_body(name: str, backup_id: str) -> Object:
    return marked({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}, backup_id)


def hosted_cluster_body(item: Restorable, *, backup_id: str, url: str) -> Object:
    """The HostedCluster, paused, with this restore URL alone, if HyperShift manages its etcd."""
    body = copy.deepcopy(marked(item.body, backup_id))
    body["spec"] = {**(body.get("spec") or {}), "pausedUntil": "true"}
    storage = dig(body, "spec", "etcd", "managed", "storage")
    if isinstance(storage, dict):
        storage["restoreSnapshotURL"] = [url]
    if OIDC_FINALIZER in item.entry.finalizers:
        body["metadata"]["finalizers"] = [OIDC_FINALIZER]
    return body


def node_pool_body(item: Restorable, *, backup_id: str, hosted_cluster: tuple[str, str | None]) -> Object | None:
    """The NodePool, paused and without status. `hosted_cluster` has the name and the uid of its owner; None while the
    uid is unknown."""
    name, uid = hosted_cluster
    owner = {"apiVersion": HOSTED_CLUSTER.api_version, "metadata": {"uid": uid}}
    body = marked(item.body, backup_id)
    body = {key: value for key, value in body.items() if key != "status"}
    body["spec"] = {**(body.get("spec") or {}), "pausedUntil": "true"}
    owners = tuple(each for each in item.entry.owners if each.key == ("HostedCluster", name))
    return relink(body, owners, {("HostedCluster", name): owner} if uid else {})


def node_pool_status(item: Restorable) -> Object:
    """The status to restore: without the conditions, which the source's operator wrote about the source."""
    return {key: value for key, value in (item.body.get("status") or {}).items() if key != "conditions"}


def token_secrets(restorable: Iterable[Restorable]) -> tuple[Restorable, ...]:
    """The token-* and user-data-* Secrets; each token records whether a machine of its NodePool ever used it."""
    restorable = tuple(restorable)
    pools = [item.body for item in restorable if item.entry.kind == "NodePool"]
    return tuple(
        Restorable(item.entry, ignition.mark_reached(item.body, pools))
        for item in restorable
        if item.entry.kind == "Secret" and is_token_secret(item.body)
    )
