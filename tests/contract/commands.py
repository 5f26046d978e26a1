"""What a kubelet says of commands: one list, run in etcd's pod in the region and on the tabletop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from hcp_dr import errors
from hcp_dr.kube.port import Completed, Kubernetes

POD, CONTAINER = "etcd-0", "etcd"


@dataclass(frozen=True, slots=True)
class Said:
    """`answer` is what it ends with, or the class of the error; `stderr` of a Completed is a part of what it says."""

    command: Sequence[str]
    answer: Completed | type[errors.KubernetesError]
    stdin: bytes | None = None
    pod: str = POD
    container: str = CONTAINER
    words: str = ""


def bash(script: str) -> Sequence[str]:
    return ["/bin/bash", "-c", script]


COMMANDS: dict[str, Said] = {
    "it ends well": Said(bash("exit 0"), Completed(0, b"", b"")),
    "its exit code": Said(bash("exit 3"), Completed(3, b"", b"")),
    "both outputs": Said(bash("echo out; echo err >&2"), Completed(0, b"out\n", b"err\n")),
    "output before a bad end": Said(bash("echo out; exit 1"), Completed(1, b"out\n", b"")),
    "so many bytes of stdin": Said(bash("head -c 5"), Completed(0, b"hello", b""), stdin=b"hello"),
    "all of stdin": Said(bash("cat"), Completed(0, b"hello", b""), stdin=b"hello"),
    "what is not there": Said(bash("cat /absent"), Completed(1, b"", b"No such file or directory")),
    "no pod": Said(bash("true"), errors.NotFound, pod="absent"),
    "no container": Said(
        bash("true"), errors.Invalid, container="absent", words="container absent is not valid for pod"
    ),
}


def check(management: Kubernetes, namespace: str, said: Said) -> None:
    def run() -> Completed:
        return management.execute(namespace, said.pod, said.container, said.command, stdin=said.stdin, seconds=30)

    if not isinstance(said.answer, Completed):
        with pytest.raises(said.answer) as refused:
            run()
        assert said.words in str(refused.value)
        return
    done = run()
    assert (done.exit_code, done.stdout) == (said.answer.exit_code, said.answer.stdout)
    assert said.answer.stderr in done.stderr
    assert said.answer.stderr or not done.stderr
