"""The OIDC documents of a hosted cluster in the operator's bucket: AWS uses them to verify service accounts' tokens.

A finalizer decides. Without the finalizer the documents are created from the control plane's current signing key, and
overwrite existing documents. With the finalizer the documents are assumed to exist, and are deleted with the
HostedCluster. Neither checks for other users of the documents (rules E3, F2).
"""

from __future__ import annotations

import base64
import json

from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Object
from hcp_dr_lab.ground import names
from hcp_dr_lab.standin.change import Change, DeleteDocument, PutDocument
from hcp_dr_lab.standin.hypershift_operator.inputs import signing_key_name
from hcp_dr_lab.standin.shape import add_finalizer, drop_finalizer
from hcp_dr_lab.standin.view import View

FINALIZER = "hypershift.io/aws-oidc-discovery"


def upload(view: View, hosted: Object, plane: Object) -> list[Change]:
    """HCc:4936-5008: only after the control plane published its kubeconfig, and not for a user's own key."""
    made = FINALIZER in (hosted["metadata"].get("finalizers") or ())
    handed_out = (plane.get("status") or {}).get("kubeConfig")
    if view.documents is None or made or not handed_out or signing_key_name(hosted):
        return []
    public = public_key(view, plane)
    if public is None:
        return []
    configuration, key_set = keys_of(hosted["spec"]["infraID"])
    issuer = plane["spec"].get("issuerURL", "")
    discovery = {
        "issuer": issuer,
        "jwks_uri": f"{issuer}{names.KEY_SET}",
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256", "ES256"],
    }
    return [
        PutDocument(configuration, json.dumps(discovery)),
        PutDocument(key_set, json.dumps({"keys": [dict(view.keys.json_web_key(public))]})),
        *add_finalizer(r.HOSTED_CLUSTER, hosted, FINALIZER),
    ]


def wipe(view: View, hosted: Object) -> list[Change]:
    """HCc:5015-5048, called at :3937: by name, even if another cluster uses the documents by now."""
    if FINALIZER not in (hosted["metadata"].get("finalizers") or ()):
        return []
    why = f"HostedCluster {names.path_name(hosted)} is being deleted"
    gone = (
        [DeleteDocument(key, why) for key in keys_of(hosted["spec"]["infraID"])] if view.documents is not None else []
    )
    return [*gone, *drop_finalizer(r.HOSTED_CLUSTER, hosted, FINALIZER)]


def valid(view: View, plane: Object) -> bool:
    """Return whether AWS would accept a token of this control plane: its signing key is published."""
    if view.documents is None or signing_key_name(plane):
        return True
    public = public_key(view, plane)
    configuration, key_set = keys_of(plane["spec"]["infraID"])
    if public is None or configuration not in view.documents or key_set not in view.documents:
        return False
    published = {entry["kid"] for entry in json.loads(view.documents[key_set])["keys"]}
    return view.keys.json_web_key(public)["kid"] in published


def keys_of(infra_id: str) -> tuple[str, str]:
    """Return the keys in the bucket: configuration document and key set."""
    return f"{infra_id}{names.DISCOVERY}", f"{infra_id}{names.KEY_SET}"


def public_key(view: View, plane: Object) -> bytes | None:
    secret = view.find(r.SECRET, "sa-signing-key", plane["metadata"]["namespace"])
    found = ((secret or {}).get("data") or {}).get("service-account.pub")
    return base64.b64decode(found) if found else None
