from __future__ import annotations

import hashlib
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from hcp_dr_lab.region.machines.images import Image, Layer, key, libraries, tag, write_archive

LDD = """\tlinux-vdso.so.1 (0x00007ffd)
\tlibtinfo.so.6 => /lib/x86_64-linux-gnu/libtinfo.so.6 (0x00007f1)
\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f2)
\t/lib64/ld-linux-x86-64.so.2 (0x00007f3)
"""


@pytest.fixture
def tool(tmp_path: Path) -> Path:
    file = tmp_path / "tool"
    file.write_text("program", "utf-8")
    file.chmod(0o755)
    return file


def manifest(archive: Path) -> list[dict[str, Any]]:
    with tarfile.open(archive) as content:
        member = content.extractfile("manifest.json")
        assert member is not None
        entries: list[dict[str, Any]] = json.loads(member.read())
        return entries


def test_libraries_are_the_paths_that_ldd_names() -> None:
    assert libraries(LDD) == [
        "/lib/x86_64-linux-gnu/libtinfo.so.6",
        "/lib/x86_64-linux-gnu/libc.so.6",
        "/lib64/ld-linux-x86-64.so.2",
    ]


def test_a_static_program_has_none() -> None:
    assert libraries("\tnot a dynamic executable\n") == []


def test_a_layer_that_two_images_share_is_there_once(tmp_path: Path, tool: Path) -> None:
    shared, own = Layer({"usr/bin/tool": tool}, skeleton=True), Layer(texts={"etc/own": "own\n"})
    write_archive(tmp_path / "a.tar", [Image("one", (shared,)), Image("two", (shared, own))])
    one, two = manifest(tmp_path / "a.tar")
    assert one["RepoTags"] == [tag("one")]
    assert two["Layers"][:1] == one["Layers"]
    with tarfile.open(tmp_path / "a.tar") as content:
        names = content.getnames()
    assert len(names) == len(set(names)) == 5


def test_digests_are_those_of_the_layers(tmp_path: Path, tool: Path) -> None:
    write_archive(tmp_path / "a.tar", [Image("one", (Layer({"usr/bin/tool": tool}),))])
    (entry,) = manifest(tmp_path / "a.tar")
    with tarfile.open(tmp_path / "a.tar") as content:
        layer, config = content.extractfile(entry["Layers"][0]), content.extractfile(entry["Config"])
        assert layer is not None
        assert config is not None
        digest = hashlib.sha256(layer.read()).hexdigest()
        assert json.loads(config.read())["rootfs"]["diff_ids"] == [f"sha256:{digest}"]


def test_a_changed_file_makes_another_layer(tool: Path) -> None:
    before = Layer({"usr/bin/tool": tool}).key
    tool.write_text("a longer program", "utf-8")
    assert Layer({"usr/bin/tool": tool}).key != before


def test_images_are_told_apart_by_all_they_are_made_of(tool: Path) -> None:
    layer = Layer({"usr/bin/tool": tool})
    variants = [
        [Image("one", (layer,))],
        [Image("two", (layer,))],
        [Image("one", (layer, layer))],
        [Image("one", (layer,), ("/usr/bin/tool",))],
        [Image("one", (layer,), environment=("PATH=/",))],
    ]
    assert len({key(variant) for variant in variants}) == len(variants)


def test_nothing_but_the_archive_is_left(tmp_path: Path, tool: Path) -> None:
    (tmp_path / "out").mkdir()
    write_archive(tmp_path / "out" / "a.tar", [Image("one", (Layer({"usr/bin/tool": tool}),))])
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["a.tar"]


def test_programs_keep_their_mode_and_links_are_in_the_skeleton(tmp_path: Path, tool: Path) -> None:
    layer = Layer({"usr/bin/tool": tool}, {"usr/bin/script": "#!/bin/sh\n", "etc/passwd": "root\n"}, skeleton=True)
    write_archive(tmp_path / "a.tar", [Image("one", (layer,))])
    (entry,) = manifest(tmp_path / "a.tar")
    with (
        tarfile.open(tmp_path / "a.tar") as archive,
        tarfile.open(fileobj=archive.extractfile(entry["Layers"][0])) as content,
    ):
        modes = {member.name: member.mode for member in content.getmembers()}
        assert content.getmember("bin").linkname == "usr/bin"
    assert (modes["usr/bin/tool"], modes["usr/bin/script"], modes["etc/passwd"]) == (0o755, 0o755, 0o644)
