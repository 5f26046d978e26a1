"""A hosted cluster with a private way beside the public one: only the owner of the source's VPC endpoint service may
delete it, and it keeps the load balancer and the namespace. The relocation ends with a warning, the rest is done."""

from __future__ import annotations

from hcp_dr.kube import resources as r
from tests.tabletop.scene import scene
from tests.tabletop.test_preflight import sides


def test_a_vpc_endpoint_service_of_the_source_does_not_keep_the_relocation_from_its_end() -> None:
    here = scene()
    source, _ = sides(here)
    access = {"spec": {"platform": {"aws": {"endpointAccess": "PublicAndPrivate"}}}}
    source.patch(r.HOSTED_CLUSTER, "shop", "clusters", access)
    here.world.clock.spend(600)
    assert source.list(r.AWS_ENDPOINT_SERVICE, "clusters-shop").items
    ending = here.operator.relocate()
    assert ending.error is None, ending.error
    [check] = [check for check in ending.checks if check.name == "vpc_endpoint_services"]
    assert "delete-vpc-endpoint-service-configurations --service-ids vpce-svc" in check.todo
    described = here.operator.ports().instances.describe(tuple(here.world.cloud.machines.instances()))
    assert not [each for each in described if each.termination_protected], "the protection is as it was before"
    verdict = here.verdict()
    assert (verdict.lost, verdict.split_brain, verdict.instances_terminated) == ((), False, ())
