from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hcp_dr_lab.ground.errors import BuildFailed
from hcp_dr_lab.tools import binaries, go
from hcp_dr_lab.tools.binaries import CONTROLLERS, PROGRAMS, Program, Trimmed

TOOL = Program("tool", "module", "./cmd/tool", "tool", ("--version",), r"tool v1\.2\.")


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n", "utf-8")
    path.chmod(0o755)
    return path


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "modules"
    (folder / "module").mkdir(parents=True)
    (folder / "module" / "go.mod").write_text("module m\n\ngo 1.26.6\n", "utf-8")
    (folder / "module" / "go.sum").write_text("", "utf-8")
    monkeypatch.setattr(binaries, "MODULES", folder)
    return folder


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def say(said: list[str]) -> Callable[[str], None]:
    return said.append


class TestBuildKey:
    def test_is_the_same_for_the_same(self, modules: Path) -> None:
        key = binaries.build_key(modules / "module", "-s", "go1.26.8")
        assert key == binaries.build_key(modules / "module", "-s", "go1.26.8")

    @pytest.mark.parametrize("changed", ["go.mod", "go.sum"])
    def test_changes_with_versions(self, modules: Path, changed: str) -> None:
        before = binaries.build_key(modules / "module", "-s", "go1.26.8")
        (modules / "module" / changed).write_text("require x v2\n", "utf-8")
        assert binaries.build_key(modules / "module", "-s", "go1.26.8") != before

    def test_changes_with_flags_and_compiler(self, modules: Path) -> None:
        module = modules / "module"
        keys = {binaries.build_key(module, flags, version) for flags in ("-s", "-w") for version in ("go1", "go2")}
        assert len(keys) == 4


class TestInstalled:
    def test_assets_come_before_path(self, tmp_path: Path, say: Callable[[str], None]) -> None:
        first = script(tmp_path / "assets" / "tool", "echo tool v1.2.9")
        script(tmp_path / "path" / "tool", "echo tool v1.2.3")
        environment = {"KUBEBUILDER_ASSETS": str(tmp_path / "assets"), "PATH": str(tmp_path / "path")}
        assert binaries.installed(TOOL, environment, say) == first

    def test_passes_over_another_version(self, tmp_path: Path, say: Callable[[str], None], said: list[str]) -> None:
        script(tmp_path / "assets" / "tool", "echo tool v1.3.0")
        right = script(tmp_path / "path" / "tool", "echo tool v1.2.3")
        environment = {"KUBEBUILDER_ASSETS": str(tmp_path / "assets"), "PATH": str(tmp_path / "path")}
        assert binaries.installed(TOOL, environment, say) == right
        assert "tool v1.3.0" in said[0]

    def test_a_broken_program_is_passed_over(self, tmp_path: Path, say: Callable[[str], None]) -> None:
        broken = tmp_path / "tool"
        broken.write_bytes(b"\x7fELF nothing")
        broken.chmod(0o755)
        assert binaries.installed(TOOL, {"PATH": str(tmp_path)}, say) is None

    def test_the_projects_own_is_not_looked_for(self, tmp_path: Path, say: Callable[[str], None]) -> None:
        script(tmp_path / "tool", "echo tool v1.2.3")
        assert binaries.installed(Program("tool", "module", ".", "tool"), {"PATH": str(tmp_path)}, say) is None


class TestBuild:
    def test_a_built_program_has_its_name(
        self, modules: Path, tmp_path: Path, say: Callable[[str], None], said: list[str]
    ) -> None:
        compiler = script(tmp_path / "go", 'while [ "$1" != -o ]; do shift; done; echo program > "$2"')
        target = binaries.cached(TOOL, tmp_path / "cache", "go1.26.8")
        binaries.build([TOOL], {"tool": target}, compiler, say)
        assert target.read_text("utf-8") == "program\n"
        assert list(target.parent.iterdir()) == [target]
        assert "building tool (1 of 1)" in said
        assert modules.exists()

    def test_a_failed_build_leaves_nothing_and_shows_why(
        self, modules: Path, tmp_path: Path, say: Callable[[str], None]
    ) -> None:
        compiler = script(
            tmp_path / "go",
            'while [ "$1" != -o ]; do shift; done; echo half > "$2"; echo "main.go:3: undefined: x" >&2; exit 1',
        )
        target = binaries.cached(TOOL, tmp_path / "cache", "go1.26.8")
        with pytest.raises(BuildFailed, match=r"main\.go:3: undefined: x"):
            binaries.build([TOOL], {"tool": target}, compiler, say)
        assert list(target.parent.iterdir()) == []
        assert modules.exists()

    def test_a_trimmed_module_is_built_from_a_copy_without_the_files(
        self, modules: Path, tmp_path: Path, say: Callable[[str], None]
    ) -> None:
        source = tmp_path / "source"
        for name in ("one.go", "two.go", "docs/page.md"):
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_text("", "utf-8")
        compiler = script(
            tmp_path / "go",
            f"""if [ "$1" = mod ]; then echo downloading >&2; echo '{{"Dir": "{source}"}}'; exit; fi
            while [ "$1" != -o ]; do case $1 in -modfile=*) file=${{1#-modfile=}};; esac; shift; done
            cat "$file" > "$2"; (cd "$(dirname "$file")"/module && find . -type f | sort) >> "$2"
            """,
        )
        program = Program("tool", "module", ".", "tool", trimmed=Trimmed("m.example/x", frozenset({"two.go", "docs"})))
        target = binaries.cached(program, tmp_path / "cache", "go1.26.8")
        binaries.build([program], {"tool": target}, compiler, say)
        lines = target.read_text("utf-8").splitlines()
        assert lines[0] == "module m"
        assert [line for line in lines if line.startswith("replace m.example/x => ")]
        assert lines[-1] == "./one.go"
        assert modules.exists()

    def test_a_module_that_cannot_be_fetched_is_the_reason(
        self, modules: Path, tmp_path: Path, say: Callable[[str], None]
    ) -> None:
        compiler = script(tmp_path / "go", "echo no route to the proxy; exit 1")
        program = Program("tool", "module", ".", "tool", trimmed=Trimmed("m.example/x", frozenset()))
        target = binaries.cached(program, tmp_path / "cache", "go1.26.8")
        with pytest.raises(BuildFailed, match="no route to the proxy"):
            binaries.build([program], {"tool": target}, compiler, say)
        assert modules.exists()


class TestPrograms:
    def test_each_module_is_here_and_each_name_is_used_once(self) -> None:
        programs = (*PROGRAMS, *CONTROLLERS)
        assert all((binaries.MODULES / program.module / "go.mod").exists() for program in programs)
        assert len({program.name for program in programs}) == len(programs)

    def test_both_lines_of_etcd_are_told_apart(self) -> None:
        answers = {"3.5": "etcd Version: 3.5.35", "3.6": "etcd Version: 3.6.16"}
        by_name = {program.name: program for program in PROGRAMS}
        for line, answer in answers.items():
            other = by_name[f"etcd-{'3.6' if line == '3.5' else '3.5'}/etcd"]
            assert binaries.accepted(by_name[f"etcd-{line}/etcd"], answer)
            assert not binaries.accepted(other, answer)


class TestToolchain:
    def test_the_newest_directive_counts(self) -> None:
        assert go.needed_version(binaries.MODULES) >= (1, 26)

    def test_the_pinned_one_satisfies_every_module(self) -> None:
        assert go.parse(go.PINNED_VERSION) >= go.needed_version(binaries.MODULES)

    def test_a_new_one_in_path_is_taken(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        program = script(tmp_path / "go", "echo go1.26.8")
        monkeypatch.setenv("PATH", str(tmp_path))
        assert go.choose((1, 26, 6)) == go.Toolchain("go1.26.8", program)

    def test_an_old_one_in_path_is_not_taken(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        script(tmp_path / "go", "echo go1.19")
        monkeypatch.setenv("PATH", str(tmp_path))
        assert go.choose((1, 26, 6)) == go.Toolchain(f"go{go.PINNED_VERSION}", None)
