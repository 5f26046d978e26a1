"""The target of a NodePool: the version, and the hash of its machines' configuration.

The hash also depends on the operator's build: its image, and its registry overrides. So an operator of another build
computes another hash for the same pool, and the pool rolls as soon as it is not paused (facts 2.4; rules A8, A9).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Object
from hcp_dr_lab.ground import names
from hcp_dr_lab.standin import machine_config
from hcp_dr_lab.standin.shape import annotation
from hcp_dr_lab.standin.view import View

TOKEN = "token-"  # noqa: S105 - prefix of a Secret's name
USER_DATA = "user-data-"
OVERRIDES = "--registry-overrides="  # an argument of the operator: <registry>=<its stand-in>,...
_REGISTRY = "quay.io/openshift"


@dataclass(frozen=True, slots=True)
class Target:
    """The target of a NodePool: the version, the hash of the configuration alone, and the hash of both."""

    pool: str
    version: str
    config: str
    config_version: str

    @property
    def token_secret(self) -> str:
        return f"{TOKEN}{self.pool}-{self.config_version}"

    @property
    def user_data_secret(self) -> str:
        return f"{USER_DATA}{self.pool}-{self.config_version}"


def hosted_cluster_of(view: View, pool: Object) -> Object | None:
    return view.find(r.HOSTED_CLUSTER, pool["spec"]["clusterName"], pool["metadata"]["namespace"])


def target(view: View, hosted: Object, pool: Object) -> Target | None:
    """Return None while the control plane has not yet created the configuration's inputs."""
    namespace = names.control_plane_namespace(hosted)
    if not (hosted.get("status") or {}).get("ignitionEndpoint"):
        return None
    if view.find(r.SECRET, "ignition-server-ca-cert", namespace) is None:
        return None
    pieces = machine_config.pieces(view, namespace, pool["metadata"]["name"])
    own = _own(view, pool)
    if pieces is None or own is None:
        return None
    version = names.release_version(pool["spec"]["release"]["image"])
    config = names.short_hash(
        {
            "operator": _operator(view).get("image", ""),
            "haproxy": _haproxy_image(view, hosted, pool),
            "api": repr(names.published(hosted, "APIServer")),
            "clusterID": hosted["spec"].get("clusterID"),
            "pieces": pieces,
            "configs": own,
            "pullSecret": hosted["spec"]["pullSecret"]["name"],
            "trustBundle": (hosted["spec"].get("additionalTrustBundle") or {}).get("name", ""),
        }
    )
    return Target(pool["metadata"]["name"], version, config, names.short_hash(config + version))


def _own(view: View, pool: Object) -> list[Object] | None:
    """Return the objects referenced by the pool's spec; None if one is missing."""
    found = [
        view.find(r.CONFIG_MAP, entry["name"], pool["metadata"]["namespace"])
        for entry in pool["spec"].get("config") or ()
    ]
    return None if None in found else [(item or {}).get("data") or {} for item in found]


def _haproxy_image(view: View, hosted: Object, pool: Object) -> str:
    """Return the image from the annotation or the release; a pool with the canonical-images mark uses the origin."""
    pinned = annotation(pool, names.HAPROXY_IMAGE)
    if pinned is not None:
        return pinned
    image = f"{_REGISTRY}/haproxy-router:{names.release_version(hosted['spec']['release']['image'])}"
    if annotation(pool, names.CANONICAL_IMAGES) or not (pool.get("status") or {}).get("version"):
        return image
    for registry, instead in _overrides(_operator(view)):
        if image.startswith(f"{registry}/"):
            return f"{instead}{image.removeprefix(registry)}"
    return image


def _operator(view: View) -> Object:
    """Return the operator's container."""
    found = view.find(r.DEPLOYMENT, names.OPERATOR, names.OPERATOR_NAMESPACE)
    containers = ((found or {}).get("spec") or {}).get("template", {}).get("spec", {}).get("containers") or [{}]
    first: Object = containers[0]
    return first


def _overrides(container: Object) -> Iterator[tuple[str, str]]:
    for argument in container.get("args") or ():
        if argument.startswith(OVERRIDES):
            for pair in argument.removeprefix(OVERRIDES).split(","):
                registry, _, instead = pair.partition("=")
                yield registry, instead
