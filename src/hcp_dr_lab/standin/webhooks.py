"""The HyperShift operator's webhooks: from reviews to reviews. They are unavailable while the operator has no ready
pod.

The operator converts Cluster API objects between versions (cmd/install/install.go:1056-1086). Without the operator only
the stored version can be read. Objects stored in another version cannot be read at all, neither individually nor in a
list, and namespaces with such an object are not removed (rule F1). With the optional validating webhook, which has
failurePolicy Fail, HyperShift's own kinds cannot be written without the operator either
(hypershift-operator/controllers/hostedcluster/hostedcluster_webhook.go).
"""

from __future__ import annotations

import base64
from dataclasses import dataclass

from hcp_dr.kube.port import Object, Resource
from hcp_dr_lab.standin.conversion import converted

VALIDATING_CONFIGURATION = Resource(
    "admissionregistration.k8s.io",
    "v1",
    "validatingwebhookconfigurations",
    "ValidatingWebhookConfiguration",
    namespaced=False,
)
CONVERT, VALIDATE = "/convert", "/validate"
NAME = "hypershift.openshift.io"
_FIXED = ("infraID", "clusterID")  # fields of a HostedCluster's spec


@dataclass(frozen=True, slots=True)
class Address:
    """The webhooks' address: `url` without a path, and the certificate authority, PEM."""

    url: str
    authority: bytes

    def client_config(self, path: str) -> Object:
        return {"url": f"{self.url}{path}", "caBundle": base64.b64encode(self.authority).decode()}


def validating_configuration(address: Address) -> Object:
    """The configuration of `hypershift install --enable-validating-webhook`; off by default, there and here."""
    rule = {
        "apiGroups": ["hypershift.openshift.io"],
        "apiVersions": ["v1beta1"],
        "operations": ["CREATE", "UPDATE", "DELETE"],
        "resources": ["hostedclusters", "nodepools"],
        "scope": "Namespaced",
    }
    return {
        "apiVersion": VALIDATING_CONFIGURATION.api_version,
        "kind": VALIDATING_CONFIGURATION.kind,
        "metadata": {"name": NAME},
        "webhooks": [
            {
                "name": f"hostedclusters.{NAME}",
                "clientConfig": address.client_config(VALIDATE),
                "rules": [rule],
                "failurePolicy": "Fail",
                "sideEffects": "None",
                "timeoutSeconds": 10,
                "admissionReviewVersions": ["v1"],
            }
        ],
    }


def answer(review: Object) -> Object:
    """Return a ConversionReview or AdmissionReview with the response. Raises ValueError for other kinds."""
    if review.get("kind") == "ConversionReview":
        response = _convert(review["request"])
    elif review.get("kind") == "AdmissionReview":
        response = _validate(review["request"])
    else:
        raise ValueError(f"not a review: {review.get('kind')}")
    return {"apiVersion": review["apiVersion"], "kind": review["kind"], "response": response}


def _convert(request: Object) -> Object:
    try:
        made = [converted(item, request["desiredAPIVersion"]) for item in request["objects"]]
    except (ValueError, KeyError) as error:
        result = {"status": "Failure", "message": str(error)}
        return {"uid": request["uid"], "convertedObjects": [], "result": result}
    return {"uid": request["uid"], "convertedObjects": made, "result": {"status": "Success"}}


def _validate(request: Object) -> Object:
    """Refuse changes of a HostedCluster's immutable fields."""
    new, old = (((request.get(side) or {}).get("spec") or {}) for side in ("object", "oldObject"))
    if request["operation"] == "UPDATE" and request["kind"]["kind"] == "HostedCluster":
        changed = [field for field in _FIXED if old.get(field) and new.get(field) != old[field]]
        if changed:
            message = f"spec.{changed[0]} is immutable"
            status = {"status": "Failure", "message": message, "reason": "Forbidden", "code": 403}
            return {"uid": request["uid"], "allowed": False, "status": status}
    return {"uid": request["uid"], "allowed": True}
