#!/bin/sh
# Install what the region takes from the distribution: runc, the CNI plugins, and the small programs of its images.
set -eu
export PATH="$PATH:/usr/sbin:/sbin"
missing=""
for pair in unshare:util-linux ip:iproute2 ldd:libc-bin bash:bash curl:curl runc:runc; do
    command -v "${pair%%:*}" >/dev/null 2>&1 || missing="$missing ${pair##*:}"
done
for plugin in bridge host-local loopback; do
    test -x "/usr/lib/cni/$plugin" || { missing="$missing containernetworking-plugins"; break; }
done
test -n "$missing" || exit 0
if [ "$(id -u)" != 0 ]; then
    echo "The rehearsal region needs these packages of the distribution:$missing. Nothing was installed." \
        "Run this again as root, or install them." >&2
    exit 3
fi
if ! command -v apt-get >/dev/null 2>&1; then
    echo "The rehearsal region needs:$missing (Debian's names). There is no apt-get here: install them with this" \
        "machine's package manager, the CNI plugins to /usr/lib/cni, and run this again." >&2
    exit 3
fi
echo "installing$missing" >&2
apt-get update -qq
# shellcheck disable=SC2086 - a list of words
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >&2
