"""Objects referenced by a HostedCluster's spec in its namespace, and their copies in the control plane namespace."""

from __future__ import annotations

import base64
from collections.abc import Iterator

from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Object, Resource
from hcp_dr_lab.ground import names
from hcp_dr_lab.standin.change import Change
from hcp_dr_lab.standin.shape import body, ensure
from hcp_dr_lab.standin.view import View

PULL_SECRET = "pull-secret"  # noqa: S105 - the name of a Secret
SSH_KEY = "ssh-key"
SIGNING_KEY = "sa-signing-key"
_TRUST_BUNDLE = "user-ca-bundle"

_ROLES = {  # Secrets with a component's AWS role: created from the spec, never an input
    "node-management-creds": "nodePoolManagementARN",
    "control-plane-operator-creds": "controlPlaneOperatorARN",
    "cloud-controller-creds": "kubeCloudControllerARN",
    "cloud-network-config-controller-creds": "networkARN",
    "ebs-cloud-credentials": "storageARN",
}


def referenced(hosted: Object) -> Iterator[tuple[Resource, str, str]]:
    """Kind, name in the HostedCluster's namespace, name of the copy."""
    spec = hosted["spec"]
    for field, copy in (("pullSecret", PULL_SECRET), ("sshKey", SSH_KEY)):
        if name := (spec.get(field) or {}).get("name"):
            yield r.SECRET, name, copy
    if name := signing_key_name(hosted):
        yield r.SECRET, name, SIGNING_KEY
    if name := (spec.get("additionalTrustBundle") or {}).get("name"):
        yield r.CONFIG_MAP, name, _TRUST_BUNDLE
    keys = (spec.get("secretEncryption") or {}).get("aescbc") or {}
    for field in ("activeKey", "backupKey"):
        if name := (keys.get(field) or {}).get("name"):
            yield r.SECRET, name, name


def signing_key_name(hosted: Object) -> str | None:
    name: str | None = (hosted["spec"].get("serviceAccountSigningKey") or {}).get("name")
    return name or None


def annotate(view: View, hosted: Object) -> list[Change]:
    """Mark every input as referenced by this hosted cluster."""
    mark = f"{names.REFERENCED}/{hosted['metadata']['name']}"
    changes: list[Change] = []
    for resource, name, _ in referenced(hosted):
        namespace = hosted["metadata"]["namespace"]
        if view.find(resource, name, namespace) is not None:
            changes += ensure(view, resource, body(resource, name, namespace, annotations={mark: names.REFERENCED}))
    return changes


def copies(view: View, hosted: Object) -> list[Change]:
    """Create copies of inputs for the control plane, and wait for missing inputs."""
    namespace = names.control_plane_namespace(hosted)
    changes: list[Change] = []
    for resource, name, copy in referenced(hosted):
        original = view.find(resource, name, hosted["metadata"]["namespace"])
        if original is not None and copy == SIGNING_KEY:
            if private := (original.get("data") or {}).get("key"):
                changes += ensure(view, resource, body(resource, copy, namespace, data=_signing_key(view, private)))
        elif original is not None:
            content = {"data": original.get("data") or {}}
            if "type" in original:
                content["type"] = original["type"]
            changes += ensure(view, resource, body(resource, copy, namespace, **content))
    roles = hosted["spec"]["platform"]["aws"]["rolesRef"]
    for secret, field in _ROLES.items():
        text = f"[default]\nrole_arn = {roles[field]}\nweb_identity_token_file = /var/run/secrets/openshift/token\n"
        data = {"credentials": base64.b64encode(text.encode()).decode()}
        changes += ensure(view, r.SECRET, body(r.SECRET, secret, namespace, data=data))
    return changes


def _signing_key(view: View, private: str) -> Object:
    """The user provides only the private half; an existing Secret is overwritten (rule B1; HCc:5274-5293)."""
    public = view.keys.public_key(base64.b64decode(private))
    return {"service-account.key": private, "service-account.pub": base64.b64encode(public).decode()}
