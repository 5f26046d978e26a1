"""Whoever may write to the bucket and knows the key may have written the manifest and the journal there. Neither makes
another machine write files elsewhere, or touch what is not this hosted cluster's. Who has no key: test_authentic.py."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from hcp_dr.engine import journal
from hcp_dr.errors import ArchiveError, NotOurs
from hcp_dr.kube import resources as r
from hcp_dr.objects.archive import sha256_of
from hcp_dr.objects.reading import dig, name_of
from hcp_dr_lab.ground.layout import BUCKET
from hcp_dr_lab.hosted.shapes import Shape
from hcp_dr_lab.tabletop.operator import Operator
from tests.tabletop.scene import Scene, keys_of, mirror_key, put
from tests.tabletop.test_dangers import sides, stopped
from tests.tabletop.test_takeover import zone

NAMESPACE = "clusters-shop"
DOMAIN = "hosted.rehearsal.example"


def forge_manifest(here: Scene, body: bytes, **changes: Any) -> None:
    """One line more, like that of a NodePool, and its file."""
    story, files = here.operator.story(), mirror_key(here).removesuffix("journal.jsonl") + "files/"
    manifest = json.loads(here.world.cloud.storage.get(BUCKET, files + story.manifest).body)
    line = next(entry for entry in manifest["entries"] if entry["kind"] == "NodePool")
    line = {**line, "name": "evil", "file": "namespaces/clusters/np-evil.yaml", "sha256": sha256_of(body), **changes}
    manifest["entries"].append(line)
    for forged in (body, data := json.dumps(manifest).encode()):
        put(here, files + sha256_of(forged), forged)
    append(here, {"at": 1, "line": "manifest", "sha256": sha256_of(data)})


def append(here: Scene, *lines: Mapping[str, Any]) -> None:
    """Lines at the end of the journal in the bucket."""
    key = mirror_key(here)
    story = journal.fold(journal.parse(here.world.cloud.storage.get(BUCKET, key).body))
    for line in lines:
        story = story.after(story.seal(line))
    body = b"".join(json.dumps(line, sort_keys=True).encode() + b"\n" for line in story.lines)
    put(here, key, body, keys=keys_of(here))


def forge_journal(here: Scene, step: str, **remembered: Any) -> None:
    """Lines that say that the step was begun and remembered this."""
    values = [{"at": 1, "line": "remember", "key": key, "value": value} for key, value in remembered.items()]
    append(here, {"at": 1, "line": "step", "step": step}, *values)


@pytest.mark.parametrize("verb", ["resume", "abort"])
@pytest.mark.parametrize("file", ["../../home/.ssh/authorized_keys", "{}/absolute", "journal.jsonl"])
def test_a_manifest_in_the_bucket_writes_no_file_elsewhere(tmp_path: Path, verb: str, file: str) -> None:
    here = stopped("backup.snapshot_etcd")
    forge_manifest(here, b"ssh-ed25519 of-somebody\n", file=file.format(tmp_path))
    (tmp_path / "home" / ".ssh").mkdir(parents=True)
    second = Operator(here.world, folder=tmp_path / "state" / "backup", machine="laptop")
    ending = getattr(second, verb)()
    assert isinstance(ending.error, ArchiveError)
    assert "'NodePool' 'clusters'/'evil'" in ending.error.what
    written = [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()]
    assert written == ["state/backup/journal.jsonl"]
    assert b"of-somebody" not in (tmp_path / "state" / "backup" / "journal.jsonl").read_bytes()


def test_a_node_pool_of_another_hosted_cluster_is_not_made(tmp_path: Path) -> None:
    here = stopped("restore.node_pools")
    body = (
        b"apiVersion: hypershift.openshift.io/v1beta1\nkind: NodePool\n"
        b"metadata: {name: evil, namespace: clusters}\nspec: {clusterName: neighbour}\n"
    )
    forge_manifest(here, body)
    ending = Operator(here.world, folder=tmp_path / "backup", machine="laptop").resume()
    assert isinstance(ending.error, ArchiveError)
    assert "np-evil.yaml belongs to HostedCluster clusters/neighbour, not to shop" in ending.error.what
    assert sides(here)[1].find(r.NODE_POOL, "evil", "clusters") is None


EVIL = {"name": f"www.{DOMAIN}", "type": "CNAME", "ttl": 60, "values": ["evil.example.net"], "alias": None}
ROUTE = {
    "apiVersion": "route.openshift.io/v1",
    "kind": "Route",
    "metadata": {"name": "evil", "namespace": "hypershift"},
    "spec": {"host": f"evil.{DOMAIN}", "to": {"kind": "Service", "name": "operator"}},
}
FORGED: list[tuple[str, Mapping[str, Any]]] = [
    ("backup.release_dns", {"dns_image": {"owner": "x", "records": [EVIL]}}),
    ("backup.hold_dns", {"dns_held": {"owner": "x", "at": 0, "records": [EVIL]}}),
    ("backup.delete_routes", {"routes": {"evil": ROUTE}}),
    ("backup.delete_routes", {"routes": {"evil": {**ROUTE, "metadata": {"name": "evil", "namespace": NAMESPACE}}}}),
    ("backup.fence", {"replicas_before": {"capi-provider": 5}}),
    ("backup.fence", {"replicas_before": {"kube-apiserver": 5000}}),
    ("restore.hosted_cluster", {"destination_operator_before": {"operator": 5000}}),
    ("backup.protect_instances", {"protection": {"NEIGHBOUR": False}}),
]


@pytest.mark.parametrize(
    ("step", "values"), FORGED, ids=lambda each: each if isinstance(each, str) else next(iter(each))
)
def test_a_journal_in_the_bucket_makes_nothing_elsewhere(step: str, values: Mapping[str, Any]) -> None:
    here = stopped("restore.hosted_cluster", Shape.NEIGHBOUR)
    machines = here.world.cloud.machines.instances()
    [neighbour, *_] = [
        name
        for name, machine in machines.items()
        if not any(here.world.residents["shop"].names.infra_id in tag for tag in machine.tags)
    ]
    ports = here.operator.ports()
    ports.instances.protect(neighbour, on=True)
    forge_journal(here, step, **json.loads(json.dumps(values).replace("NEIGHBOUR", neighbour)))
    records = {record for record in zone(here) if "shop" not in record.name}
    ending = Operator(here.world, machine="laptop").abort()
    assert isinstance(ending.error, NotOurs)
    assert "The journal holds a value that does not belong to this hosted cluster: " in ending.error.what
    assert {record for record in zone(here) if "shop" not in record.name} == records
    source, destination = sides(here)
    assert [name_of(item) for item in source.list(r.ROUTE).items if name_of(item) == "evil"] == []
    assert [instance.termination_protected for instance in ports.instances.describe([neighbour])] == [True]
    for cluster in (source, destination):
        counts = [dig(item, "spec", "replicas") or 0 for item in cluster.list(r.DEPLOYMENT).items]
        assert max(counts) < 5


def test_what_a_journal_tells_truly_is_undone_as_ever() -> None:
    here = stopped("restore.hosted_cluster", Shape.NEIGHBOUR)
    assert Operator(here.world, machine="laptop").abort().error is None
