"""Which release a hosted cluster's control plane runs.

The control plane operator, and with it etcd-init, comes from the hosted cluster's release, whatever HyperShift operator
there is. What they do is looked at and never told by a version: the same minor release has had both."""

from __future__ import annotations

import re

from hcp_dr.kube.port import Object
from hcp_dr.objects.reading import annotations_of, dig
from hcp_dr.upstream import CONTROL_PLANE_OPERATOR_IMAGE

_TAG = re.compile(r":(\d+\.\d+\.\d+[^:/@]*)")


def control_plane_version(hosted_cluster: Object) -> str:
    """Such as 4.23.1: as the status says for the image that the spec asks for, else by the image's tag.

    "" where neither tells, or where the control plane operator is none of a release."""
    if annotations_of(hosted_cluster).get(CONTROL_PLANE_OPERATOR_IMAGE):
        return ""
    image = dig(hosted_cluster, "spec", "controlPlaneRelease", "image") or dig(
        hosted_cluster, "spec", "release", "image"
    )
    for told in ("controlPlaneVersion", "version"):
        for entry in dig(hosted_cluster, "status", told, "history") or ():
            if entry.get("image") == image and entry.get("version"):
                return str(entry["version"])
    tag = _TAG.search(str(image or ""))
    return tag[1] if tag else ""


def control_plane_images(hosted_cluster: Object) -> str:
    """What its control plane is made of: the image of its release, and that of a control plane operator of its own
    behind it, if it has one."""
    image = dig(hosted_cluster, "spec", "controlPlaneRelease", "image") or dig(
        hosted_cluster, "spec", "release", "image"
    )
    own = (dig(hosted_cluster, "metadata", "annotations") or {}).get(CONTROL_PLANE_OPERATOR_IMAGE)
    return f"{image or ''} {own}" if own else str(image or "")


def upgrade(hosted_cluster: Object) -> str:
    """From which version to which its control plane is being upgraded, as the newest entry of its history says; ""
    where none goes on."""
    history = dig(hosted_cluster, "status", "version", "history") or [{}]
    newest = history[0]
    if newest.get("state", "Completed") == "Completed":
        return ""
    before = next((entry.get("version") for entry in history[1:] if entry.get("state") == "Completed"), "nothing")
    return f"{before} to {newest.get('version') or newest.get('image', '?')}"
