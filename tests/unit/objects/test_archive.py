"""The backup folder: documented names, a manifest that tells all of it, and no file taken that is not as it was."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
import yaml

from hcp_dr.errors import ArchiveError
from hcp_dr.objects.archive import MANIFEST, Manifest, Page, Snapshot, page, path_of, read_manifest, read_objects
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


def test_a_manifest_before_fence_and_snapshot_says_so() -> None:
    manifest = read_manifest(folder_of([], fence=None, snapshot=None))
    assert manifest is not None
    assert (manifest.fence, manifest.snapshot, manifest.entries) == (None, None, ())


def test_a_folder_made_by_hand_has_no_manifest() -> None:
    assert read_manifest(MemoryArchive()) is None


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "{}", '{"format": 2}', '{"format": 1}', '{"format": 1, "entries": 3}', "\udcff"]
)
def test_a_manifest_that_is_none_is_an_error(text: str) -> None:
    archive = MemoryArchive(files={MANIFEST: text})
    with pytest.raises(ArchiveError) as caught:
        read_manifest(archive)
    assert caught.value.what.startswith("The backup folder /backup cannot be used: manifest.json is not readable (")


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
