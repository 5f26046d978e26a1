"""Quotas for numbers of objects. A dry run counts one object alone: their sum shows whether all of them have room."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from hcp_dr.engine.step import Create
from hcp_dr.hypershift.checks import look_for
from hcp_dr.kube.port import Kubernetes, Object, Resource
from hcp_dr.kube.resources import RESOURCE_QUOTA
from hcp_dr.objects.quantity import number
from hcp_dr.objects.reading import dig, name_of, namespace_of


def find_exceeded(cluster: Kubernetes, creations: Iterable[Create]) -> tuple[str, ...]:
    """The quotas without room for all of these objects. A quota that may not be listed is not judged."""
    counts = Counter((namespace_of(action.body), action.resource) for action in creations if action.resource.namespaced)
    found = []
    for namespace in dict.fromkeys(place for place, _ in counts):
        wanted = {resource: count for (place, resource), count in counts.items() if place == namespace}
        for quota in look_for(cluster, RESOURCE_QUOTA, namespace) or ():
            found += [f"ResourceQuota {namespace}/{name_of(quota)} ({why})" for why in _exceeded(quota, wanted)]
    return tuple(found)


def _exceeded(quota: Object, wanted: dict[Resource, int]) -> Iterator[str]:
    hard = dig(quota, "status", "hard") or dig(quota, "spec", "hard") or {}
    for resource, count in wanted.items():
        for name in (f"count/{resource}", *(() if resource.group else (resource.plural,))):
            if name in hard:
                room = number(hard[name]) - number(dig(quota, "status", "used", name) or 0)
                if count > room:
                    yield f"{name} has room for {max(0, int(room))} of {count} objects"
