"""An owner of the HostedCluster or a NodePool creates them on the source again, once they are removed: the run ends at
once with an error of its own, and nothing is removed for good as if all were well."""

from __future__ import annotations

from copy import deepcopy

import pytest

from hcp_dr.errors import CreatedAgain
from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Kubernetes, Object, Resource
from hcp_dr_lab.tabletop.operator import Ending
from tests.tabletop.scene import Scene, scene
from tests.tabletop.test_dangers import just_before

KINDS = {"HostedCluster": (r.HOSTED_CLUSTER, "shop"), "NodePool": (r.NODE_POOL, "shop-workers")}


def owner(here: Scene) -> Kubernetes:
    return here.world.sides[0].client(manager="crossplane-provider")


def bodies(here: Scene, *kinds: Resource) -> list[Object]:
    """As an owner has them: without identity and without the pause."""
    found = []
    for resource in kinds:
        for item in owner(here).list(resource, "clusters").items:
            spec = {key: value for key, value in deepcopy(item["spec"]).items() if key != "pausedUntil"}
            meta = {"name": item["metadata"]["name"], "namespace": "clusters"}
            found.append({"apiVersion": item["apiVersion"], "kind": item["kind"], "metadata": meta, "spec": spec})
    return found


def created_before(here: Scene, step: str, *kinds: Resource) -> Ending:
    kept = bodies(here, *kinds)

    def create() -> None:
        for body in kept:
            owner(here).create(r.HOSTED_CLUSTER if body["kind"] == "HostedCluster" else r.NODE_POOL, body)

    just_before(here, step, create)
    started = here.world.clock.now()
    ending = here.operator.relocate()
    assert here.world.clock.now() - started < 3600
    return ending


@pytest.mark.parametrize("kinds", [(r.HOSTED_CLUSTER,), (r.NODE_POOL,), (r.HOSTED_CLUSTER, r.NODE_POOL)])
@pytest.mark.parametrize(
    "step",
    [
        "teardown.operator_back",
        "teardown.leftovers",
        "verify.source_clean",
        "finish.restart_ovn",
        "finish.unprotect_instances",
    ],
)
def test_the_run_ends_at_once(step: str, kinds: tuple[Resource, ...]) -> None:
    here = scene()
    ending = created_before(here, step, *kinds)
    assert isinstance(ending.error, CreatedAgain), ending.error
    assert ending.error.exit_code == 81
    assert "crossplane-provider" in ending.error.what or "uid" in ending.error.what
    assert "scale deployment/operator --replicas=0" in ending.error.next
    assert ending.story.current == step
    for kind in kinds:
        assert owner(here).list(kind, "clusters").items, "it was left as it was"
    protected = [
        each.termination_protected
        for each in here.operator.ports().instances.describe(tuple(here.world.cloud.machines.instances()))
    ]
    assert all(protected)


def test_while_the_objects_are_removed_the_hosted_cluster_is_not_removed_twice() -> None:
    here = scene()
    ending = created_before(here, "teardown.operator_back", r.HOSTED_CLUSTER)
    assert isinstance(ending.error, CreatedAgain)
    again = here.operator.resume()
    assert isinstance(again.error, CreatedAgain), "while it is there, no command goes on"


def test_it_goes_on_when_the_objects_are_gone() -> None:
    here = scene()
    ending = created_before(here, "teardown.operator_back", r.HOSTED_CLUSTER, r.NODE_POOL)
    assert isinstance(ending.error, CreatedAgain)
    here.world.hooks.clear()
    for resource in (r.NODE_POOL, r.HOSTED_CLUSTER):
        for item in owner(here).list(resource, "clusters").items:
            name = item["metadata"]["name"]
            owner(here).patch(resource, name, "clusters", {"metadata": {"finalizers": None}})
            owner(here).delete(resource, name, "clusters")
    here.world.clock.spend(5)
    assert here.operator.resume().error is None
    verdict = here.verdict()
    assert (verdict.reasons, verdict.lost, verdict.split_brain) == ((), (), False)
