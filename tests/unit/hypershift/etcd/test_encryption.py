"""A change of the encryption key that is in progress, as the source's objects show it."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest

from hcp_dr.engine.journal import RunState
from hcp_dr.errors import NotRestorable
from hcp_dr.hypershift.etcd import encryption, restorable
from hcp_dr.hypershift.etcd.restorable import Etcd
from hcp_dr.hypershift.state import ETCD_RESTORE, Encryption, EncryptionKey
from hcp_dr.kube.port import Object
from tests.ports import CASE, World
from tests.world import relocatable

KEY = b"0" * 32
DIGEST = hashlib.sha256(KEY).hexdigest()
OLD: dict[str, Any] = {"provider": "AESCBC", "aescbc": {"secret": {"name": "one-key"}, "dataHash": DIGEST}}
NEW: dict[str, Any] = {"provider": "AESCBC", "aescbc": {"secret": {"name": "one-key-2"}, "dataHash": "b" * 64}}
ARNS = ("arn:aws:kms:us-east-1:1:key/a", "arn:aws:kms:us-east-1:1:key/b")
FALSE = {"type": "EtcdDataEncryptionUpToDate", "status": "False", "reason": "ReEncryptionFailed"}


@pytest.fixture
def world() -> World:
    world = relocatable()
    hosted_cluster(world)["spec"]["secretEncryption"] = {"type": "aescbc", "aescbc": {"activeKey": {"name": "one-key"}}}
    put_key(world, KEY)
    return world


def hosted_cluster(world: World) -> Object:
    return world.source.objects["HostedCluster", "clusters", "one"]


def plane(world: World) -> Object:
    return world.source.objects["HostedControlPlane", "clusters-one", "one"]


def put_key(world: World, key: bytes) -> None:
    world.source.put({"Secret clusters/one-key": {"data": {"key": base64.b64encode(key).decode()}}})


def report(item: Object, **keys: Any) -> None:
    item.setdefault("status", {})["secretEncryption"] = keys


def refusal(world: World) -> NotRestorable | None:
    found = hosted_cluster(world)
    return Etcd(found, restorable.probe_restore(world.source, CASE)[1]).refusal


def test_content_with_the_key_of_the_spec_is_carried(world: World) -> None:
    report(plane(world), activeKey=OLD)
    assert refusal(world) is None
    found = encryption.read_encryption(world.source, CASE, hosted_cluster(world))
    assert found == Encryption(EncryptionKey("Secret one-key", DIGEST))


def test_a_release_that_does_not_report_its_keys_has_both_in_the_spec(world: World) -> None:
    assert refusal(world) is None


@pytest.mark.parametrize("where", [hosted_cluster, plane])
def test_a_target_key_is_a_change_in_progress(world: World, where: Any) -> None:
    report(where(world), activeKey=OLD, targetKey=NEW)
    error = refusal(world)
    assert error is not None
    assert "the encryption key is being changed to Secret one-key-2" in error.what


@pytest.mark.parametrize("where", [hosted_cluster, plane])
def test_the_condition_counts_for_an_older_generation_too(world: World, where: Any) -> None:
    where(world).setdefault("status", {}).setdefault("conditions", []).append({**FALSE, "observedGeneration": 0})
    where(world)["metadata"]["generation"] = 9
    error = refusal(world)
    assert error is not None
    assert "EtcdDataEncryptionUpToDate is False (ReEncryptionFailed)" in error.what


def test_a_change_that_nobody_has_begun_is_seen(world: World) -> None:
    report(plane(world), activeKey=OLD)
    hosted_cluster(world)["spec"]["secretEncryption"]["aescbc"]["activeKey"]["name"] = "one-key-2"
    error = refusal(world)
    assert error is not None
    assert "the spec names Secret one-key-2, but etcd's content is encrypted with Secret one-key" in error.what


def test_another_key_in_the_same_secret_is_seen(world: World) -> None:
    report(plane(world), activeKey=OLD)
    put_key(world, b"1" * 32)
    error = refusal(world)
    assert error is not None
    assert "Secret one-key has another key" in error.what


def test_keys_of_kms_are_compared_by_arn(world: World) -> None:
    spec = {"provider": "AWS", "aws": {"activeKey": {"arn": ARNS[0]}}}
    hosted_cluster(world)["spec"]["secretEncryption"] = {"type": "kms", "kms": spec}
    report(plane(world), activeKey={"provider": "AWS", "aws": {"arn": ARNS[0]}})
    assert refusal(world) is None
    report(plane(world), activeKey={"provider": "AWS", "aws": {"arn": ARNS[1]}})
    error = refusal(world)
    assert error is not None
    assert "but etcd's content is encrypted with KMS key arn:aws:kms:us-east-1:1:key/b" in error.what


def test_a_change_that_begins_after_the_probe_is_seen_unless_the_source_is_lost(world: World) -> None:
    _, probe = restorable.probe_restore(world.source, CASE)
    memory = RunState().with_remembered(ETCD_RESTORE.remember(probe))
    report(plane(world), activeKey=OLD, targetKey=NEW)
    found = hosted_cluster(world)
    assert restorable.known(found, world.source, CASE, memory, lost=False).refusal is not None
    assert restorable.known(found, world.source, CASE, memory, lost=True).refusal is None
