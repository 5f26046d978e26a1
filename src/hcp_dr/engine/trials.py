"""Dry runs: the API server is asked whether it would create each object."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from hcp_dr.engine.perform import hide, secrets_of
from hcp_dr.engine.side_by_side import side_by_side
from hcp_dr.engine.step import Create
from hcp_dr.errors import KubernetesError
from hcp_dr.kube.port import Kubernetes


def answers(cluster: Kubernetes, wanted: Sequence[Create]) -> list[KubernetesError | None]:
    """For each object the error of its dry run, without secrets of the object; None if the server would create it."""
    return side_by_side(partial(_answer, cluster), wanted)


def _answer(cluster: Kubernetes, action: Create) -> KubernetesError | None:
    try:
        cluster.try_create(action.resource, action.body)
    except KubernetesError as error:
        hide(error, secrets_of(action))
        return error
    return None
