"""The shell of containers in memory: what the stand-in's scripts and the product's commands lean on."""

from __future__ import annotations

import hashlib

import pytest

from hcp_dr_lab.standin.control_plane_operator import scripts
from hcp_dr_lab.standin.workload import IDLE
from hcp_dr_lab.tabletop.shell import PROGRAMS, NotUnderstood, NotYet, Result, Shell


def run(script: str, files: dict[str, bytes] | None = None, stdin: bytes = b"", **environment: str) -> Result:
    return Shell(PROGRAMS, {} if files is None else files, environment, sleep=lambda _seconds: None).run(
        script, stdin=stdin
    )


@pytest.mark.parametrize(
    ("script", "out"),
    [
        ("echo 'a  b' c", "a  b c"),
        ('x="1 2"; for each in $x; do echo "<$each>"; done', "<1>\n<2>"),
        ('x=(one "two three"); for each in "${x[@]}"; do echo "<$each>"; done', "<one>\n<two three>"),
        ("x=abc,def,g; echo ${x%%,*} ${x%,*} ${x##*,} ${x:-none} ${y:-none}", "abc abc,def g abc,def,g none"),
        ("false || echo or; true && echo and; ! false && echo not", "or\nand\nnot"),
        ("if false; then echo 1; elif true; then echo 2; else echo 3; fi", "2"),
        ("echo abc | tr -d b | cat", "ac"),
        ("cat <<< here; echo gone 2>/dev/null >/dev/null; echo $(echo inner)", "here\ninner"),
        ('[[ "$(echo abcde)" == abc* ]] && echo match; [ 2 -gt 1 ] && echo more', "match\nmore"),
        ("set -e; echo first; false; echo never", "first"),
        ("set -e; false || true; echo on", "on"),
        ("set -o pipefail; false | cat || echo failed", "failed"),
        ("command -v nothing || echo absent", "absent"),
        ("(exit 3); echo $?", "3"),
        ("cat <(echo one | tr -d n) <(echo two)", "oe\ntwo"),
        ("f=/bin/x; cat <(dd if=$f bs=2 skip=1 count=2 status=none)", "cdef"),
    ],
)
def test_scripts_do_what_bash_does(script: str, out: str) -> None:
    assert run(script, {"/bin/x": b"abcdefg"}).out.decode().strip() == out


def test_files_are_written_moved_and_measured() -> None:
    body = b"x" * 100
    files = {"/data/a.db": body + hashlib.sha256(body).digest()}
    ended = run(
        "f=/data/a.db; stat -c %s $f; head -c -32 $f | sha256sum; tail -c 32 $f | od -An -v -tx1 | tr -d ' \\n'", files
    )
    size, computed, kept = ended.out.decode().split("\n")
    assert size == "132"
    assert computed.split()[0] == kept == hashlib.sha256(body).hexdigest()
    assert run("set -e; rm -f /data/b; echo text > /data/b.part; mv /data/b.part /data/b", files).code == 0
    assert files["/data/b"] == b"text\n"


def test_what_fails_says_so_with_its_code() -> None:
    ended = run("cat /nowhere")
    assert (ended.code, b"No such file" in ended.err) == (1, True)
    assert run("nothing").code == 127
    assert run("set -u; echo $missing").code == 1


def test_what_is_not_understood_is_refused_aloud() -> None:
    with pytest.raises(NotUnderstood):
        run("case $x in a) ;; esac")


def test_an_idle_container_runs_for_ever_and_obeys() -> None:
    shell = Shell(PROGRAMS, {}, {}, sleep=lambda _seconds: None)
    with pytest.raises(NotYet):
        shell.start(IDLE)
    assert shell.ends_at_once


def test_exec_gives_the_program_that_takes_its_place() -> None:
    files = {"/etc/etcd/clusterstate/state": b"existing\n"}
    shell = Shell(PROGRAMS, files, {}, sleep=lambda _seconds: None)
    shell.start(("/usr/bin/bash", "-c", scripts.ETCD, "etcd", "--name=etcd-0"))
    assert shell.process == ("/usr/bin/etcd", "--name=etcd-0", "--initial-cluster-state=existing")


def test_waiting_for_a_port_ends_when_it_is_open() -> None:
    waits: list[float] = []
    shell = Shell(
        PROGRAMS, {}, {}, sleep=waits.append, connects=lambda host, port: (host, port, len(waits)) == ("etcd", 2379, 2)
    )
    assert shell.start(("/usr/bin/bash", "-c", scripts.WAIT_FOR, "etcd", "2379")).code == 0
    assert waits == [0.2, 0.2]
