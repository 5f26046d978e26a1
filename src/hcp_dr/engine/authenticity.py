"""The proof that hcp-dr wrote the journal in the bucket: message authentication codes (HMAC-SHA256) in its metadata.

A key is random and belongs to one hosted cluster. It is in a Secret on each management cluster, under the name of the
Lease, and in the backup folder, but never in the bucket. So a client that can only write to the bucket can make no
code. The code also covers the key of the object, which has the namespace and name of the hosted cluster and the backup
id: the journal of another backup is not accepted in its place.

The rest follows from the journal: it has the sha256 of the manifest, and the manifest has that of each file and of the
snapshot. An older journal has a valid code too; the Leases record how many lines the bucket has (`JournalState.mark`).

The Secrets of the two clusters may differ, for example if one was deleted and made again. All known keys sign, and any
of them proves. A missing Secret is made by the next command that writes; an existing Secret is never changed.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from hcp_dr.engine.lease_status import HOSTED_CLUSTER_ANNOTATION, NAMESPACE, lease_name
from hcp_dr.errors import AlreadyExists, ArchiveError, HcpDrError, NotOurs
from hcp_dr.kube.port import Kubernetes, Object
from hcp_dr.kube.resources import SECRET
from hcp_dr.objects.archive import Archive
from hcp_dr.objects.reading import dig

FILE_NAME = "mirror.key"
"""The file in the backup folder: one key in each line."""
METADATA = "hcp-dr-mac"
"""The metadata of the journal in the bucket: one code for each key."""
SECRET_KEY = "key"  # noqa: S105 - the name of the field
secret_name = lease_name
_TEXT = re.compile("hcp-dr-key:[0-9a-f]{64}")
"""The form of a key: `hcp_dr.hiding` removes texts of this form."""


@dataclass(frozen=True, slots=True)
class MacKey:
    """Raises ValueError for a text of another form."""

    text: str = field(repr=False)

    def __post_init__(self) -> None:
        if not _TEXT.fullmatch(self.text):
            raise ValueError("it is not a key of hcp-dr")

    def code(self, object_key: str, data: bytes) -> str:
        """The code of an object in the bucket."""
        message = f"hcp-dr journal 1\n{object_key}\n".encode() + data
        return hmac.new(self.text.encode(), message, hashlib.sha256).hexdigest()


def new_key() -> MacKey:
    return MacKey(f"hcp-dr-key:{secrets.token_hex(32)}")


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys that are known to a command. `problems` are the reasons why others are not."""

    known: tuple[MacKey, ...] = ()
    problems: tuple[str, ...] = ()

    def with_known(self, keys: Iterable[MacKey]) -> Keys:
        return Keys(tuple(dict.fromkeys((*self.known, *keys))), self.problems)

    def with_problems(self, problems: Iterable[str]) -> Keys:
        return Keys(self.known, (*(each.rstrip(".") for each in problems), *self.problems))

    def sign(self, object_key: str, data: bytes) -> Mapping[str, str]:
        """The metadata of an object in the bucket."""
        return {METADATA: " ".join(key.code(object_key, data) for key in self.known)} if self.known else {}

    def find_fault(self, object_key: str, data: bytes, metadata: Mapping[str, str]) -> str:
        """Why an object of the bucket is not proven to be of hcp-dr, "" if it is."""
        codes = metadata.get(METADATA, "").split()
        own = [key.code(object_key, data) for key in self.known]
        if any(hmac.compare_digest(ours.encode(), code.encode()) for ours in own for code in codes):
            return ""
        if not self.known:
            why = "; ".join(self.problems) or "neither management cluster has the Secret with the key"
            return f"it cannot be verified: {why}"
        return (
            "its authentication code is not of a key of this hosted cluster: it was edited, or copied from elsewhere"
            if codes
            else "it has no authentication code: another client or an older version of hcp-dr wrote it"
        )


def read_keys(folder: Archive, clusters: Iterable[Callable[[], Kubernetes]], namespace: str, name: str) -> Keys:
    """The keys in the folder and on the clusters, as far as they answer. Raises ArchiveError."""
    keys, problems = list(_keys_of_folder(folder)), []
    for cluster in clusters:
        try:
            keys += _keys_of_cluster(cluster(), namespace, name)
        except HcpDrError as error:
            problems.append(error.what.rstrip("."))
    return Keys((), tuple(problems)).with_known(keys)


def _keys_of_folder(folder: Archive) -> tuple[MacKey, ...]:
    data = folder.read(FILE_NAME)
    try:
        return () if data is None else tuple(MacKey(line) for line in data.decode().split())
    except ValueError as error:
        raise ArchiveError(
            folder=folder.folder,
            reason=f"{FILE_NAME} has a line that is not a key of hcp-dr",
            left="Nothing of the hosted cluster was changed by this command.",
            todo="Move the file away and run the command again: the keys are on the management clusters too.",
        ) from error


def _keys_of_cluster(cluster: Kubernetes, namespace: str, name: str) -> tuple[MacKey, ...]:
    """Raises KubernetesError, NotOurs."""
    found = cluster.find(SECRET, secret_name(namespace, name), NAMESPACE)
    try:
        data = base64.b64decode(str(dig(found, "data", SECRET_KEY) or ""), validate=True)
        return () if found is None else (MacKey(data.decode()),)
    except ValueError as error:
        where = f"Secret {NAMESPACE}/{secret_name(namespace, name)} on the {cluster.name} cluster"
        raise NotOurs(what=f"{where} has no key of hcp-dr.") from error


def keep_in_folder(folder: Archive, keys: Keys) -> None:
    """Raises ArchiveError."""
    text = "".join(f"{key.text}\n" for key in keys.known)
    if folder.read(FILE_NAME) != text.encode():
        folder.write(FILE_NAME, text)


def keep_on_cluster(cluster: Kubernetes, keys: Keys, namespace: str, name: str) -> Keys:
    """Make the Secret if there is none; a Secret that is there is not changed. The result has its key too. Raises
    KubernetesError, NotOurs."""
    there = _keys_of_cluster(cluster, namespace, name)
    if not there:
        try:
            cluster.create(SECRET, _secret(keys.known[0], namespace, name))
        except AlreadyExists:
            there = _keys_of_cluster(cluster, namespace, name)
    return keys.with_known(there)


def _secret(key: MacKey, namespace: str, name: str) -> Object:
    meta = {"name": secret_name(namespace, name), "namespace": NAMESPACE}
    return {
        "apiVersion": SECRET.api_version,
        "kind": SECRET.kind,
        "metadata": {**meta, "annotations": {HOSTED_CLUSTER_ANNOTATION: f"{namespace}/{name}"}},
        "type": "Opaque",
        "immutable": True,
        "data": {SECRET_KEY: base64.b64encode(key.text.encode()).decode()},
    }
