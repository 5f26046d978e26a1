"""The cloud controller of a management cluster for load balancers: an address for every LoadBalancer Service after a
delay, and a finalizer, so that a Service is removed only after its load balancer.

A namespace with such a Service is not removed earlier (rule F4). AWS refuses to delete a load balancer used by a VPC
endpoint service, so that the Service stays as long as the endpoint service.
"""

from __future__ import annotations

from datetime import datetime

from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Object
from hcp_dr_lab.ground import names
from hcp_dr_lab.standin.change import Change
from hcp_dr_lab.standin.shape import add_finalizer, deleting, drop_finalizer, set_status
from hcp_dr_lab.standin.view import View

FINALIZER = "service.kubernetes.io/load-balancer-cleanup"


def reconcile(view: View) -> list[Change]:
    changes: list[Change] = []
    for service in view.all(r.SERVICE):
        if deleting(service):
            changes += _remove(view, service)
        elif service["spec"].get("type") == "LoadBalancer":
            changes += add_finalizer(r.SERVICE, service, FINALIZER)
            changes += _provide(view, service)
    return changes


def hostname(service: Object) -> str | None:
    """Return the load balancer's hostname, if it exists."""
    ingress = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or [{}]
    found: str | None = ingress[0].get("hostname")
    return found


def load_balancer_name(address: str) -> str:
    """Return the first label without AWS's suffix (PL: extractNLBName)."""
    return address.partition(".")[0].rpartition("-")[0]


def _provide(view: View, service: Object) -> list[Change]:
    if not view.load_balancer_domain or not _passed(view, service, "creationTimestamp", view.paced.load_balancer):
        return []
    uid = service["metadata"]["uid"].replace("-", "")
    address = f"a{uid}-{names.short_hash(uid)}.{view.load_balancer_domain}"
    return set_status(r.SERVICE, service, {"loadBalancer": {"ingress": [{"hostname": address}]}})


def _remove(view: View, service: Object) -> list[Change]:
    if not _passed(view, service, "deletionTimestamp", view.paced.load_balancer_cleanup):
        return []
    name = load_balancer_name(hostname(service) or "")
    if any(found.load_balancer == name for found in (view.endpoint_services or {}).values()):
        return []  # ResourceInUse
    return drop_finalizer(r.SERVICE, service, FINALIZER)


def _passed(view: View, subject: Object, since: str, seconds: float) -> bool:
    return (view.now - datetime.fromisoformat(subject["metadata"][since])).total_seconds() >= seconds
