"""Caches discovery: the API versions of a cluster and the permissions in it, each requested once.

One step of preflight makes more than a hundred such requests. If a busy server refuses every twentieth, an observation
that starts again from the first request never ends. Objects are not cached: they must be current.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar, cast

from hcp_dr.kube.port import Kubernetes, Resource
from hcp_dr.model import Ports

Answer = TypeVar("Answer")


def cached(ports: Ports) -> Ports:
    """The same ports, with cached discovery for each cluster."""
    return replace(
        ports,
        source=cast("Kubernetes", _CachedDiscovery(ports.source)),
        destination=cast("Kubernetes", _CachedDiscovery(ports.destination)),
        hosted=cast("Kubernetes", _CachedDiscovery(ports.hosted)),
    )


class _CachedDiscovery:
    def __init__(self, cluster: Kubernetes) -> None:
        self._cluster = cluster
        self._answers: dict[tuple[Any, ...], Any] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cluster, name)

    def may(
        self,
        verb: str,
        resource: Resource,
        namespace: str | None = None,
        *,
        subresource: str | None = None,
        name: str | None = None,
    ) -> bool:
        return self._answer_for(
            ("may", verb, resource, namespace, subresource, name),
            lambda: self._cluster.may(verb, resource, namespace, subresource=subresource, name=name),
        )

    def versions(self, group: str) -> tuple[str, ...]:
        return self._answer_for(("versions", group), lambda: self._cluster.versions(group))

    def _answer_for(self, question: tuple[Any, ...], ask: Callable[[], Answer]) -> Answer:
        if question not in self._answers:
            self._answers[question] = ask()
        return cast("Answer", self._answers[question])
