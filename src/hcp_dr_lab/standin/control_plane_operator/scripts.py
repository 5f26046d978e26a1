"""The shell scripts that run in the control plane's containers. The first process of a container ignores SIGTERM unless
it says what to do."""

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
if command -v etcdutl >/dev/null; then
  etcdutl snapshot restore "$snapshot" --data-dir="$data"
else
  ETCDCTL_API=3 etcdctl snapshot restore "$snapshot" --data-dir="$data"
fi
rm "$snapshot"
"""
)
"""Before hosted release 4.23: each member becomes a cluster of its own (rule C4; v2/etcd/etcd-init.sh:21,25)."""

ETCD_INIT_FIXED = (
    _FETCH
    + r"""
etcdutl snapshot restore "$snapshot" --data-dir="$data" --name="$POD_NAME" \
  --initial-cluster="$INITIAL_CLUSTER" --initial-cluster-token=etcd-cluster \
  --initial-advertise-peer-urls="https://$POD_NAME.etcd-discovery.$NAMESPACE.svc:2380" \
  --bump-revision 1000000000 --mark-compacted
rm "$snapshot"
"""
)
"""From 4.23 on: one cluster of all members, and a revision that no client has seen yet (rules C4, C5)."""

RESET_MEMBER = r"""
set -euo pipefail
trap 'exit 143' TERM
state=/etc/etcd/clusterstate/state
tls=/etc/etcd/tls
ctl=(etcdctl --endpoints=https://etcd-client:2379 --cacert=$tls/etcd-ca/ca.crt
  --cert=$tls/server/server.crt --key=$tls/server/server.key)
export ETCDCTL_API=3
echo new > "$state"
if [[ -f /var/lib/data/member/snap/db ]]; then
  echo "this member has data"
elif ! members=$("${ctl[@]}" member list); then
  echo "no cluster answers: a new one"
elif ! mine=$(grep -F "$POD_NAME" <<< "$members"); then
  echo "the cluster knows no member of this name"
else
  echo "the cluster knows a member of this name, whose data is lost: put a new one in its place"
  "${ctl[@]}" member remove "${mine%%,*}"
  "${ctl[@]}" member add "$POD_NAME" --peer-urls="https://$POD_NAME.etcd-discovery.$NAMESPACE.svc:2380"
  echo existing > "$state"
fi
"""
"""v2/assets/etcd/statefulset.yaml:215-266."""

ETCD = r"""
exec /usr/bin/etcd "$@" --initial-cluster-state="$(cat /etc/etcd/clusterstate/state)"
"""

WAIT_FOR = r"""
trap 'exit 143' TERM
until (exec 3<>"/dev/tcp/$0/$1") 2>/dev/null; do sleep 0.2; done
"""
