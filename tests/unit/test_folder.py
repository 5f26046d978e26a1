"""The backup folder on disk: for its owner's eyes only, each file whole or not at all, and nothing outside of it."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from hcp_dr.engine.journal import FILE_NAME, Journal, read
from hcp_dr.errors import ArchiveError, HcpDrError
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


def test_the_folder_and_what_is_made_above_it_are_for_their_owner_only(folder: BackupFolder) -> None:
    assert [mode(path) for path in (folder.path, folder.path.parent)] == [0o700, 0o700]


@pytest.mark.parametrize("bits", [0o755, 0o750, 0o1777, 0o701])
@pytest.mark.parametrize("holds", ["", "of-somebody", FILE_NAME])
def test_a_folder_that_is_there_keeps_its_mode(tmp_path: Path, bits: int, holds: str) -> None:
    there = tmp_path / "there"
    there.mkdir()
    if holds:
        (there / holds).write_text('{"line": "begin", "command": "relocate"}\n')
    there.chmod(bits)
    for use in (BackupFolder(there).make, BackupFolder(there).check_usable):
        with pytest.raises(ArchiveError) as caught:
            use()
        assert caught.value.left_as == "Nothing was changed anywhere."
        is_shared = bits == 0o1777 and holds != FILE_NAME  # closing it would take it from others
        assert (f"to restrict it: `chmod 700 {there}`" in caught.value.what) is (
            holds != "of-somebody" and not is_shared
        )
    assert mode(there) == bits
    there.chmod(0o700)
    if holds != "of-somebody":
        BackupFolder(there).make()
    else:
        with pytest.raises(ArchiveError, match="it is not empty and has no journal"):
            BackupFolder(there).make()
    assert [path.name for path in there.iterdir()] == ([holds] if holds else [])


def test_the_command_that_closes_it_works_as_it_is_printed(tmp_path: Path) -> None:
    there = tmp_path / "with a space; touch x"
    there.mkdir(mode=0o755)
    with pytest.raises(ArchiveError) as caught:
        BackupFolder(there).make()
    subprocess.run(caught.value.what.split("`")[1], shell=True, check=True, cwd=tmp_path)  # noqa: S602 - it must be safe
    BackupFolder(there).make()
    assert [path.name for path in tmp_path.iterdir()] == [there.name]


@pytest.mark.parametrize("line", ["", '{"line": "be'])
def test_one_that_was_begun_and_killed_at_once_is_ours(folder: BackupFolder, line: str) -> None:
    (folder.path / FILE_NAME).write_text(line)
    folder.make()
    (folder.path / "of-somebody").write_text("")
    with pytest.raises(ArchiveError, match="has no journal of hcp-dr"):
        folder.make()


def test_lines_of_another_program_are_no_journal(folder: BackupFolder) -> None:
    (folder.path / FILE_NAME).write_text('{"level": "info"}\n')
    (folder.path / "of-somebody").write_text("")
    with pytest.raises(ArchiveError, match="has no journal of hcp-dr"):
        folder.make()


def test_one_that_people_made_may_be_open_and_that_is_told(folder: BackupFolder) -> None:
    folder.path.chmod(0o755)
    (folder.path / "namespaces").mkdir()
    assert folder.check_usable(by_hand=True) == (
        f"The backup folder {folder.path} is accessible to others (mode 755). "
        f"To restrict it: `chmod 700 {folder.path}`."
    )
    with closing(Journal(folder.path, now=lambda: 0.0)) as journal:
        journal.write("begin", command="restore-by-hand")
        assert "To restrict it" in folder.check_usable()
        journal.write("begin", command="verify")
    assert "To restrict it" in folder.check_usable()
    assert mode(folder.path) == 0o755


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a folder away")
def test_a_folder_of_another_user_is_not_used(folder: BackupFolder) -> None:
    os.chown(folder.path, 65534, 65534)
    uses: list[Callable[[], object]] = [folder.make, lambda: folder.read("a.yaml"), lambda: folder.write("a.yaml", "")]
    uses += [lambda: Journal(folder.path, now=lambda: 0.0), lambda: read(folder.path)]
    for use in uses:
        with pytest.raises(HcpDrError, match="it belongs to user id 65534"):
            use()
    assert list(folder.path.iterdir()) == []


def test_its_path_is_whole_wherever_the_next_command_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert BackupFolder(Path("dr")).folder == f"{tmp_path}/dr"
    assert BackupFolder(Path("~/dr")).folder == f"{tmp_path}/home/dr"
    assert BackupFolder(Path("~nobody-is-called-so/dr")).folder == f"{tmp_path}/~nobody-is-called-so/dr"


OUTSIDE = ["/etc/x", "../x", "a/../../x", "a/./x", "a//x", "", "a/", ".", "a/\n.yaml", "a/\u202exml.exe", "a\0b"]


@pytest.mark.parametrize("path", OUTSIDE)
def test_no_path_leads_out_of_it(folder: BackupFolder, path: str) -> None:
    (folder.path / "a").mkdir()
    uses: list[Callable[[str], object]] = [folder.read, folder.paths, lambda path: folder.write(path, "text")]
    for use in uses:
        with pytest.raises(ArchiveError):
            use(path)
    assert [each for each in folder.path.parent.rglob("*") if each.is_file()] == []


LINKED = ["namespaces", "namespaces/clusters", "namespaces/clusters/np-a.yaml", "namespaces/clusters/np-a.yaml.part"]


@pytest.mark.parametrize("place", LINKED)
@pytest.mark.parametrize("there", [True, False])
def test_no_link_in_it_is_followed(folder: BackupFolder, tmp_path: Path, place: str, *, there: bool) -> None:
    """Whether it leads to what is there, or to what would be made."""
    file = "namespaces/clusters/np-a.yaml"
    victim = tmp_path / "victim"
    if there and place.endswith((".yaml", ".part")):
        victim.write_text("theirs")
    elif there:
        (victim / "clusters").mkdir(parents=True)
        (victim / "clusters" / "np-a.yaml").write_text("theirs")
        (victim / "np-a.yaml").write_text("theirs")
    (folder.path / place).parent.mkdir(parents=True, exist_ok=True)
    (folder.path / place).symlink_to(victim)
    before = {path: path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(ArchiveError, match="is a symbolic link, and links are not followed"):
        folder.write(file, "ours")
    if not place.endswith(".part"):
        with pytest.raises(ArchiveError, match="link"):
            folder.read(file)
        with pytest.raises(ArchiveError, match="link"):
            folder.paths("namespaces/clusters")
    assert {path: path.read_text() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert (folder.path / place).is_symlink()


def test_the_folder_itself_is_no_link(folder: BackupFolder, tmp_path: Path) -> None:
    """Also one that was put in its place since the last command."""
    folder.write("a.yaml", "ours")
    folder.path.rename(tmp_path / "moved")
    folder.path.symlink_to(tmp_path / "moved")
    with pytest.raises(ArchiveError, match="it is a symbolic link, and links are not followed"):
        folder.make()
    with pytest.raises(ArchiveError, match="it is a symbolic link, and links are not followed"):
        folder.write("a.yaml", "another")
    assert (tmp_path / "moved" / "a.yaml").read_text() == "ours"


def test_its_parents_may_be_links(tmp_path: Path) -> None:
    (tmp_path / "volume").mkdir()
    (tmp_path / "mnt").symlink_to(tmp_path / "volume")
    made = BackupFolder(tmp_path / "mnt" / "below" / "backup")
    made.make()
    made.write("a.yaml", "text")
    assert (tmp_path / "volume" / "below" / "backup" / "a.yaml").read_text() == "text"


def test_another_name_of_the_same_file_keeps_what_it_has(folder: BackupFolder, tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("theirs")
    for name in ("a.yaml", "a.yaml.part"):
        (folder.path / name).hardlink_to(tmp_path / "victim")
    folder.write("a.yaml", "ours")
    assert ((tmp_path / "victim").read_text(), folder.read("a.yaml")) == ("theirs", b"ours")


@pytest.mark.parametrize("name", ["a.yaml", "a.yaml.part"])
def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(folder: BackupFolder, name: str) -> None:
    os.mkfifo(folder.path / name)
    with pytest.raises(ArchiveError, match="is not a regular file"):
        folder.write("a.yaml", "text")
    if name == "a.yaml":
        with pytest.raises(ArchiveError, match="it is not a regular file"):
            folder.read("a.yaml")


def test_what_is_no_file_among_files_that_people_made_is_told(folder: BackupFolder) -> None:
    folder.write("namespaces/clusters/np-a.yaml", "text")
    os.mkfifo(folder.path / "namespaces/clusters/np-b.yaml")
    with pytest.raises(ArchiveError, match=r"its entry 'np-b\.yaml' is not a regular file"):
        folder.paths("namespaces/clusters")
    (folder.path / "namespaces/clusters/np-b.yaml").unlink()
    (folder.path / "namespaces/clusters/np-\n.yaml").write_text("")
    with pytest.raises(ArchiveError, match="has an unprintable name"):
        folder.paths("namespaces/clusters")


def test_a_name_that_it_gave_is_on_disk_too(folder: BackupFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[tuple[bool, bool]] = []

    def look(handle: int) -> None:
        synced.append((stat.S_ISDIR(os.fstat(handle).st_mode), (folder.path / "a.yaml").exists()))

    monkeypatch.setattr(os, "fsync", look)
    folder.write("a.yaml", "text")
    assert synced == [(False, False), (True, True)]


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
