"""The build of a management cluster's HyperShift operator, as far as it is part of the configuration of machines (rule
A9)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hcp_dr.kube.port import Kubernetes, Object
from hcp_dr.kube.resources import DEPLOYMENT, POD
from hcp_dr.objects.reading import dig, first_container, flags_of, is_ready_pod, selects
from hcp_dr.upstream import OPERATOR, OPERATOR_NAMESPACE

_SETTINGS = ("IMAGE_SHARED_INGRESS_HAPROXY",)
"""The operator's environment variables that change the configuration of machines (hypershift pull request 8698)."""


@dataclass(frozen=True, slots=True)
class Build:
    image: str
    overrides: str  # of registries, as passed to the operator
    settings: str = ""  # environment that is part of the machine configuration
    digest: str = ""  # of the running image; "" if no pod reports it


def pods_of_operator(cluster: Kubernetes, operator: Object) -> tuple[Object, ...]:
    selector = dig(operator, "spec", "selector", "matchLabels") or {}
    return tuple(pod for pod in cluster.list(POD, OPERATOR_NAMESPACE).items if selects(selector, pod))


def build_of(operator: Object, pods: Iterable[Object]) -> Build:
    """`operator` is its Deployment, empty if there is none."""
    container = first_container(operator)
    return Build(
        image=str(container.get("image", "")),
        overrides=",".join(sorted(flags_of(container).get("registry-overrides", ()))),
        settings=", ".join(
            f"{entry['name']}={entry.get('value', '')}"
            for entry in container.get("env") or ()
            if entry.get("name") in _SETTINGS
        ),
        digest=next(filter(None, map(_digest, pods)), ""),
    )


def read_build(cluster: Kubernetes) -> Build:
    operator = cluster.find(DEPLOYMENT, OPERATOR, OPERATOR_NAMESPACE) or {}
    return build_of(operator, pods_of_operator(cluster, operator))


def _digest(pod: Object) -> str:
    """The registry digest of the image of its first container; "" for an image without registry."""
    statuses = dig(pod, "status", "containerStatuses") or [{}]
    _, at, digest = str(statuses[0].get("imageID", "")).rpartition("@")
    return digest if at and is_ready_pod(pod) else ""


def compare(source: Build, destination: Build) -> tuple[bool, str]:
    """Whether both are the same, and a description: the same image, by digest if both report it, else by name; the same
    overrides and settings."""
    by_digest = source.digest and destination.digest
    ours, theirs = (
        (build.digest if by_digest else build.image, build.overrides, build.settings) for build in (source, destination)
    )
    if ours == theirs:
        return True, f"{_describe(*ours)} on both"
    return False, f"{_describe(*ours)} on the source, {_describe(*theirs)} on the destination"


def _describe(build: str, overrides: str, settings: str) -> str:
    return f"{build} with overrides {overrides or 'none'}{f' and {settings}' if settings else ''}"
