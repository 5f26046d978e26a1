"""What of S3 in memory the contract cannot show: encryption, clones, the week of an URL, and who was first."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor

import pytest

from hcp_dr import errors
from hcp_dr_lab.tabletop.aws import MemoryBucket, Refusal, Storage, Wanted

EMPTY = hashlib.sha256(b"").hexdigest()


@pytest.fixture
def storage() -> Storage:
    made = Storage(now=lambda: 1_800_000_000.0)
    made.create_bucket("backups")
    return made


def test_encryption_is_the_bucket_s_own_or_what_was_asked(storage: Storage) -> None:
    MemoryBucket(storage, "backups").put("plain", b"", metadata={})
    kms = MemoryBucket(storage, "backups", encryption="aws:kms")
    kms.put("asked", b"", metadata={})
    upload = kms.begin_upload("parts", metadata={})
    url, headers = kms.presign_part("parts", upload, 1, seconds=60, sha256_hex=EMPTY)
    assert storage.request("PUT", url, headers, b"").status == 200
    kms.complete_upload("parts", upload, kms.parts("parts", upload) or ())
    seen = {key: kms.head(key) for key in ("plain", "asked", "parts")}
    assert {key: head and head.encryption for key, head in seen.items()} == {
        "plain": "AES256",
        "asked": "aws:kms",
        "parts": "aws:kms",
    }
    with pytest.raises(Refusal, match="encryption method"):
        storage.put("backups", "key", b"", Wanted(encryption="rot13"))


def test_a_signed_wish_for_encryption_has_to_come_along(storage: Storage) -> None:
    bucket = MemoryBucket(storage, "backups", encryption="aws:kms")
    url, headers = bucket.presign_put("key", seconds=60, sha256_hex=EMPTY, metadata={})
    assert headers["x-amz-server-side-encryption"] == "aws:kms"
    without = {name: value for name, value in headers.items() if name != "x-amz-server-side-encryption"}
    assert storage.request("PUT", url, without, b"").status == 403


def test_an_url_for_more_than_a_week_is_worth_nothing(storage: Storage) -> None:
    bucket = MemoryBucket(storage, "backups")
    bucket.put("key", b"body", metadata={})
    assert storage.request("GET", bucket.presign_get("key", seconds=7 * 24 * 3600)).status == 200
    assert storage.request("GET", bucket.presign_get("key", seconds=7 * 24 * 3600 + 1)).status == 400


def test_clones_begin_alike_and_go_their_own_ways(storage: Storage) -> None:
    bucket = MemoryBucket(storage, "backups")
    bucket.put("before", b"body", metadata={})
    upload = bucket.begin_upload("parts", metadata={})
    other = storage.clone(now=lambda: 1_900_000_000.0)
    theirs = MemoryBucket(other, "backups")
    bucket.delete("before")
    bucket.abort_upload("parts", upload)
    assert theirs.get("before") == b"body"
    assert theirs.unfinished("parts") == (upload,)
    assert bucket.begin_upload("next", metadata={}) == theirs.begin_upload("next", metadata={}), "the same randomness"
    url = theirs.presign_get("before", seconds=60)
    assert other.request("GET", url).status == 200
    assert storage.request("GET", url).status == 403, "signed in the future"


def test_one_of_many_who_create_at_once_succeeds(storage: Storage) -> None:
    bucket = MemoryBucket(storage, "backups")

    def create(number: int) -> bool:
        try:
            bucket.put("key", str(number).encode(), metadata={}, if_absent=True)
        except errors.AwsConflict:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(create, range(64))) == 1


def test_head_has_no_body_and_delete_needs_its_own_url(storage: Storage) -> None:
    MemoryBucket(storage, "backups").put("key", b"body", metadata={"fence": "7"})
    head = storage.request("HEAD", storage.presign("HEAD", "backups", "key", seconds=60))
    assert (head.status, head.headers["content-length"], head.headers["x-amz-meta-fence"], head.body) == (
        200,
        "4",
        "7",
        b"",
    )
    absent = storage.request("HEAD", storage.presign("HEAD", "backups", "gone", seconds=60))
    assert (absent.status, absent.body) == (404, b"")
    assert storage.request("DELETE", storage.presign("DELETE", "backups", "key", seconds=60)).status == 204
    assert storage.keys_of("backups") == ()
    assert storage.request("POST", storage.presign("POST", "backups", "key", seconds=60)).status == 405
