"""etcd-init of hosted releases: the scripts that a control plane operator embeds and passes to etcd's init container.
The first process of a container ignores SIGTERM unless the process installs a handler."""

_FETCH = r"""
set -euo pipefail
trap 'exit 143' TERM
data=/var/lib/data
if [[ -n "$(ls -A "$data")" ]]; then
  echo "$data is not empty: left as it is"
  exit 0
fi
snapshot=$(mktemp)
curl --silent --show-error --output "$snapshot" "$RESTORE_URL_ETCD"
if [[ "$(head -c 5 "$snapshot")" == '<?xml' ]]; then
  echo "the snapshot's URL answers with an error:" >&2
  cat "$snapshot" >&2
  exit 1
fi
"""

ETCD_INIT = (
    _FETCH
    + r"""
ETCDCTL_API=3 /usr/bin/etcdctl snapshot restore "$snapshot" --data-dir="$data"
rm "$snapshot"
"""
)
"""Every member becomes a separate cluster (rule C4)."""

ETCD_INIT_EITHER = (
    _FETCH
    + r"""
if [[ -x /usr/bin/etcdutl ]]; then
  etcdutl snapshot restore "$snapshot" --data-dir="$data"
else
  ETCDCTL_API=3 /usr/bin/etcdctl snapshot restore "$snapshot" --data-dir="$data"
fi
rm "$snapshot"
"""
)
"""The same, with the available tool."""

ETCD_INIT_ONE_CLUSTER = (
    _FETCH
    + r"""
member=(--name="$POD_NAME" --initial-cluster="$INITIAL_CLUSTER" --initial-cluster-token=etcd-cluster
  --initial-advertise-peer-urls="https://$POD_NAME.etcd-discovery.$NAMESPACE.svc:2380"
  --bump-revision 1000000000 --mark-compacted)
if [[ -x /usr/bin/etcdutl ]]; then
  etcdutl snapshot restore "$snapshot" --data-dir="$data" "${member[@]}"
else
  ETCDCTL_API=3 /usr/bin/etcdctl snapshot restore "$snapshot" --data-dir="$data" "${member[@]}"
fi
rm "$snapshot"
"""
)
"""All members form one cluster, with a revision that no client has seen yet (rules C4, C5)."""
