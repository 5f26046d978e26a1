"""The backup folder: documented names, a manifest that tells all of it, and no file taken that is not as it was."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest
import yaml

from hcp_dr import __version__
from hcp_dr.errors import ArchiveError
from hcp_dr.objects.archive import (
    MANIFEST,
    Manifest,
    Page,
    Snapshot,
    check_manifest,
    page,
    path_of,
    read_manifest,
    read_objects,
)
from hcp_dr.objects.graph import owners_of
from hcp_dr.objects.scrub import scrub
from tests.cases.building import an_object
from tests.ports import CASE, MemoryArchive

ITEMS = [
    an_object({"HostedCluster clusters/one": {"finalizers": ["f"], "spec": {"a": "yes", "b": "0755", "c": None}}}),
    an_object({"NodePool clusters/workers": {"status": {"version": "4.20.1"}}}),
    an_object({"Secret clusters-one/root-ca": {"data": {"ca.crt": "Y2VydA==", "ca.key": "a2V5"}}}),
    an_object({"Machine clusters-one/m": {"owners": ["MachineSet s"], "labels": {"übrig": "✓"}}}),
]
SNAPSHOT = Snapshot("backups", "key", 4096, "5ad10e", "9f3a", 42, 700, "fence-1")


def folder_of(pages: list[Page], **changes: object) -> MemoryArchive:
    manifest = Manifest(CASE.to_json(), 1000.5, "fence-1", tuple(item.entry for item in pages), SNAPSHOT)
    archive = MemoryArchive(files={item.entry.file: item.text for item in pages})
    archive.files[MANIFEST] = replace(manifest, **changes).to_text()  # type: ignore[arg-type]
    return archive


@pytest.mark.parametrize(
    ("item", "path"),
    [
        ("HostedCluster clusters/one", "namespaces/clusters/hc-one.yaml"),
        ("NodePool clusters/workers", "namespaces/clusters/np-workers.yaml"),
        ("Secret clusters/pull", "namespaces/clusters/secret-pull.yaml"),
        ("ConfigMap clusters/trust", "namespaces/clusters/configmap-trust.yaml"),
        ("HostedControlPlane clusters-one/one", "namespaces/clusters-one/hcp-one.yaml"),
        ("Cluster clusters-one/one-x7k2", "namespaces/clusters-one/cl-one-x7k2.yaml"),
        ("AWSCluster clusters-one/one", "namespaces/clusters-one/awscl-one.yaml"),
        ("AWSMachineTemplate clusters-one/w-1a", "namespaces/clusters-one/awsmt-w-1a.yaml"),
        ("AWSMachine clusters-one/w-1", "namespaces/clusters-one/awsm-w-1.yaml"),
        ("MachineDeployment clusters-one/w", "namespaces/clusters-one/machinedeployment-w.yaml"),
        ("MachineSet clusters-one/w-x", "namespaces/clusters-one/machineset-w-x.yaml"),
        ("Machine clusters-one/w-1", "namespaces/clusters-one/machine-w-1.yaml"),
    ],
)
def test_files_have_the_documented_names(item: str, path: str) -> None:
    assert path_of(an_object(item)) == path


def test_a_page_is_the_scrubbed_object_and_its_line_what_was_scrubbed() -> None:
    item = ITEMS[3]
    written = page(item)
    assert yaml.safe_load(written.text) == scrub(item)
    entry = written.entry
    assert entry.sha256 == hashlib.sha256(written.text.encode()).hexdigest()
    assert (entry.kind, entry.namespace, entry.name, entry.api_version) == (
        *("Machine", "clusters-one", "m"),
        item["apiVersion"],
    )
    assert (entry.uid, entry.resource_version, entry.owners) == ("uid-of-m", "7", owners_of(item))
    assert page(ITEMS[0]).entry.finalizers == ("f",)


def test_the_same_object_makes_the_same_page() -> None:
    item = ITEMS[0]
    backwards = {key: item[key] for key in reversed(item)}
    assert page(backwards) == page(item)


def test_what_was_written_is_read_again() -> None:
    pages = [page(item) for item in ITEMS]
    archive = folder_of(pages)
    manifest = read_manifest(archive)
    assert manifest == Manifest(
        {**CASE.to_json(), "node_pools": ["workers"]}, 1000.5, "fence-1", tuple(p.entry for p in pages), SNAPSHOT
    )
    assert list(read_objects(archive, manifest.entries).values()) == [scrub(item) for item in ITEMS]
    assert manifest.of_kind("Secret") == (pages[2].entry,)


def test_a_manifest_says_which_version_wrote_it_and_an_older_one_is_read_too() -> None:
    archive = folder_of([page(item) for item in ITEMS])
    told = json.loads(archive.files[MANIFEST])
    assert told.pop("version") == __version__
    before = read_manifest(archive)
    archive.files[MANIFEST] = json.dumps(told)
    older = read_manifest(archive)
    assert older is not None
    assert older.version == ""
    assert older == before
    archive.files[MANIFEST] = json.dumps({**told, "version": 3})
    with pytest.raises(ArchiveError):
        read_manifest(archive)


def test_a_manifest_before_fence_and_snapshot_says_so() -> None:
    manifest = read_manifest(folder_of([], fence=None, snapshot=None))
    assert manifest is not None
    assert (manifest.fence, manifest.snapshot, manifest.entries) == (None, None, ())


def test_a_folder_made_by_hand_has_no_manifest() -> None:
    assert read_manifest(MemoryArchive()) is None


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "{}", '{"format": 2}', '{"format": 1}', '{"format": 1, "entries": 3}', "\udcff"]
    + [
        f'{{"format": 1, "made_at": {at}, "case": {of}, "fence": null, "snapshot": null, "entries": [{entry}]}}'
        for at, of, entry in (
            ("1", "{}", "7"),
            ("1", "{}", '{"name": 7}'),
            ("1", "[]", "{}"),
            ('"x"', "{}", ""),
            ("1", "{}", "{}"),
        )
    ],
)
def test_a_manifest_that_is_none_is_an_error(text: str) -> None:
    archive = MemoryArchive(files={MANIFEST: text})
    with pytest.raises(ArchiveError) as caught:
        read_manifest(archive)
    assert caught.value.what.startswith("The backup folder /backup cannot be used: manifest.json is not readable (")


def entry_of(**changes: Any) -> MemoryArchive:
    """A folder whose manifest has one line more."""
    one = page(ITEMS[1]).entry
    return folder_of([page(ITEMS[0]), Page(replace(one, **changes), "text")])


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"file": "../../home/.ssh/authorized_keys"}, "but this is not the object's file"),
        ({"file": "/etc/cron.d/x"}, "but this is not the object's file"),
        ({"file": "namespaces/clusters/np-workers.yaml/"}, "but this is not the object's file"),
        ({"file": "namespaces/clusters/../clusters/np-workers.yaml"}, "but this is not the object's file"),
        ({"file": "namespaces/clusters/secret-workers.yaml"}, "but this is not the object's file"),
        ({"file": "completed-by-hcp-dr/np-workers.yaml"}, "but this is not the object's file"),
        ({"file": "journal.jsonl"}, "but this is not the object's file"),
        ({"name": "../x", "file": "namespaces/clusters/np-../x.yaml"}, "but this is not a valid object name"),
        ({"name": "x\n", "file": "namespaces/clusters/np-x\n.yaml"}, "but this is not a valid object name"),
        ({"name": "X", "file": "namespaces/clusters/np-X.yaml"}, "but this is not a valid object name"),
        (
            {"name": "a" * 254, "file": f"namespaces/clusters/np-{'a' * 254}.yaml"},
            "but this is not a valid object name",
        ),
        ({"namespace": "kube-system", "file": "namespaces/kube-system/np-workers.yaml"}, "clusters and clusters-one"),
        ({"namespace": None, "file": "namespaces/None/np-workers.yaml"}, "clusters and clusters-one"),
        ({"namespace": "..", "file": "namespaces/../np-workers.yaml"}, "clusters and clusters-one"),
        ({"kind": "ClusterRoleBinding"}, "but backups do not contain this kind"),
        ({"kind": "HostedCluster", "name": "one", "file": "namespaces/clusters/hc-one.yaml"}, "one.yaml' twice"),
    ],
)
def test_a_line_that_no_backup_has_is_an_error_that_names_it(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ArchiveError) as caught:
        read_manifest(entry_of(**changes))
    assert told in caught.value.what
    assert caught.value.what.isprintable()
    named = {"kind": "NodePool", "namespace": "clusters", "name": "workers"} | changes
    assert f"{named['kind']!r} {named['namespace']!r}/{named['name']!r}" in caught.value.what


@pytest.mark.parametrize(
    "case", [{}, {"namespace": "clusters"}, {"namespace": "../x", "name": "one"}, {"namespace": "clusters", "name": ""}]
)
def test_lines_of_a_hosted_cluster_that_is_not_told_are_an_error(case: dict[str, Any]) -> None:
    with pytest.raises(ArchiveError, match="this hosted cluster's namespaces are not recorded"):
        read_manifest(folder_of([page(item) for item in ITEMS], case=case))


@pytest.mark.parametrize(
    ("file", "fine"),
    [
        ("namespaces/clusters/my pool.json", True),
        ("completed-by-hcp-dr/np-workers.yaml", True),
        ("completed-by-hcp-dr/np-others.yaml", False),
        ("completed-by-hcp-dr/../np-workers.yaml", False),
        ("namespaces/clusters-one/np-workers.yaml", False),
        ("namespaces/clusters/below/np-workers.yaml", False),
        ("namespaces/clusters/np-workers", False),
        ("namespaces/clusters/np\n.yaml", False),
        ("/namespaces/clusters/np-workers.yaml", False),
    ],
)
def test_files_made_by_hand_have_what_names_they_like_in_their_own_folder(file: str, *, fine: bool) -> None:
    written = page(ITEMS[1])
    archive = folder_of([Page(replace(written.entry, file=file), written.text)], fence="by-hand-1f")
    if not fine:
        with pytest.raises(ArchiveError, match="but this is not the object's file"):
            read_manifest(archive)
        return
    manifest = read_manifest(archive)
    assert manifest is not None
    assert read_objects(archive, manifest.entries)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, None),
        ({"backup_id": "of-another"}, "belongs to the backup 'hcp-dr/clusters/one/of-another'"),
        ({"name": "one2"}, "belongs to the backup 'hcp-dr/clusters/one2/"),
        ({"key": "hcp-dr/clusters/one2/x/snapshot.db"}, "names the snapshot 'hcp-dr/clusters/one2/x/snapshot.db'"),
        ({"bucket": "others"}, "in bucket 'others'"),
    ],
)
def test_a_manifest_is_of_this_backup_and_of_a_snapshot_kept_with_it(changes: dict[str, str], told: str | None) -> None:
    case = {**CASE.to_json(), **{key: value for key, value in changes.items() if key in ("backup_id", "name")}}
    key, bucket = changes.get("key", CASE.snapshot_key), changes.get("bucket", CASE.bucket)
    manifest = Manifest(case, 1.0, "f", (), replace(SNAPSHOT, bucket=bucket, key=key))
    if told is None:
        check_manifest(manifest, key_prefix=CASE.key_prefix, bucket=CASE.bucket, folder="/f")
        return
    with pytest.raises(ArchiveError) as caught:
        check_manifest(manifest, key_prefix=CASE.key_prefix, bucket=CASE.bucket, folder="/f")
    assert told in caught.value.what


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "kind: Secret",
        "[]",
        "{kind: NodePool, apiVersion: v1, metadata: {name: workers, namespace: kube-system}}",
    ],
)
def test_a_file_that_holds_another_object_than_its_line_says_is_an_error(text: str) -> None:
    written = page(ITEMS[1])
    entry = replace(written.entry, sha256=hashlib.sha256(text.encode()).hexdigest())
    archive = folder_of([Page(entry, text)])
    with pytest.raises(ArchiveError, match=r"np-workers\.yaml contains "):
        read_objects(archive, [entry])


def test_a_file_that_is_missing_is_an_error() -> None:
    pages = [page(item) for item in ITEMS]
    archive = folder_of(pages)
    del archive.files["namespaces/clusters-one/secret-root-ca.yaml"]
    with pytest.raises(ArchiveError, match=r"namespaces/clusters-one/secret-root-ca\.yaml is missing"):
        read_objects(archive, [item.entry for item in pages])


def test_a_file_that_was_changed_is_an_error() -> None:
    pages = [page(item) for item in ITEMS]
    archive = folder_of(pages)
    archive.files["namespaces/clusters/hc-one.yaml"] += "\n"
    with pytest.raises(ArchiveError, match=r"hc-one\.yaml was changed after the backup \(sha256\)"):
        read_objects(archive, [item.entry for item in pages])
    assert read_objects(archive, [pages[1].entry]), "only what is asked for is judged"
