"""Names are handed from one external-dns to the other, and are never absent on their way."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Literal

import pytest

from hcp_dr.aws.port import Record, RecordChange
from hcp_dr.commands import discover
from hcp_dr.errors import DONE, DONE_WITH_WARNINGS, NotOurs, Refused
from hcp_dr.hypershift.dns.handover import SHORT_LIFE
from hcp_dr.hypershift.state import DNS_HELD
from hcp_dr.kube import resources as r
from hcp_dr_lab.ground.installed_dns import NAME, NAMESPACE
from hcp_dr_lab.ground.layout import BUCKET, MANAGEMENT_CLUSTERS
from hcp_dr_lab.hosted.shapes import Shape
from hcp_dr_lab.observer.foreign import STRANGER
from hcp_dr_lab.observer.tabletop import EASY, Observation
from hcp_dr_lab.tabletop.operator import Operator
from hcp_dr_lab.tabletop.world import NAME as SHOP
from hcp_dr_lab.tabletop.world import World
from tests.tabletop.scene import Scene, scene
from tests.tabletop.test_abort import EVERY, assert_called_off, boundaries
from tests.tabletop.test_dangers import just_before, sides, stop_before, stopped
from tests.tabletop.test_source_lost import assert_alive
from tests.tabletop.test_takeover import kill_external_dns, of_shop, reasons, stop_at_change, zone

FIRST, SECOND = MANAGEMENT_CLUSTERS
STEP = "backup.hold_dns"
SHAPES = [(), (Shape.LOAD_BALANCER,), (Shape.NEIGHBOUR,)]


def api(here: Scene) -> str:
    return here.world.residents[SHOP].server[0]


def ours(here: Scene) -> set[Record]:
    """Addresses and claims of the hosted cluster, without those of the stranger who is there in each rehearsal."""
    return of_shop({record for record in zone(here) if STRANGER not in "".join(record.values)})


def addresses(here: Scene) -> set[Record]:
    return {record for record in ours(here) if record.type != "TXT"}


def owners(here: Scene) -> set[str]:
    """Who keeps the names."""
    texts = ["".join(record.values) for record in ours(here) if record.type == "TXT"]
    return {text.partition("external-dns/owner=")[2].partition(",")[0] for text in texts}


def absences(here: Scene) -> list[str]:
    """From now on, after which changes of the zone a name of the hosted cluster was absent."""
    names = {record.name for record in addresses(here)}
    assert len(names) >= 4
    found: list[str] = []
    change = here.world.cloud.records.change

    def changed(*arguments: object) -> object:
        answer = change(*arguments)  # type: ignore[arg-type]
        left = names - {record.name for record in zone(here)}
        found.extend(f"{name} after {arguments[1:]}" for name in sorted(left))
        return answer

    here.world.cloud.records.change = changed  # type: ignore[assignment, method-assign]
    return found


def lives(here: Scene) -> set[int | None]:
    """Seconds that resolvers keep an address."""
    return {record.ttl for record in addresses(here)}


@pytest.mark.parametrize("shapes", SHAPES, ids=["plain", "balancer", "neighbour"])
def test_no_name_is_ever_absent(shapes: tuple[Shape, ...]) -> None:
    here = scene(*shapes)
    before, absent = zone(here), absences(here)
    assert owners(here) == {FIRST.external_dns_owner}
    just_before(here, "backup.fence", lambda: assert_held(here))
    assert here.operator.relocate(dns="handover").error is None
    assert absent == []
    after = zone(here)
    assert owners(here) == {SECOND.external_dns_owner}
    assert lives(here) == {300}
    assert after - of_shop(after) == before - of_shop(before)
    here.world.clock.spend(180)
    assert zone(here) == after
    assert here.verdict().reasons == ()


def assert_held(here: Scene) -> None:
    """And all resolvers know it."""
    held = here.operator.story().memory.get(DNS_HELD)
    assert held is not None
    assert held.at is not None
    assert held.at + 300 <= here.world.clock.epoch()
    assert lives(here) == {SHORT_LIFE}
    assert not owners(here) & {FIRST.external_dns_owner, SECOND.external_dns_owner}


def test_external_dns_that_remembers_owners_for_an_hour_neither_deletes_nor_hesitates() -> None:
    """As HyperShift installs it, with the delays of real names."""
    world = World.prepared(realistic=True).clone()
    Observation(world, SHOP, source=1, pace=EASY).begin()
    here = Scene(world, Operator(world))
    absent = absences(here)
    assert here.operator.relocate(dns="handover").error is None
    here.world.clock.spend(4000)
    assert absent == []
    assert owners(here) == {SECOND.external_dns_owner}
    verdict = here.verdict()
    assert verdict.reasons == ()
    assert verdict.api_downtime_s < 200


def test_each_phase_by_itself() -> None:
    here = scene(Shape.LOAD_BALANCER)
    absent = absences(here)
    assert here.operator.backup(dns="handover").error is None
    for phase in ("restore", "verify", "teardown", "finish"):
        assert here.operator.go_on(phase).error is None, phase
    assert absent == []
    assert owners(here) == {SECOND.external_dns_owner}
    assert here.verdict().reasons == ()


@pytest.mark.parametrize("gone", [False, True], ids=["dead", "gone"])
def test_a_source_without_external_dns_is_no_obstacle(*, gone: bool) -> None:
    here = scene()
    source, _ = sides(here)
    if gone:
        source.delete(r.DEPLOYMENT, NAME, NAMESPACE)
        here.world.clock.spend(3)
    else:
        kill_external_dns(here)
    absent = absences(here)
    assert here.operator.relocate(dns="handover").error is None
    assert absent == []
    assert owners(here) == {SECOND.external_dns_owner}
    assert reasons(here) == []


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("batch", [1, 2])
def test_killed_around_a_batch_and_resumed(moment: Literal["before", "after"], batch: int) -> None:
    here = scene()
    absent = absences(here)
    stop_at_change(here, "handover", moment, batch)
    assert here.operator.resume().error is None
    assert absent == []
    assert owners(here) == {SECOND.external_dns_owner}
    assert reasons(here) == []


def test_given_up_in_the_middle_of_its_wait_it_goes_on_as_documented() -> None:
    here = scene()
    stop_at_change(here, "handover", "after")
    assert lives(here) == {SHORT_LIFE}
    assert here.operator.resume(dns="release").error is None
    assert owners(here) == {SECOND.external_dns_owner}
    assert lives(here) == {300}
    assert reasons(here) == []


def test_called_off_at_every_action_the_names_are_the_sources_again() -> None:
    found = boundaries(every=EVERY or 37, dns="handover")
    assert len(found) >= 4
    assert_called_off((*found, *boundaries(step=STEP, dns="handover")))


ODD_FOLDERS = ["pre-prod,eu", "Prod EU (2)", "Überfahrt", 'the "old" one', "", "a" * 200]


@pytest.mark.parametrize("folder", ODD_FOLDERS, ids=["comma", "spaces", "umlaut", "quotes", "nothing", "long"])
def test_whatever_the_folder_is_called_the_names_arrive_and_can_go_back(folder: str) -> None:
    here = scene()
    here.operator.folder_name = folder
    before = zone(here)
    stop_before(here, "backup.fence", "handover")
    held = owners(here)
    assert all(re.fullmatch("hcp-dr-[a-z0-9-]{1,56}", owner) for owner in held), held
    assert here.operator.abort().exit_code == DONE
    assert zone(here) == before
    again = Operator(here.world, machine="another")
    again.folder_name = folder
    assert again.relocate(dns="handover").error is None
    assert owners(here) == {SECOND.external_dns_owner}


def called(monkeypatch: pytest.MonkeyPatch, backup_id: str) -> None:
    """As a backup that was begun when folders gave their names as they are."""
    monkeypatch.setattr(discover, "backup_id_of", lambda *_: backup_id)


OLDER = ["pre-prod,eu-abc123", "My Backup-abc123"]


@pytest.mark.parametrize("backup_id", OLDER)
def test_an_older_backup_with_odd_letters_is_gone_on_with(backup_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    here = scene()
    called(monkeypatch, backup_id)
    stop_before(here, "restore.hosted_cluster", "handover")
    keys = here.world.cloud.storage.keys_of(BUCKET, "hcp-dr/clusters/shop/")
    assert f"hcp-dr/clusters/shop/{backup_id}/snapshot.db" in keys
    ending = Operator(here.world, machine="another").resume()
    assert ending.error is None, ending.error
    assert owners(here) == {SECOND.external_dns_owner}
    assert reasons(here) == []


@pytest.mark.parametrize("backup_id", OLDER)
def test_an_older_backup_that_held_names_under_its_odd_id_gives_them_back(
    backup_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = scene()
    called(monkeypatch, backup_id)
    before = zone(here)
    with monkeypatch.context() as older:
        older.setattr("hcp_dr.hypershift.dns.handover.holding_owner", lambda backup_id: f"hcp-dr-{backup_id}")
        stop_at_change(here, "handover", "after")
    assert any(f"owner=hcp-dr-{backup_id}," in "".join(record.values) for record in zone(here))
    assert here.operator.abort().exit_code == DONE
    assert zone(here) == before


def test_a_claim_that_somebody_changed_meanwhile_is_told_by_the_abort() -> None:
    here = stopped("backup.fence", dns="handover")
    [claim] = [each for each in ours(here) if each.type == "TXT" and each.name.startswith("cname-api")][:1]
    change = RecordChange("DELETE", claim), RecordChange("CREATE", replace(claim, ttl=77))
    here.operator.ports().zone.change(change)
    ending = here.operator.abort()
    assert ending.exit_code == DONE_WITH_WARNINGS
    [check] = [check for check in ending.checks if check.name == "names"]
    assert check.seen == f"different from before the handover: TXT {claim.name}"
    assert owners(here) == {FIRST.external_dns_owner}, "it is the source's all the same"


def test_a_name_that_somebody_else_keeps_stops_it_while_the_api_serves() -> None:
    here = scene()
    label, _, rest = api(here).partition(".")
    said = '"heritage=external-dns,external-dns/owner=third,external-dns/resource=route/clusters-shop/kube-apiserver"'
    stranger = Record(f"{label}-external-dns.{rest}", "TXT", 300, (said,))
    just_before(here, STEP, lambda: here.operator.ports().zone.change((RecordChange("CREATE", stranger),)))
    before = zone(here)
    stopped = here.operator.relocate(dns="handover").error
    assert isinstance(stopped, NotOurs)
    assert f"CNAME {api(here)}" in stopped.what
    assert zone(here) == before | {stranger}
    assert here.operator.abort().error is None
    assert zone(here) == before | {stranger}


def test_where_nothing_is_kept_it_says_how_to_go_on() -> None:
    here = scene()
    kill_external_dns(here)
    gone = tuple(RecordChange("DELETE", record) for record in ours(here))
    just_before(here, STEP, lambda: here.operator.ports().zone.change(gone))
    stopped = here.operator.relocate(dns="handover").error
    assert isinstance(stopped, Refused)
    assert "hcp-dr resume --dns release" in stopped.paragraph()


def test_a_name_whose_address_goes_on_its_way_is_made_anew() -> None:
    """External-dns makes no record beside a claim that is there."""
    here = scene()

    def lose() -> None:
        [address] = [record for record in addresses(here) if record.name == api(here)]
        here.operator.ports().zone.change((RecordChange("DELETE", address),))

    just_before(here, "restore.start_control_plane", lose)
    assert here.operator.relocate(dns="handover").error is None
    assert owners(here) == {SECOND.external_dns_owner}
    assert reasons(here) == []


def test_the_names_of_a_source_that_dies_meanwhile_are_taken_over() -> None:
    here = stopped("restore.hosted_cluster", dns="handover")
    assert not owners(here) & {FIRST.external_dns_owner, SECOND.external_dns_owner}
    here.world.die(here.world.sides[0])
    here.world.clock.spend(5)
    ending = here.operator.restore_lost()
    assert_alive(here.world, ending)
    assert owners(here) == {SECOND.external_dns_owner}


def test_a_source_that_serves_again_meanwhile_is_fenced_again_and_the_names_arrive() -> None:
    here = scene()
    source, _ = sides(here)
    absent = absences(here)

    def lift() -> None:
        source.patch(r.HOSTED_CLUSTER, SHOP, "clusters", {"spec": {"pausedUntil": None}})

    just_before(here, "backup.snapshot_etcd", lift)
    assert here.operator.relocate(dns="handover").error is None
    assert absent == []
    assert owners(here) == {SECOND.external_dns_owner}
    assert reasons(here) == []
