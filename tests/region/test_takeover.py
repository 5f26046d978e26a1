"""`--dns takeover` against the real external-dns: what is taken from a dead one stays taken when it comes back."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

import pytest

from hcp_dr.errors import CannotMigrate, NotFound
from hcp_dr.kube import resources as r
from hcp_dr_lab.drill import region as drill
from hcp_dr_lab.ground.layout import HOSTED_DOMAIN, MANAGEMENT_CLUSTERS, Layout
from hcp_dr_lab.hosted import shapes
from hcp_dr_lab.hosted.shapes import Shape
from hcp_dr_lab.observer.foreign import STRANGER
from hcp_dr_lab.observer.report import Outcome, as_text
from tests.region.conftest import eventually, in_service, management, say
from tests.region.hands import Zone, keepers, zone
from tests.region.test_faults import EXTERNAL_DNS, external_dns_ready, stopped, told

FIRST, SECOND = MANAGEMENT_CLUSTERS
PUBLISHED = ("api", "oauth", "konnectivity", "ignition")


@pytest.mark.long
def test_records_are_taken_from_a_dead_external_dns_and_it_takes_nothing_back(region: Layout, tmp_path: Path) -> None:
    """The API's name is that of a Service behind a load balancer, the others are those of Routes."""
    with in_service(region, shapes.options([Shape.LOAD_BALANCER])) as hosted:
        names, began = hosted.names, time.monotonic()
        env_file = drill.environment_file(region, names.name, 1)
        observation = drill.Observation(region, names.name, 1, tmp_path / "evidence")
        observation.begin()
        observation.await_writes()
        before = zone(region)
        assert keepers(before, names) == {FIRST.external_dns_owner, STRANGER}
        with stopped(region, EXTERNAL_DNS):
            eventually(lambda: not external_dns_ready(region), 30, "the source's external-dns is not Ready")
            ended, said = told(("relocate", "--yes"), env_file)
            assert ended == CannotMigrate.exit_code
            assert "--dns takeover" in said
            assert zone(region) == before
            relocation = drill.relocate(env_file, "--dns", "takeover")
            taken = zone(region)
        eventually(lambda: external_dns_ready(region), 30, "the source's external-dns is Ready again")
        see_it_at_work(region)
        after = zone(region)
        verdict = observation.conclude()

        outcome = Outcome(names.name, FIRST.name, SECOND.name, relocation, verdict, time.monotonic() - began)
        say(as_text(outcome))
        assert outcome.reasons == ()
        assert after == taken
        assert keepers(after, names) == {SECOND.external_dns_owner, STRANGER}
        addresses = {name: values for (name, kind), values in after.items() if kind != "TXT"}
        for service in PUBLISHED:
            [target] = addresses[f"{service}-{names.name}.{HOSTED_DOMAIN}."]
            assert target.rstrip(".").endswith((SECOND.load_balancer_domain, SECOND.load_balancer_hostname)), target
        assert after.keys() == before.keys()
        assert others(after, names.name) == others(before, names.name)


def others(records: Zone, name: str) -> Zone:
    """All but what the hosted cluster publishes, and what claims it."""
    mine = {f"{service}-{name}" for service in PUBLISHED}
    return {
        key: values
        for key, values in records.items()
        if key[0].partition(".")[0].removesuffix("-external-dns").removeprefix("cname-") not in mine
    }


def see_it_at_work(region: Layout) -> None:
    """The source's external-dns goes through the whole zone twice: it makes the record of a Route of somebody else's,
    and removes it again."""
    name, host = "at-work", f"at-work.{HOSTED_DOMAIN}"
    metadata = {"name": name, "namespace": "default"}
    kind = {"apiVersion": r.ROUTE.api_version, "kind": r.ROUTE.kind}
    body = kind | {"metadata": metadata, "spec": {"host": host, "to": {"kind": "Service", "name": name}}}
    with management(region, FIRST) as source:
        try:
            source.create(r.ROUTE, body)
            eventually(lambda: (f"{host}.", "CNAME") in zone(region), 60, "the source's external-dns makes a record")
        finally:
            with suppress(NotFound):
                source.delete(r.ROUTE, name, "default")
        eventually(lambda: (f"{host}.", "CNAME") not in zone(region), 60, "the source's external-dns removes it")
