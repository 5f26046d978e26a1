"""The key that encrypts Secrets in etcd, and its rotation.

After a change of the key, hosted releases with status.secretEncryption encrypt etcd's content again. Until that ends,
the previous key is in the status of the HostedControlPlane alone, and the destination builds its HostedControlPlane
from the HostedCluster's spec: its API server could not read what is encrypted with the previous key. Older releases
keep both keys in the spec, which is carried.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from hcp_dr.engine.step import Check
from hcp_dr.hypershift.state import Encryption, EncryptionKey
from hcp_dr.kube.port import Kubernetes, Object
from hcp_dr.kube.resources import HOSTED_CONTROL_PLANE, SECRET
from hcp_dr.model import Case
from hcp_dr.objects.reading import dig, name_of
from hcp_dr.upstream import ETCD_ENCRYPTION_UP_TO_DATE

_NAME = "etcd_encryption"
_WHY = "the destination would have the key of the spec alone, and its API server could not read what is encrypted with "
_WHY += "the previous key"
_TODO = f"let the change end while the source serves: wait until {ETCD_ENCRYPTION_UP_TO_DATE} of the "
_TODO += (
    "HostedCluster is True and its status.secretEncryption has no targetKey; then begin again with a new BACKUP_DIR"
)


def read_encryption(cluster: Kubernetes, case: Case, hosted_cluster: Object) -> Encryption:
    """Of the source, at this moment."""
    plane = cluster.find(HOSTED_CONTROL_PLANE, case.name, case.control_plane_namespace) or {}
    active = _active_key(plane) or _active_key(hosted_cluster)
    rotating = "; ".join(dict.fromkeys(text for each in (plane, hosted_cluster) for text in _progress(each)))
    return Encryption(active, rotating or differing(key_in_spec(cluster, hosted_cluster), active))


def _active_key(item: Object) -> EncryptionKey | None:
    return _key(dig(item, "status", "secretEncryption", "activeKey"))


def _progress(item: Object) -> Iterable[str]:
    target = _key(dig(item, "status", "secretEncryption", "targetKey"))
    if target is not None:
        yield f"the encryption key is being changed to {target.name}"
    for entry in dig(item, "status", "conditions") or ():
        if (entry.get("type"), entry.get("status")) == (ETCD_ENCRYPTION_UP_TO_DATE, "False"):
            yield f"{ETCD_ENCRYPTION_UP_TO_DATE} is False ({entry.get('reason')})"


def _key(status: Any) -> EncryptionKey | None:
    if dig(status, "aescbc") is not None:
        name, digest = dig(status, "aescbc", "secret", "name"), str(dig(status, "aescbc", "dataHash") or "")
        return EncryptionKey(f"Secret {name}", digest)
    arn = dig(status, "aws", "arn")
    return EncryptionKey(f"KMS key {arn}") if arn else None


def key_in_spec(cluster: Kubernetes, hosted_cluster: Object) -> EncryptionKey | None:
    """The key with which this cluster would encrypt; None without encryption."""
    key = _named_in_spec(hosted_cluster)
    name = dig(hosted_cluster, "spec", "secretEncryption", "aescbc", "activeKey", "name")
    if key is None or not name:
        return key
    secrets = cluster.list(SECRET, hosted_cluster["metadata"]["namespace"]).items
    secret = next((item for item in secrets if name_of(item) == name), None)
    return EncryptionKey(key.name, _digest(dig(secret, "data", "key")))


def _named_in_spec(hosted_cluster: Object) -> EncryptionKey | None:
    spec = dig(hosted_cluster, "spec", "secretEncryption")
    name, arn = dig(spec, "aescbc", "activeKey", "name"), dig(spec, "kms", "aws", "activeKey", "arn")
    return EncryptionKey(f"Secret {name}" if name else f"KMS key {arn}") if name or arn else None


def _digest(value: Any) -> str:
    with suppress(ValueError):
        return hashlib.sha256(base64.b64decode(str(value), validate=True)).hexdigest() if value else ""
    return ""


def differing(wanted: EncryptionKey | None, active: EncryptionKey | None) -> str:
    """Why etcd's content is not encrypted with the wanted key; "" if it is, or that is unknown."""
    if wanted is None or active is None:
        return ""
    if wanted.name != active.name:
        return f"the spec names {wanted.name}, but etcd's content is encrypted with {active.name}"
    if wanted.digest and active.digest and wanted.digest != active.digest:
        return f"{wanted.name} has another key than the one with which etcd's content is encrypted"
    return ""


def check_encryption(
    hosted_cluster: Object, found: Encryption | None, wanted: EncryptionKey | None = None
) -> tuple[Check, ...]:
    """`found` of the source, None if it was not read; `wanted` of the cluster that restores, where it was read."""
    wanted = wanted or _named_in_spec(hosted_cluster)
    if wanted is None and (found is None or not found.rotating):
        return ()
    name = wanted.name if wanted else "a key"
    if found is None:
        seen = (
            f"etcd's content is encrypted with {name}, and the backup does not tell whether the key was being changed"
        )
        return (Check(_NAME, "warning", seen, _WHY, "make a new backup while the source answers"),)
    problem = found.rotating or differing(wanted, found.active)
    if problem:
        return (Check(_NAME, "blocked", problem, _WHY, _TODO),)
    return (Check(_NAME, "ok", f"no change of {name} is in progress"),)
