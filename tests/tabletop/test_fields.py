"""Fields of the specs that this version does not know, and fields that the destination would drop."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from hcp_dr.engine.journal import JournalState
from hcp_dr.errors import CannotMigrate, HcpDrError, Refused
from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Resource
from hcp_dr.objects.reading import dig
from hcp_dr_lab.tabletop.operator import Ending
from tests.tabletop.by_hand import Hands
from tests.tabletop.scene import Scene, scene
from tests.tabletop.test_dangers import just_before
from tests.tabletop.test_restorable import assert_served_by_the_source
from tests.tabletop.test_source_lost import die

EVERY = pytest.mark.parametrize("resource", [r.HOSTED_CLUSTER, r.NODE_POOL], ids=lambda resource: resource.kind)
REASONS = {"fields.unknown": "it names zones"}
PLACEMENT = {"zone": "a"}


def using_a_new_field(resource: Resource) -> tuple[Scene, str]:
    """The place of the field, which both releases of HyperShift have."""
    here = scene()
    client = here.world.sides[0].client()
    [item] = client.list(resource, "clusters").items
    name = item["metadata"]["name"]
    client.patch(resource, name, "clusters", {"spec": {"placement": PLACEMENT}})
    return here, f"{resource.kind} clusters/{name} spec.placement"


def names_it(text: str, place: str) -> bool:
    """The object, and the field in the words of the API server."""
    item, _, field = place.rpartition(" ")
    return item in text and f'unknown field "{field}"' in text


def give_the_destination_an_older_release(here: Scene, resource: Resource) -> None:
    client = here.world.sides[1].client()
    [item] = here.world.sides[0].client().list(resource, "clusters").items
    versions = copy.deepcopy(client.get(r.CUSTOM_RESOURCE_DEFINITION, str(resource))["spec"]["versions"])
    for version in versions:
        spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
        del spec["x-kubernetes-preserve-unknown-fields"]
        anything = {"x-kubernetes-preserve-unknown-fields": True}
        spec["properties"] = {**{key: anything for key in item["spec"] if key != "placement"}, **spec["properties"]}
    client.patch(r.CUSTOM_RESOURCE_DEFINITION, str(resource), None, {"spec": {"versions": versions}})


@EVERY
def test_an_unknown_field_is_told_and_carried_once_it_is_accepted(resource: Resource) -> None:
    here, place = using_a_new_field(resource)
    found = {check.name: check for check in here.operator.preflight()}
    assert (found["fields.unknown"].verdict, found["fields.unknown"].acceptable) == ("unknown", True)
    assert place in found["fields.unknown"].seen
    assert found["creations"].verdict == "ok"
    assert isinstance(here.operator.relocate().error, CannotMigrate)
    assert_served_by_the_source(here)
    assert here.operator.relocate(reasons=REASONS).error is None
    [restored] = here.world.sides[1].client().list(resource, "clusters").items
    assert dig(restored, "spec", "placement") == PLACEMENT


@pytest.mark.parametrize("way", ["backup --online", "restore --source-lost", "restore by hand"])
def test_where_nothing_can_be_accepted_an_unknown_field_is_told(way: str) -> None:
    here, place = using_a_new_field(r.HOSTED_CLUSTER)
    if way == "restore by hand":
        hands = Hands(here.world)
        hands.backup()
        here.operator.take_over(JournalState(), hands.files)
        ending = here.operator.restore_by_hand()
    else:
        ending = here.operator.back_up_online()
    if way == "restore --source-lost":
        die(here)
        ending = here.operator.restore_lost()
    assert ending.error is None
    [check] = [check for check in ending.checks if check.name == "fields.unknown"]
    assert (check.verdict, place in check.seen) == ("warning", True)


@EVERY
@pytest.mark.parametrize("command", ["relocate", "backup"])
def test_nothing_begins_where_the_destination_would_drop_a_field(resource: Resource, command: str) -> None:
    here, place = using_a_new_field(resource)
    give_the_destination_an_older_release(here, resource)
    ending = getattr(here.operator, command)(reasons=REASONS)
    assert isinstance(ending.error, CannotMigrate)
    [check] = [check for check in ending.checks if check.name == "creations"]
    assert (check.verdict, check.acceptable) == ("blocked", False)
    assert names_it(check.seen, place)
    assert_served_by_the_source(here)


def ended(act: Any) -> Ending:
    try:
        return act()  # type: ignore[no-any-return]
    except HcpDrError as error:
        return Ending(JournalState(), error=error)


def by_phases(here: Scene, resource: Resource) -> Ending:
    assert here.operator.backup(reasons=REASONS).error is None
    give_the_destination_an_older_release(here, resource)
    return here.operator.go_on("restore")


def lost(here: Scene, resource: Resource) -> Ending:
    assert here.operator.back_up_online().error is None
    give_the_destination_an_older_release(here, resource)
    die(here)
    return ended(here.operator.restore_lost)


def by_hand(here: Scene, resource: Resource) -> Ending:
    hands = Hands(here.world)
    hands.backup()
    give_the_destination_an_older_release(here, resource)
    here.operator.take_over(JournalState(), hands.files)
    return ended(here.operator.restore_by_hand)


def behind_the_fence(here: Scene, resource: Resource) -> Ending:
    just_before(here, "restore.hosted_cluster", lambda: give_the_destination_an_older_release(here, resource))
    return here.operator.relocate(reasons=REASONS)


WAYS = {"restore": by_phases, "--source-lost": lost, "by hand": by_hand, "behind the fence": behind_the_fence}


@EVERY
@pytest.mark.parametrize("way", WAYS)
def test_no_command_starts_a_control_plane_without_the_field(resource: Resource, way: str) -> None:
    here, place = using_a_new_field(resource)
    ending = WAYS[way](here, resource)
    assert isinstance(ending.error, Refused), ending.error
    assert names_it(ending.error.what, place)
    assert here.world.sides[1].client().find(r.HOSTED_CLUSTER, "shop", "clusters") is None
    if way in ("restore", "behind the fence"):
        here.world.hooks.clear()
        assert here.operator.abort().error is None
        assert_served_by_the_source(here)
