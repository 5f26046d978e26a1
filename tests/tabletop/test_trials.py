"""What the destination would refuse to create: found by dry runs, before the fence, with the printed roles."""

from __future__ import annotations

import base64
import copy
from collections.abc import Callable

import pytest

from hcp_dr.errors import CannotMigrate, Refused
from hcp_dr.hypershift import steps
from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Object
from hcp_dr.objects.reading import dig
from hcp_dr_lab.hosted.shapes import Shape
from hcp_dr_lab.tabletop.gate import Request
from hcp_dr_lab.tabletop.world import NAME
from tests.tabletop.scene import Scene, scene
from tests.tabletop.test_dangers import Killed, just_before, kill
from tests.tabletop.test_restorable import assert_served_by_the_source
from tests.tabletop.test_rights import restricted

RULE = "NodePools of this management cluster have a size"
STEP = "restore.try_creations"


def demand_a_size(here: Scene) -> None:
    """A rule of the NodePool's schema on the destination, as a newer release may have one."""
    client = here.world.sides[1].client()
    definition = str(r.NODE_POOL)
    versions = copy.deepcopy(client.get(r.CUSTOM_RESOURCE_DEFINITION, definition)["spec"]["versions"])
    for version in versions:
        spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
        spec["x-kubernetes-validations"] = [{"rule": "has(self.size)", "message": RULE}]
    client.patch(r.CUSTOM_RESOURCE_DEFINITION, definition, None, {"spec": {"versions": versions}})


def take_the_right_to_own(here: Scene) -> None:
    """`update` on the finalizers of MachineSets, which own Machines."""
    client, place = here.world.sides[1].client(), here.world.residents[NAME].names.control_plane_namespace
    role = copy.deepcopy(client.get(r.ROLE, f"hcp-dr:destination:clusters-{NAME}", place))
    for rule in role["rules"]:
        rule["resources"] = [each for each in rule["resources"] if each != "machinesets/finalizers"]
    client.replace(r.ROLE, role)


@pytest.mark.parametrize(
    ("act", "kind", "words"),
    [(demand_a_size, "NodePool", RULE), (take_the_right_to_own, "Machine", "cannot set blockOwnerDeletion")],
    ids=["a rule", "a right"],
)
def test_preflight_names_the_object_and_quotes_the_server(act: Callable[[Scene], None], kind: str, words: str) -> None:
    here = restricted()
    act(here)
    ending = here.operator.relocate()
    assert isinstance(ending.error, CannotMigrate)
    found = {check.name: check for check in ending.checks}["creations"]
    assert (found.verdict, found.acceptable) == ("blocked", False)
    assert f"{kind} clusters" in found.seen
    assert words in found.seen
    assert not ending.story.lines


def refused_before_the_fence(here: Scene) -> None:
    ending = here.operator.resume() if here.operator.story().lines else here.operator.relocate()
    assert isinstance(ending.error, Refused)
    assert RULE in ending.error.what
    assert steps.BACKUP_FENCE not in ending.story.memory.acted
    assert here.world.sides[1].client().list(r.HOSTED_CLUSTER, "clusters").items == ()


def test_a_rule_that_comes_after_preflight_is_found_before_the_fence() -> None:
    """A namespace that preflight did not see is there by then."""
    here = scene()
    just_before(here, "restore.pull_images", lambda: demand_a_size(here))
    refused_before_the_fence(here)
    here.world.hooks.clear()
    assert here.operator.abort().error is None
    assert_served_by_the_source(here)


def test_a_resume_before_the_fence_asks_again() -> None:
    here = scene()
    just_before(here, steps.BACKUP_FENCE, kill)
    with pytest.raises(Killed):
        here.operator.relocate()
    here.world.hooks.clear()
    assert STEP in here.operator.story().memory.done
    demand_a_size(here)
    refused_before_the_fence(here)


def test_behind_the_fence_the_step_asks_nothing() -> None:
    here = scene()
    tried: list[str] = []
    here.world.hooks.append(
        lambda moment, request: (
            tried.append(str(here.operator.story().current))
            if moment == "before" and request.verb == "try_create" and here.operator.story().current
            else None
        )
    )
    assert here.operator.relocate().error is None
    assert {*tried} == {"restore.claim_namespaces", STEP, steps.RESTORE_HOSTED_CLUSTER}
    assert tried.count(steps.RESTORE_HOSTED_CLUSTER) <= 10, "only what is created behind the fence"


def comparable(body: Object) -> Object:
    """Without what is known only later, without a status, which is tried with the NodePool and patched later, and
    without values of Secrets, which are not sent."""
    item = copy.deepcopy(body)
    item.pop("status", None)
    for owner in item["metadata"].get("ownerReferences", ()):
        owner["uid"] = ""
    if item["kind"] == "Secret":
        item["data"] = {key: len(base64.b64decode(value)) for key, value in item.get("data", {}).items()}
    storage = dig(item, "spec", "etcd", "managed", "storage") or {}
    storage.pop("restoreSnapshotURL", None)
    return item


@pytest.mark.parametrize("asked", [(), (Shape.THREE_POOLS,)], ids=["plain", "three pools"])
def test_what_is_tried_is_what_is_created(asked: tuple[Shape, ...]) -> None:
    here = scene(*asked)
    requests: dict[str, dict[tuple[str, str], Object]] = {"create": {}, "try_create": {}}

    def note(moment: str, request: Request) -> None:
        if moment == "before" and request.port == "destination" and request.verb in requests:
            resource, body = request.arguments
            place = (resource.kind, f"{body['metadata'].get('namespace')}/{body['metadata']['name']}")
            requests[request.verb][place] = comparable(body)

    here.world.hooks.append(note)
    assert here.operator.relocate().error is None
    created = {place: body for place, body in requests["create"].items() if place[0] not in ("Pod", "Lease")}
    key = ("Secret", f"default/hcp-dr-clusters-{NAME}")
    assert created.pop(key), "the key of the journal is created before anything else"
    assert requests["try_create"] == created
