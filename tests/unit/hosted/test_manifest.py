"""What becomes of a hosted cluster that a user brings."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from hcp_dr.kube import resources as r
from hcp_dr_lab.ground.aws_seed import Seed
from hcp_dr_lab.ground.errors import BadOptions
from hcp_dr_lab.ground.layout import AWS_REGION, HOSTED_DOMAIN
from hcp_dr_lab.hosted import cluster, manifest

EXAMPLE = Path(__file__).parents[3] / "docs" / "hosted-cluster.example.yaml"
SEED = Seed("Z9", "vpc-9", "subnet-9", "sg-9", "ami-9")
NAMESPACE, SECRET, HOSTED_CLUSTER, NODE_POOL = range(4)

Documents = list[dict[str, Any]]


def documents() -> Documents:
    return list(yaml.safe_load_all(EXAMPLE.read_text("utf-8")))


def brought(change: Callable[[Documents], object] = lambda _: None) -> cluster.Brought:
    given = documents()
    change(given)
    return manifest.fitted("mine.yaml", given)


def test_the_users_own_names_stay() -> None:
    ((names, _),) = cluster.population("shop", cluster.Options(brought=brought()))
    assert (names.namespace, names.name, names.infra_id) == ("retail", "till", "till-x4k9w")
    assert names.node_pools == ("till-eu-central-1b",)
    assert names.control_plane_namespace == "retail-till"
    assert names.api_hostname == f"api-till.{HOSTED_DOMAIN}"
    given = documents()[HOSTED_CLUSTER]["spec"]["platform"]["aws"]["rolesRef"]
    assert brought().hosted_cluster["spec"]["platform"]["aws"]["rolesRef"] == given


def test_what_names_the_users_cloud_is_put_in_the_regions_terms_and_said() -> None:
    made = brought()
    objects = cluster.objects(
        cluster.population("", cluster.Options(brought=made))[0][0], SEED, cluster.Options(brought=made)
    )
    by_kind = dict(objects)
    spec, pool = by_kind[r.HOSTED_CLUSTER]["spec"], by_kind[r.NODE_POOL]["spec"]
    assert spec["dns"] == {"baseDomain": HOSTED_DOMAIN, "publicZoneID": "Z9"}
    assert spec["platform"]["aws"]["region"] == AWS_REGION
    assert spec["platform"]["aws"]["cloudProviderConfig"]["vpc"] == "vpc-9"
    assert (pool["platform"]["aws"]["ami"], pool["platform"]["aws"]["subnet"]) == ("ami-9", {"id": "subnet-9"})
    assert spec["release"]["image"] == "quay.example.com/release:4.20.3-x86_64"
    said = "; ".join(made.changes)
    for word in ("baseDomain", "privateZoneID", "eu-central-1", "VPC", "storageClassName", "4 replicas instead of 6"):
        assert word in said


def test_secrets_that_render_leaves_out_are_made_up_and_said() -> None:
    made = brought()
    secrets = {item["metadata"]["name"] for item in made.inputs if item["kind"] == "Secret"}
    assert secrets == {"till-pull-secret", "till-ssh-key", "till-etcd-encryption-key"}
    assert sum("is generated" in change for change in made.changes) == 2


def test_what_only_a_server_gives_is_left_out() -> None:
    def served(given: Documents) -> None:
        metadata = given[HOSTED_CLUSTER]["metadata"]
        metadata |= {"uid": "u", "resourceVersion": "7", "finalizers": ["hypershift.openshift.io/finalizer"]}
        given[HOSTED_CLUSTER]["status"] = {"version": {}}

    made = brought(served).hosted_cluster
    assert set(made["metadata"]) == {"name", "namespace", "annotations"}
    assert "status" not in made


def test_a_release_without_a_version_becomes_the_rehearsals() -> None:
    def by_digest(given: Documents) -> None:
        given[HOSTED_CLUSTER]["spec"]["release"]["image"] = "quay.example.com/release@sha256:abc"

    made = brought(by_digest)
    assert made.hosted_cluster["spec"]["release"]["image"] == cluster.RELEASE
    assert any("has no version" in change for change in made.changes)


def test_a_pool_that_scales_by_itself_stands_at_its_least() -> None:
    def scaling(given: Documents) -> None:
        del given[NODE_POOL]["spec"]["replicas"]
        given[NODE_POOL]["spec"]["autoScaling"] = {"min": 2, "max": 9}

    (pool,) = brought(scaling).node_pools
    assert pool["spec"]["replicas"] == 2
    assert "autoScaling" not in pool["spec"]


def _spec(path: str, value: Any) -> Callable[[Documents], None]:
    """Set, or with None remove, a field of the HostedCluster's spec."""

    def change(given: Documents) -> None:
        where = given[HOSTED_CLUSTER]["spec"]
        *way, last = path.split(".")
        for field in way:
            where = where[int(field)] if isinstance(where, list) else where.setdefault(field, {})
        if value is None:
            del where[last]
        else:
            where[last] = value

    return change


def _drop(index: int) -> Callable[[Documents], None]:
    def change(given: Documents) -> None:
        del given[index]

    return change


def _twice(given: Documents) -> None:
    given.append(copy.deepcopy(given[HOSTED_CLUSTER]))


def _elsewhere(given: Documents) -> None:
    given[SECRET]["metadata"]["namespace"] = "other"


def _foreign_pool(given: Documents) -> None:
    given[NODE_POOL]["spec"]["clusterName"] = "other"


def _stranger(given: Documents) -> None:
    given.append({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}})


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (_spec("platform.type", "Azure"), "platform Azure"),
        (_spec("platform.aws.endpointAccess", "Private"), "endpoint access Private"),
        (_spec("etcd", {"managementType": "Unmanaged", "unmanaged": {}}), "unmanaged etcd"),
        (_spec("services.0.servicePublishingStrategy", {"type": "LoadBalancer"}), "publishes APIServer as LoadBal"),
        (_spec("services.1.servicePublishingStrategy", {"type": "Route"}), "publishes OAuthServer as Route without"),
        (_spec("autoNode", {"provisionerConfig": {}}), "autoNode"),
        (_spec("pullSecret", None), "without spec.pullSecret"),
        (_spec("auditWebhook", {"name": "audit"}), "Secret audit"),
        (_spec("additionalTrustBundle", {"name": "trust"}), "ConfigMap trust"),
        (_drop(HOSTED_CLUSTER), "has 0 HostedClusters"),
        (_drop(NODE_POOL), "no NodePool of till"),
        (_twice, "has 2 HostedClusters"),
        (_elsewhere, "outside the HostedCluster's namespace"),
        (_foreign_pool, "of the cluster other"),
        (_stranger, "has a Pod"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_the_rehearsal_would_have_to_lie_about_is_refused(
    change: Callable[[Documents], object], word: str
) -> None:
    with pytest.raises(BadOptions, match=word) as caught:
        brought(change)
    assert "mine.yaml" in str(caught.value)
    assert "Nothing was started" in str(caught.value)


@pytest.mark.parametrize("content", ["a: [", "- 1", "just words"])
def test_a_file_that_is_no_manifest_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(content)
    with pytest.raises(BadOptions, match=r"mine\.yaml"):
        manifest.read(file)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadOptions, match="Cannot read"):
        manifest.read(tmp_path / "none.yaml")
