"""What external-dns publishes on the source: the Routes, and the Services with the hostname annotation."""

from __future__ import annotations

from collections.abc import Iterable

from hcp_dr.engine.step import Action, Delete, Patch
from hcp_dr.kube.resources import ROUTE, SERVICE
from hcp_dr.upstream import HOSTNAME_ANNOTATION


def unpublish(namespace: str, routes: Iterable[tuple[str, str]], services: Iterable[str]) -> tuple[Action, ...]:
    """Deletes the Routes, given by name and uid, and removes the hostname annotation from the Services."""
    silent = {"metadata": {"annotations": {HOSTNAME_ANNOTATION: None}}}
    return (
        *(Delete("source", ROUTE, name, namespace, uid) for name, uid in routes),
        *(Patch("source", SERVICE, name, namespace, silent) for name in services),
    )
