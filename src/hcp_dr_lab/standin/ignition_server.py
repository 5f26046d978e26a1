"""The ignition server of a hosted cluster: rotates the tokens with which new machines fetch their configuration,
deletes expired tokens, and marks used tokens. It ignores pauses (rule G;
ignition-server/controllers/tokensecret_controller.go)."""

from __future__ import annotations

import base64
from datetime import datetime

from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Object
from hcp_dr_lab.ground import names
from hcp_dr_lab.standin import machine
from hcp_dr_lab.standin.change import Change, Patch
from hcp_dr_lab.standin.shape import annotation, body, delete, deleting, ensure, identity, time_text
from hcp_dr_lab.standin.view import View

NAME = "ignition-server"
CONFIG = "hypershift.openshift.io/ignition-config"  # annotation of token secrets
GENERATED = "hypershift.openshift.io/last-token-generation-time"
EXPIRES = "hypershift.openshift.io/ignition-token-expiration-timestamp"
REACHED = "hypershift.openshift.io/ignition-reached"


def reconcile(view: View) -> list[Change]:
    changes: list[Change] = []
    for secret in view.all(r.SECRET):
        ours = annotation(secret, CONFIG) is not None and not deleting(secret)
        if ours and view.active(secret["metadata"]["namespace"], NAME):
            changes += _token(view, secret)
    return changes


def _token(view: View, secret: Object) -> list[Change]:
    expires = annotation(secret, EXPIRES)
    if expires is not None and view.now > datetime.fromisoformat(expires):
        return delete(r.SECRET, secret, "its token has expired")
    generated = annotation(secret, GENERATED)
    name, namespace = identity(secret)
    if generated is None:
        mark = {GENERATED: time_text(view)}
        return ensure(view, r.SECRET, body(r.SECRET, name, namespace, annotations=mark))
    limit = view.paced.token_rotation
    if limit and (view.now - datetime.fromisoformat(generated)).total_seconds() >= limit:
        return [_rotated(view, secret)]
    if annotation(secret, REACHED) is None and _was_used(view, secret):
        return ensure(view, r.SECRET, body(r.SECRET, name, namespace, annotations={REACHED: "True"}))
    return []


def _rotated(view: View, secret: Object) -> Patch:
    token = base64.b64encode(view.keys.word(32).encode()).decode()
    change = {
        "metadata": {"annotations": {GENERATED: time_text(view)}},
        "data": {"token": token, "old_token": secret["data"]["token"]},
    }
    return Patch(r.SECRET, *identity(secret), change, why="token rotated")


def _was_used(view: View, secret: Object) -> bool:
    """Return whether a machine has become a node since the token's creation. A machine that was a node before used
    another token, and never fetches again: a restored Machine object is newer than its node."""
    pool, since = annotation(secret, names.NODE_POOL), _created(secret)
    nodes = (
        machine.node_of(view, found)
        for found in view.all(r.MACHINE, secret["metadata"]["namespace"])
        if annotation(found, names.NODE_POOL) == pool
    )
    return any(node is not None and _created(node) >= since for node in nodes)


def _created(subject: Object) -> datetime:
    return datetime.fromisoformat(subject["metadata"]["creationTimestamp"])
