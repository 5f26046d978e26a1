"""The identity of the peers of a relocation, beside the clusters' own."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from hcp_dr.engine.peers import Accounts, account_of, check_answering, check_same_account, other_ways, read_accounts
from hcp_dr.errors import ClusterUnreachable, SettingsError, WrongCluster
from tests.ports import CASE, MemoryIdentity, World
from tests.world import relocatable

ACCOUNT, OTHER = "1", "2"


@pytest.mark.parametrize(
    ("arn", "account"),
    [
        ("arn:aws:iam::123456789012:user/relocator", "123456789012"),
        ("arn:aws-us-gov:sts::123456789012:assumed-role/a:b/me", "123456789012"),
        ("", ""),
        ("no arn", ""),
    ],
)
def test_the_account_of_an_identity(arn: str, account: str) -> None:
    assert account_of(arn) == account


@pytest.mark.parametrize(
    ("known", "says"),
    [
        ({"account": OTHER}, "AWS credentials of account 2, but"),
        ({"account": ACCOUNT, "zone_account": OTHER}, "AWS credentials for Route53 of account 2, but"),
        ({"account": ACCOUNT, "instances_account": OTHER}, "AWS credentials for EC2 of account 2, but"),
        ({"bucket_region": "eu-west-1"}, "bucket backups in region eu-west-1, but"),
    ],
)
def test_another_account_or_bucket_is_refused(known: dict[str, Any], says: str) -> None:
    ports = World().ports
    check_same_account(ports, CASE)
    check_same_account(ports, replace(CASE, account=ACCOUNT, bucket_region="us-east-1"))
    with pytest.raises(SettingsError) as refused:
        check_same_account(ports, replace(CASE, **known))
    assert says in refused.value.what


class OfSeveralAccounts(MemoryIdentity):
    def others(self) -> dict[str, Any]:
        return {"EC2": SimpleNamespace(arn=lambda: f"arn:aws:iam::{OTHER}:user/instances")}


def test_each_service_keeps_the_account_with_which_it_began() -> None:
    several = OfSeveralAccounts()
    accounts = read_accounts(several)
    assert accounts == Accounts(ACCOUNT, ACCOUNT, OTHER)
    case = replace(CASE, account=accounts.bucket, zone_account=accounts.zone, instances_account=accounts.instances)
    check_same_account(replace(World().ports, identity=several), case)
    with pytest.raises(SettingsError, match=f"for EC2 of account {OTHER}, but the settings lead to .* {ACCOUNT}"):
        check_same_account(World().ports, case)
    with pytest.raises(SettingsError, match=f"for EC2 of account {ACCOUNT}, but the settings lead to .* {OTHER}"):
        check_same_account(replace(World().ports, identity=several), replace(case, instances_account=ACCOUNT))


def test_another_way_to_the_same_cluster_is_described() -> None:
    ports = World().ports
    case = replace(CASE, source_server=ports.source.server, destination_server=ports.destination.server)
    assert other_ways(ports, CASE) == other_ways(ports, case) == ()
    [moved] = other_ways(ports, replace(case, source_server="https://before.example"))
    assert "of the source has server https://source.example:6443 instead of https://before.example:" in moved
    [renewed] = other_ways(ports, replace(case, destination_authority="of-before"))
    assert "of the destination has server https://destination.example:6443, with another certificate auth" in renewed


IDENTIFIED = replace(CASE, source_uid="uid-of-mgmt-1", destination_uid="uid-of-mgmt-2")


def test_each_cluster_that_answers_is_the_one_of_the_case() -> None:
    world = relocatable()
    check_answering(world.ports, IDENTIFIED, lost=False)
    with pytest.raises(WrongCluster):
        check_answering(world.ports, replace(IDENTIFIED, source_uid="another"), lost=False)
    check_answering(world.ports, replace(IDENTIFIED, source_uid="another"), lost=True)
    with pytest.raises(WrongCluster):
        check_answering(world.ports, replace(IDENTIFIED, cluster_id="another"), lost=False)


def test_a_cluster_that_does_not_answer_is_checked_later() -> None:
    world = relocatable()

    def silent(verb: str) -> None:
        raise ClusterUnreachable(cluster="source", verb=verb, object="its API", reason="silence")

    world.source.before = silent
    world.hosted.before = silent
    check_answering(world.ports, replace(IDENTIFIED, cluster_id="another"), lost=False)
