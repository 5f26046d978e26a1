"""What still writes while the hosted cluster is paused: between the export and the fence something rotates (rule G)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import pytest

from hcp_dr.errors import MachineUnsafe
from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Kubernetes
from hcp_dr_lab.tabletop.gate import Request
from hcp_dr_lab.tabletop.world import NAME
from tests.tabletop.scene import Scene, scene

NEW = "cm90YXRlZA=="


def before_the_fence(here: Scene, happens: Callable[[Kubernetes], object]) -> None:
    """Let something happen on the source right before its API server is stopped, once."""
    begun: list[bool] = []

    def listen(moment: Literal["before", "after"], request: Request) -> None:
        what: tuple[Any, ...] = (moment, request.port, request.verb, *request.arguments[:2])
        if not begun and what == ("before", "source", "patch", r.DEPLOYMENT, "kube-apiserver"):
            begun.append(True)
            happens(here.world.sides[0].client())

    here.world.hooks.append(listen)


def place(here: Scene) -> str:
    return here.world.residents[NAME].names.control_plane_namespace


def test_a_secret_that_rotates_before_the_fence_arrives_rotated() -> None:
    here = scene()
    own = place(here)
    body = {"data": {"rotated": NEW}}
    before_the_fence(here, lambda source: source.patch(r.SECRET, "etcd-signer", own, body))
    assert here.operator.relocate().error is None
    assert here.verdict().reasons == ()
    found = here.world.sides[1].client().get(r.SECRET, "etcd-signer", own)["data"]
    assert found["rotated"] == NEW
    assert found["ca.key"], "and it is whole"


def test_a_machine_object_that_changes_before_the_fence_keeps_what_it_owns() -> None:
    here = scene()
    own = place(here)

    def relabel(source: Kubernetes) -> None:
        [found] = source.list(r.MACHINE_DEPLOYMENT, own).items
        source.patch(r.MACHINE_DEPLOYMENT, found["metadata"]["name"], own, {"metadata": {"labels": {"late": "yes"}}})

    before_the_fence(here, relabel)
    assert here.operator.relocate().error is None
    assert here.verdict().reasons == ()
    [found] = here.world.sides[1].client().list(r.MACHINE_DEPLOYMENT, own).items
    assert found["metadata"]["labels"]["late"] == "yes"


def test_a_machine_that_comes_before_the_fence_stops_it() -> None:
    here = scene()
    own = place(here)

    def another(source: Kubernetes) -> None:
        first = source.list(r.MACHINE, own).items[0]
        meta = {"name": "another", "namespace": own, "labels": first["metadata"]["labels"]}
        source.create(r.MACHINE, {**first, "metadata": meta, "status": {}})

    before_the_fence(here, another)
    ending = here.operator.relocate()
    assert isinstance(ending.error, MachineUnsafe)
    assert "created: Machine another" in ending.error.what


@pytest.mark.parametrize("key", ["ca.key", "ca.crt"])
def test_an_authority_that_lost_a_part_before_the_fence_stops_it(key: str) -> None:
    here = scene()
    own = place(here)
    before_the_fence(here, lambda source: source.patch(r.SECRET, "root-ca", own, {"data": {key: None}}))
    ending = here.operator.relocate()
    assert ending.error is not None
    assert "root-ca has no ca.crt with ca.key" in ending.error.what
