"""The shell scripts that run in the control plane's containers. The first process of a container ignores SIGTERM unless
it says what to do."""

ETCD_INIT = r"""
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
if command -v etcdutl >/dev/null; then
  etcdutl snapshot restore "$snapshot" --data-dir="$data"
else
  ETCDCTL_API=3 etcdctl snapshot restore "$snapshot" --data-dir="$data"
fi
rm "$snapshot"
"""

WAIT_FOR = r"""
trap 'exit 143' TERM
until (exec 3<>"/dev/tcp/$0/$1") 2>/dev/null; do sleep 0.2; done
"""
