"""A hosted cluster with a private way beside the public one: only the owner of the source's VPC endpoint service may
delete it, and it keeps the load balancer and the namespace. The relocation ends with a warning, the rest is done."""

from __future__ import annotations

import copy

from hcp_dr.errors import CannotMigrate, Refused
from hcp_dr.hypershift.steps import POINT_OF_NO_RETURN
from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Kubernetes
from tests.tabletop.scene import Scene, scene
from tests.tabletop.test_gate import is_paused_there, while_the_intent_is_mirrored
from tests.tabletop.test_preflight import found, sides
from tests.tabletop.test_source_lost import die


def private() -> Scene:
    here = scene()
    access = {"spec": {"platform": {"aws": {"endpointAccess": "PublicAndPrivate"}}}}
    sides(here)[0].patch(r.HOSTED_CLUSTER, "shop", "clusters", access)
    here.world.clock.spend(600)
    return here


def without_private_link(cluster: Kubernetes) -> None:
    """As `hypershift install` sets it up without --private-platform=AWS."""
    spec = copy.deepcopy(cluster.get(r.DEPLOYMENT, "operator", "hypershift")["spec"]["template"]["spec"])
    for container in spec["containers"]:
        container["args"] = [each for each in container["args"] if not each.startswith("--private-platform")]
    cluster.patch(r.DEPLOYMENT, "operator", "hypershift", {"spec": {"template": {"spec": spec}}})


def test_nothing_begins_where_the_destination_makes_no_vpc_endpoint_service() -> None:
    here = private()
    without_private_link(sides(here)[1])
    here.world.clock.spend(30)
    assert found(here)["private_platform.destination"].verdict == "blocked"
    assert isinstance(here.operator.relocate().error, CannotMigrate)


def test_a_lost_source_is_not_restored_there() -> None:
    here = private()
    assert here.operator.back_up_online().error is None
    without_private_link(sides(here)[1])
    die(here)
    stopped = here.operator.restore_lost().error
    assert isinstance(stopped, Refused)
    assert "--private-platform=AWS" in stopped.next
    assert sides(here)[1].find(r.NAMESPACE, "clusters-shop") is None


def test_an_operator_that_is_installed_again_meanwhile_closes_the_gate() -> None:
    here = private()
    while_the_intent_is_mirrored(here, lambda: without_private_link(sides(here)[1]))
    stopped = here.operator.relocate().error
    assert isinstance(stopped, Refused)
    assert is_paused_there(here)
    assert not here.operator.story().acted_in(POINT_OF_NO_RETURN)


def test_a_vpc_endpoint_service_of_the_source_does_not_keep_the_relocation_from_its_end() -> None:
    here = private()
    source, _ = sides(here)
    assert source.list(r.AWS_ENDPOINT_SERVICE, "clusters-shop").items
    ending = here.operator.relocate()
    assert ending.error is None, ending.error
    [check] = [check for check in ending.checks if check.name == "vpc_endpoint_services"]
    assert "delete-vpc-endpoint-service-configurations --service-ids vpce-svc" in check.todo
    described = here.operator.ports().instances.describe(tuple(here.world.cloud.machines.instances()))
    assert not [each for each in described if each.termination_protected], "the protection is as it was before"
    verdict = here.verdict()
    assert (verdict.lost, verdict.split_brain, verdict.instances_terminated) == ((), False, ())
