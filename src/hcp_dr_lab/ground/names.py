"""HyperShift's names: namespaces, labels, annotations, finalizers, images, and versions of release images."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any

from hcp_dr.kube.port import Object

OPERATOR_NAMESPACE = "hypershift"
OPERATOR = "operator"
SUPPORTED_VERSIONS = "supported-versions"
SERVER_VERSION = "server-version"
CONTROL_PLANE_OPERATOR = "control-plane-operator"
CLUSTER_API = "cluster-api"
CAPI_PROVIDER = "capi-provider"

FINALIZER = "hypershift.openshift.io/finalizer"
COMPONENT_FINALIZER = "hypershift.openshift.io/component-finalizer"
ENDPOINT_FINALIZER_OPERATOR = "hypershift.openshift.io/hypershift-operator-finalizer"
ENDPOINT_FINALIZER_CONTROL_PLANE = "hypershift.openshift.io/control-plane-operator-finalizer"
HOSTED_CLUSTER = "hypershift.openshift.io/cluster"  # annotation: <namespace>/<name>
NODE_POOL = "hypershift.openshift.io/nodePool"  # annotation: <namespace>/<name>
CONTROL_PLANE = "hypershift.openshift.io/hosted-control-plane"  # label
OWNER_NAMESPACE = "hypershift.openshift.io/owner.namespace"
OWNER_NAME = "hypershift.openshift.io/owner.name"
REFERENCED = "referenced-resource.hypershift.openshift.io"
RESTORED = "hypershift.openshift.io/restored-from-backup"
CLEANUP = "hypershift.openshift.io/cleanup-cloud-resources"
TOPOLOGY = "hypershift.openshift.io/topology"
CURRENT_CONFIG = "hypershift.openshift.io/nodePoolCurrentConfig"
CURRENT_CONFIG_VERSION = "hypershift.openshift.io/nodePoolCurrentConfigVersion"
CURRENT_TEMPLATE = "hypershift.openshift.io/nodePoolPlatformMachineTemplate"
CANONICAL_IMAGES = "hypershift.openshift.io/canonical-data-plane-images"
HAPROXY_IMAGE = "hypershift.openshift.io/haproxy-image"
CLUSTER_NAME = "cluster.x-k8s.io/cluster-name"  # label: the infra id

REPOSITORY = "docker.io/hcp-dr-lab"
CONTROL_PLANE_IMAGE = f"{REPOSITORY}/control-plane:1"
IDLE_IMAGE = f"{REPOSITORY}/idle:1"

DISCOVERY = "/.well-known/openid-configuration"  # below the issuer's URL, and below <infra id> in the bucket
KEY_SET = "/openid/v1/jwks"

API_PORT = 6443
PUBLISHED_PORT = 443
_STRATEGIES = {"Route": "route", "LoadBalancer": "loadBalancer"}


def control_plane_namespace(hosted_cluster: Object) -> str:
    metadata = hosted_cluster["metadata"]
    return f"{metadata['namespace']}-{metadata['name']}".replace(".", "-")


def path_name(subject: Object) -> str:
    return f"{subject['metadata']['namespace']}/{subject['metadata']['name']}"


def release_version(image: str) -> str:
    """Return the version in a release image's tag, such as 4.20.8."""
    found = re.search(r":(\d+\.\d+\.\d+)", image)
    return found.group(1) if found else "0.0.0"


def short_hash(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


@dataclass(frozen=True, slots=True)
class Published:
    """How clients outside reach a service of the control plane under a fixed name."""

    kind: str  # Route or LoadBalancer
    hostname: str
    port: int


def published(subject: Object, service: str) -> Published | None:
    """Read the spec of an HC or HCP; return None without a fixed hostname. The API's load balancer has its own port
    (control-plane-operator/controllers/hostedcontrolplane/kas/service.go; facts 2.7)."""
    for entry in subject["spec"].get("services") or ():
        strategy = entry["servicePublishingStrategy"]
        kind = strategy.get("type", "")
        hostname = (strategy.get(_STRATEGIES.get(kind, "")) or {}).get("hostname")
        if entry["service"] == service and hostname:
            by_load_balancer = kind == "LoadBalancer" and service == "APIServer"
            return Published(kind, hostname, API_PORT if by_load_balancer else PUBLISHED_PORT)
    return None


def published_hostname(subject: Object, service: str) -> str | None:
    found = published(subject, service)
    return found.hostname if found else None
