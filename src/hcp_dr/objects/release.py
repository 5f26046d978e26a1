"""Which release a hosted cluster's control plane runs, and what of a restore that decides.

The control plane operator, and with it etcd-init, comes from the hosted cluster's release, whatever HyperShift operator
there is (relocation rules, head)."""

from __future__ import annotations

import re

from hcp_dr.kube.port import Object
from hcp_dr.objects.reading import annotations_of, dig

ONE_CLUSTER_SINCE = (4, 23)
"""The first hosted release whose etcd-init tells each member of the others (rule C4; hypershift pull request 9048)."""
OPERATOR_IMAGE = "hypershift.openshift.io/control-plane-operator-image"
"""Annotation of a HostedCluster whose control plane operator is not its release's."""
_TAG = re.compile(r":(\d+\.\d+\.\d+[^:/@]*)")
_MINOR = re.compile(r"(\d+)\.(\d+)\.")


def control_plane_version(hosted_cluster: Object) -> str:
    """Such as 4.23.1: as the status says for the image that the spec asks for, else by the image's tag.

    "" where neither tells, or where the control plane operator is none of a release."""
    if annotations_of(hosted_cluster).get(OPERATOR_IMAGE):
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


def restores_one_cluster(version: str) -> bool | None:
    """Does etcd-init of this release make one cluster of several members? None where the version tells nothing."""
    minor = _MINOR.match(version)
    return None if minor is None else (int(minor[1]), int(minor[2])) >= ONE_CLUSTER_SINCE
