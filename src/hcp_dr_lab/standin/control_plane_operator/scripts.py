"""The shell scripts in the control plane's containers. The first process of a container ignores SIGTERM unless the
process installs a handler."""

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
