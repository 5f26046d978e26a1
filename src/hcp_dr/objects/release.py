"""The release of a hosted cluster's control plane.

The control plane operator and etcd-init come from the hosted cluster's release, independent of the HyperShift operator.
Their behavior is detected, never derived from the version: behavior has changed within one minor release."""

from __future__ import annotations

import re

from hcp_dr.kube.port import Object
from hcp_dr.objects.reading import annotations_of, dig
from hcp_dr.upstream import CONTROL_PLANE_OPERATOR_IMAGE

_TAG = re.compile(r":(\d+\.\d+\.\d+[^:/@]*)")


def control_plane_version(hosted_cluster: Object) -> str:
    """A version such as 4.23.1, from the status entry for the image of the spec, else from the image's tag.

    "" if both are unknown, or if the HostedCluster overrides the image of the control plane operator."""
    if annotations_of(hosted_cluster).get(CONTROL_PLANE_OPERATOR_IMAGE):
        return ""
    image = dig(hosted_cluster, "spec", "controlPlaneRelease", "image") or dig(
        hosted_cluster, "spec", "release", "image"
    )
    for field in ("controlPlaneVersion", "version"):
        for entry in dig(hosted_cluster, "status", field, "history") or ():
            if entry.get("image") == image and entry.get("version"):
                return str(entry["version"])
    tag = _TAG.search(str(image or ""))
    return tag[1] if tag else ""


def control_plane_images(hosted_cluster: Object) -> str:
    """The image of the control plane's release, and of an overridden control plane operator, if any."""
    image = dig(hosted_cluster, "spec", "controlPlaneRelease", "image") or dig(
        hosted_cluster, "spec", "release", "image"
    )
    override = (dig(hosted_cluster, "metadata", "annotations") or {}).get(CONTROL_PLANE_OPERATOR_IMAGE)
    return f"{image or ''} {override}" if override else str(image or "")


def upgrade(hosted_cluster: Object) -> str:
    """The versions of the control plane's current upgrade, from the newest entry of the history; "" if no upgrade is in
    progress."""
    history = dig(hosted_cluster, "status", "version", "history") or [{}]
    newest = history[0]
    if newest.get("state", "Completed") == "Completed":
        return ""
    before = next((entry.get("version") for entry in history[1:] if entry.get("state") == "Completed"), "nothing")
    return f"{before} to {newest.get('version') or newest.get('image', '?')}"
