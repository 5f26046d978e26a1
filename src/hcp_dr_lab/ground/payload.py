"""The content of a hosted release that matters for a restore: etcd's image, and the control plane operator's image
with the embedded etcd-init.

A release's version does not identify this content. Here the repository's name identifies the payload, `ocp-release` or
`ocp-release-<payload>`. The operator's behaviour and the content of its image come from the same table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hcp_dr_lab.ground import scripts_of_etcd as scripts

ETCD_35 = "docker.io/hcp-dr-lab/control-plane:1"
ETCD_36 = "docker.io/hcp-dr-lab/control-plane-etcd36:1"
BINARY = "usr/bin/control-plane-operator"
_REPOSITORY = "ocp-release"


@dataclass(frozen=True, slots=True)
class Payload:
    etcd: str  # image; 3.5 has no etcdutl, and the etcdctl of 3.6 does not restore
    operator: str  # image
    etcd_init: str  # the script
    one_cluster: bool = False  # passes the list of all members to every member, and runs before reset-member


_OPERATOR = "docker.io/hcp-dr-lab/control-plane-operator"
PAYLOADS: Mapping[str, Payload] = {
    "": Payload(ETCD_35, f"{_OPERATOR}:1", scripts.ETCD_INIT),
    "etcdctl-on-36": Payload(ETCD_36, f"{_OPERATOR}:1", scripts.ETCD_INIT),
    "etcdutl": Payload(ETCD_36, f"{_OPERATOR}-etcdutl:1", scripts.ETCD_INIT_EITHER),
    "one-cluster": Payload(ETCD_36, f"{_OPERATOR}-one-cluster:1", scripts.ETCD_INIT_ONE_CLUSTER, one_cluster=True),
}
"""In the order of upstream's branches: 4.14 to 4.20; 4.21; 4.22 to 5.1; and pull request 9048, which is not in a branch
(control-plane-operator/controllers/hostedcontrolplane/v2/etcd/etcd-init.sh)."""


def release(payload: str, version: str) -> str:
    """Return the image of a release with this payload."""
    name = f"{_REPOSITORY}-{payload}" if payload else _REPOSITORY
    return f"registry.rehearsal.example/{name}:{version}-x86_64"


def of(release_image: str) -> Payload:
    """Return the payload of a release image. A user's own image has the oldest payload, regardless of the version."""
    repository = release_image.rpartition("/")[2].partition(":")[0].partition("@")[0]
    return PAYLOADS.get(repository.removeprefix(f"{_REPOSITORY}-"), PAYLOADS[""])


def binaries() -> dict[str, str]:
    """Return the content of BINARY by operator image: a program with the embedded script."""
    return {each.operator: _binary(each.etcd_init) for each in PAYLOADS.values()}


def _binary(script: str) -> str:
    return f"#!/usr/bin/bash\nexec sleep infinity\n\0\0{script}\0\0"
