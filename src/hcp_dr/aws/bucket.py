"""One S3 bucket. What is written is checked against its sha256 by S3; presigned URLs carry that check with them."""

from __future__ import annotations

import base64
import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from hcp_dr.aws.mapping import code_of, mapped
from hcp_dr.aws.port import StoredObject
from hcp_dr.errors import ArchiveError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_ABSENT = ("404", "NoSuchKey", "NotFound")


class S3Bucket:
    """Implements hcp_dr.aws.port.Bucket. `client` is for the region that the bucket is in."""

    def __init__(self, client: S3Client, name: str) -> None:
        self._client = client
        self._name = name

    @property
    def name(self) -> str:
        return self._name

    def head(self, key: str) -> StoredObject | None:
        with mapped("S3", f"HeadObject {key}", self._name):
            try:
                found = self._client.head_object(Bucket=self._name, Key=key)
            except ClientError as error:
                if code_of(error) in _ABSENT:
                    return None
                raise
        return StoredObject(
            key=key,
            size=found["ContentLength"],
            metadata={name.lower(): value for name, value in found["Metadata"].items()},
            etag=found["ETag"].strip('"'),
            encryption=found.get("ServerSideEncryption"),
        )

    def put(self, key: str, body: bytes, *, metadata: Mapping[str, str]) -> None:
        checksum = base64.b64encode(hashlib.sha256(body).digest()).decode()
        with mapped("S3", f"PutObject {key}", self._name):
            self._client.put_object(
                Bucket=self._name, Key=key, Body=body, Metadata=dict(metadata), ChecksumSHA256=checksum
            )

    def get(self, key: str, *, first_bytes: int | None = None) -> bytes:
        with mapped("S3", f"GetObject {key}", self._name):
            if first_bytes is None:
                return self._client.get_object(Bucket=self._name, Key=key)["Body"].read()
            try:
                part = self._client.get_object(Bucket=self._name, Key=key, Range=f"bytes=0-{first_bytes - 1}")
                return part["Body"].read()
            except ClientError as error:
                if code_of(error) == "InvalidRange":  # the object is empty
                    return b""
                raise

    def get_to_file(self, key: str, path: Path) -> None:
        """Whole or not at all, readable by its owner only. Raises ArchiveError where the file cannot be written."""
        part = path.with_name(path.name + ".part")
        try:
            part.touch(mode=0o600)
            with mapped("S3", f"GetObject {key}", self._name), part.open("wb") as file:
                shutil.copyfileobj(self._client.get_object(Bucket=self._name, Key=key)["Body"], file, 1024 * 1024)
            part.replace(path)
        except OSError as error:
            raise ArchiveError(folder=path.parent, reason=f"{path.name} cannot be written: {error.strerror}") from error
        finally:
            part.unlink(missing_ok=True)

    def delete(self, key: str) -> None:
        with mapped("S3", f"DeleteObject {key}", self._name):
            self._client.delete_object(Bucket=self._name, Key=key)

    def presign_put(
        self, key: str, *, seconds: int, sha256_hex: str, metadata: Mapping[str, str]
    ) -> tuple[str, Mapping[str, str]]:
        checksum = base64.b64encode(bytes.fromhex(sha256_hex)).decode()
        wanted = {"Bucket": self._name, "Key": key, "Metadata": dict(metadata), "ChecksumSHA256": checksum}
        with mapped("S3", f"presigning {key}", self._name):
            url = self._client.generate_presigned_url("put_object", Params=wanted, ExpiresIn=seconds)
        headers = {f"x-amz-meta-{name.lower()}": value for name, value in metadata.items()}
        return url, {"x-amz-checksum-sha256": checksum, **headers}

    def presign_get(self, key: str, *, seconds: int) -> str:
        with mapped("S3", f"presigning {key}", self._name):
            return self._client.generate_presigned_url(
                "get_object", Params={"Bucket": self._name, "Key": key}, ExpiresIn=seconds
            )
