"""The prerequisites of the roles on a management cluster: CRDs, a storage class, and the operator's Deployment.

Only missing objects are created: an operator that was scaled to zero stays at zero.
"""

from __future__ import annotations

import json
import time
from functools import cache
from pathlib import Path

import yaml

from hcp_dr import errors
from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Kubernetes, Object, Resource
from hcp_dr_lab.ground.layout import HOSTED_CLUSTER_NAMESPACE, OIDC_BUCKET
from hcp_dr_lab.ground.names import IDLE_IMAGE, OPERATOR, OPERATOR_NAMESPACE, SERVER_VERSION, SUPPORTED_VERSIONS
from hcp_dr_lab.ground.releases import NEWEST, RELEASES, OperatorRelease
from hcp_dr_lab.standin import conversion, volumes, webhooks
from hcp_dr_lab.standin.hypershift_operator.configuration import OVERRIDES
from hcp_dr_lab.standin.hypershift_operator.endpoint_services import PRIVATE_LINK
from hcp_dr_lab.standin.hypershift_operator.permissions import DASHBOARDS, ROUTER_NAMESPACES
from hcp_dr_lab.standin.shape import body, is_true
from hcp_dr_lab.standin.workload import Container, deployment

OWN_CRDS = Path(__file__).parent / "crds"
WATCHED_CRDS = OWN_CRDS / "controllers"
"""Kinds that a real Cluster API watches, without objects."""
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_ESTABLISH_SECONDS = 60.0
_SEVERAL = 2
_OVERRIDE = "quay.io/openshift=mirror.rehearsal.example/openshift"
_DOCUMENTS = "--oidc-storage-provider-s3-bucket-name="
_CONTRACTS = {
    r.AWS_MACHINE.group: {"cluster.x-k8s.io/v1beta1": r.AWS_MACHINE.version},
    r.HOSTED_CONTROL_PLANE.group: {"cluster.x-k8s.io/v1beta1": r.HOSTED_CONTROL_PLANE.version},
}


def definitions(crds: Path | None = None, release: OperatorRelease = RELEASES[NEWEST]) -> dict[str, Object]:
    """Return the CustomResourceDefinitions to install, by name: the rehearsal's own, as this release installs them,
    replaced by definitions with the same name in the folder. Raises OSError, yaml.YAMLError."""
    files = sorted(crds.glob("*.yaml")) if crds is not None else ()
    own = (_as_installed(found, release) for found in _own_definitions())
    documents = (*own, *(found for file in files for found in _read(file)))
    return {found["metadata"]["name"]: _labelled(found) for found in documents}


def watched() -> tuple[Object, ...]:
    """Return the CustomResourceDefinitions that a real Cluster API needs besides `definitions`."""
    return tuple(found for file in sorted(WATCHED_CRDS.glob("*.yaml")) for found in _read(file))


def _labelled(definition: Object) -> Object:
    """Add the labels of `hypershift install`, by which Cluster API finds the version of another group's kinds."""
    contract = _CONTRACTS.get(definition["spec"]["group"])
    if contract is None:
        return definition
    metadata = definition["metadata"]
    return {**definition, "metadata": {**metadata, "labels": {**(metadata.get("labels") or {}), **contract}}}


def _as_installed(definition: Object, release: OperatorRelease) -> Object:
    spec = definition["spec"]
    if spec["group"] != conversion.GROUP:
        return definition
    versions = [
        {**version, "storage": version["name"] == release.stored}
        for version in spec["versions"]
        if version["name"] in release.served
    ]
    return {**definition, "spec": {**spec, "versions": versions}}


@cache
def _own_definitions() -> tuple[Object, ...]:
    """Read once in a process; read-only."""
    return tuple(found for file in sorted(OWN_CRDS.glob("*.yaml")) for found in _read(file))


def _read(file: Path) -> tuple[Object, ...]:
    return tuple(found for found in yaml.load_all(file.read_text("utf-8"), Loader=_LOADER) if found)


def install(
    cluster: Kubernetes,
    crds: Path | None = None,
    webhook: webhooks.Address | None = None,
    release: OperatorRelease = RELEASES[NEWEST],
) -> None:
    """Without webhooks kinds with several versions are not converted: only fields equal in both versions are
    visible."""
    kinds = [converting(found, webhook) if webhook else found for found in definitions(crds, release).values()]
    for definition in kinds:
        _create_if_absent(cluster, r.CUSTOM_RESOURCE_DEFINITION, definition)
    for namespace in (OPERATOR_NAMESPACE, HOSTED_CLUSTER_NAMESPACE, *ROUTER_NAMESPACES, DASHBOARDS):
        _create_if_absent(cluster, r.NAMESPACE, body(r.NAMESPACE, namespace))
    _create_if_absent(cluster, r.STORAGE_CLASS, volumes.storage_class())
    _create_if_absent(cluster, r.CONFIG_MAP, supported_versions(release))
    _create_if_absent(cluster, r.DEPLOYMENT, operator())
    deadline = time.monotonic() + _ESTABLISH_SECONDS
    for definition in kinds:
        name = definition["metadata"]["name"]
        while not is_true(cluster.find(r.CUSTOM_RESOURCE_DEFINITION, name), "Established"):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{name} on {cluster.name} is not established after {_ESTABLISH_SECONDS:.0f} s")
            time.sleep(0.05)


def converting(definition: Object, webhook: webhooks.Address) -> Object:
    """Add the conversion webhook, as `hypershift install` does for the kinds of Cluster API: the operator converts
    objects between the stored version and other versions."""
    spec = definition["spec"]
    if spec["group"] != conversion.GROUP or len(spec["versions"]) < _SEVERAL:
        return definition
    client = webhook.client_config(webhooks.CONVERT)
    how = {"strategy": "Webhook", "webhook": {"conversionReviewVersions": ["v1"], "clientConfig": client}}
    return {**definition, "spec": {**spec, "conversion": how}}


def operator() -> Object:
    """Return the HyperShift operator's Deployment, with the same image and arguments on every management cluster."""
    args = ["operator", f"{OVERRIDES}{_OVERRIDE}", f"{_DOCUMENTS}{OIDC_BUCKET}", PRIVATE_LINK]
    container = Container(OPERATOR, image=IDLE_IMAGE, extra={"args": args})
    return deployment(OPERATOR, OPERATOR_NAMESPACE, (container,))


def _create_if_absent(cluster: Kubernetes, resource: Resource, wanted: Object) -> None:
    try:
        cluster.create(resource, wanted)
    except errors.AlreadyExists:
        return


def supported_versions(release: OperatorRelease) -> Object:
    """Return the ConfigMap in which the operator publishes its own and the supported releases."""
    return body(
        r.CONFIG_MAP,
        SUPPORTED_VERSIONS,
        OPERATOR_NAMESPACE,
        labels={"hypershift.openshift.io/supported-versions": "true"},
        data={
            "supported-versions": json.dumps({"versions": release.supported}),
            SERVER_VERSION: f"{release.version}.0",
        },
    )
