"""The printed rights: manifests that an API server takes, for one subject, and a policy for one prefix."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from hcp_dr.hypershift.access.permissions import EVERYWHERE, SIDES, permissions
from tests.unit.cli.conftest import Hcp

RBAC = "rbac.authorization.k8s.io"


def printed(hcp: Hcp, *words: str) -> Any:
    ended = hcp("rbac", *words, "-o", "json")
    assert (ended.code, ended.err) == (0, "")
    return json.loads(ended.out)


@pytest.mark.parametrize("side", SIDES)
def test_every_right_is_in_a_role_of_its_place_and_no_other_is(hcp: Hcp, side: str) -> None:
    items = printed(hcp, side)["items"]
    granted = {
        (item["metadata"].get("namespace", ""), group, kind, verb, name)
        for item in items
        if item["kind"] in ("Role", "ClusterRole")
        for rule in item["rules"]
        for group in rule["apiGroups"]
        for kind in rule["resources"]
        for verb in rule["verbs"]
        for name in rule.get("resourceNames", [""])
    }
    assert granted == {
        (right.place, right.resource.group, f"{right.resource.plural}/{right.part}".rstrip("/"), verb, name)
        for each in SIDES
        if each == side
        for right in permissions(each, "clusters", "one")
        for verb in right.verbs
        for name in right.names or ("",)
    }


@pytest.mark.parametrize("side", SIDES)
def test_nothing_is_granted_by_a_star_and_no_secret_everywhere(side: str) -> None:
    for each in SIDES:
        for right in permissions(each, "clusters", "one") if each == side else ():
            assert "*" not in (*right.verbs, right.resource.plural, *right.names)
            if right.place == EVERYWHERE:
                assert right.resource.plural not in ("secrets", "roles", "rolebindings")
                assert right.resource.plural != "pods" or right.verbs == ("list",)
                assert right.resource.kind != "Namespace" or right.names or set(right.verbs) <= {"list", "watch"}


@pytest.mark.parametrize(
    ("words", "subject"),
    [
        ((), {"kind": "User", "apiGroup": RBAC, "name": "hcp-dr"}),
        (("--user", "night"), {"kind": "User", "apiGroup": RBAC, "name": "night"}),
        (("--group", "sre"), {"kind": "Group", "apiGroup": RBAC, "name": "sre"}),
        (("--service-account", "ops/mover"), {"kind": "ServiceAccount", "namespace": "ops", "name": "mover"}),
    ],
)
def test_each_role_is_bound_to_whom_it_is_for(hcp: Hcp, words: tuple[str, ...], subject: dict[str, str]) -> None:
    items = printed(hcp, "source", *words)["items"]
    roles = [item for item in items if item["kind"] in ("Role", "ClusterRole")]
    bindings = [item for item in items if item["kind"].endswith("Binding")]
    assert [item["metadata"] for item in roles] == [item["metadata"] for item in bindings]
    for role, binding in zip(roles, bindings, strict=True):
        assert binding["subjects"] == [subject]
        assert (binding["roleRef"]["kind"], binding["roleRef"]["name"]) == (role["kind"], role["metadata"]["name"])


@pytest.mark.parametrize("side", ["source", "destination"])
def test_of_the_operators_namespace_only_the_scale_of_the_operator_may_be_changed(hcp: Hcp, side: str) -> None:
    """The right to change a Deployment is the right to run any image as its ServiceAccount."""
    [role] = [
        item
        for item in printed(hcp, side)["items"]
        if item["kind"] == "Role" and item["metadata"]["namespace"] == "hypershift"
    ]
    changing = [rule for rule in role["rules"] if {"patch", "update", "create"} & {*rule["verbs"]}]
    assert [(rule["resources"], rule["resourceNames"]) for rule in changing] == [(["deployments/scale"], ["operator"])]


def test_the_destination_gets_its_namespaces_before_their_roles(hcp: Hcp) -> None:
    items = printed(hcp, "destination")["items"]
    assert [(item["kind"], item["metadata"]["name"]) for item in items[:2]] == [
        ("Namespace", "clusters"),
        ("Namespace", "clusters-one"),
    ]
    assert "annotations" not in items[0]["metadata"]
    assert items[1]["metadata"]["annotations"] == {"hcp-dr.openshift.io/prepared": "true"}


def test_one_subject_and_a_whole_one(hcp: Hcp) -> None:
    both = hcp("rbac", "--user", "a", "--group", "b")
    assert both.code == 3
    assert "exclude each other" in both.paragraph
    for name in ("mover", "a/b/c", "/mover", "ops/", "ops/Mover", "ops/\x1b[1m"):
        half = hcp("rbac", "--service-account", name)
        assert half.code == 3
        assert "NAMESPACE/NAME" in half.paragraph
    for option in ("--user", "--group"):
        assert hcp("rbac", option, "\x1b[2J").code == hcp("rbac", option, "").code == 3
    assert hcp("rbac", "everything").code == 2


def test_the_policy_is_for_one_prefix_one_zone_and_no_termination(hcp: Hcp, environment: dict[str, str]) -> None:
    policy = printed(hcp, "iam")
    statements = {each["Sid"]: each for each in policy["Statement"]}
    bucket = f"arn:aws:s3:::{environment['BUCKET_NAME']}"
    assert statements["Backups"]["Resource"] == f"{bucket}/hcp-dr/clusters/one/*"
    assert statements["DocumentedSnapshot"]["Resource"] == f"{bucket}/one-etcd-0-snapshot.db"
    assert statements["MoveNames"]["Resource"].endswith(environment["AWS_ZONE_ID"])
    actions = {action for each in statements.values() for action in each["Action"]}
    assert not [action for action in actions if "*" in action or "Terminate" in action]
    assert "EncryptBackups" not in statements


def test_a_key_of_kms_is_used_through_s3_only(hcp: Hcp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUCKET_ENCRYPTION", "aws:kms")
    [statement] = [each for each in printed(hcp, "iam")["Statement"] if each["Sid"] == "EncryptBackups"]
    assert "kms:ViaService" in statement["Condition"]["StringLike"]


def test_the_key_of_the_bucket_is_used_for_this_bucket_only(hcp: Hcp, environment: dict[str, str]) -> None:
    """The bucket may encrypt by default, and in another region than that of the instances."""
    [statement] = [each for each in printed(hcp, "iam")["Statement"] if "kms:Decrypt" in each["Action"]]
    bucket = f"arn:aws:s3:::{environment['BUCKET_NAME']}"
    assert statement["Condition"]["StringLike"] == {
        "kms:ViaService": "s3.*.amazonaws.com",
        "kms:EncryptionContext:aws:s3:arn": [bucket, f"{bucket}/*"],
    }


@pytest.mark.parametrize(
    ("region", "names"),
    [
        ("us-gov-west-1", ("aws-us-gov", "amazonaws.com")),
        ("cn-north-1", ("aws-cn", "amazonaws.com.cn")),
        ("eu-central-1", ("aws", "amazonaws.com")),
        ("mars-north-1", ("aws", "amazonaws.com")),
    ],
)
@pytest.mark.parametrize("variable", ["MGMT2_REGION", "AWS_REGION"])
def test_names_of_aws_are_those_of_the_partition(
    hcp: Hcp, monkeypatch: pytest.MonkeyPatch, region: str, names: tuple[str, str], variable: str
) -> None:
    partition, suffix = names
    for name in ("MGMT2_REGION", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, region)
    statements = printed(hcp, "iam")["Statement"]
    arns = [each["Resource"] for each in statements if each["Resource"] != "*"]
    assert arns
    assert {each.split(":")[1] for each in arns} == {partition}
    [keys] = [each for each in statements if "kms:Decrypt" in each["Action"]]
    assert keys["Condition"]["StringLike"]["kms:ViaService"] == f"s3.*.{suffix}"


def test_a_zone_id_as_the_console_copies_it(hcp: Hcp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ZONE_ID", "/hostedzone/Z1")
    assert {each["Resource"] for each in printed(hcp, "iam")["Statement"] if "zone" in each["Resource"]} == {
        "arn:aws:route53:::hostedzone/Z1"
    }


def test_of_an_instance_only_the_protection_may_be_changed(hcp: Hcp) -> None:
    def condition(*words: str) -> Any:
        [statement] = [each for each in printed(hcp, "iam", *words)["Statement"] if each["Sid"] == "ProtectInstances"]
        return statement["Condition"]["StringEquals"]

    assert condition() == {"ec2:Attribute": "DisableApiTermination"}
    assert condition("--infra-id", "one-x7k2") == {
        "ec2:Attribute": "DisableApiTermination",
        "aws:ResourceTag/kubernetes.io/cluster/one-x7k2": "owned",
    }


def test_all_of_it_for_people_and_as_yaml(hcp: Hcp) -> None:
    text = hcp("rbac").out
    assert [line for line in text.splitlines() if not line.startswith(" ")] == [
        *(f"{side}:" for side in SIDES),
        "iam:",
    ]
    whole = yaml.safe_load(hcp("rbac", "-o", "yaml").out)
    assert list(whole) == [*SIDES, "iam"]
    assert "&id" not in hcp("rbac", "-o", "yaml").out
