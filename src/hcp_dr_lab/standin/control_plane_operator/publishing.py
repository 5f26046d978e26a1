"""How a control plane is reached: its Services, and a Route with the fixed hostname for each that is published."""

from __future__ import annotations

from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Object
from hcp_dr_lab.standin import names
from hcp_dr_lab.standin.change import Change
from hcp_dr_lab.standin.shape import body, ensure
from hcp_dr_lab.standin.view import View

_PUBLISHED = (  # service of the spec, Route, Service behind it, port
    ("APIServer", "kube-apiserver", "kube-apiserver", names.API_PORT),
    ("OAuthServer", "oauth", "oauth-openshift", 6443),
    ("Konnectivity", "konnectivity-server", "konnectivity-server", 8091),
    ("Ignition", "ignition-server", "ignition-server", 9090),
)
_INSIDE = (("openshift-apiserver", 8443), ("openshift-oauth-apiserver", 8443))


def reconcile(view: View, plane: Object) -> list[Change]:
    namespace = plane["metadata"]["namespace"]
    changes: list[Change] = []
    for service, route, backend, port in _PUBLISHED:
        changes += ensure(view, r.SERVICE, _service(plane, backend, port))
        hostname = names.published_hostname(plane, service)
        if hostname is not None:
            changes += ensure(view, r.ROUTE, _route(plane, route, backend, port, hostname))
    for name, port in _INSIDE:
        changes += ensure(view, r.SERVICE, _service(plane, name, port))
    account = body(r.SERVICE_ACCOUNT, names.CONTROL_PLANE_OPERATOR, namespace, owner=plane)
    return changes + ensure(view, r.SERVICE_ACCOUNT, account)


def api_admitted(view: View, plane: Object) -> bool:
    """Whether a router has taken up the API's Route; true where the API is not published as one."""
    if names.published_hostname(plane, "APIServer") is None:
        return True
    route = view.find(r.ROUTE, "kube-apiserver", plane["metadata"]["namespace"])
    ingresses = ((route or {}).get("status") or {}).get("ingress") or ()
    return any(
        entry["type"] == "Admitted" and entry["status"] == "True"
        for ingress in ingresses
        for entry in ingress.get("conditions") or ()
    )


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
