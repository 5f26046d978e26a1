"""The control plane operator's part of the private connection: a VPC endpoint in the workers' VPC, and private names.

The endpoint is found by its tags, which are the same on both management clusters. An endpoint to another service is
deleted and created again, so that two concurrent operators compete for it (rule E1; PL:780-792,850). The deletion of an
AWSEndpointService deletes the endpoint by ID, and security group and records by name, even if another cluster uses them
by then, and regardless of a pause (facts 2.7).
"""

from __future__ import annotations

from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Object
from hcp_dr_lab.ground import names
from hcp_dr_lab.standin import load_balancers
from hcp_dr_lab.standin.change import (
    Change,
    CreateEndpoint,
    CreateSecurityGroup,
    DeleteEndpoint,
    DeletePrivateRecord,
    DeleteSecurityGroup,
    PutPrivateRecord,
)
from hcp_dr_lab.standin.control_plane_operator.security_group import group_named, owned_tags
from hcp_dr_lab.standin.shape import add_finalizer, body, deleting, drop_finalizer, ensure, set_status
from hcp_dr_lab.standin.view import Endpoint, View

ROUTER = "private-router"
_TAG = "AWSEndpointService"


def is_private(plane: Object) -> bool:
    return plane["spec"]["platform"]["aws"].get("endpointAccess") in ("Private", "PublicAndPrivate")


def service(view: View, plane: Object) -> list[Change]:
    """Create the router's load balancer, and the AWSEndpointService as soon as the load balancer has an address."""
    if view.endpoint_services is None or not is_private(plane):
        return []
    namespace = plane["metadata"]["namespace"]
    ports = [{"name": "https", "port": names.PUBLISHED_PORT, "protocol": "TCP", "targetPort": 8443}]
    annotations: dict[str, str | None] = {
        "service.beta.kubernetes.io/aws-load-balancer-type": "nlb",
        "service.beta.kubernetes.io/aws-load-balancer-internal": "true",
    }
    labels = {"app": ROUTER, "hypershift.openshift.io/route-visibility": "private"}
    spec = {"type": "LoadBalancer", "selector": {"app": ROUTER}, "ports": ports}
    wanted = body(r.SERVICE, ROUTER, namespace, labels=labels, annotations=annotations, owner=plane, spec=spec)
    changes = ensure(view, r.SERVICE, wanted)
    router = view.find(r.SERVICE, ROUTER, namespace)
    address = load_balancers.hostname(router) if router is not None else None
    if address is None:
        return changes
    tags = plane["spec"]["platform"]["aws"].get("resourceTags") or []
    content = {"networkLoadBalancerName": load_balancers.load_balancer_name(address), "resourceTags": tags}
    return changes + ensure(view, r.AWS_ENDPOINT_SERVICE, body(r.AWS_ENDPOINT_SERVICE, ROUTER, namespace, spec=content))


def finalizers(view: View) -> list[Change]:
    """Handle finalizers and deletion, even if the control plane is paused, being deleted or gone."""
    if view.endpoints is None:
        return []
    changes: list[Change] = []
    for endpoint_service in view.all(r.AWS_ENDPOINT_SERVICE):
        if not view.active(endpoint_service["metadata"]["namespace"], names.CONTROL_PLANE_OPERATOR):
            continue
        if deleting(endpoint_service):
            changes += _delete(view, endpoint_service)
        else:
            changes += add_finalizer(r.AWS_ENDPOINT_SERVICE, endpoint_service, names.ENDPOINT_FINALIZER_CONTROL_PLANE)
    return changes


def reconcile(view: View, plane: Object) -> list[Change]:
    changes: list[Change] = []
    for endpoint_service in view.all(r.AWS_ENDPOINT_SERVICE, plane["metadata"]["namespace"]):
        service_name = (endpoint_service.get("status") or {}).get("endpointServiceName")
        if view.endpoints is not None and service_name and not deleting(endpoint_service):
            changes += _connect(view, plane, endpoint_service, service_name)
    return changes


def _connect(view: View, plane: Object, endpoint_service: Object, service_name: str) -> list[Change]:
    aws, infra_id = plane["spec"]["platform"]["aws"], plane["spec"]["infraID"]
    vpc = (aws.get("cloudProviderConfig") or {}).get("vpc", "")
    group_name = _group_name(infra_id, endpoint_service)
    group = group_named(view, infra_id, group_name)
    if group is None:
        rules = tuple(entry["cidr"] for entry in plane["spec"]["networking"].get("machineNetwork") or ())
        return [CreateSecurityGroup(group_name, vpc, rules, owned_tags(plane))]
    endpoint = _endpoint(view, plane, endpoint_service)
    if endpoint is None:
        subnets = tuple(endpoint_service["spec"].get("subnetIDs") or ())
        tags = {_TAG: endpoint_service["metadata"]["name"], **owned_tags(plane)}
        return [CreateEndpoint(service_name, vpc, subnets, group.group_id, tags)]
    if endpoint.service_name != service_name:
        return [DeleteEndpoint(endpoint.endpoint_id, f"its service is {endpoint.service_name}, not {service_name}")]
    zone, hostnames = _names(plane)
    changes: list[Change] = [
        PutPrivateRecord(zone, name, endpoint.dns_name)
        for name in hostnames
        if (view.private_records or {}).get(name) != endpoint.dns_name
    ]
    status = {
        "endpointID": endpoint.endpoint_id,
        "securityGroupID": group.group_id,
        "dnsNames": list(hostnames),
        "dnsZoneID": zone,
    }
    return changes + set_status(r.AWS_ENDPOINT_SERVICE, endpoint_service, status)


def _delete(view: View, endpoint_service: Object) -> list[Change]:
    """Delete the resources in the status; the security group is found by name, and both sides know its ID."""
    if names.ENDPOINT_FINALIZER_CONTROL_PLANE not in (endpoint_service["metadata"].get("finalizers") or ()):
        return []
    why = f"AWSEndpointService {names.path_name(endpoint_service)} is being deleted"
    status = endpoint_service.get("status") or {}
    changes: list[Change] = []
    if (identity := status.get("endpointID")) in (view.endpoints or {}):
        changes.append(DeleteEndpoint(str(identity), why))
    elif (group := status.get("securityGroupID")) in (view.security_groups or {}):
        changes.append(DeleteSecurityGroup(str(group), why))
    changes += [
        DeletePrivateRecord(status["dnsZoneID"], name, why)
        for name in status.get("dnsNames") or ()
        if name in (view.private_records or {})
    ]
    return changes or drop_finalizer(r.AWS_ENDPOINT_SERVICE, endpoint_service, names.ENDPOINT_FINALIZER_CONTROL_PLANE)


def _endpoint(view: View, plane: Object, endpoint_service: Object) -> Endpoint | None:
    """Find the endpoint by the ID in the status, otherwise by tags."""
    endpoints = view.endpoints or {}
    known = endpoints.get((endpoint_service.get("status") or {}).get("endpointID", ""))
    wanted = {_TAG: endpoint_service["metadata"]["name"], **owned_tags(plane)}
    mine = (item for item in endpoints.values() if wanted.items() <= item.tags.items())
    return known or next(mine, None)


def _group_name(infra_id: str, endpoint_service: Object) -> str:
    return f"{infra_id}-vpce-{endpoint_service['metadata']['name']}"


def _names(plane: Object) -> tuple[str, tuple[str, ...]]:
    """Return the zone and its names: PL recordsForService."""
    zone = f"{plane['metadata']['name']}.hypershift.local"
    api = names.published(plane, "APIServer")
    by_route = api is None or api.kind == "Route"
    return zone, (f"api.{zone}", f"*.apps.{zone}") if by_route else (f"*.apps.{zone}",)
