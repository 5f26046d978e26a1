"""Hosted clusters of every shape are relocated there in one and back phase by phase, or refused.

Several shapes in one, to save time.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hcp_dr.errors import CannotMigrate
from hcp_dr.kube import resources as r
from hcp_dr.kube.client import connect
from hcp_dr.kube.port import Kubernetes, Object, Resource
from hcp_dr.objects.select import node_pools_of, referenced_config_maps, referenced_secrets
from hcp_dr_lab.drill import region as drill
from hcp_dr_lab.ground.layout import MANAGEMENT_CLUSTERS, HostedClusterNames, Layout, RegionOptions
from hcp_dr_lab.hosted import manifest, shapes
from hcp_dr_lab.hosted.cluster import BALLAST_PREFIX
from hcp_dr_lab.hosted.shapes import Shape
from hcp_dr_lab.region import crds, lifecycle
from tests.region.conftest import REGION, Hosted, await_deletions, in_service, management, say
from tests.region.hands import record_sets
from tests.region.machines import Machine
from tests.region.ways import in_one, phase_by_phase

FIRST, SECOND = MANAGEMENT_CLUSTERS
CRDS = "HCP_DR_LAB_CRDS"
EXAMPLE = Path(__file__).parents[2] / "docs" / "hosted-cluster.example.yaml"
MANY = (Shape.THREE_POOLS, Shape.REFERENCES, Shape.ENCRYPTED, Shape.NEIGHBOUR)


@pytest.fixture
def upstream() -> Iterator[Layout]:
    """A region on the CustomResourceDefinitions of a folder that the caller names."""
    folder = os.environ.get(CRDS)
    if not folder:
        pytest.skip(f"{CRDS} names no folder with CustomResourceDefinitions")
    name = f"{REGION}-crds"
    try:
        yield lifecycle.up(name, say, options=RegionOptions(crds=crds.checked(Path(folder))))
    finally:
        await_deletions()
        lifecycle.down(name, say)


@pytest.mark.long
def test_three_pools_with_all_that_can_be_referenced_beside_a_neighbour(region: Layout, tmp_path: Path) -> None:
    with in_service(region, shapes.options(MANY)) as hosted:
        neighbour = HostedClusterNames(f"{hosted.names.name}2")
        references, beside = referenced(hosted, source=True), seen_of(region, neighbour)
        in_one(hosted)
        assert referenced(hosted, source=False) == references
        assert seen_of(region, neighbour) == beside
        with management(region, SECOND) as destination:
            pools = destination.list(r.NODE_POOL, hosted.names.namespace).items
        found = {pool["metadata"]["name"]: pool for pool in pools}
        assert set(found) == set(hosted.names.node_pools)
        kinds = [found[name]["spec"]["management"]["upgradeType"] for name in hosted.names.node_pools]
        assert kinds == ["Replace", "InPlace", "Replace"]
        assert [found[name]["spec"]["replicas"] for name in hosted.names.node_pools] == [2, 1, 0]
        assert_encrypted(hosted)
        phase_by_phase(hosted, tmp_path)
        assert seen_of(region, neighbour) == beside


@pytest.mark.long
def test_a_later_etcd_behind_a_load_balancer(region: Layout, tmp_path: Path) -> None:
    with in_service(region, shapes.options([Shape.ETCD_36, Shape.LOAD_BALANCER])) as hosted:
        assert record_of(region, hosted.names).endswith(f".{FIRST.load_balancer_domain}.")
        in_one(hosted)
        assert record_of(region, hosted.names).endswith(f".{SECOND.load_balancer_domain}.")
        phase_by_phase(hosted, tmp_path)
        assert record_of(region, hosted.names).endswith(f".{FIRST.load_balancer_domain}.")


@pytest.mark.parametrize("shape", [Shape.THREE_MEMBERS, Shape.ETCDCTL_ON_36])
def test_what_cannot_be_restored_is_refused(region: Layout, shape: Shape) -> None:
    with in_service(region, shapes.options([shape])) as hosted:
        env_file = drill.environment_file(region, hosted.names.name, 1)
        looked = Machine(env_file).run("preflight", "-o", "json")
        assert looked.code == CannotMigrate.exit_code
        checks = {check["name"]: check for check in json.loads(looked.result)["checks"]}
        whole = shape is Shape.THREE_MEMBERS  # then its tools are well, and were looked at in its pods
        assert ("etcdctl, which restores in etcd's image" in checks["etcd_restore"]["seen"]) is whole
        assert checks["etcd_members" if whole else "etcd_restore"]["verdict"] == "blocked"
        assert drill.relocate(env_file).exit_code == CannotMigrate.exit_code
        assert Machine(env_file).run("backup", "--yes").code == CannotMigrate.exit_code
        with management(region, FIRST) as source, management(region, SECOND) as destination:
            kept = source.get(r.HOSTED_CLUSTER, hosted.names.name, hosted.names.namespace)
            assert "pausedUntil" not in kept["spec"]
            assert destination.find(r.HOSTED_CLUSTER, hosted.names.name, hosted.names.namespace) is None
            for kind in (r.MACHINE, r.HOSTED_CONTROL_PLANE, r.SECRET, r.POD):
                assert not destination.list(kind, hosted.names.control_plane_namespace).items


@pytest.mark.long
def test_a_hosted_cluster_of_the_users_own_with_a_heavy_etcd(region: Layout, tmp_path: Path) -> None:
    """Its namespace is there on the source only, its snapshot goes up in parts."""
    options = shapes.options(brought=manifest.read(EXAMPLE), etcd_ballast=shapes.size("20MiB"), secrets=20)
    with in_service(region, options) as hosted:
        assert hosted.names.namespace == "retail"
        before = ballast(hosted, source=True)
        assert before == 20
        in_one(hosted)
        assert ballast(hosted, source=False) == before
        with management(region, SECOND) as destination:
            secrets = destination.list(r.SECRET, hosted.names.control_plane_namespace).items
        assert sum(item["metadata"]["name"].startswith("counted-") for item in secrets) == 20
        phase_by_phase(hosted, tmp_path)
        assert ballast(hosted, source=True) == before


def test_on_other_kinds(upstream: Layout, tmp_path: Path) -> None:
    """Such as the full upstream ones, with their own validation."""
    with in_service(upstream, shapes.options(MANY)) as hosted:
        references = referenced(hosted, source=True)
        in_one(hosted)
        assert referenced(hosted, source=False) == references
        phase_by_phase(hosted, tmp_path)
        assert referenced(hosted, source=True) == references


def referenced(hosted: Hosted, *, source: bool) -> dict[tuple[str, str], Any]:
    """All Secrets and ConfigMaps that the cluster refers to, with their content; each has to be there."""
    names = hosted.names
    with management(hosted.layout, FIRST if source else SECOND) as client:
        item = client.get(r.HOSTED_CLUSTER, names.name, names.namespace)
        pools = node_pools_of(item, client.list(r.NODE_POOL, names.namespace).items)
        wanted: list[tuple[Resource, str]] = [(r.SECRET, name) for name in referenced_secrets(item)]
        wanted += [(r.CONFIG_MAP, name) for name in referenced_config_maps(item, pools)]
        found = {(kind.kind, name): client.get(kind, name, names.namespace)["data"] for kind, name in wanted}
    assert len(found) == 15
    return found


def seen_of(region: Layout, names: HostedClusterNames) -> dict[str, Any]:
    """What a neighbour is: its objects on the source with their uids and specs, its record, its nodes."""
    place = names.control_plane_namespace
    with management(region, FIRST) as client:
        kinds = (r.MACHINE, r.AWS_MACHINE, r.CLUSTER, r.HOSTED_CONTROL_PLANE, r.ROUTE)
        objects = [client.get(r.HOSTED_CLUSTER, names.name, names.namespace)]
        objects += [item for kind in kinds for item in client.list(kind, place).items]
        pods = client.list(r.POD, place).items
    with closing(connect(region.hosted_kubeconfig(names.name), "neighbour")) as inside:
        nodes = inside.list(r.NODE).items
    return {
        "objects": sorted((item["kind"], item["metadata"]["uid"], json.dumps(item["spec"])) for item in objects),
        "pods": sorted((pod["metadata"]["uid"], restarts(pod)) for pod in pods),
        "nodes": sorted(node["metadata"]["uid"] for node in nodes),
        "record": record_of(region, names),
    }


def restarts(pod: Object) -> int:
    return sum(status["restartCount"] for status in (pod.get("status") or {}).get("containerStatuses") or ())


def record_of(region: Layout, names: HostedClusterNames) -> str:
    """Where the API's name leads."""
    (found,) = (
        record["ResourceRecords"][0]["Value"]
        for record in record_sets(region)
        if record["Name"] == f"{names.api_hostname}." and record["Type"] == "CNAME"
    )
    return f"{found.rstrip('.')}."


def assert_encrypted(hosted: Hosted) -> None:
    """A Secret written inside is no plain text in etcd on the destination, and can still be read."""
    text = "a-secret-that-nobody-may-read"
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "told", "namespace": "default"}}
    with closing(connect(hosted.layout.hosted_kubeconfig(hosted.names.name), "hosted")) as inside:
        inside.create(r.SECRET, body | {"stringData": {"text": text}})
        assert "text" in inside.get(r.SECRET, "told", "default")["data"]
    with management(hosted.layout, SECOND) as destination:
        kept = run_in_etcd(destination, hosted.names, etcdctl("get --prefix /registry/secrets/default/told"))
    assert b"k8s:enc:aescbc" in kept
    assert text.encode() not in kept


def ballast(hosted: Hosted, *, source: bool) -> int:
    """How many values of it are in etcd."""
    with management(hosted.layout, FIRST if source else SECOND) as client:
        return len(run_in_etcd(client, hosted.names, etcdctl(f"get --prefix --keys-only {BALLAST_PREFIX}")).split())


def etcdctl(words: str) -> str:
    tls = "/etc/etcd/tls"
    return (
        f"ETCDCTL_API=3 etcdctl --endpoints=https://localhost:2379 --cacert={tls}/etcd-ca/ca.crt "
        f"--cert={tls}/client/etcd-client.crt --key={tls}/client/etcd-client.key {words}"
    )


def run_in_etcd(client: Kubernetes, names: HostedClusterNames, script: str, member: int = 0) -> bytes:
    place = names.control_plane_namespace
    ended = client.execute(place, f"etcd-{member}", "etcd", ("/usr/bin/bash", "-c", script))
    assert ended.exit_code == 0, ended.stderr.decode()
    return ended.stdout
