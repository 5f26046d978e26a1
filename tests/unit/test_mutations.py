"""Inputs with one value of another type: each ends in a value or in an error of this project, never in another
exception, and no control character of theirs reaches a text for people."""

from __future__ import annotations

import itertools
import json
import os
from pathlib import Path
from typing import Any

import pytest

from hcp_dr.aws.client import Aws
from hcp_dr.commands import environment as opened
from hcp_dr.commands.environment import from_environment
from hcp_dr.commands.preflight import preflight
from hcp_dr.commands.report import read_report
from hcp_dr.engine.journal import FILE_NAME
from hcp_dr.engine.remote_state import RemoteState
from hcp_dr.errors import (
    ArchiveError,
    HcpDrError,
    JournalError,
    KubernetesError,
    NewerJournal,
    UnreadableKubeconfig,
)
from hcp_dr.folder import BackupFolder
from hcp_dr.hiding import safe
from hcp_dr.kube import kubeconfig
from hcp_dr.kube.client import connect
from hcp_dr.kube.fields import UnusableError
from hcp_dr.kube.resources import NAMESPACE
from hcp_dr.kube.shape import find_fault
from hcp_dr.objects.archive import Entry, Manifest, Snapshot, check_manifest, parse_manifest
from hcp_dr.objects.graph import Owner
from hcp_dr.report import page, relocation
from hcp_dr.report import status as status_report
from hcp_dr.report.status import Seen
from tests.ports import CASE, MemoryIdentity
from tests.unit.mutations import mutations, some
from tests.unit.test_config import WHOLE
from tests.world import relocatable

COUNT = int(os.environ.get("HCP_DR_MUTATIONS", "60"))
CONTROL_LETTERS = ("\x1b", "\u202e")


def check_plain(told: str, name: str) -> None:
    assert "h1dden" not in told, name
    assert not any(letter in told for letter in CONTROL_LETTERS), name


KUBECONFIG: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "c",
    "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u", "namespace": "n"}}],
    "clusters": [
        {
            "name": "k",
            "cluster": {
                "server": "https://127.0.0.1:1",
                "insecure-skip-tls-verify": True,
                "tls-server-name": "api",
                "proxy-url": "http://127.0.0.1:1",
                "extensions": [{"name": "client.authentication.k8s.io/exec", "extension": {"a": 1}}],
            },
        }
    ],
    "users": [
        {
            "name": "u",
            "user": {
                "token": "h1ddenS3cret",
                "tokenFile": "token",
                "username": "u",
                "password": "h1ddenS3cret",
                "as": "me",
                "as-uid": "1",
                "as-groups": ["g"],
                "as-user-extra": {"k": ["v"]},
                "exec": {
                    "apiVersion": "client.authentication.k8s.io/v1",
                    "command": "./plugin",
                    "args": ["a"],
                    "env": [{"name": "A", "value": "b"}],
                    "provideClusterInfo": True,
                    "interactiveMode": "Never",
                    "installHint": "hint",
                },
            },
        }
    ],
}
LINES: list[dict[str, Any]] = [
    {
        "at": 1.0,
        "line": "begin",
        "command": "relocate",
        "by": "me",
        "who": "me",
        "version": "1",
        "case": CASE.to_json(),
    },
    {"at": 1.1, "line": "accepted", "check": "a", "seen": "b", "reason": "c"},
    {"at": 1.2, "line": "step", "step": "preflight"},
    {
        "at": 1.3,
        "line": "checked",
        "step": "preflight",
        "checks": [{"name": "a", "verdict": "warning", "seen": "b", "todo": "c"}],
    },
    {"at": 1.4, "line": "done", "step": "preflight", "seconds": 1.0, "because": "so"},
    {"at": 2.0, "line": "step", "step": "backup.pause"},
    {"at": 2.1, "line": "remember", "key": "fence", "value": {"id": "f", "at": 2.0}},
    {"at": 2.2, "line": "intent", "step": "backup.pause", "actions": ["a"]},
    {"at": 2.3, "line": "withdrawn", "step": "backup.pause", "because": "so"},
    {"at": 2.4, "line": "alarm", "watch": "watch.fence", "text": "t"},
    {"at": 2.5, "line": "unwatched", "watch": "watch.fence", "text": "t"},
    {"at": 2.6, "line": "forget", "steps": ["backup.pause"], "keys": ["fence"]},
    {"at": 2.7, "line": "undone", "step": "backup.pause", "seconds": 1.0, "because": "so", "warnings": ["w"]},
    {"at": 2.8, "line": "failed", "step": "backup.pause", "text": "t", "error": "Refused"},
    {"at": 3.0, "line": "end", "command": "relocate"},
]
MANIFEST = Manifest(
    case=CASE.to_json(),
    made_at=1.0,
    fence="f",
    entries=(
        Entry(
            file="namespaces/clusters/np-a.yaml",
            sha256="s",
            api_version="hypershift.openshift.io/v1beta1",
            kind="NodePool",
            namespace="clusters",
            name="a",
            uid="u",
            resource_version="1",
            owners=(
                Owner(
                    "hypershift.openshift.io/v1beta1",
                    "HostedCluster",
                    "one",
                    controller=True,
                    block_owner_deletion=False,
                ),
            ),
            finalizers=("f",),
        ),
    ),
    snapshot=Snapshot("b", "k", 1, "s", "h", 1, 1, "f", "AES256", fenced=True, at=1.0, etag="e"),
)


def test_a_kubeconfig(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t")
    for _, name, document in some({"kubeconfig": KUBECONFIG}, COUNT * 5, seed=4):
        (tmp_path / "kubeconfig").write_text(json.dumps(document))
        try:
            kubeconfig.read(tmp_path / "kubeconfig")
        except UnusableError as error:
            told = UnreadableKubeconfig(path="p", variable="v", cluster="c", reason=str(error)).paragraph()
            check_plain(told, name)


def test_a_kubeconfig_that_is_used(tmp_path: Path) -> None:
    """What is read well can also be connected with, or is refused there."""
    (tmp_path / "token").write_text("t")
    for _, name, document in some({"kubeconfig": KUBECONFIG}, COUNT, seed=2):
        (tmp_path / "kubeconfig").write_text(json.dumps(document))
        with pytest.raises((UnreadableKubeconfig, KubernetesError)) as caught:
            connect(tmp_path / "kubeconfig", "source").get(NAMESPACE, "a")
        assert "h1dden" not in caught.value.paragraph(), name


def test_a_journal(tmp_path: Path) -> None:
    (tmp_path / "backup").mkdir(mode=0o700)
    folder = BackupFolder(tmp_path / "backup")
    for _, name, lines in some({"journal": LINES}, COUNT, seed=3):
        (folder.path / FILE_NAME).write_text("".join(json.dumps(line) + "\n" for line in lines))
        try:
            report = read_report(folder)
            told = relocation.to_text(report) + page.to_html(report)
            story = folder.story()
            assert story is not None
            seen = Seen(story, folder.folder, True, RemoteState(None, None, None), ["backup.pause"], "x", 5.0)  # noqa: FBT003
            told += status_report.to_text(safe(status_report.to_json(seen)), 5.0)
        except (JournalError, NewerJournal) as error:
            told = error.paragraph()
        check_plain(told, name)


def test_a_manifest() -> None:
    for name, document in mutations(json.loads(MANIFEST.to_text())):
        try:
            manifest = parse_manifest(json.dumps(document).encode(), "folder")
            assert manifest.to_text()
            check_manifest(manifest, key_prefix="p", bucket="b", folder="folder")
        except ArchiveError as error:
            check_plain(error.paragraph(), name)


def test_the_objects_of_the_clusters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A field that the table of types does not know may have any type, and no check of preflight fails over it."""
    for name, value in {**WHOLE, "BACKUP_DIR": str(tmp_path / "backup")}.items():
        monkeypatch.setenv(name, value)
    world = relocatable()
    objects = {
        f"{side} {' '.join(map(str, key))}": (getattr(world, side).objects, key)
        for side in ("source", "destination", "hosted")
        for key in getattr(world, side).objects
        if "one2" not in str(key)
    }
    aws = Aws(world.bucket, world.zone, world.instances, MemoryIdentity())
    monkeypatch.setattr(opened, "connect_kube", lambda _path, name, **_: getattr(world, name))
    monkeypatch.setattr(opened, "connect_aws", lambda _settings: aws)
    documents = {name: there[key] for name, (there, key) in objects.items()}
    usable = (each for each in some(documents, COUNT * 10, seed=1) if not find_fault(each[2]))
    for place, name, item in itertools.islice(usable, COUNT):
        there, key = objects[place]
        before, there[key] = there[key], item
        try:
            preflight(from_environment())
        except HcpDrError as error:
            check_plain(error.paragraph(), name)
        finally:
            there[key] = before
