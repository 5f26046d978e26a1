"""One S3 bucket. S3 verifies the sha256 of each object that is written, also through a presigned URL."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError, ClientError
from botocore.httpsession import URLLib3Session
from botocore.utils import get_environ_proxies

from hcp_dr.aws import checksum
from hcp_dr.aws.limits import limited
from hcp_dr.aws.mapping import code_of, from_page, translate_errors
from hcp_dr.aws.port import MAX_PART_BYTES, Encryption, ListedObject, StoredObject, UploadedPart
from hcp_dr.errors import ArchiveError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_ABSENT = ("404", "NoSuchKey", "NotFound")
_NO_UPLOAD = "NoSuchUpload"
_GET_SECONDS = 30
_CHUNK = 1024 * 1024
_COPIED_PART = 512 * 1024**2
"""Bytes that S3 copies in one request of a large copy: seconds, well below the limit for an answer."""


class S3Bucket:
    """Implements hcp_dr.aws.port.Bucket. `client` is for the bucket's region. `encryption` is requested with each
    write; None uses the bucket's default. `authorities` is a file of certificate authorities to trust, None for the
    system's."""

    def __init__(
        self, client: S3Client, name: str, *, encryption: Encryption | None = None, authorities: Path | None = None
    ) -> None:
        self._client = client
        self._name = name
        self._encryption = encryption
        self._authorities = authorities

    @property
    def name(self) -> str:
        return self._name

    @property
    def region(self) -> str:
        return self._client.meta.region_name

    @property
    def encryption(self) -> Encryption | None:
        return self._encryption

    def head(self, key: str) -> StoredObject | None:
        with translate_errors("S3", f"HeadObject {key}", self._name):
            try:
                head = self._client.head_object(Bucket=self._name, Key=key)
            except ClientError as error:
                if code_of(error) in _ABSENT:
                    return None
                raise
            return StoredObject(
                key=key,
                size=head["ContentLength"],
                metadata={name.lower(): value for name, value in head["Metadata"].items()},
                etag=head["ETag"].strip('"'),
                encryption=head.get("ServerSideEncryption"),
                modified=head["LastModified"].timestamp(),
            )

    def list(self, prefix: str) -> tuple[ListedObject, ...]:
        with translate_errors("S3", f"ListObjectsV2 {prefix}", self._name):
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._name, Prefix=prefix)
            items = [item for page in limited(pages) for item in page.get("Contents", ())]
            return tuple(ListedObject(item["Key"], item["Size"], item["LastModified"].timestamp()) for item in items)

    def put(
        self,
        key: str,
        body: bytes,
        *,
        metadata: Mapping[str, str],
        if_absent: bool = False,
        if_etag: str | None = None,
    ) -> str:
        parameters = self._write_parameters(metadata) | {"ChecksumSHA256": checksum.of_body(body)}
        if if_absent:
            parameters["IfNoneMatch"] = "*"
        if if_etag is not None:
            parameters["IfMatch"] = if_etag
        with translate_errors("S3", f"PutObject {key}", self._name):
            answer = self._client.put_object(Bucket=self._name, Key=key, Body=body, **parameters)
        return answer.get("ETag", "").strip('"')

    def get(self, key: str, *, first_bytes: int | None = None) -> bytes:
        with translate_errors("S3", f"GetObject {key}", self._name):
            if first_bytes is None:
                return self._client.get_object(Bucket=self._name, Key=key)["Body"].read()
            return self._first_bytes(self._name, key, first_bytes)

    def read_elsewhere(self, bucket: str, key: str, *, first_bytes: int) -> bytes | None:
        with translate_errors("S3", f"GetObject {key}", bucket):
            try:
                return self._first_bytes(bucket, key, first_bytes)
            except ClientError as error:
                if code_of(error) in _ABSENT:
                    return None
                raise

    def _first_bytes(self, bucket: str, key: str, count: int) -> bytes:
        try:
            return self._client.get_object(Bucket=bucket, Key=key, Range=f"bytes=0-{count - 1}")["Body"].read()
        except ClientError as error:
            if code_of(error) == "InvalidRange":  # the object is empty
                return b""
            raise

    def get_to_file(self, key: str, path: Path) -> None:
        """Write the file atomically, readable only by its owner. Raises ArchiveError if the file cannot be written."""
        part = path.with_name(path.name + ".part")
        try:
            part.touch(mode=0o600)
            with translate_errors("S3", f"GetObject {key}", self._name), part.open("wb") as file:
                shutil.copyfileobj(self._client.get_object(Bucket=self._name, Key=key)["Body"], file, 1024 * 1024)
            part.replace(path)
        except OSError as error:
            raise ArchiveError(folder=path.parent, reason=f"{path.name} cannot be written: {error.strerror}") from error
        finally:
            part.unlink(missing_ok=True)

    def stream(self, key: str) -> Iterator[bytes]:
        with translate_errors("S3", f"GetObject {key}", self._name):
            yield from self._client.get_object(Bucket=self._name, Key=key)["Body"].iter_chunks(_CHUNK)

    def copy(self, source: str, key: str, *, metadata: Mapping[str, str], if_etag: str) -> None:
        from_source: Any = {"CopySource": {"Bucket": self._name, "Key": source}, "CopySourceIfMatch": if_etag}
        with translate_errors("S3", f"CopyObject {source} to {key}", self._name):
            size = self._client.head_object(Bucket=self._name, Key=source)["ContentLength"]
            if size > MAX_PART_BYTES:
                self._copy_in_parts(key, size, from_source, self._write_parameters(metadata))
            else:
                directive = self._write_parameters(metadata) | {"MetadataDirective": "REPLACE"}
                self._client.copy_object(Bucket=self._name, Key=key, **from_source, **directive)

    def _copy_in_parts(self, key: str, size: int, from_source: Any, parameters: Any) -> None:
        target: Any = {"Bucket": self._name, "Key": key}
        target["UploadId"] = self._client.create_multipart_upload(**target, **parameters)["UploadId"]
        try:
            parts: Any = []
            for number, first in enumerate(range(0, size, _COPIED_PART), start=1):
                last = min(first + _COPIED_PART, size) - 1
                copied = self._client.upload_part_copy(
                    **target, **from_source, PartNumber=number, CopySourceRange=f"bytes={first}-{last}"
                )
                parts.append({"PartNumber": number, "ETag": copied["CopyPartResult"]["ETag"]})
            self._client.complete_multipart_upload(**target, MultipartUpload={"Parts": parts})
        except Exception:
            with suppress(BotoCoreError, ClientError):
                self._client.abort_multipart_upload(**target)
            raise

    def delete(self, key: str) -> None:
        with translate_errors("S3", f"DeleteObject {key}", self._name):
            self._client.delete_object(Bucket=self._name, Key=key)

    def presign_put(
        self, key: str, *, seconds: int, sha256_hex: str, metadata: Mapping[str, str], if_absent: bool = False
    ) -> tuple[str, Mapping[str, str]]:
        sha256 = checksum.to_base64(sha256_hex)
        parameters = {"Bucket": self._name, "Key": key, "ChecksumSHA256": sha256, **self._write_parameters(metadata)}
        headers = {"x-amz-checksum-sha256": sha256}
        headers |= {f"x-amz-meta-{name.lower()}": value for name, value in metadata.items()}
        if self._encryption is not None:
            headers["x-amz-server-side-encryption"] = self._encryption
        if if_absent:
            parameters["IfNoneMatch"] = headers["if-none-match"] = "*"
        with translate_errors("S3", f"presigning {key}", self._name):
            return self._client.generate_presigned_url("put_object", Params=parameters, ExpiresIn=seconds), headers

    def presign_get(self, key: str, *, seconds: int) -> str:
        with translate_errors("S3", f"presigning {key}", self._name):
            return self._client.generate_presigned_url(
                "get_object", Params={"Bucket": self._name, "Key": key}, ExpiresIn=seconds
            )

    def size_behind(self, url: str) -> int:
        request = AWSRequest("GET", url, headers={"Range": "bytes=0-0"})
        operation = "GET of a presigned URL"
        authorities: Any = str(self._authorities) if self._authorities else True
        with translate_errors("S3", operation, self._name):
            session = URLLib3Session(
                verify=authorities,
                proxies=get_environ_proxies(url),
                timeout=_GET_SECONDS,
            )
            answer = session.send(request.prepare())
            body = answer.content
        if not 200 <= answer.status_code < 300:
            location = str(answer.headers.get("location", ""))
            raise from_page(
                body, answer.status_code, location=location, service="S3", operation=operation, subject=self._name
            )
        size = answer.headers.get("content-range", "").rpartition("/")[2] or answer.headers.get("content-length", "")
        return int(size) if size.isdigit() else 0

    def begin_upload(self, key: str, *, metadata: Mapping[str, str]) -> str:
        with translate_errors("S3", f"CreateMultipartUpload {key}", self._name):
            return self._client.create_multipart_upload(
                Bucket=self._name, Key=key, ChecksumAlgorithm="SHA256", **self._write_parameters(metadata)
            )["UploadId"]

    def unfinished(self, key: str) -> tuple[str, ...]:
        with translate_errors("S3", f"ListMultipartUploads {key}", self._name):
            pages = self._client.get_paginator("list_multipart_uploads").paginate(Bucket=self._name, Prefix=key)
            uploads = [upload for page in limited(pages) for upload in page.get("Uploads", ()) if upload["Key"] == key]
            return tuple(upload["UploadId"] for upload in sorted(uploads, key=lambda upload: upload["Initiated"]))

    def presign_part(
        self, key: str, upload_id: str, number: int, *, seconds: int, sha256_hex: str
    ) -> tuple[str, Mapping[str, str]]:
        sha256 = checksum.to_base64(sha256_hex)
        parameters = {"Bucket": self._name, "Key": key, "UploadId": upload_id, "PartNumber": number}
        with translate_errors("S3", f"presigning part {number} of {key}", self._name):
            url = self._client.generate_presigned_url(
                "upload_part", Params=parameters | {"ChecksumSHA256": sha256}, ExpiresIn=seconds
            )
        return url, {"x-amz-checksum-sha256": sha256}

    def parts(self, key: str, upload_id: str) -> tuple[UploadedPart, ...] | None:
        with translate_errors("S3", f"ListParts {key}", self._name):
            try:
                pages = self._client.get_paginator("list_parts").paginate(
                    Bucket=self._name, Key=key, UploadId=upload_id
                )
                parts = [part for page in limited(pages) for part in page.get("Parts", ())]
            except ClientError as error:
                if code_of(error) == _NO_UPLOAD:
                    return None
                raise
        return tuple(
            UploadedPart(
                number=part["PartNumber"],
                size=part["Size"],
                etag=part["ETag"].strip('"'),
                sha256_hex=checksum.to_hex(part["ChecksumSHA256"]),
            )
            for part in parts
        )

    def complete_upload(
        self, key: str, upload_id: str, parts: Sequence[UploadedPart], *, if_absent: bool = False
    ) -> None:
        chosen_parts: Any = [
            {"PartNumber": part.number, "ETag": part.etag, "ChecksumSHA256": checksum.to_base64(part.sha256_hex)}
            for part in parts
        ]
        condition: Any = {"IfNoneMatch": "*"} if if_absent else {}
        with translate_errors("S3", f"CompleteMultipartUpload {key}", self._name):
            self._client.complete_multipart_upload(
                Bucket=self._name, Key=key, UploadId=upload_id, MultipartUpload={"Parts": chosen_parts}, **condition
            )

    def abort_upload(self, key: str, upload_id: str) -> None:
        with translate_errors("S3", f"AbortMultipartUpload {key}", self._name):
            try:
                self._client.abort_multipart_upload(Bucket=self._name, Key=key, UploadId=upload_id)
            except ClientError as error:
                if code_of(error) != _NO_UPLOAD:
                    raise

    def _write_parameters(self, metadata: Mapping[str, str]) -> dict[str, Any]:
        """The parameters common to all writes."""
        parameters: dict[str, Any] = {"Metadata": dict(metadata)}
        if self._encryption is not None:
            parameters["ServerSideEncryption"] = self._encryption
        return parameters
