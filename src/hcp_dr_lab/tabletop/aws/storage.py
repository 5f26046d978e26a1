"""S3 in memory. `Storage` has the objects and serves clients with credentials; `request` serves clients with a URL.

Values are immutable and shared, so that cloning only copies the keys.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import random
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Self
from urllib.parse import parse_qsl, quote, unquote, urlsplit
from xml.sax.saxutils import escape

from hcp_dr.aws.port import MAX_PART_BYTES, MAX_PARTS, MIN_PART_BYTES
from hcp_dr_lab.tabletop.aws.chance import twin
from hcp_dr_lab.tabletop.aws.places import Elsewhere, elsewhere, place_of
from hcp_dr_lab.tabletop.aws.refusal import Refusal
from hcp_dr_lab.tabletop.aws.signing import Keys, presigned, verify

ENCRYPTIONS = ("AES256", "aws:kms", "aws:kms:dsse")
_META = "x-amz-meta-"
_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Stored:
    """One object. `sha256` is base64 as in S3's headers (for a multipart object: the checksum of the parts' checksums,
    with a dash and the number of parts); `modified` in seconds since the epoch."""

    body: bytes = field(repr=False)
    metadata: Mapping[str, str]
    etag: str
    sha256: str | None
    encryption: str | None
    modified: float


@dataclass(frozen=True, slots=True)
class Wanted:
    """Options of a PUT. `sha256` is base64. `if_none_match` supports only "*"."""

    metadata: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    sha256: str | None = None
    encryption: str | None = None
    if_none_match: str | None = None
    if_match: str | None = None


@dataclass(frozen=True, slots=True)
class StoredPart:
    """One part of an unfinished upload."""

    number: int
    body: bytes = field(repr=False)
    etag: str
    sha256: str | None


@dataclass(frozen=True, slots=True)
class Upload:
    """A multipart upload. `completed` is the ETag of the resulting object: S3 remembers the ETag for a while, so that
    repeating the completion succeeds with the same answer. With `checksummed` every part needs its sha256."""

    bucket: str
    key: str
    wanted: Wanted
    began: float
    checksummed: bool
    completed: str | None = None
    parts: Mapping[int, StoredPart] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP response. Headers by lower case names. The body of a refusal is S3's XML, except for HEAD."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False, default=b"")


class Storage:
    """All buckets of a region. `now` returns seconds since the epoch, `keys` are the credentials for signing URLs;
    `made` has the buckets' creation times, by default long ago. Requests with a URL of another place are redirected, as
    by S3. Methods raise Refusal; safe for several threads."""

    def __init__(
        self,
        *,
        now: Callable[[], float],
        keys: Keys | None = None,
        endpoint: str = "https://s3.us-east-1.amazonaws.com",
        region: str = "us-east-1",
        chance: random.Random | None = None,
        default_encryption: str | None = "AES256",
        buckets: Mapping[str, Mapping[str, Stored]] = MappingProxyType({}),
        uploads: Mapping[str, Upload] = MappingProxyType({}),
        made: Mapping[str, float] = MappingProxyType({}),
    ) -> None:
        self.now = now
        self.keys = keys or Keys("AKIATABLETOP", "tabletop")
        self.endpoint = endpoint
        self.region = region
        self.default_encryption = default_encryption
        self._chance = chance or random.Random(0)  # noqa: S311 - names of uploads in a simulation
        self._buckets = {name: dict(objects) for name, objects in buckets.items()}
        self._uploads = dict(uploads)
        self.made = dict(made)
        self._lock = threading.RLock()

    def clone(self, *, now: Callable[[], float] | None = None, chance: random.Random | None = None) -> Self:
        """Return another storage in the same state. Without `chance` it draws the same random values as this
        storage."""
        with self._lock:
            return type(self)(
                now=now or self.now,
                keys=self.keys,
                endpoint=self.endpoint,
                region=self.region,
                chance=chance or twin(self._chance),
                default_encryption=self.default_encryption,
                buckets=self._buckets,
                uploads=self._uploads,
                made=self.made,
            )

    # Buckets and objects

    def create_bucket(self, bucket: str) -> None:
        with self._lock:
            if bucket not in self._buckets:
                self._buckets[bucket], self.made[bucket] = {}, self.now()

    def keys_of(self, bucket: str, prefix: str = "") -> tuple[str, ...]:
        with self._lock:
            return tuple(sorted(key for key in self._bucket(bucket) if key.startswith(prefix)))

    def get(self, bucket: str, key: str) -> Stored:
        found = self._bucket(bucket).get(key)
        if found is None:
            raise _no_such_key()
        return found

    def put(self, bucket: str, key: str, body: bytes, wanted: Wanted = Wanted()) -> Stored:
        etag = _md5(body).hexdigest()
        sha256 = _checked(body, wanted.sha256)
        with self._lock:
            return self._keep(bucket, key, body, wanted, etag=etag, sha256=sha256)

    def copy(self, bucket: str, source: str, key: str, wanted: Wanted, *, if_match: str) -> Stored:
        """Copy an object with the metadata of `wanted` instead of the source's metadata."""
        with self._lock:
            found = self.get(bucket, source)
            _check_condition(found, Wanted(if_match=if_match))
            if len(found.body) > MAX_PART_BYTES:
                message = "The specified copy source is larger than the maximum allowable size for a copy source"
                raise Refusal("InvalidRequest", message)
            return self._keep(bucket, key, found.body, wanted, etag=_md5(found.body).hexdigest(), sha256=found.sha256)

    def copy_in_parts(self, bucket: str, source: str, key: str, wanted: Wanted, *, if_match: str) -> Stored:
        """Copy an object of any size by a multipart upload; the ETag is that of a multipart object."""
        with self._lock:
            found = self.get(bucket, source)
            _check_condition(found, Wanted(if_match=if_match))
            upload_id = self.begin(bucket, key, wanted)
            part = self.put_part(bucket, key, upload_id, 1, found.body)
            return self.complete(bucket, key, upload_id, [(1, part.etag)])

    def delete(self, bucket: str, key: str) -> None:
        with self._lock:
            self._bucket(bucket).pop(key, None)

    # Multipart uploads

    def begin(self, bucket: str, key: str, wanted: Wanted = Wanted(), *, checksummed: bool = False) -> str:
        """Begin an upload, and return its ID. Conditions in `wanted` are ignored; conditions of `complete` apply."""
        _encryption(wanted.encryption)
        with self._lock:
            self._bucket(bucket)
            upload_id = f"{self._chance.getrandbits(128):032x}"
            self._uploads[upload_id] = Upload(bucket, key, wanted, self.now(), checksummed)
            return upload_id

    def upload(self, bucket: str, key: str, upload_id: str) -> Upload:
        """Return an unfinished upload."""
        found = self._uploads.get(upload_id)
        if found is None or found.completed is not None or (found.bucket, found.key) != (bucket, key):
            raise _no_such_upload()
        return found

    def uploads(self, bucket: str, prefix: str = "") -> Mapping[str, Upload]:
        """Return unfinished uploads by ID, the oldest first."""
        with self._lock:
            self._bucket(bucket)
            return {
                upload_id: upload
                for upload_id, upload in self._uploads.items()
                if upload.completed is None and upload.bucket == bucket and upload.key.startswith(prefix)
            }

    def put_part(
        self, bucket: str, key: str, upload_id: str, number: int, body: bytes, *, sha256: str | None = None
    ) -> StoredPart:
        if not 1 <= number <= MAX_PARTS:
            raise Refusal("InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive")
        part = StoredPart(number, body, _md5(body).hexdigest(), _checked(body, sha256))
        with self._lock:
            upload = self.upload(bucket, key, upload_id)
            if upload.checksummed and sha256 is None:
                message = "Checksum Type mismatch occurred, expected checksum Type: SHA256, actual checksum Type: null"
                raise Refusal("InvalidRequest", message)
            self._uploads[upload_id] = replace(upload, parts=MappingProxyType({**upload.parts, number: part}))
        return part

    def complete(
        self,
        bucket: str,
        key: str,
        upload_id: str,
        parts: Sequence[tuple[int, str]],
        *,
        if_none_match: str | None = None,
    ) -> Stored:
        """`parts` are numbers with ETags, in order; omitted parts are discarded. After a refusal the upload still
        exists."""
        with self._lock:
            present = self._bucket(bucket).get(key)
            before = self._uploads.get(upload_id)
            if present is not None and before is not None and before.completed == present.etag:
                return present
            upload = self.upload(bucket, key, upload_id)
            chosen = _chosen(upload, parts)
            etag = f"{_md5(b''.join(bytes.fromhex(part.etag) for part in chosen)).hexdigest()}-{len(chosen)}"
            sha256 = _composed(chosen)
            wanted = replace(upload.wanted, if_none_match=if_none_match, if_match=None)
            stored = self._keep(bucket, key, b"".join(part.body for part in chosen), wanted, etag=etag, sha256=sha256)
            self._uploads[upload_id] = replace(upload, completed=etag, parts=MappingProxyType({}))
            return stored

    def abort(self, bucket: str, key: str, upload_id: str) -> None:
        with self._lock:
            self.upload(bucket, key, upload_id)
            del self._uploads[upload_id]

    # By URL

    def presign(
        self,
        method: str,
        bucket: str,
        key: str,
        *,
        seconds: int,
        headers: Mapping[str, str] = _NOTHING,
        query: Mapping[str, str] = _NOTHING,
    ) -> str:
        """`headers` (by lower case names) must be in the request, with exactly these values."""
        asked = "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())
        url = f"{self.endpoint}/{bucket}/{quote(key, safe='/-_.~')}" + (f"?{asked}" if asked else "")
        return presigned(self.keys, self.region, method, url, headers, seconds=seconds, now=self.now())

    def request(self, method: str, url: str, headers: Mapping[str, str] = _NOTHING, body: bytes = b"") -> Answer:
        """Handle an HTTP request with a presigned URL: GET (also a range), HEAD, PUT of an object or a part, DELETE."""
        try:
            parts = urlsplit(url)
            place = place_of(parts.hostname or "")
            bucket, key = place.bucket, unquote(parts.path).lstrip("/")
            if not bucket:
                bucket, _, key = key.partition("/")
            other = elsewhere(place, self.region, (self.now() - self.made.get(bucket, 0.0)) / 3600)
            if other is not None:
                return self._redirect(other, bucket, key, parts.query)
            verify(self.keys, method, url, headers, now=self.now())
            query = dict(parse_qsl(parts.query, keep_blank_values=True))
            lower = {name.lower(): value for name, value in headers.items()}
            return self._answer(method, bucket=bucket, key=key, query=query, headers=lower, body=body)
        except Refusal as refusal:
            text = b"" if method == "HEAD" else _xml(refusal)
            return Answer(refusal.http, {"content-type": "application/xml", "content-length": str(len(text))}, text)

    def _redirect(self, other: Elsewhere, bucket: str, key: str, query: str) -> Answer:
        host = f"{bucket}.s3.{self.region}.amazonaws.com"
        headers = {"content-type": "application/xml", "x-amz-bucket-region": self.region}
        if other.located:
            headers["location"] = f"https://{host}/{quote(key, safe='/-_.~')}?{query}"
        refusal = Refusal(other.code, other.message, other.status)
        return Answer(other.status, headers, _xml(refusal, Endpoint=host, Bucket=bucket))

    def _answer(
        self, method: str, *, bucket: str, key: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes
    ) -> Answer:
        match method:
            case "GET" | "HEAD":
                return _shown(self.get(bucket, key), method, headers.get("range"))
            case "PUT" if "uploadId" in query:
                number, sha256 = int(query.get("partNumber", "0")), headers.get("x-amz-checksum-sha256")
                part = self.put_part(bucket, key, query["uploadId"], number, body, sha256=sha256)
                return Answer(200, {"etag": f'"{part.etag}"'})
            case "PUT":
                stored = self.put(bucket, key, body, _wanted(headers))
                return Answer(200, {"etag": f'"{stored.etag}"'} | _encrypted(stored))
            case "DELETE":
                self.delete(bucket, key)
                return Answer(204, {})
        raise Refusal("MethodNotAllowed", "The specified method is not allowed against this resource.", 405)

    # Inside

    def _bucket(self, bucket: str) -> dict[str, Stored]:
        found = self._buckets.get(bucket)
        if found is None:
            raise Refusal("NoSuchBucket", "The specified bucket does not exist", 404)
        return found

    def _keep(self, bucket: str, key: str, body: bytes, wanted: Wanted, *, etag: str, sha256: str | None) -> Stored:
        objects = self._bucket(bucket)
        _check_condition(objects.get(key), wanted)
        encryption = _encryption(wanted.encryption) or self.default_encryption
        metadata = MappingProxyType({name.lower(): value for name, value in wanted.metadata.items()})
        stored = Stored(body, metadata, etag, sha256, encryption, self.now())
        objects[key] = stored
        return stored


def _check_condition(present: Stored | None, wanted: Wanted) -> None:
    if wanted.if_none_match not in (None, "*"):
        message = "A header you provided implies functionality that is not implemented"
        raise Refusal("NotImplemented", message, 501)
    if wanted.if_match is not None and present is None:
        raise _no_such_key()
    unmet = wanted.if_none_match == "*" and present is not None
    if wanted.if_match is not None and present is not None:
        unmet = unmet or wanted.if_match.strip('"') not in ("*", present.etag)
    if unmet:
        message = "At least one of the pre-conditions you specified did not hold"
        raise Refusal("PreconditionFailed", message, 412)


def _chosen(upload: Upload, parts: Sequence[tuple[int, str]]) -> list[StoredPart]:
    if not parts:
        message = "The XML you provided was not well-formed or did not validate against our published schema"
        raise Refusal("MalformedXML", message)
    numbers = [number for number, _ in parts]
    if numbers != sorted(set(numbers)):
        message = "The list of parts was not in ascending order. Parts must be ordered by part number."
        raise Refusal("InvalidPartOrder", message)
    for number, etag in parts:
        if number not in upload.parts or upload.parts[number].etag != etag.strip('"'):
            message = (
                "One or more of the specified parts could not be found.  The part may not have been uploaded, or the "
                "specified entity tag may not match the part's entity tag."
            )
            raise Refusal("InvalidPart", message)
    chosen = [upload.parts[number] for number in numbers]
    if any(len(part.body) < MIN_PART_BYTES for part in chosen[:-1]):
        raise Refusal("EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size")
    return chosen


def _composed(parts: Sequence[StoredPart]) -> str | None:
    sums = [part.sha256 for part in parts]
    if any(one is None for one in sums):
        return None
    whole = hashlib.sha256(b"".join(base64.b64decode(one) for one in sums if one is not None)).digest()
    return f"{base64.b64encode(whole).decode()}-{len(parts)}"


def _checked(body: bytes, sha256: str | None) -> str | None:
    """Return the checksum for S3 to store, after comparison with the body."""
    if sha256 is None:
        return None
    try:
        whole = len(base64.b64decode(sha256, validate=True)) == hashlib.sha256().digest_size
    except binascii.Error:
        whole = False
    if not whole:
        raise Refusal("InvalidRequest", "Value for x-amz-checksum-sha256 header is invalid.")
    if base64.b64encode(hashlib.sha256(body).digest()).decode() != sha256:
        raise Refusal("BadDigest", "The SHA256 you specified did not match the calculated checksum.")
    return sha256


def _encryption(asked: str | None) -> str | None:
    if asked is not None and asked not in ENCRYPTIONS:
        raise Refusal("InvalidArgument", "The encryption method specified is not supported")
    return asked


def _wanted(headers: Mapping[str, str]) -> Wanted:
    return Wanted(
        metadata={name.removeprefix(_META): value for name, value in headers.items() if name.startswith(_META)},
        sha256=headers.get("x-amz-checksum-sha256"),
        encryption=headers.get("x-amz-server-side-encryption"),
        if_none_match=headers.get("if-none-match"),
        if_match=headers.get("if-match"),
    )


def _encrypted(stored: Stored) -> dict[str, str]:
    return {"x-amz-server-side-encryption": stored.encryption} if stored.encryption else {}


def _shown(stored: Stored, method: str, asked: str | None) -> Answer:
    headers = {"etag": f'"{stored.etag}"', "accept-ranges": "bytes", **_encrypted(stored)}
    headers |= {_META + name: value for name, value in stored.metadata.items()}
    size = len(stored.body)
    first, last = ranged(asked, size)
    body = stored.body[first : last + 1]
    headers["content-length"] = str(len(body))
    if asked is not None:
        headers["content-range"] = f"bytes {first}-{last}/{size}"
    return Answer(200 if asked is None else 206, headers, b"" if method == "HEAD" else body)


def ranged(asked: str | None, size: int) -> tuple[int, int]:
    """Return first and last byte of a Range header like bytes=0-99, bytes=100- or bytes=-10. Raises Refusal (416)."""
    if asked is None:
        return 0, size - 1
    unit, _, limits = asked.partition("=")
    begin, _, end = limits.partition("-")
    if unit != "bytes" or not (begin or end) or not (begin + end).isdigit():
        return 0, size - 1
    first = int(begin) if begin else max(0, size - int(end))
    last = min(int(end), size - 1) if begin and end else size - 1
    if first >= size or last < first:
        raise Refusal("InvalidRange", "The requested range is not satisfiable", 416)
    return first, last


def _no_such_key() -> Refusal:
    return Refusal("NoSuchKey", "The specified key does not exist.", 404)


def _no_such_upload() -> Refusal:
    message = (
        "The specified multipart upload does not exist. The upload ID may be invalid, or the upload may have been "
        "aborted or completed."
    )
    return Refusal("NoSuchUpload", message, 404)


def _xml(refusal: Refusal, **more: str) -> bytes:
    words = {"Code": refusal.code, "Message": refusal.message, **more}
    elements = "".join(f"<{name}>{escape(word)}</{name}>" for name, word in words.items())
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{elements}</Error>'.encode()


def _md5(body: bytes) -> hashlib._Hash:
    return hashlib.md5(body, usedforsecurity=False)
