"""The control plane operator: from a HostedControlPlane to its services, and as soon as they are reachable, to its
keys, etcd, API server and the other components, in this order (CPO:1124-1149)."""

from __future__ import annotations

from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Object
from hcp_dr_lab.ground import names
from hcp_dr_lab.standin.change import Change
from hcp_dr_lab.standin.control_plane_operator import (
    components,
    etcd,
    pki,
    private_link,
    publishing,
    security_group,
    status,
)
from hcp_dr_lab.standin.pause import is_paused, reconciliation_active
from hcp_dr_lab.standin.shape import add_finalizer, deleting, drop_finalizer, set_status
from hcp_dr_lab.standin.view import View


def reconcile(view: View) -> list[Change]:
    changes = private_link.finalizers(view)
    for plane in view.all(r.HOSTED_CONTROL_PLANE):
        if view.active(plane["metadata"]["namespace"], names.CONTROL_PLANE_OPERATOR):
            changes += _reconcile(view, plane)
    return changes


def _reconcile(view: View, plane: Object) -> list[Change]:
    if deleting(plane):
        revoked = security_group.destroy(view, plane)
        return revoked or drop_finalizer(r.HOSTED_CONTROL_PLANE, plane, names.FINALIZER)
    changes = add_finalizer(r.HOSTED_CONTROL_PLANE, plane, names.FINALIZER)
    if is_paused(plane, view.now):
        condition = reconciliation_active(view, plane)
        return changes + set_status(r.HOSTED_CONTROL_PLANE, plane, {"conditions": [condition]})
    changes += publishing.reconcile(view, plane) + private_link.service(view, plane)
    if publishing.ready(view, plane):
        secrets = pki.reconcile(view, plane)
        changes += secrets + security_group.reconcile(view, plane) + private_link.reconcile(view, plane)
        if not secrets:  # a component starts when all its secrets are up to date
            changes += etcd.reconcile(view, plane)
            changes += components.reconcile(view, plane)
    return changes + status.update(view, plane)
