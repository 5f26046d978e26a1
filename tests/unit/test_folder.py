"""The backup folder on disk: for its owner's eyes only, each file whole or not at all."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hcp_dr.errors import ArchiveError
from hcp_dr.folder import BackupFolder


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(autouse=True)
def _an_open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.fixture
def folder(tmp_path: Path) -> BackupFolder:
    made = BackupFolder(tmp_path / "state" / "backup")
    made.make()
    return made


def test_the_folder_is_for_its_owner_only_even_if_it_was_there(tmp_path: Path, folder: BackupFolder) -> None:
    assert mode(folder.path) == 0o700
    (tmp_path / "open").mkdir(mode=0o755)
    BackupFolder(tmp_path / "open").make()
    assert mode(tmp_path / "open") == 0o700


def test_files_and_the_folders_between_are_for_their_owner_only(folder: BackupFolder) -> None:
    folder.write("namespaces/clusters/secret-a.yaml", "text")
    found = {str(path.relative_to(folder.path)): mode(path) for path in folder.path.rglob("*")}
    assert found == {
        "namespaces": 0o700,
        "namespaces/clusters": 0o700,
        "namespaces/clusters/secret-a.yaml": 0o600,
    }


def test_what_was_written_is_read_again(folder: BackupFolder) -> None:
    folder.write("a/b.yaml", "größe\n")
    assert folder.read("a/b.yaml") == "größe\n".encode()
    folder.write("a/b.yaml", "kurz")
    assert folder.read("a/b.yaml") == b"kurz"
    assert folder.folder == str(folder.path)


def test_what_is_not_there_is_none(folder: BackupFolder) -> None:
    assert folder.read("a/b.yaml") is None
    assert BackupFolder(folder.path / "missing").read("manifest.json") is None


def test_a_crash_while_writing_leaves_the_file_as_it_was(folder: BackupFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.write("a.yaml", "before")

    def crash(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", crash)
    with pytest.raises(KeyboardInterrupt):
        folder.write("a.yaml", "after")
    assert folder.read("a.yaml") == b"before"
    monkeypatch.undo()
    folder.write("a.yaml", "after")
    assert folder.read("a.yaml") == b"after"
    assert [path.name for path in folder.path.iterdir()] == ["a.yaml"]


def test_a_file_is_on_disk_before_it_has_its_name(folder: BackupFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    named: list[bool] = []
    monkeypatch.setattr(os, "fsync", lambda _: named.append((folder.path / "a.yaml").exists()))
    folder.write("a.yaml", "text")
    assert named[0] is False


def test_several_hands_write_at_once(folder: BackupFolder) -> None:
    paths = [f"namespaces/{place}/secret-{number}.yaml" for place in ("a", "b") for number in range(20)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(folder.write, paths, paths))
    assert [folder.read(path) for path in paths] == [path.encode() for path in paths]


def test_a_folder_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ArchiveError) as caught:
            BackupFolder(path).make()
        assert caught.value.paragraph().startswith(f"The backup folder {path} cannot be used: ")
        assert caught.value.left_as == "Nothing was changed anywhere."


def test_a_file_that_cannot_be_written_says_so(folder: BackupFolder) -> None:
    folder.write("in-the-way", "")
    with pytest.raises(ArchiveError, match="in-the-way/below"):
        folder.write("in-the-way/below/a.yaml", "text")


def test_a_file_that_cannot_be_read_says_so(folder: BackupFolder) -> None:
    (folder.path / "a.yaml").mkdir()
    with pytest.raises(ArchiveError, match=r"a\.yaml"):
        folder.read("a.yaml")


def test_the_files_of_one_of_its_folders(folder: BackupFolder) -> None:
    assert folder.paths("namespaces/clusters") == ()
    for path in ("namespaces/clusters/np-b.yaml", "namespaces/clusters/hc-a.yaml", "namespaces/clusters/below/x.yaml"):
        folder.write(path, "text")
    assert folder.paths("namespaces/clusters") == ("namespaces/clusters/hc-a.yaml", "namespaces/clusters/np-b.yaml")
