"""Records are taken over from an external-dns that is dead: exactly these, and for good when it comes back."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import pytest

from hcp_dr.aws.port import Record, RecordChange
from hcp_dr.engine.step import ChangeRecords, Done
from hcp_dr.errors import CannotMigrate, NotOurs, Refused, TimedOut
from hcp_dr.hypershift import timeouts
from hcp_dr.hypershift.state import DNS_IMAGE
from hcp_dr.kube import resources as r
from hcp_dr.model import Case, Dns
from hcp_dr.procedure.backup import release_dns
from hcp_dr_lab.ground.installed_dns import NAME, NAMESPACE
from hcp_dr_lab.hosted.shapes import Shape
from hcp_dr_lab.tabletop.gate import Request
from tests.tabletop.scene import Scene, scene
from tests.tabletop.test_dangers import Killed, just_before, scale, sides, stop_before

STEP = "backup.release_dns"


def zone(here: Scene) -> set[Record]:
    return set(here.operator.ports().zone.records())


def kill_external_dns(here: Scene) -> None:
    source, _ = sides(here)
    scale(source, NAMESPACE, NAME, 0)
    here.world.clock.spend(3)


def reasons(here: Scene) -> list[str]:
    """What the observer finds, but that the source's external-dns is away, which was the test's doing."""
    return [reason for reason in here.verdict().reasons if "external-dns of mgmt-1" not in reason]


def of_shop(records: set[Record]) -> set[Record]:
    """Addresses and claims of the hosted cluster by whichever owner."""
    claims = {record for record in records if record.type == "TXT" and "/clusters-shop/" in "".join(record.values)}
    names = {record.name.removeprefix("cname-").replace("-external-dns", "") for record in claims}
    return claims | {record for record in records if record.name in names}


@pytest.mark.parametrize(
    "shapes", [(), (Shape.LOAD_BALANCER,), (Shape.NEIGHBOUR,)], ids=["plain", "balancer", "neighbour"]
)
def test_a_dead_external_dns_is_no_obstacle_and_makes_nothing_when_it_comes_back(shapes: tuple[Shape, ...]) -> None:
    here = scene(*shapes)
    source, _ = sides(here)
    before = zone(here)
    kill_external_dns(here)
    ending = here.operator.relocate(dns="takeover")
    assert ending.error is None
    assert [check.name for check in ending.checks if check.verdict == "warning"][:1] == ["external_dns.source"]
    batches = [line.texts("actions") for line in ending.story.of_kind("intent") if line.step == STEP]
    assert len(batches) == 1, "one batch, atomic"
    assert len(batches[0]) == 1
    after = zone(here)
    assert after - of_shop(after) == before - of_shop(before)
    scale(source, NAMESPACE, NAME, 1)
    here.world.clock.spend(180)
    assert zone(here) == after
    assert reasons(here) == []


def test_a_source_whose_external_dns_is_gone_altogether() -> None:
    """Who kept the names is told by the API's own record."""
    here = scene()
    source, _ = sides(here)
    source.delete(r.DEPLOYMENT, NAME, NAMESPACE)
    here.world.clock.spend(3)
    assert isinstance(here.operator.relocate().error, CannotMigrate)
    assert here.operator.relocate(dns="takeover").error is None
    assert reasons(here) == []


def test_one_that_dies_on_the_way_is_told_of_and_taken_over_from_on_resume() -> None:
    here = scene()
    just_before(here, "backup.delete_routes", lambda: kill_external_dns(here))
    stopped = here.operator.relocate().error
    assert isinstance(stopped, Refused)
    assert "hcp-dr resume --dns takeover" in stopped.paragraph()
    assert here.operator.resume(dns="takeover").error is None
    assert reasons(here) == []


def test_one_that_hangs_is_waited_for_in_vain_and_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    here = scene()
    monkeypatch.setattr(timeouts, "DNS_RELEASED", replace(timeouts.DNS_RELEASED, seconds=20.0))
    monkeypatch.setattr("hcp_dr_lab.tabletop.external_dns.ExternalDns._synchronize", lambda *_: None)
    stopped = here.operator.relocate().error
    assert isinstance(stopped, TimedOut)
    assert "hcp-dr resume --dns takeover" in stopped.paragraph()
    monkeypatch.undo()
    assert here.operator.resume(dns="takeover").error is None


def stop_at_change(here: Scene, dns: Dns, moment: Literal["before", "after"], number: int = 1) -> None:
    """The product is killed right before or after the so-manieth time that it changes the zone."""
    count = 0

    def kill(when: Literal["before", "after"], request: Request) -> None:
        nonlocal count
        count += (request.port, request.verb, when) == ("zone", "change", moment)
        if count == number:
            raise Killed

    here.world.hooks.append(kill)
    with pytest.raises(Killed):
        here.operator.relocate(dns=dns)
    here.world.hooks.clear()


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_around_the_batch_and_resumed(moment: Literal["before", "after"]) -> None:
    here = scene()
    kill_external_dns(here)
    stop_at_change(here, "takeover", moment)
    assert here.operator.resume().error is None
    assert reasons(here) == []


def test_a_record_that_changes_under_the_batch_is_looked_at_again() -> None:
    here = scene()
    kill_external_dns(here)
    name = here.world.residents["shop"].server[0]
    changed: list[Record] = []

    def change(when: Literal["before", "after"], request: Request) -> None:
        if when == "before" and request.port == "zone" and request.verb == "change" and not changed:
            [old] = [record for record in zone(here) if (record.name, record.type) == (name, "CNAME")]
            changed.append(Record(name, "CNAME", 17, old.values))
            here.world.hooks.clear()
            here.operator.ports().zone.change((RecordChange("UPSERT", changed[0]),))

    here.world.hooks.append(change)
    assert here.operator.relocate(dns="takeover").error is None
    image = here.operator.story().memory.get(DNS_IMAGE)
    assert image is not None
    assert [record.ttl for record in image.records if (record.type, record.name) == ("CNAME", name)] == [17]


def test_a_name_that_somebody_else_keeps_stops_it() -> None:
    here = scene()
    kill_external_dns(here)
    stop_before(here, STEP, "takeover")
    name = here.world.residents["shop"].server[0]
    label, _, rest = name.partition(".")
    said = '"heritage=external-dns,external-dns/owner=third,external-dns/resource=route/clusters-shop/kube-apiserver"'
    stranger = Record(f"{label}-external-dns.{rest}", "TXT", 300, (said,))
    here.operator.ports().zone.change((RecordChange("CREATE", stranger),))
    before = zone(here)
    stopped = here.operator.resume().error
    assert isinstance(stopped, NotOurs)
    assert f"CNAME {name}" in stopped.what
    assert zone(here) == before


def test_routes_that_come_back_stop_it() -> None:
    here = scene()
    kill_external_dns(here)
    source, _ = sides(here)
    routes = source.list(r.ROUTE, "clusters-shop").items
    stop_before(here, STEP, "takeover")
    body = {key: value for key, value in routes[0].items() if key != "status"}
    body["metadata"] = {
        key: body["metadata"][key] for key in ("name", "namespace", "labels") if key in body["metadata"]
    }
    source.create(r.ROUTE, body)
    before = zone(here)
    stopped = here.operator.resume().error
    assert isinstance(stopped, Refused)
    assert f"Route {body['metadata']['name']}" in stopped.what
    assert zone(here) == before


def test_an_undo_puts_exactly_back_what_was_taken() -> None:
    here = scene(Shape.NEIGHBOUR)
    before = zone(here)
    kill_external_dns(here)
    stop_before(here, "restore.hosted_cluster", "takeover")
    assert zone(here) < before
    ports, story = here.operator.ports(), here.operator.story()
    assert story.case is not None
    case = Case.from_json(dict(story.case))
    decision = release_dns.revert(release_dns.observe(ports, case, story.memory))
    [action] = decision.actions  # type: ignore[union-attr]
    assert isinstance(action, ChangeRecords)
    ports.zone.change(action.changes)
    assert zone(here) == before
    assert isinstance(release_dns.revert(release_dns.observe(ports, case, story.memory)), Done)


def test_an_undo_writes_over_nobodys_record() -> None:
    here = scene()
    kill_external_dns(here)
    stop_before(here, "restore.hosted_cluster", "takeover")
    ports, story = here.operator.ports(), here.operator.story()
    assert story.case is not None
    case = Case.from_json(dict(story.case))
    ports.zone.change((RecordChange("CREATE", Record(case.api_hostname, "CNAME", 60, ("elsewhere.example",))),))
    decision = release_dns.revert(release_dns.observe(ports, case, story.memory))
    assert isinstance(decision.error, NotOurs)  # type: ignore[union-attr]
