"""The CustomResourceDefinitions of a folder that somebody gives, such as the full ones of openshift/hypershift."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from hcp_dr import errors
from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Object
from hcp_dr_lab.ground.layout import HostedClusterNames
from hcp_dr_lab.hosted import cluster
from hcp_dr_lab.standin.install import definitions, install
from hcp_dr_lab.tabletop.kubernetes import ApiServer, Client, Store
from hcp_dr_lab.tabletop.kubernetes.expressions import Rule, compiled
from tests.contract.kubernetes.test_custom import SEED, STORAGE, URL, patch

FOLDER = os.environ.get("HCP_DR_LAB_CRDS")
pytestmark = pytest.mark.skipif(not FOLDER, reason="HCP_DR_LAB_CRDS names no folder of CustomResourceDefinitions")


@pytest.fixture(scope="module")
def admin() -> Client:
    server = ApiServer(Store())
    client = Client(lambda: server, "given", "https://memory")
    install(client, Path(FOLDER or ""))
    return client


def test_a_hosted_cluster_lives_on_them(admin: Client) -> None:
    names = HostedClusterNames("one")
    made = cluster.create(admin, names, SEED)
    assert made["metadata"]["generation"] == 1
    place = (names.name, names.namespace)
    changed = admin.patch(r.HOSTED_CLUSTER, *place, {"spec": {"pausedUntil": "true"}})
    assert changed["metadata"]["generation"] == 2
    with pytest.raises(errors.Invalid):
        admin.patch(r.HOSTED_CLUSTER, *place, {"spec": {"pausedUntil": "tomorrow"}})
    with pytest.raises(errors.Invalid):
        admin.patch(r.HOSTED_CLUSTER, *place, patch(*STORAGE, "restoreSnapshotURL", to=[URL]))
    with pytest.raises(errors.Invalid):
        admin.patch(r.NODE_POOL, names.node_pool, names.namespace, {"spec": {"clusterName": "other"}})


def schemas(found: object) -> Iterator[Object]:
    if isinstance(found, dict):
        yield found
        for part in found.values():
            yield from schemas(part)
    elif isinstance(found, list):
        for part in found:
            yield from schemas(part)


def test_every_rule_of_them_can_be_asked() -> None:
    for definition in definitions(Path(FOLDER or "")).values():
        for found in schemas(definition["spec"]["versions"]):
            rules = found.get("x-kubernetes-validations")
            for raw in rules if isinstance(rules, list) else ():
                rule = Rule.read(raw)
                compiled(rule.text, optional_old=rule.optional)
