"""external-dns stands as HyperShift installs it, and its pace is the only thing that a rehearsal changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from hcp_dr_lab.ground import installed_dns
from hcp_dr_lab.ground.delays import FAST, REALISTIC
from hcp_dr_lab.ground.layout import MANAGEMENT_CLUSTERS, Layout, ManagementCluster
from hcp_dr_lab.region.management import external_dns


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout("test", 7, tmp_path)


@pytest.mark.parametrize("cluster", MANAGEMENT_CLUSTERS)
def test_what_a_relocation_looks_for_is_in_the_arguments(cluster: ManagementCluster) -> None:
    given = installed_dns.arguments(cluster, installed_dns.pace(FAST))
    assert "--provider=aws" in given
    assert "--domain-filter=hosted.rehearsal.example" in given
    assert f"--txt-owner-id={cluster.external_dns_owner}" in given
    assert not any(argument.startswith("--policy") for argument in given)


def test_only_the_pace_differs() -> None:
    cluster = MANAGEMENT_CLUSTERS[0]
    fast, realistic = (
        set(installed_dns.arguments(cluster, installed_dns.pace(delays))) for delays in (FAST, REALISTIC)
    )
    names = {argument.partition("=")[0] for argument in fast ^ realistic}
    assert names == {
        "--interval",
        "--events",
        "--min-event-sync-interval",
        "--txt-cache-interval",
        "--aws-batch-change-interval",
    }
    assert "--txt-cache-interval=1h" in realistic


def test_the_secret_holds_the_credentials_and_nothing_else_does(layout: Layout) -> None:
    made = external_dns.objects(layout, MANAGEMENT_CLUSTERS[0])
    secret = next(each for each in made if each["kind"] == "Secret")
    key = layout.aws_credentials_file.read_text().split("aws_secret_access_key = ")[1].strip()
    assert key in secret["stringData"]["credentials"]
    assert not any(key in str(each) for each in made if each is not secret)
    assert layout.aws_credentials_file.stat().st_mode & 0o777 == 0o600
    assert made[0]["kind"] == "Namespace"
