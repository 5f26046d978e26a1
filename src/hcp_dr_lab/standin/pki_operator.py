"""control-plane-pki-operator: rotates the signers of administrators' certificates by age. It ignores pauses, so that a
signer may change between an export and the fence (rule G;
control-plane-pki-operator/certrotationcontroller/certrotationcontroller.go:87,145)."""

from __future__ import annotations

import base64
from datetime import datetime

from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Object
from hcp_dr_lab.standin.change import Change, Patch
from hcp_dr_lab.standin.shape import annotation, deleting, identity, time_text
from hcp_dr_lab.standin.view import View

NAME = "control-plane-pki-operator"
SIGNERS = ("customer-system-admin-signer", "sre-system-admin-signer")
NOT_BEFORE = "auth.openshift.io/certificate-not-before"


def reconcile(view: View) -> list[Change]:
    limit = view.paced.authority_rotation
    changes: list[Change] = []
    for plane in view.all(r.HOSTED_CONTROL_PLANE):
        namespace = plane["metadata"]["namespace"]
        if limit and not deleting(plane) and view.active(namespace, NAME):
            for name in SIGNERS:
                secret = view.find(r.SECRET, name, namespace)
                if secret is not None and _age(view, secret) >= limit:
                    changes.append(_rotated(view, secret))
    return changes


def _age(view: View, secret: Object) -> float:
    since = annotation(secret, NOT_BEFORE) or secret["metadata"]["creationTimestamp"]
    return (view.now - datetime.fromisoformat(since)).total_seconds()


def _rotated(view: View, secret: Object) -> Patch:
    pair = view.keys.authority(f"openshift {secret['metadata']['name']}")
    encoded = {"ca.crt": base64.b64encode(pair.certificate), "ca.key": base64.b64encode(pair.key)}
    change = {
        "metadata": {"annotations": {NOT_BEFORE: time_text(view)}},
        "data": {name: content.decode() for name, content in encoded.items()},
    }
    return Patch(r.SECRET, *identity(secret), change, why="signer rotated")
