"""HyperShift from 4.14 to 5.1 on either side: each release serves and stores Cluster API in its own versions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hcp_dr.errors import DONE, CannotMigrate, Refused
from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Kubernetes
from hcp_dr_lab.ground.layout import PRODUCT_USER
from hcp_dr_lab.ground.releases import RELEASES, Releases
from hcp_dr_lab.hosted.shapes import Shape
from hcp_dr_lab.tabletop.kubernetes.access import Caller
from hcp_dr_lab.tabletop.operator import Operator
from hcp_dr_lab.tabletop.world import NAME
from tests.tabletop.by_hand import Hands
from tests.tabletop.scene import scene
from tests.tabletop.test_by_hand import restored
from tests.tabletop.test_dangers import Killed, just_before, kill
from tests.tabletop.test_source_lost import die

NO_URL_RESTORE = "4.21"
"""Its etcd-init calls a tool that no longer restores."""
SAME = [(version, version) for version in RELEASES if version != NO_URL_RESTORE]
PAIRS = [("4.14", "4.16"), ("4.18", "4.20"), ("4.20", "5.0"), ("4.22", "5.1"), ("5.0", "5.1"), ("5.1", "5.0")]
NEWER_STORED = ("5.1", "4.22")
"""The destination does not serve the version that the source stores."""


@pytest.mark.parametrize("releases", [*SAME, *PAIRS], ids=" to ".join)
def test_a_relocation_between_releases(releases: Releases) -> None:
    here = scene(releases=releases)
    ending = here.operator.relocate()
    assert ending.error is None
    assert here.verdict().reasons == ()


@pytest.mark.parametrize("releases", [("4.14", "4.14"), ("5.0", "4.22"), ("5.1", "5.0")], ids=" to ".join)
def test_a_relocation_with_least_rights_between_releases(releases: Releases) -> None:
    """5.0 stores v1beta1, and its controllers refer to owners in v1beta2, which 4.22 does not serve."""
    here = scene(releases=releases)
    here.world.grant(NAME)
    here.operator = Operator(here.world, caller=Caller(PRODUCT_USER))
    ending = here.operator.relocate()
    assert ending.error is None
    assert here.verdict().reasons == ()


@pytest.mark.parametrize("releases", [("4.16", "4.20"), ("5.0", "5.1")], ids=" to ".join)
@pytest.mark.parametrize("shape", [Shape.THREE_POOLS, Shape.REFERENCES])
def test_a_relocation_of_a_harder_shape_between_releases(releases: Releases, shape: Shape) -> None:
    here = scene(shape, releases=releases)
    assert here.operator.relocate().error is None
    assert here.verdict().reasons == ()


@pytest.mark.parametrize("releases", [("4.16", "4.17"), ("5.0", "5.1")], ids=" to ".join)
@pytest.mark.parametrize("step", ["backup.pause", "restore.adopt_machines", "teardown.cluster"])
def test_a_relocation_killed_and_resumed_between_releases(releases: Releases, step: str) -> None:
    here = scene(releases=releases)
    just_before(here, step, kill)
    with pytest.raises(Killed):
        here.operator.relocate()
    here.world.hooks.clear()
    assert here.operator.resume().error is None
    assert here.verdict().reasons == ()


@pytest.mark.parametrize("releases", [("4.16", "4.17"), ("4.18", "4.20"), ("5.0", "5.1"), ("5.1", "5.0")])
@pytest.mark.parametrize("step", ["backup.export_objects", "restore.start_control_plane"])
def test_an_abort_between_releases(releases: Releases, step: str) -> None:
    """On the destination the machine objects are removed while its operator is stopped, and converts nothing."""
    here = scene(releases=releases)
    before = machinery(here.world.sides[0].client(), releases[0])
    just_before(here, step, kill)
    with pytest.raises(Killed):
        here.operator.relocate()
    here.world.hooks.clear()
    assert here.operator.abort().error is None
    here.world.clock.spend(30)
    assert machinery(here.world.sides[0].client(), releases[0]) == before
    assert machinery(here.world.sides[1].client(), releases[1]) == {}


def machinery(cluster: Kubernetes, release: str) -> dict[str, bool]:
    """Whether each machine object is paused, by its own annotation or by its spec."""
    version = RELEASES[release].stored
    return {
        f"{item['kind']} {item['metadata']['name']}": bool(
            item["spec"].get("paused") or (item["metadata"].get("annotations") or {}).get("cluster.x-k8s.io/paused")
        )
        for kind in (r.CLUSTER, r.MACHINE_DEPLOYMENT, r.MACHINE_SET, r.MACHINE)
        for item in cluster.list(kind.at(version), "clusters-shop").items
    }


def test_the_objects_travel_as_the_source_stores_them() -> None:
    here = scene(releases=("5.0", "5.1"))
    assert here.operator.backup().error is None
    manifest = json.loads(here.operator.files["manifest.json"])
    versions = {entry["api_version"] for entry in manifest["entries"] if entry["kind"] == "Machine"}
    assert versions == {"cluster.x-k8s.io/v1beta1"}


def test_a_pair_without_a_version_in_common_is_refused_with_the_version() -> None:
    here = scene(releases=NEWER_STORED)
    ending = here.operator.relocate()
    assert isinstance(ending.error, CannotMigrate)
    [check] = [check for check in ending.checks if check.name == "versions.destination"]
    assert (check.verdict, "cluster.x-k8s.io/v1beta2" in check.seen) == ("blocked", True)


def test_a_backup_in_a_version_that_the_destination_lacks_is_not_restored() -> None:
    """No preflight of this pair was made while the source lived."""
    here = scene(releases=NEWER_STORED)
    assert here.operator.back_up_online().error is None
    die(here)
    error = here.operator.restore_lost().error
    assert isinstance(error, Refused)
    assert "cluster.x-k8s.io/v1beta2" in error.what
    assert machinery(here.world.sides[1].client(), NEWER_STORED[1]) == {}


@pytest.mark.parametrize("releases", [("4.18", "4.20"), ("5.0", "5.0")], ids=" to ".join)
def test_a_lost_source_is_restored_between_releases(releases: Releases) -> None:
    here = scene(releases=releases)
    assert here.operator.back_up_online().error is None
    die(here)
    assert here.operator.restore_lost().error is None


@pytest.mark.parametrize("releases", [("4.18", "4.20"), ("5.0", "5.1")], ids=" to ".join)
def test_a_backup_made_by_hand_is_restored_between_releases(releases: Releases) -> None:
    """`kubectl get` on 5.0 saves the preferred version, which is not the stored version."""
    here = scene(releases=releases)
    hands = Hands(here.world)
    hands.backup()
    ending = restored(here, hands)
    assert ending.error is None
    assert ending.exit_code <= DONE + 1


def test_every_release_is_in_the_document() -> None:
    rows = [row for row in Path("docs/releases.md").read_text("utf-8").splitlines() if row.startswith("| ")]
    tried = {tuple(row.strip("| ").split(" | ")[:2]) for row in rows}
    assert {(version, version) for version in RELEASES} | set(PAIRS) <= tried
