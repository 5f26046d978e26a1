"""Publish a control plane: Services, and for every published service a Route with the fixed hostname, or, only for the
API, a load balancer with the hostname for external-dns on its Service."""

from __future__ import annotations

from datetime import datetime

from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Object
from hcp_dr_lab.ground import names
from hcp_dr_lab.standin.change import Change
from hcp_dr_lab.standin.load_balancers import hostname
from hcp_dr_lab.standin.shape import body, ensure
from hcp_dr_lab.standin.view import View

_PUBLISHED = (  # service of the spec, Route, Service behind it, port
    ("APIServer", "kube-apiserver", "kube-apiserver", names.API_PORT),
    ("OAuthServer", "oauth", "oauth-openshift", 6443),
    ("Konnectivity", "konnectivity-server", "konnectivity-server", 8091),
    ("Ignition", "ignition-server", "ignition-server", 9090),
)
INFRASTRUCTURE_READY = "InfrastructureReady"
EXTERNAL_NAME = "external-dns.alpha.kubernetes.io/hostname"
_INSIDE = (("openshift-apiserver", 8443), ("openshift-oauth-apiserver", 8443))


def reconcile(view: View, plane: Object) -> list[Change]:
    namespace = plane["metadata"]["namespace"]
    changes: list[Change] = []
    for service, route, backend, port in _PUBLISHED:
        how = names.published(plane, service)
        if how is not None and how.port == names.API_PORT:
            changes += ensure(view, r.SERVICE, _load_balanced(plane, backend, port, how.hostname))
            continue
        changes += ensure(view, r.SERVICE, _service(plane, backend, port))
        if how is not None:
            changes += ensure(view, r.ROUTE, _route(plane, route, backend, port, how.hostname))
    for name, port in _INSIDE:
        changes += ensure(view, r.SERVICE, _service(plane, name, port))
    account = body(r.SERVICE_ACCOUNT, names.CONTROL_PLANE_OPERATOR, namespace, owner=plane)
    return changes + ensure(view, r.SERVICE_ACCOUNT, account)


def ready(view: View, plane: Object) -> bool:
    """Return whether the control plane operator continues: it checks at once, and then once a minute
    (CPO:1142-1149)."""
    if not api_reachable(view, plane):
        return False
    conditions = (plane.get("status") or {}).get("conditions") or ()
    condition = next((entry for entry in conditions if entry["type"] == INFRASTRUCTURE_READY), None)
    if condition is None or condition["status"] == "True":
        return True
    waited = (view.now - datetime.fromisoformat(condition["lastTransitionTime"])).total_seconds()
    return waited >= view.paced.infrastructure


def api_reachable(view: View, plane: Object) -> bool:
    """Return whether a router has admitted the API's Route, or its load balancer has an address; true if the API has no
    fixed hostname."""
    how = names.published(plane, "APIServer")
    if how is None:
        return True
    namespace = plane["metadata"]["namespace"]
    if how.port == names.API_PORT:
        service = view.find(r.SERVICE, "kube-apiserver", namespace)
        return service is not None and hostname(service) is not None
    route = view.find(r.ROUTE, "kube-apiserver", namespace)
    ingresses = ((route or {}).get("status") or {}).get("ingress") or ()
    return any(
        entry["type"] == "Admitted" and entry["status"] == "True"
        for ingress in ingresses
        for entry in ingress.get("conditions") or ()
    )


def _load_balanced(plane: Object, name: str, port: int, hostname: str) -> Object:
    """external-dns creates the record from the annotation (facts 2.7)."""
    wanted = _service(plane, name, port)
    wanted["metadata"]["annotations"] = {EXTERNAL_NAME: hostname}
    wanted["spec"]["type"] = "LoadBalancer"
    return wanted


def _service(plane: Object, name: str, port: int) -> Object:
    selector = "konnectivity-agent" if name == "konnectivity-server" else name
    spec = {
        "type": "ClusterIP",
        "selector": {"app": selector},
        "ports": [{"name": "client", "port": port, "protocol": "TCP", "targetPort": port}],
    }
    return body(r.SERVICE, name, plane["metadata"]["namespace"], labels={"app": name}, owner=plane, spec=spec)


def _route(plane: Object, name: str, backend: str, port: int, hostname: str) -> Object:
    namespace = plane["metadata"]["namespace"]
    return body(
        r.ROUTE,
        name,
        namespace,
        labels={names.CONTROL_PLANE: namespace},
        owner=plane,
        spec={
            "host": hostname,
            "port": {"targetPort": port},
            "tls": {"termination": "passthrough", "insecureEdgeTerminationPolicy": "None"},
            "to": {"kind": "Service", "name": backend},
        },
    )
