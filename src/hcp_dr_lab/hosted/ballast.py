"""Ballast in a hosted cluster's etcd: data that makes the snapshot as large as a real cluster's snapshot.

Ballast is written directly to etcd, outside the API's prefix, so that the API server does not cache it. The values are
random bytes and therefore cannot be compressed.
"""

from __future__ import annotations

from collections.abc import Callable

from hcp_dr.kube.port import Kubernetes
from hcp_dr_lab.ground.errors import LabError
from hcp_dr_lab.ground.layout import HostedClusterNames
from hcp_dr_lab.hosted.cluster import BALLAST_PREFIX

VALUE = 2**20  # bytes; etcd accepts requests of at most 1.5 MiB
_VALUES_EACH = 50
_SECONDS_EACH = 120.0
_TLS = "/etc/etcd/tls"
_SCRIPT = """
set -euo pipefail
export ETCDCTL_API=3
for number in $(seq {first} {last}); do
  head -c {size} /dev/urandom | etcdctl --endpoints=https://localhost:2379 --command-timeout=60s \\
    --cacert={tls}/etcd-ca/ca.crt --cert={tls}/client/etcd-client.crt --key={tls}/client/etcd-client.key \\
    put {prefix}$number > /dev/null
done
"""


def put(management: Kubernetes, names: HostedClusterNames, size: int, say: Callable[[str], None]) -> None:
    """Write `size` bytes in values of 1 MiB and a smaller last value; existing keys are overwritten. Raises
    LabError."""
    total, rest = divmod(size, VALUE)
    for first in range(1, total + 1, _VALUES_EACH):
        last = min(first + _VALUES_EACH - 1, total)
        _put(management, names, first, last, VALUE)
        say(f"hosted cluster {names.name}: wrote {last} of {total} MiB of ballast to etcd")
    if rest:
        _put(management, names, total + 1, total + 1, rest)


def _put(management: Kubernetes, names: HostedClusterNames, first: int, last: int, size: int) -> None:
    script = _SCRIPT.format(first=first, last=last, size=size, tls=_TLS, prefix=BALLAST_PREFIX)
    place = names.control_plane_namespace
    ended = management.execute(place, "etcd-0", "etcd", ("/usr/bin/bash", "-c", script), seconds=_SECONDS_EACH)
    if ended.exit_code != 0:
        answer = ended.stderr.decode(errors="replace").strip()[-500:]
        raise LabError(
            f"Writing ballast to etcd of {names.name} failed: pod {place}/etcd-0 on {management.name} answered with "
            f"exit code {ended.exit_code}: {answer}. Earlier values remain in etcd. Check the pod's log."
        )
