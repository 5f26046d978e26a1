"""What stands against a relocation is found before anything is touched: provoked in a whole world, by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Check
from hcp_dr.errors import CannotMigrate, SettingsError, WrongCluster
from hcp_dr.hypershift import downtime
from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Kubernetes
from hcp_dr.report import outcome
from hcp_dr_lab.hosted import shapes as known
from hcp_dr_lab.hosted.shapes import Shape
from hcp_dr_lab.standin import webhooks
from hcp_dr_lab.tabletop.cluster import webhook_address
from hcp_dr_lab.tabletop.gate import Request
from hcp_dr_lab.tabletop.operator import Operator
from hcp_dr_lab.tabletop.world import NAME, World
from tests.tabletop.scene import Scene, scene, unguarded

OWN = "clusters-shop"
USUAL = {"keys.signing_key", "capacity.room"}
"""Warnings of every rehearsal: its documents are in no bucket that can be read here, and its pods ask for nothing."""


def sides(here: Scene) -> tuple[Kubernetes, Kubernetes]:
    return here.world.sides[0].client(), here.world.sides[1].client()


def found(here: Scene) -> dict[str, Check]:
    """What is not ok, and not usual."""
    return {
        check.name: check for check in here.operator.preflight() if check.verdict != "ok" and check.name not in USUAL
    }


def annotate(cluster: Kubernetes, annotations: dict[str, str]) -> None:
    cluster.patch(r.HOSTED_CLUSTER, "shop", "clusters", {"metadata": {"annotations": annotations}})


def gitops(here: Scene) -> None:
    annotate(sides(here)[0], {"argocd.argoproj.io/tracking-id": "shop:hypershift.openshift.io/HostedCluster:x"})


def dead_external_dns(here: Scene) -> None:
    sides(here)[0].patch(r.DEPLOYMENT, "external-dns", "hypershift", {"spec": {"replicas": 0}})
    here.world.clock.spend(5)


def mixed_versions(here: Scene) -> None:
    status = {"status": {"storedVersions": ["v1beta1", "v1beta2"]}}
    definition = "machines.cluster.x-k8s.io"
    sides(here)[0].patch(r.CUSTOM_RESOURCE_DEFINITION, definition, None, status, subresource="status")


def own_webhook(here: Scene) -> None:
    body = webhooks.validating_configuration(webhook_address(here.world.sides[0].cluster))
    sides(here)[0].create(r.VALIDATING_WEBHOOK_CONFIGURATION, body)


def unsupported_version(here: Scene) -> None:
    data = {"data": {"supported-versions": '{"versions":["4.23","4.22"]}'}}
    sides(here)[1].patch(r.CONFIG_MAP, "supported-versions", "hypershift", data)


def other_keys(here: Scene) -> None:
    documents = here.world.cloud.fabric.documents
    [key] = [key for key in documents if key.endswith("/openid/v1/jwks")]
    documents[key] = '{"keys": []}'


def volumes_at_stake(here: Scene) -> None:
    here.world.sides[0].operators.stopped = True  # its control plane operator would put it back at once
    policy = {"spec": {"persistentVolumeClaimRetentionPolicy": {"whenScaled": "Delete"}}}
    sides(here)[0].patch(r.STATEFUL_SET, "etcd", OWN, policy)


def somebodys_namespace(here: Scene) -> None:
    body: dict[str, Any] = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": OWN}}
    sides(here)[1].create(r.NAMESPACE, body)


def put_off_rollout(here: Scene) -> None:
    source, _ = sides(here)
    [deployment] = source.list(r.MACHINE_DEPLOYMENT, OWN).items
    later = {"spec": {"rollout": {"after": "2027-01-01T00:00:00Z"}}}
    source.patch(r.MACHINE_DEPLOYMENT, deployment["metadata"]["name"], OWN, later)


PROVOKED: dict[Callable[[Scene], None], tuple[str, str]] = {
    gitops: ("blocked", "owners.gitops"),
    dead_external_dns: ("blocked", "external_dns.source"),
    mixed_versions: ("blocked", "webhooks.stored_versions"),
    own_webhook: ("unknown", "webhooks.refusing"),
    unsupported_version: ("blocked", "destination.supported_version"),
    volumes_at_stake: ("warning", "carried.volumes"),
    somebodys_namespace: ("blocked", "destination.namespace"),
}


@pytest.mark.parametrize("provoke", PROVOKED, ids=lambda provoke: provoke.__name__)
def test_what_stands_against_it_is_found(provoke: Callable[[Scene], None]) -> None:
    here = scene()
    provoke(here)
    seen = found(here)
    verdict, name = PROVOKED[provoke]
    assert {name: check.verdict for name, check in seen.items()} == {name: verdict}
    assert seen[name].why
    assert seen[name].todo


def test_a_signing_key_that_is_not_published_is_found() -> None:
    """Rule E3."""
    here = scene()
    [check] = [check for check in here.operator.preflight() if check.name == "keys.signing_key"]
    assert check.verdict == "ok"
    other_keys(here)
    [check] = [check for check in here.operator.preflight() if check.name == "keys.signing_key"]
    assert (check.verdict, check.acceptable) == ("blocked", False)


def test_one_run_finds_all_problems_and_nothing_is_written() -> None:
    """I9: but the one probe object, and commands that read."""
    here = scene()
    for provoke in PROVOKED:
        provoke(here)
    written: list[str] = []

    def listen(moment: str, request: Request) -> None:
        if moment == "before" and request.writes:
            command = request.arguments[3][-1] if request.verb == "execute" else ""
            fetches = "| curl " in command and "--output" not in command and "--upload-file" not in command
            reading = ("endpoint status", "grep -a -o", "snapshot restore --help")
            reads = fetches or any(words in command for words in reading)
            written.append("a reading command" if reads else f"{request.port} {request.verb}")

    here.world.hooks.append(listen)
    ending = here.operator.relocate()
    assert isinstance(ending.error, CannotMigrate)
    assert {name for verdict, name in PROVOKED.values() if verdict != "warning"} <= {
        check.name for check in ending.checks if check.stops
    }
    assert set(written) == {"bucket put", "bucket delete", "a reading command"}
    assert written.count("bucket put") == 1
    assert ending.story.lines == ()


def test_what_is_accepted_goes_on_and_is_journaled() -> None:
    here = scene()
    gitops(here)
    with_reason = {"owners.gitops": "the Application is suspended"}
    ending = here.operator.relocate(reasons=with_reason)
    assert ending.error is None
    [line] = [line for line in ending.story.lines if line["line"] == "accepted"]
    assert (line["check"], line["reason"]) == ("owners.gitops", "the Application is suspended")
    assert here.operator.document(ending)["accepted"][0]["check"] == "owners.gitops"
    assert here.verdict().reasons == ()


def test_what_endangers_an_invariant_cannot_be_accepted() -> None:
    here = scene()
    mixed_versions(here)
    ending = here.operator.relocate(reasons={"webhooks.stored_versions": "I know"})
    assert isinstance(ending.error, SettingsError)
    assert ending.story.lines == ()


@pytest.mark.parametrize("shapes", [(), (Shape.FIXED_MEMBERS, Shape.LOAD_BALANCER)], ids=["plain", "members, balancer"])
def test_the_estimate_holds_where_the_delays_are_realistic(
    shapes: tuple[Shape, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    unguarded(monkeypatch)
    operator = Operator(World.prepared(known.options(frozenset(shapes)), realistic=True))
    ports = operator.ports()
    estimate = downtime.estimate(downtime.observe(ports, operator.case(), RunState()))
    away = outcome.api_away(operator.relocate().story)
    assert away is not None
    assert estimate.least <= away <= estimate.most


def by_load_balancer(here: Scene) -> None:
    """HC_KUBECONFIG has the source's load balancer as its server."""
    service = sides(here)[0].get(r.SERVICE, "kube-apiserver", OWN)
    resident = here.world.residents[NAME]
    balancer = service["status"]["loadBalancer"]["ingress"][0]["hostname"]
    here.world.residents[NAME] = replace(resident, server=(balancer, resident.server[1]))


def test_the_hosted_kubeconfig_must_have_the_fixed_hostname() -> None:
    here = scene(Shape.LOAD_BALANCER)
    by_load_balancer(here)
    assert found(here)["hosted_kubeconfig"].verdict == "blocked"
    assert isinstance(here.operator.relocate().error, CannotMigrate)


def test_no_other_address_proves_that_the_name_has_moved() -> None:
    """Changed after preflight: the API answers, and the proof is refused."""
    here = scene(Shape.LOAD_BALANCER)
    assert here.operator.backup().error is None
    assert here.operator.go_on("restore").error is None
    right = here.world.residents[NAME]
    here.world.residents[NAME] = replace(right, server=("elsewhere.example", right.server[1]))
    ending = here.operator.go_on("verify")
    assert isinstance(ending.error, WrongCluster)
    assert "the fixed hostname of the API is api-shop" in ending.error.what
    here.world.residents[NAME] = right
    assert here.operator.go_on("verify").error is None
