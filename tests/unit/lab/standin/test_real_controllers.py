"""What the stand-in creates for real controllers, and what it leaves to them."""

from __future__ import annotations

import pytest

from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Object
from hcp_dr_lab.ground.names import CAPI_PROVIDER, CLUSTER_API
from hcp_dr_lab.standin import turn
from hcp_dr_lab.standin.change import Change
from tests.unit.lab.standin.world import NAMES, PLANE, World

ENVIRONMENT = {"AWS_ENDPOINT_URL": "https://aws.example", "KUBERNETES_SERVICE_HOST": "10.0.0.1"}


@pytest.fixture
def world() -> World:
    """With a hosted cluster whose controllers are real, and do not run."""
    world = World()
    world.controllers = ENVIRONMENT
    world.create_hosted_cluster()
    world.settle()
    return world


@pytest.mark.parametrize("name", [CLUSTER_API, CAPI_PROVIDER])
def test_the_pod_runs_the_program_as_its_own_user(world: World, name: str) -> None:
    pod = world.get(r.DEPLOYMENT, name, PLANE)["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["image"] == f"docker.io/hcp-dr-lab/{name}:1"
    assert container["command"][:2] == [f"/usr/bin/{name}", f"--namespace={PLANE}"]
    assert {each["name"]: each["value"] for each in container["env"]} == ENVIRONMENT
    assert (pod["serviceAccountName"], pod["automountServiceAccountToken"]) == (name, True)
    assert world.get(r.SERVICE_ACCOUNT, name, PLANE)
    assert world.get(r.ROLE_BINDING, name, PLANE)["roleRef"]["name"] == name
    mounted = [volume["secret"]["secretName"] for volume in pod["volumes"]]
    assert [world.get(r.SECRET, each, PLANE)["data"].keys() for each in mounted] == [{"tls.crt", "tls.key"}]


def test_cluster_api_finds_the_hosted_api_by_a_label(world: World) -> None:
    secret = world.get(r.SECRET, f"{NAMES.infra_id}-kubeconfig", PLANE)
    assert secret["metadata"]["labels"] == {"cluster.x-k8s.io/cluster-name": NAMES.infra_id}
    assert secret["data"].keys() == {"value"}


def test_their_roles_do_not_act() -> None:
    world = World()
    world.create_hosted_cluster()
    world.settle()
    world.objects[r.MACHINE].clear()
    world.controllers = ENVIRONMENT
    made: list[Change] = []
    turn.play(world.view, made.append, lambda _: None)
    assert {kind(change) for change in made}.isdisjoint({r.MACHINE.kind, r.AWS_MACHINE.kind})
    world.controllers = None
    turn.play(world.view, made.append, lambda _: None)
    assert r.MACHINE.kind in {kind(change) for change in made}


def kind(change: Change) -> str:
    wanted: Object = getattr(change, "body", {})
    return str(wanted.get("kind", ""))
