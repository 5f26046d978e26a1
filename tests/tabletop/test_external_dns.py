"""An external-dns that would not move the names is found in preflight, on both sides, however it is set up; and what
comes of it where nobody looks."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from hcp_dr.aws.port import RecordChange
from hcp_dr.errors import CannotMigrate, Refused, TimedOut
from hcp_dr.kube import resources as r
from hcp_dr.model import Dns
from tests.tabletop.scene import Scene, scene, unchecked
from tests.tabletop.test_dangers import Killed, just_before, kill
from tests.tabletop.test_preflight import found, sides
from tests.tabletop.test_source_lost import die

Change = Callable[[dict[str, Any]], None]


def change(here: Scene, side: int, act: Change) -> None:
    cluster = sides(here)[side]
    deployment = cluster.get(r.DEPLOYMENT, "external-dns", "hypershift")
    containers = copy.deepcopy(deployment["spec"]["template"]["spec"]["containers"])
    act(containers[0])
    body = {"spec": {"template": {"spec": {"containers": containers}}}}
    cluster.patch(r.DEPLOYMENT, "external-dns", "hypershift", body)
    here.world.clock.spend(30)


def argument(*words: str) -> Change:
    def act(container: dict[str, Any]) -> None:
        container["args"] += words

    return act


def without(word: str) -> Change:
    def act(container: dict[str, Any]) -> None:
        container["args"] = [each for each in container["args"] if not each.startswith(word)]

    return act


def variable(name: str, value: str) -> Change:
    def act(container: dict[str, Any]) -> None:
        container["env"] += [{"name": name, "value": value}]

    return act


def from_config_map(container: dict[str, Any]) -> None:
    container["envFrom"] = [{"configMapRef": {"name": "external-dns"}}]


DELETES_NOTHING = [
    argument("--policy=upsert-only"),
    argument("--policy", "create-only"),
    argument("--dry-run"),
    argument("--managed-record-types=TXT"),
    argument("--exclude-domains=hosted.rehearsal.example"),
    variable("EXTERNAL_DNS_POLICY", "upsert-only"),
    variable("EXTERNAL_DNS_DRY_RUN", "true"),
]
WRITES_NOTHING = [
    argument("--dry-run"),
    argument("--managed-record-types=AAAA"),
    argument("--exclude-domains", "hosted.rehearsal.example"),
    argument("--annotation-filter=mine=true"),
    argument("--namespace=other"),
    variable("EXTERNAL_DNS_ANNOTATION_FILTER", "mine"),
    without("--source=openshift-route"),
]


@pytest.mark.parametrize("act", DELETES_NOTHING, ids=range(len(DELETES_NOTHING)))
def test_one_that_deletes_nothing_on_the_source(act: Change) -> None:
    here = scene()
    change(here, 0, act)
    check = found(here)["external_dns.source"]
    assert check.verdict == "blocked"
    assert "--dns takeover" in check.todo
    assert isinstance(here.operator.relocate().error, CannotMigrate)


@pytest.mark.parametrize("act", WRITES_NOTHING, ids=range(len(WRITES_NOTHING)))
@pytest.mark.parametrize("dns", ["release", "takeover", "handover"])
def test_one_that_writes_nothing_on_the_destination(act: Change, dns: str) -> None:
    here = scene()
    change(here, 1, act)
    ending = here.operator.relocate(dns=dns)  # type: ignore[arg-type]
    assert isinstance(ending.error, CannotMigrate)
    [check] = [check for check in ending.checks if check.stops]
    assert check.name == "external_dns.destination"


def test_its_variables_may_be_in_a_config_map() -> None:
    here = scene()
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "external-dns", "namespace": "hypershift"}}
    sides(here)[0].create(r.CONFIG_MAP, {**body, "data": {"EXTERNAL_DNS_POLICY": "upsert-only"}})
    change(here, 0, from_config_map)
    assert "upsert-only" in found(here)["external_dns.source"].seen


@pytest.mark.parametrize("dns", ["takeover", "handover"])
def test_the_names_move_without_it(dns: str) -> None:
    here = scene()
    change(here, 0, argument("--policy=upsert-only"))
    assert here.operator.relocate(dns=dns).error is None  # type: ignore[arg-type]
    assert here.verdict().reasons == ()


@pytest.mark.parametrize("act", [argument("--policy=upsert-only"), argument("--dry-run")])
def test_where_nobody_looks_the_names_are_never_given_up(act: Change, monkeypatch: pytest.MonkeyPatch) -> None:
    unchecked(monkeypatch)
    here = scene()
    change(here, 0, act)
    error = here.operator.relocate().error
    assert isinstance(error, TimedOut)
    assert "backup.release_dns" in error.what


def test_one_with_the_role_of_its_node_is_a_warning_and_the_names_move() -> None:
    here = scene()
    change(here, 0, lambda container: container.update(env=[]))
    assert found(here)["external_dns.source"].verdict == "warning"
    assert here.operator.relocate().error is None


def installed_again(here: Scene) -> None:
    """`hypershift install` without an owner ID sets another one: nobody owns the records any more."""
    owner = here.world.sides[0].cluster.external_dns_owner

    def act(container: dict[str, Any]) -> None:
        container["args"] = [
            each.replace(f"--txt-owner-id={owner}", "--txt-owner-id=another") for each in container["args"]
        ]

    change(here, 0, act)


def test_records_of_an_owner_that_no_external_dns_has_are_found() -> None:
    here = scene()
    installed_again(here)
    check = found(here)["orphaned_records"]
    assert check.verdict == "blocked"
    assert all(f"{service}-shop." in check.seen for service in ("api", "oauth", "konnectivity", "ignition"))
    assert "--dns takeover or --dns handover" in check.todo


@pytest.mark.parametrize("dns", ["takeover", "handover"])
def test_they_are_moved_without_it(dns: Dns) -> None:
    here = scene()
    installed_again(here)
    ending = here.operator.relocate(dns=dns)
    assert ending.error is None
    assert here.verdict().reasons == ()


def test_they_are_put_back_by_an_abort() -> None:
    here = scene()
    installed_again(here)
    before = set(here.operator.ports().zone.records())
    just_before(here, "restore.hosted_cluster", kill)
    with pytest.raises(Killed):
        here.operator.relocate(dns="takeover")
    here.world.hooks.clear()
    assert here.operator.abort().error is None
    assert set(here.operator.ports().zone.records()) == before


def test_those_that_come_on_the_way_are_told_of_and_taken_over_on_resume() -> None:
    here = scene()
    just_before(here, "backup.delete_routes", lambda: installed_again(here))
    stopped = here.operator.relocate().error
    assert isinstance(stopped, Refused)
    assert "hcp-dr resume --dns takeover" in stopped.paragraph()
    assert here.operator.resume(dns="takeover").error is None
    assert here.verdict().reasons == ()


def test_a_lost_source_leaves_names_of_several_owners() -> None:
    here = scene()
    claims = [
        each
        for each in here.operator.ports().zone.records()
        if each.type == "TXT" and "oauth-shop" in each.name and "/clusters-shop/" in "".join(each.values)
    ]
    owner = here.world.sides[0].cluster.external_dns_owner
    older = [
        replace(each, values=tuple(value.replace(f"owner={owner},", "owner=older,") for value in each.values))
        for each in claims
    ]
    changes = [RecordChange("DELETE", each) for each in claims] + [RecordChange("CREATE", each) for each in older]
    here.operator.ports().zone.change(changes)
    assert here.operator.back_up_online().error is None
    die(here)
    ending = here.operator.restore_lost()
    assert ending.error is None, ending.error
    left = "".join(value for each in here.operator.ports().zone.records() for value in each.values)
    assert "owner=older" not in left
