"""Found before anything is touched, where it was told late or not at all: a second name of the API, a full etcd, a
record with a routing policy."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from hcp_dr.aws.port import Record, RecordChange
from hcp_dr.errors import CannotMigrate
from hcp_dr.hypershift.etcd import members
from hcp_dr.kube import resources as r
from tests.tabletop.scene import Scene, scene
from tests.tabletop.test_preflight import found, sides

CUSTOM = "api.shop.customer.example"


def name_it(here: Scene, name: str) -> None:
    sides(here)[0].patch(r.HOSTED_CLUSTER, "shop", "clusters", {"spec": {"kubeAPIServerDNSName": name}})


def test_a_second_name_of_the_api_is_told_before_and_after() -> None:
    here = scene()
    name_it(here, CUSTOM)
    assert found(here)["custom_api_name"].verdict == "warning"
    fixed = here.operator.case().api_hostname
    ending = here.operator.relocate()
    assert ending.error is None
    check = next(check for check in ending.checks if check.name == "custom_api_name")
    assert CUSTOM in check.seen
    assert fixed in check.todo
    to_do = here.operator.document(ending)["to_do"]
    assert [each for each in to_do if "custom_api_name" in each] == [f"custom_api_name: {check.todo}"]


def test_a_second_name_that_follows_the_first_is_fine() -> None:
    here = scene()
    zone = here.operator.ports().zone
    name = f"second.{zone.domain()}"
    name_it(here, name)
    zone.change([RecordChange("CREATE", Record(name, "CNAME", 60, ("elsewhere.example",)))])
    assert "elsewhere.example" in found(here)["custom_api_name"].seen
    zone.change([RecordChange("UPSERT", Record(name, "CNAME", 60, (here.operator.case().api_hostname,)))])
    assert "custom_api_name" not in found(here)


def test_an_etcd_with_an_alarm_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    here = scene()
    monkeypatch.setattr(members, "errors", lambda *_: ("memberID:1 alarm:NOSPACE ",))
    ending = here.operator.relocate()
    assert isinstance(ending.error, CannotMigrate)
    [check] = [check for check in ending.checks if check.stops]
    assert (check.name, check.acceptable) == ("etcd_alarms", False)
    assert "NOSPACE" in check.seen
    assert isinstance(here.operator.back_up_online().error, CannotMigrate)


def test_a_record_with_a_routing_policy_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    here = scene()
    ports = here.operator.ports()
    [api] = [each for each in ports.zone.records() if each.name == here.operator.case().api_hostname]
    weighted = Record(api.name, api.type, api.ttl, api.values, routing=json.dumps({"SetIdentifier": "a", "Weight": 1}))
    records = (*(each for each in ports.zone.records() if each != api), weighted)
    zone = SimpleNamespace(records=lambda: records, domain=ports.zone.domain, zone_id=ports.zone.zone_id)
    monkeypatch.setattr(here.operator, "ports", lambda: replace(ports, zone=zone))
    assert "Weight" in found(here)["routing_policy"].seen
