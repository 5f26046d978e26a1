"""Members, the clusters that they form, and what a restore makes of them."""

from __future__ import annotations

import pytest

from hcp_dr_lab.tabletop import etcd
from hcp_dr_lab.tabletop.etcd import Failed, Volume
from hcp_dr_lab.tabletop.kubernetes import Key, Store

NAMES = ("etcd-0", "etcd-1", "etcd-2")
INITIAL = ",".join(f"{name}=https://{name}:2380" for name in NAMES)


def started(name: str, volume: Volume, *others: Volume, initial: str = INITIAL) -> etcd.Member:
    words = (f"--name={name}", f"--initial-advertise-peer-urls=https://{name}:2380", f"--initial-cluster={initial}")
    return etcd.started(words, volume, others, ())


def snapshot() -> bytes:
    store = Store()
    store.put(Key("configmaps", "default", "one"), {"data": {}})
    return store.snapshot()


def restored(name: str | None) -> Volume:
    """As etcd-init does it: with the member's name and the others', or without."""
    words = ["etcdutl", "snapshot", "restore", "file", "--data-dir=/var/lib/data"]
    if name is not None:
        words += [f"--name={name}", f"--initial-cluster={INITIAL}", "--bump-revision", "1000000000"]
        words += [f"--initial-advertise-peer-urls=https://{name}:2380"]
    volume = Volume()
    etcd.restored(words, snapshot(), volume)
    return volume


def test_new_members_form_one_cluster() -> None:
    volumes = [Volume() for _ in NAMES]
    members = [started(name, volume, *volumes) for name, volume in zip(NAMES, volumes, strict=True)]
    assert len({id(member.cluster) for member in members}) == 1
    assert sorted(each.name for each in members[0].cluster.members.values()) == list(NAMES)


def test_members_restored_with_each_others_names_are_one_cluster_far_ahead() -> None:
    volumes = [restored(name) for name in NAMES]
    members = [started(name, volume, *volumes) for name, volume in zip(NAMES, volumes, strict=True)]
    assert len({id(member.cluster) for member in members}) == 1
    assert members[0].cluster.store.revision > 1_000_000_000


def test_members_restored_each_by_itself_are_three_clusters_of_one_id() -> None:
    volumes = [restored(None) for _ in NAMES]
    members = [started(name, volume, *volumes) for name, volume in zip(NAMES, volumes, strict=True)]
    assert len({id(member.cluster) for member in members}) == 3
    assert len({member.cluster.cluster_id for member in members}) == 1
    assert [[each.name for each in member.cluster.members.values()] for member in members] == [[n] for n in NAMES]


def test_a_volume_that_is_not_empty_is_not_restored_to() -> None:
    with pytest.raises(Failed, match="not empty"):
        etcd.restored(["restore", "--data-dir=/var/lib/data"], snapshot(), Volume(files={"old": b""}))


def test_a_damaged_snapshot_is_refused() -> None:
    with pytest.raises(Failed, match="not intact"):
        etcd.restored(["restore"], snapshot()[:-1] + b"x", Volume())


def test_a_removed_member_does_not_start() -> None:
    volume = Volume()
    member = started("etcd-0", volume, initial="etcd-0=https://etcd-0:2380")
    del member.cluster.members[member.member_id]
    with pytest.raises(Failed, match="permanently removed"):
        started("etcd-0", volume)
