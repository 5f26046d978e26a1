"""What the product and its pods rely on of S3."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from hcp_dr import errors
from hcp_dr.aws.port import MIN_PART_BYTES, UploadedPart
from hcp_dr.aws.presigned import ends_at
from tests.contract.aws.sides import Storing

KEY = "hcp-dr/clusters/one two/snapshot.db"
CONTENT = b"content of a snapshot"
OTHER = b"content of some other"


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def content(storing: Storing, key: str = KEY) -> bytes | None:
    return storing.bucket.get(key) if storing.bucket.head(key) else None


def test_an_object_is_put_read_and_deleted(storing: Storing, tmp_path: Path) -> None:
    bucket = storing.bucket
    assert bucket.head(KEY) is None
    bucket.put(KEY, CONTENT, metadata={"Fence-Id": "7", "sha256": sha256(CONTENT)})
    head = bucket.head(KEY)
    assert head is not None
    assert (head.key, head.size, head.metadata) == (
        KEY,
        len(CONTENT),
        {"fence-id": "7", "sha256": sha256(CONTENT)},
    )
    assert head.etag == hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
    assert bucket.get(KEY) == CONTENT
    assert bucket.get(KEY, first_bytes=7) == b"content"
    bucket.get_to_file(KEY, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600
    bucket.delete(KEY)
    bucket.delete(KEY)
    assert bucket.head(KEY) is None


def test_an_object_of_another_bucket_is_read(storing: Storing) -> None:
    storing.bucket.put(KEY, CONTENT, metadata={})
    storing.bucket.put("empty", b"", metadata={})
    other = storing.absent
    assert other.read_elsewhere(storing.bucket.name, KEY, first_bytes=7) == b"content"
    assert other.read_elsewhere(storing.bucket.name, "empty", first_bytes=7) == b""
    assert other.read_elsewhere(storing.bucket.name, "missing", first_bytes=7) is None
    with pytest.raises(errors.AwsError):
        other.read_elsewhere(other.name, KEY, first_bytes=7)


def test_a_second_put_replaces_body_and_metadata(storing: Storing) -> None:
    storing.bucket.put(KEY, CONTENT, metadata={"fence": "1"})
    storing.bucket.put(KEY, b"", metadata={})
    head = storing.bucket.head(KEY)
    assert head is not None
    assert (head.size, head.metadata) == (0, {})
    assert storing.bucket.get(KEY, first_bytes=4096) == b""


def test_when_an_object_was_written(storing: Storing) -> None:
    storing.bucket.put(KEY, CONTENT, metadata={})
    first = storing.bucket.head(KEY)
    storing.bucket.put(KEY, OTHER, metadata={})
    second = storing.bucket.head(KEY)
    assert first is not None
    assert second is not None
    assert first.modified is not None
    assert second.modified is not None
    assert first.modified <= second.modified < first.modified + 60
    assert first.modified > 1_700_000_000
    assert first.modified == int(first.modified), "S3 tells whole seconds"


@pytest.mark.parametrize("size", [0, 1, 3 * 1024 * 1024 + 1])
def test_an_object_comes_in_pieces(storing: Storing, size: int) -> None:
    body = bytes(index % 251 for index in range(size))
    storing.bucket.put(KEY, body, metadata={})
    pieces = list(storing.bucket.stream(KEY))
    assert b"".join(pieces) == body
    assert all(len(piece) <= 4 * 1024 * 1024 for piece in pieces)


def test_a_copy_has_the_body_and_metadata_of_its_own(storing: Storing) -> None:
    bucket = storing.bucket
    bucket.put("one-etcd-0-snapshot.db", CONTENT, metadata={"by": "hand"})
    source = bucket.head("one-etcd-0-snapshot.db")
    assert source is not None
    bucket.copy(source.key, KEY, metadata={"Fence": "7"}, if_etag=source.etag)
    copied = bucket.head(KEY)
    assert copied is not None
    assert (copied.size, copied.metadata) == (len(CONTENT), {"fence": "7"})
    assert bucket.get(KEY) == CONTENT
    assert bucket.head(source.key) == source
    bucket.copy(source.key, KEY, metadata={"fence": "8"}, if_etag=source.etag)
    again = bucket.head(KEY)
    assert again is not None
    assert again.metadata == {"fence": "8"}


def test_a_copy_of_what_became_another_or_went(storing: Storing) -> None:
    bucket = storing.bucket
    bucket.put("source", CONTENT, metadata={})
    source = bucket.head("source")
    assert source is not None
    bucket.put("source", OTHER, metadata={})
    with pytest.raises(errors.AwsConflict, match="CopyObject"):
        bucket.copy("source", KEY, metadata={}, if_etag=source.etag)
    with pytest.raises(errors.BucketRefused):
        bucket.copy("absent", KEY, metadata={}, if_etag=source.etag)
    assert content(storing) is None


def test_a_large_copy_is_made_in_parts(storing: Storing, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more bytes than S3 copies in one request."""
    for module in ("hcp_dr.aws.bucket", "hcp_dr_lab.tabletop.aws.ports"):
        monkeypatch.setattr(f"{module}.MAX_PART_BYTES", MIN_PART_BYTES)
    monkeypatch.setattr("hcp_dr.aws.bucket._COPIED_PART", MIN_PART_BYTES)
    bucket, body = storing.bucket, bytes(range(256)) * (2 * MIN_PART_BYTES // 256) + CONTENT
    bucket.put("source", body, metadata={"sha256": sha256(body)})
    source = bucket.head("source")
    assert source is not None
    bucket.copy("source", KEY, metadata=source.metadata, if_etag=source.etag)
    copied = bucket.head(KEY)
    assert copied is not None
    assert (copied.size, copied.metadata) == (source.size, source.metadata)
    assert bucket.get(KEY) == body
    with pytest.raises(errors.AwsConflict):
        bucket.copy("source", "other", metadata={}, if_etag="0" * 32)
    assert bucket.head("other") is None
    assert bucket.unfinished("other") == ()


def test_the_url_of_an_object_that_was_moved_opens_nothing(storing: Storing) -> None:
    bucket = storing.bucket
    bucket.put(KEY, CONTENT, metadata={})
    url, stored = bucket.presign_get(KEY, seconds=60), bucket.head(KEY)
    assert stored is not None
    assert storing.request("GET", url).body == CONTENT
    bucket.copy(KEY, "moved", metadata={}, if_etag=stored.etag)
    bucket.delete(KEY)
    answer = storing.request("GET", url)
    assert (answer.status, answer.code) == (404, "NoSuchKey")
    assert bucket.get("moved") == CONTENT


def test_what_is_not_there(storing: Storing, tmp_path: Path) -> None:
    with pytest.raises(errors.BucketRefused, match="NoSuchKey") as missing:
        storing.bucket.get(KEY)
    assert KEY in str(missing.value)
    with pytest.raises(errors.BucketRefused, match="NoSuchKey"):
        storing.bucket.get_to_file(KEY, tmp_path / "file")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(errors.BucketRefused, match="NoSuchBucket"):
        storing.absent.get(KEY)
    with pytest.raises(errors.BucketRefused, match="NoSuchBucket"):
        storing.absent.put(KEY, CONTENT, metadata={})


def test_a_listing_has_every_object_of_a_prefix_and_no_other(storing: Storing) -> None:
    bucket = storing.bucket
    keys = ["hcp-dr/a/one two/journal.jsonl", "hcp-dr/a/one/b/journal.jsonl", "hcp-dr/a/one/c", "hcp-dr/ab/c"]
    for key in keys:
        bucket.put(key, CONTENT, metadata={"a": "b"})
    listed = bucket.list("hcp-dr/a/")
    assert [(item.key, item.size) for item in listed] == [(key, len(CONTENT)) for key in keys[:3]]
    assert all(item.modified > 1_600_000_000 for item in listed)
    assert [item.key for item in bucket.list("hcp-dr/a/one/")] == keys[1:3]
    assert bucket.list("nothing/") == ()
    with pytest.raises(errors.BucketRefused, match="NoSuchBucket"):
        storing.absent.list("hcp-dr/")


def test_a_listing_goes_over_all_pages(storing: Storing) -> None:
    keys = [f"page/{number:04}" for number in range(1003)]
    for key in keys:
        storing.bucket.put(key, b"", metadata={})
    assert [item.key for item in storing.bucket.list("page/")] == keys


def test_a_put_on_condition(storing: Storing) -> None:
    bucket = storing.bucket
    with pytest.raises(errors.BucketRefused, match="NoSuchKey"):
        bucket.put(KEY, CONTENT, metadata={}, if_etag="0" * 32)
    bucket.put(KEY, CONTENT, metadata={}, if_absent=True)
    with pytest.raises(errors.AwsConflict, match="PutObject"):
        bucket.put(KEY, OTHER, metadata={}, if_absent=True)
    with pytest.raises(errors.AwsConflict):
        bucket.put(KEY, OTHER, metadata={}, if_etag="0" * 32)
    assert bucket.get(KEY) == CONTENT
    head = bucket.head(KEY)
    assert head is not None
    written = bucket.put(KEY, OTHER, metadata={}, if_etag=head.etag)
    assert bucket.get(KEY) == OTHER
    bucket.put(KEY, CONTENT, metadata={}, if_etag=written)
    assert bucket.get(KEY) == CONTENT


# By presigned URL, as a pod without credentials


def test_a_presigned_put_carries_metadata_and_checksum(storing: Storing) -> None:
    url, headers = storing.bucket.presign_put(
        KEY, seconds=60, sha256_hex=sha256(CONTENT), metadata={"fence": "7", "sha256": sha256(CONTENT)}
    )
    assert storing.request("PUT", url, headers, CONTENT).status == 200
    head = storing.bucket.head(KEY)
    assert head is not None
    assert head.metadata == {"fence": "7", "sha256": sha256(CONTENT)}
    assert content(storing) == CONTENT
    assert storing.request("PUT", url, headers, CONTENT).status == 200, "an URL holds for as long as it lives"


@pytest.mark.parametrize("header", ["x-amz-checksum-sha256", "x-amz-meta-fence", "if-none-match"])
def test_a_signed_header_cannot_be_left_out_or_changed(storing: Storing, header: str) -> None:
    url, headers = storing.bucket.presign_put(
        KEY, seconds=60, sha256_hex=sha256(CONTENT), metadata={"fence": "7"}, if_absent=True
    )
    without = {name: value for name, value in headers.items() if name != header}
    changed = {**headers, header: "LXEWQrcmsEQBYnyp+6wy9chTD7GQPMTbAiWHF5IaSIE="}
    for wrong in (without, changed):
        answer = storing.request("PUT", url, wrong, CONTENT)
        assert (answer.status, answer.code) == (403, "SignatureDoesNotMatch")
    assert content(storing) is None


def test_a_header_of_amazon_s_that_is_not_signed_is_refused(storing: Storing) -> None:
    url, headers = storing.bucket.presign_put(KEY, seconds=60, sha256_hex=sha256(CONTENT), metadata={})
    answer = storing.request("PUT", url, {**headers, "x-amz-meta-fence": "8"}, CONTENT)
    assert (answer.status, answer.code) == (403, "AccessDenied")
    assert content(storing) is None


def test_another_body_than_was_signed_is_refused(storing: Storing) -> None:
    url, headers = storing.bucket.presign_put(KEY, seconds=60, sha256_hex=sha256(CONTENT), metadata={})
    answer = storing.request("PUT", url, headers, OTHER)
    assert (answer.status, answer.code) == (400, "BadDigest")
    assert content(storing) is None


def test_a_presigned_put_on_condition(storing: Storing) -> None:
    storing.bucket.put(KEY, OTHER, metadata={})
    url, headers = storing.bucket.presign_put(KEY, seconds=60, sha256_hex=sha256(CONTENT), metadata={}, if_absent=True)
    answer = storing.request("PUT", url, headers, CONTENT)
    assert (answer.status, answer.code) == (412, "PreconditionFailed")
    assert content(storing) == OTHER
    storing.bucket.delete(KEY)
    assert storing.request("PUT", url, headers, CONTENT).status == 200


def test_an_url_expires(storing: Storing) -> None:
    storing.bucket.put(KEY, OTHER, metadata={})
    with storing.earlier(61):
        url, headers = storing.bucket.presign_put(KEY, seconds=60, sha256_hex=sha256(CONTENT), metadata={})
        reading = storing.bucket.presign_get(KEY, seconds=60)
    for answer in (storing.request("PUT", url, headers, CONTENT), storing.request("GET", reading)):
        assert (answer.status, answer.code) == (403, "AccessDenied")
        assert b"Request has expired" in answer.body
        assert answer.body.startswith(b"<?xml"), "by this etcd-init sees that it got no snapshot"
    assert content(storing) == OTHER
    with storing.earlier(30):
        reading = storing.bucket.presign_get(KEY, seconds=60)
    assert storing.request("GET", reading).body == OTHER


def test_an_url_is_for_its_method_and_key_only(storing: Storing) -> None:
    storing.bucket.put(KEY, OTHER, metadata={})
    storing.bucket.put("other", OTHER, metadata={})
    url, headers = storing.bucket.presign_put(KEY, seconds=60, sha256_hex=sha256(CONTENT), metadata={})
    reading = storing.bucket.presign_get(KEY, seconds=60)
    wrong = [
        storing.request("GET", url, headers),
        storing.request("DELETE", url, headers),
        storing.request("PUT", reading, {}, CONTENT),
        storing.request("DELETE", reading),
        storing.request("GET", reading.replace("snapshot.db", "snapshot.dc")),
        storing.request("GET", reading.replace("X-Amz-Expires=60", "X-Amz-Expires=600")),
        storing.request("GET", reading[:-1] + ("0" if reading[-1] != "0" else "1")),
    ]
    assert {(answer.status, answer.code) for answer in wrong} == {(403, "SignatureDoesNotMatch")}
    assert storing.request("GET", reading.partition("?")[0]).status == 403
    assert content(storing) == OTHER


def test_an_url_is_read_whole_or_in_ranges(storing: Storing) -> None:
    storing.bucket.put(KEY, CONTENT, metadata={})
    url = storing.bucket.presign_get(KEY, seconds=60)
    assert storing.request("GET", url).body == CONTENT
    ranged = storing.request("GET", url, {"Range": "bytes=0-6"})
    assert (ranged.status, ranged.body) == (206, b"content")
    assert storing.request("GET", url, {"Range": "bytes=11-"}).body == CONTENT[11:]
    assert storing.request("GET", url, {"Range": "bytes=-8"}).body == b"snapshot"
    beyond = storing.request("GET", url, {"Range": f"bytes={len(CONTENT)}-"})
    assert (beyond.status, beyond.code) == (416, "InvalidRange")
    gone = storing.bucket.presign_get("gone", seconds=60)
    assert (storing.request("GET", gone).status, storing.request("GET", gone).code) == (404, "NoSuchKey")


def test_what_is_behind_an_url_is_measured_without_credentials(storing: Storing) -> None:
    bucket = storing.bucket
    bucket.put(KEY, CONTENT, metadata={})
    url = bucket.presign_get(KEY, seconds=60)
    assert bucket.size_behind(url) == len(CONTENT)
    ends = ends_at(url)
    assert ends is not None
    with storing.earlier(61):
        expired = bucket.presign_get(KEY, seconds=60)
    assert abs(ends - (ends_at(expired) or 0) - 61) <= 2
    with pytest.raises(errors.BucketRefused, match="Request has expired"):
        bucket.size_behind(expired)
    with pytest.raises(errors.BucketRefused, match="NoSuchKey"):
        bucket.size_behind(bucket.presign_get("gone", seconds=60))
    with pytest.raises(errors.AwsDenied, match="SignatureDoesNotMatch") as refused:
        bucket.size_behind(url[:-1] + ("0" if url[-1] != "0" else "1"))
    assert url[-20:-1] not in refused.value.paragraph()


# In parts

FIRST = bytes(range(256)) * (MIN_PART_BYTES // 256)
LAST = b"the last part may be small"


def send(storing: Storing, upload_id: str, number: int, body: bytes) -> None:
    url, headers = storing.bucket.presign_part(KEY, upload_id, number, seconds=60, sha256_hex=sha256(body))
    assert storing.request("PUT", url, headers, body).status == 200


def test_an_object_of_parts(storing: Storing) -> None:
    bucket = storing.bucket
    upload_id = bucket.begin_upload(KEY, metadata={"Fence": "7"})
    assert bucket.parts(KEY, upload_id) == ()
    send(storing, upload_id, 2, LAST)
    send(storing, upload_id, 1, FIRST)
    parts = bucket.parts(KEY, upload_id)
    assert parts is not None
    assert [(part.number, part.size, part.sha256_hex) for part in parts] == [
        (1, len(FIRST), sha256(FIRST)),
        (2, len(LAST), sha256(LAST)),
    ]
    assert bucket.head(KEY) is None, "nothing is there before it is complete"
    bucket.complete_upload(KEY, upload_id, parts)
    head = bucket.head(KEY)
    assert head is not None
    assert (head.size, head.metadata) == (len(FIRST) + len(LAST), {"fence": "7"})
    sums = b"".join(hashlib.md5(body, usedforsecurity=False).digest() for body in (FIRST, LAST))
    assert head.etag == f"{hashlib.md5(sums, usedforsecurity=False).hexdigest()}-2"
    assert bucket.get(KEY) == FIRST + LAST
    assert bucket.parts(KEY, upload_id) is None
    assert bucket.unfinished(KEY) == ()
    bucket.complete_upload(KEY, upload_id, parts)  # as after a lost answer


def test_a_part_is_checked_and_can_be_sent_again(storing: Storing) -> None:
    bucket = storing.bucket
    upload_id = bucket.begin_upload(KEY, metadata={})
    url, headers = bucket.presign_part(KEY, upload_id, 1, seconds=60, sha256_hex=sha256(LAST))
    wrong = storing.request("PUT", url, headers, LAST[::-1])
    assert (wrong.status, wrong.code) == (400, "BadDigest")
    assert storing.request("PUT", url, {}, LAST).code == "SignatureDoesNotMatch"
    another = storing.request("PUT", url.replace("partNumber=1", "partNumber=2"), headers, LAST)
    assert another.code == "SignatureDoesNotMatch"
    assert bucket.parts(KEY, upload_id) == ()
    send(storing, upload_id, 1, CONTENT)
    send(storing, upload_id, 1, LAST)
    parts = bucket.parts(KEY, upload_id)
    assert parts is not None
    bucket.complete_upload(KEY, upload_id, parts)
    assert bucket.get(KEY) == LAST


def test_what_is_not_a_whole_upload_is_not_completed(storing: Storing) -> None:
    bucket = storing.bucket
    upload_id = bucket.begin_upload(KEY, metadata={})
    with pytest.raises(errors.BucketRefused, match="MalformedXML"):
        bucket.complete_upload(KEY, upload_id, ())
    send(storing, upload_id, 1, LAST)
    send(storing, upload_id, 2, LAST)
    parts = bucket.parts(KEY, upload_id)
    assert parts is not None
    with pytest.raises(errors.BucketRefused, match="EntityTooSmall"):
        bucket.complete_upload(KEY, upload_id, parts)
    send(storing, upload_id, 1, FIRST)
    parts = bucket.parts(KEY, upload_id)
    assert parts is not None
    missing = UploadedPart(3, len(LAST), parts[1].etag, parts[1].sha256_hex)
    other = UploadedPart(2, len(LAST), parts[0].etag, parts[1].sha256_hex)
    for wrong in (missing, other):
        with pytest.raises(errors.BucketRefused, match="InvalidPart"):
            bucket.complete_upload(KEY, upload_id, (parts[0], wrong))
    with pytest.raises(errors.BucketRefused):
        bucket.complete_upload(KEY, upload_id, parts[::-1])
    with pytest.raises(errors.BucketRefused, match="NoSuchUpload"):
        bucket.complete_upload("other", upload_id, parts)
    assert bucket.head(KEY) is None
    bucket.complete_upload(KEY, upload_id, parts[:1])
    assert bucket.get(KEY) == FIRST, "parts that were not named are thrown away"


def test_completing_on_condition(storing: Storing) -> None:
    bucket = storing.bucket
    upload_id = bucket.begin_upload(KEY, metadata={})
    send(storing, upload_id, 1, LAST)
    parts = bucket.parts(KEY, upload_id)
    assert parts is not None
    bucket.put(KEY, OTHER, metadata={})
    with pytest.raises(errors.AwsConflict):
        bucket.complete_upload(KEY, upload_id, parts, if_absent=True)
    assert bucket.get(KEY) == OTHER
    bucket.delete(KEY)
    bucket.complete_upload(KEY, upload_id, parts, if_absent=True)
    assert bucket.get(KEY) == LAST


def test_uploads_are_found_again_and_aborted(storing: Storing) -> None:
    bucket = storing.bucket
    bucket.begin_upload(KEY + ".other", metadata={})
    uploads = [bucket.begin_upload(KEY, metadata={}) for _ in range(2)]
    assert set(bucket.unfinished(KEY)) == set(uploads)
    send(storing, uploads[0], 1, LAST)
    url, headers = bucket.presign_part(KEY, uploads[0], 2, seconds=60, sha256_hex=sha256(LAST))
    bucket.abort_upload(KEY, uploads[0])
    bucket.abort_upload(KEY, uploads[0])
    assert bucket.unfinished(KEY) == (uploads[1],)
    assert bucket.parts(KEY, uploads[0]) is None
    answer = storing.request("PUT", url, headers, LAST)
    assert (answer.status, answer.code) == (404, "NoSuchUpload")
