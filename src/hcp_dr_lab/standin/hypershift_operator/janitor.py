"""The secret janitor: deletes token and user data Secrets without a NodePool or of another configuration, regardless
of a pause."""

from __future__ import annotations

from datetime import timedelta

from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Object
from hcp_dr_lab.ground import names
from hcp_dr_lab.standin.change import Change
from hcp_dr_lab.standin.hypershift_operator.configuration import TOKEN, USER_DATA, hosted_cluster_of, target
from hcp_dr_lab.standin.shape import annotation, body, delete, ensure
from hcp_dr_lab.standin.view import View

_EXPIRATION = "hypershift.openshift.io/ignition-token-expiration-timestamp"
_LIFE_LEFT = timedelta(hours=2)


def reconcile(view: View) -> list[Change]:
    changes: list[Change] = []
    for secret in view.all(r.SECRET):
        pool_name = annotation(secret, names.NODE_POOL)
        if pool_name is not None and secret["metadata"]["name"].startswith((TOKEN, USER_DATA)):
            changes += _judge(view, secret, pool_name)
    return changes


def _judge(view: View, secret: Object, pool_name: str) -> list[Change]:
    namespace, _, name = pool_name.partition("/")
    pool = view.find(r.NODE_POOL, name, namespace)
    if pool is None:
        return delete(r.SECRET, secret, f"its NodePool {pool_name} is absent")
    hosted = hosted_cluster_of(view, pool)
    if hosted is None:
        return delete(r.SECRET, secret, f"the HostedCluster of its NodePool {pool_name} is absent")
    wanted = target(view, hosted, pool)
    secret_name = secret["metadata"]["name"]
    if wanted is None or secret_name in (wanted.token_secret, wanted.user_data_secret):
        return []
    if secret_name.startswith(USER_DATA):
        return delete(r.SECRET, secret, f"its configuration is not the current one of NodePool {pool_name}")
    if annotation(secret, _EXPIRATION) is not None:
        return []
    expires = (view.now + _LIFE_LEFT).strftime("%Y-%m-%dT%H:%M:%SZ")
    mark = body(r.SECRET, secret_name, secret["metadata"]["namespace"], annotations={_EXPIRATION: expires})
    return ensure(view, r.SECRET, mark)
