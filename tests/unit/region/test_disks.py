from __future__ import annotations

import os
from pathlib import Path

import pytest

from hcp_dr_lab.region.machines.disks import clone, snapshotter

BLOB = "io.containerd.content.v1.content/blobs/sha256/abc"
SNAPSHOT = "io.containerd.snapshotter.v1.overlayfs/snapshots/1/fs/usr/bin/tool"
DATABASE = "io.containerd.metadata.v1.bolt/meta.db"


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    root = tmp_path / "disk"
    for name in (BLOB, SNAPSHOT, DATABASE):
        (root / name).parent.mkdir(parents=True)
        (root / name).write_text(name, "utf-8")
    (root / SNAPSHOT).chmod(0o755)
    (root / SNAPSHOT).with_name("link").symlink_to("tool")
    (root / SNAPSHOT).parents[2].joinpath("tmp").mkdir()
    (root / SNAPSHOT).parents[2].joinpath("tmp").chmod(0o1777)
    return root


def test_what_never_changes_is_shared_and_the_rest_is_the_clones_own(disk: Path, tmp_path: Path) -> None:
    target = tmp_path / "region" / "node"
    clone(disk, target)
    assert (target / BLOB).samefile(disk / BLOB)
    assert (target / SNAPSHOT).samefile(disk / SNAPSHOT)
    assert not (target / DATABASE).samefile(disk / DATABASE)
    assert (target / DATABASE).read_text("utf-8") == DATABASE


def test_links_and_modes_stay(disk: Path, tmp_path: Path) -> None:
    clone(disk, tmp_path / "node")
    fs = (tmp_path / "node" / SNAPSHOT).parents[2]
    assert (fs / "usr/bin/link").readlink() == Path("tool")
    assert (fs / "tmp").stat().st_mode & 0o7777 == 0o1777


def test_where_nothing_can_be_linked_everything_is_copied(
    disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(18, "another file system")

    monkeypatch.setattr(os, "link", refuse)
    clone(disk, tmp_path / "node")
    assert (tmp_path / "node" / BLOB).read_text("utf-8") == BLOB
    assert not (tmp_path / "node" / BLOB).samefile(disk / BLOB)


@pytest.mark.parametrize(
    ("folder", "kept"), [("/root/state", "native"), ("/root/disk/state", "overlayfs"), ("/rootless", "native")]
)
def test_no_overlay_on_an_overlay(folder: str, kept: str) -> None:
    mounts = "overlay / overlay rw 0 0\n/dev/vdb /root/disk ext4 rw 0 0\nproc /proc proc rw 0 0\n"
    assert snapshotter(Path(folder), mounts) == kept


def test_an_ordinary_file_system_takes_overlays() -> None:
    assert snapshotter(Path("/root/state"), "/dev/vda / ext4 rw 0 0\n") == "overlayfs"
