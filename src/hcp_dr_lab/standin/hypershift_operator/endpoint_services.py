"""The HyperShift operator's part of the private connection: a VPC endpoint service for the load balancer in an
AWSEndpointService (hypershift-operator/controllers/platform/aws/controller.go). An operator without
--private-platform=AWS does not have this controller (hypershift-operator/main.go:720)."""

from __future__ import annotations

from datetime import datetime

from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Object
from hcp_dr_lab.ground import names
from hcp_dr_lab.standin.change import Change, CreateEndpointService, DeleteEndpointService
from hcp_dr_lab.standin.pause import is_paused
from hcp_dr_lab.standin.shape import add_finalizer, body, deleting, drop_finalizer, ensure, set_status
from hcp_dr_lab.standin.view import EndpointService, View

PRIVATE_LINK = "--private-platform=AWS"  # an argument of the operator
_PATIENCE_SECONDS = 600  # then the control plane operator's finalizer is removed too


def reconcile(view: View) -> list[Change]:
    if view.endpoint_services is None or not _has_controller(view):
        return []
    changes: list[Change] = []
    for hosted in view.all(r.HOSTED_CLUSTER):
        for endpoint_service in view.all(r.AWS_ENDPOINT_SERVICE, names.control_plane_namespace(hosted)):
            changes += (
                _delete(view, endpoint_service)
                if deleting(endpoint_service)
                else _update(view, hosted, endpoint_service)
            )
    return changes


def _has_controller(view: View) -> bool:
    operator = view.find(r.DEPLOYMENT, names.OPERATOR, names.OPERATOR_NAMESPACE)
    containers = operator["spec"]["template"]["spec"]["containers"] if operator else ()
    return any(PRIVATE_LINK in (container.get("args") or ()) for container in containers)


def _update(view: View, hosted: Object, endpoint_service: Object) -> list[Change]:
    changes = add_finalizer(r.AWS_ENDPOINT_SERVICE, endpoint_service, names.ENDPOINT_FINALIZER_OPERATOR)
    if is_paused(hosted, view.now):
        return changes
    subnets = sorted({pool["spec"]["platform"]["aws"]["subnet"].get("id", "") for pool in _pools(view, hosted)} - {""})
    name, namespace = endpoint_service["metadata"]["name"], endpoint_service["metadata"]["namespace"]
    changes += ensure(
        view, r.AWS_ENDPOINT_SERVICE, body(r.AWS_ENDPOINT_SERVICE, name, namespace, spec={"subnetIDs": subnets})
    )
    service = _find_service(view, endpoint_service["spec"]["networkLoadBalancerName"])
    if service is None:
        tags = {tag["key"]: tag["value"] for tag in endpoint_service["spec"].get("resourceTags") or ()}
        return [*changes, CreateEndpointService(endpoint_service["spec"]["networkLoadBalancerName"], tags)]
    return changes + set_status(r.AWS_ENDPOINT_SERVICE, endpoint_service, {"endpointServiceName": service.service_name})


def _delete(view: View, endpoint_service: Object) -> list[Change]:
    """Delete after the control plane operator has finished, or after a timeout."""
    present = endpoint_service["metadata"].get("finalizers") or ()
    if names.ENDPOINT_FINALIZER_CONTROL_PLANE in present:
        since = datetime.fromisoformat(endpoint_service["metadata"]["deletionTimestamp"])
        waited = (view.now - since).total_seconds()
        if waited < _PATIENCE_SECONDS:
            return []
        return drop_finalizer(r.AWS_ENDPOINT_SERVICE, endpoint_service, names.ENDPOINT_FINALIZER_CONTROL_PLANE)
    if names.ENDPOINT_FINALIZER_OPERATOR not in present:
        return []
    service_name = (endpoint_service.get("status") or {}).get("endpointServiceName")
    for service in (view.endpoint_services or {}).values():
        if service.service_name == service_name:
            return [
                DeleteEndpointService(
                    service.service_id, f"AWSEndpointService {names.path_name(endpoint_service)} is being deleted"
                )
            ]
    return drop_finalizer(r.AWS_ENDPOINT_SERVICE, endpoint_service, names.ENDPOINT_FINALIZER_OPERATOR)


def _find_service(view: View, load_balancer: str) -> EndpointService | None:
    return next((item for item in (view.endpoint_services or {}).values() if item.load_balancer == load_balancer), None)


def _pools(view: View, hosted: Object) -> list[Object]:
    namespace, name = hosted["metadata"]["namespace"], hosted["metadata"]["name"]
    return [pool for pool in view.all(r.NODE_POOL, namespace) if pool["spec"]["clusterName"] == name]
