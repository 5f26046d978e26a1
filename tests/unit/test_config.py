"""The documented variables: from the file and the environment together, complete, and never two things at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hcp_dr import config
from hcp_dr.errors import SettingsError

WHOLE = {
    "HC_CLUSTER_NS": "clusters",
    "HC_CLUSTER_NAME": "one",
    "MGMT_KUBECONFIG": "/etc/one.kubeconfig",
    "MGMT2_KUBECONFIG": "/etc/two.kubeconfig",
    "HC_KUBECONFIG": "/etc/hosted.kubeconfig",
    "BUCKET_NAME": "backups",
    "AWS_ZONE_ID": "Z1",
    "EXTERNAL_DNS_DOMAIN": "hosted.example",
    "MGMT_CLUSTER_NAME": "mgmt-1",
    "MGMT2_CLUSTER_NAME": "mgmt-2",
}
Env = Callable[[str], Path]


@pytest.fixture
def env(tmp_path: Path) -> Env:
    def written(text: str) -> Path:
        (tmp_path / "env").write_text(text)
        return tmp_path / "env"

    return written


def test_the_environment_alone_is_enough() -> None:
    assert config.variables(None, {**WHOLE, "PATH": "/bin", "AWS_CA_BUNDLE": "/ca"}) == {
        **WHOLE,
        "AWS_CA_BUNDLE": "/ca",
    }


def test_the_file_alone_is_enough(env: Env) -> None:
    assert config.variables(env("".join(f"{k}={v}\n" for k, v in WHOLE.items())), {}) == WHOLE


def test_file_and_environment_complete_each_other(env: Env) -> None:
    found = config.variables(
        env("export BUCKET_NAME='backups'\n# a comment\nAWS_REGION=us-east-1\n"), {"NODEPOOLS": "a,b"}
    )
    assert found == {"BUCKET_NAME": "backups", "AWS_REGION": "us-east-1", "NODEPOOLS": "a,b"}


def test_a_value_of_the_file_may_name_another(env: Env) -> None:
    found = config.variables(env("HC_CLUSTER_DIR=/work\nBACKUP_DIR=${HC_CLUSTER_DIR}/backup\n"), {})
    assert found["BACKUP_DIR"] == "/work/backup"


@pytest.mark.parametrize("name", ["BUCKET_NAME", "AWS_ZONE_ID"])
def test_two_things_at_once_are_an_error_that_tells_neither_value(env: Env, name: str) -> None:
    file = env(f"{name}=secret-one\n")
    with pytest.raises(SettingsError) as caught:
        config.variables(file, {name: "secret-two"})
    assert caught.value.paragraph() == (
        f"{name} has different values in the environment and in {file}. Nothing was changed anywhere. "
        f"Unset it (`unset {name}`) or correct the file, and run the command again."
    )


def test_the_files_aws_variables_win(env: Env) -> None:
    """A shell often has an AWS_REGION or a profile of its own, meant for something else."""
    assert config.variables(env("AWS_REGION=us-east-1\n"), {"AWS_REGION": "eu-central-1"}) == {
        "AWS_REGION": "us-east-1"
    }


def test_the_same_thing_twice_and_an_empty_one_are_no_contradiction(env: Env) -> None:
    file = env("BUCKET_NAME=backups\nNODEPOOLS=\n")
    assert config.variables(file, {"BUCKET_NAME": "backups", "NODEPOOLS": "a", "MGMT2_REGION": ""}) == {
        "BUCKET_NAME": "backups",
        "NODEPOOLS": "a",
    }


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "env"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingsError) as caught:
        config.variables(file, {})
    assert caught.value.what.startswith(f"The file {file}, given with --env-file, cannot be read: ")
    assert caught.value.next == "Correct the path or the file and run the command again."


def test_a_file_names_all_identities_or_one_for_a_service_beside_that_of_the_shell(env: Env) -> None:
    shell = {"AWS_PROFILE": "shell", "AWS_CREDS_EC2": "/shell/ec2"}
    assert config.variables(env("AWS_CREDS=/file/all\n"), shell) == {"AWS_CREDS": "/file/all"}
    assert config.variables(env("AWS_CREDS_EC2=/file/ec2\n"), shell) == {**shell, "AWS_CREDS_EC2": "/file/ec2"}
    both = {"AWS_CREDS": "/file/all", "AWS_CREDS_ROUTE53": "/file/names"}
    assert config.variables(env("AWS_CREDS=/file/all\nAWS_CREDS_ROUTE53=/file/names\n"), shell) == both
    with pytest.raises(SettingsError, match="did you mean AWS_CREDS_ROUTE53"):
        config.variables(env("AWS_CREDS_ROUTE_53=/file/names\n"), {})


def test_all_is_known_when_all_is_given() -> None:
    settings = config.load({**WHOLE, "NODE_POOL_REPLICAS": "2", "BACKUP_DIR": "/backup", "AWS_REGION": "ignored"})
    assert (settings.hc_cluster_ns, settings.mgmt_kubeconfig) == ("clusters", Path("/etc/one.kubeconfig"))
    assert (settings.node_pool_replicas, settings.backup_dir, settings.nodepools) == (2, Path("/backup"), None)


@pytest.mark.parametrize("name", sorted(WHOLE))
def test_a_variable_that_is_missing_is_named(name: str) -> None:
    with pytest.raises(SettingsError) as caught:
        config.load({key: value for key, value in WHOLE.items() if key != name})
    assert caught.value.paragraph() == (
        f"A variable is missing: {name}. Nothing was changed anywhere. "
        "Set it in the environment or in the file given with --env-file, and run the command again."
    )


def test_all_that_is_wrong_is_named_at_once() -> None:
    given = {**WHOLE, "NODE_POOL_REPLICAS": "two", "HC_CLUSTER_NAME": ""}
    del given["BUCKET_NAME"], given["AWS_ZONE_ID"]
    with pytest.raises(SettingsError) as caught:
        config.load(given)
    assert caught.value.what.startswith(
        "Variables are missing: BUCKET_NAME, AWS_ZONE_ID. Invalid values: HC_CLUSTER_NAME: "
    )
    assert "NODE_POOL_REPLICAS: " in caught.value.what


def test_only_what_is_given_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty variable of the environment is a missing one, and none comes in behind the back of the file."""
    monkeypatch.setenv("BUCKET_NAME", "from-behind")
    monkeypatch.setenv("NODE_POOL_REPLICAS", "")
    monkeypatch.setenv("MGMT2_REGION", "eu-central-1")
    assert config.load(WHOLE).mgmt2_region is None
    with pytest.raises(SettingsError, match="A variable is missing: BUCKET_NAME"):
        config.load({key: value for key, value in WHOLE.items() if key != "BUCKET_NAME"})


PATHS = ["MGMT_KUBECONFIG", "MGMT2_KUBECONFIG", "HC_KUBECONFIG", "BACKUP_DIR", "HC_CLUSTER_DIR", "AWS_CREDS"]


@pytest.mark.parametrize("name", [*PATHS, "AWS_CA_BUNDLE", "AWS_SHARED_CREDENTIALS_FILE"])
def test_the_home_folder_is_meant_by_a_tilde_in_every_path(
    env: Env, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A shell would have replaced it; a file is read by none, and `rm -r ~` is one mistake away."""
    monkeypatch.setenv("HOME", "/home/ada")
    assert config.variables(env(f"{name}=~/dr\n"), {}) == {name: "/home/ada/dr"}
    assert config.variables(env(f"{name}=~/dr\n"), {name: "/home/ada/dr"}) == {name: "/home/ada/dr"}
    assert config.variables(None, {name: "~"}) == {name: "/home/ada"}


def test_settings_that_come_from_elsewhere_are_read_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    settings = config.load({**WHOLE, "BACKUP_DIR": "~/dr", "MGMT_KUBECONFIG": "~/one"})
    assert (settings.backup_dir, settings.mgmt_kubeconfig) == (Path("/home/ada/dr"), Path("/home/ada/one"))


@pytest.mark.parametrize("value", ["$HOME/dr", "$(oc config current-context)", "`pwd`/dr", "a${NOT", "$1"])
@pytest.mark.parametrize("name", ["BACKUP_DIR", "MGMT_CLUSTER_NAME", "MGMT_KUBECONFIG", "AWS_CREDS"])
def test_what_only_a_shell_replaces_is_refused_by_name(env: Env, name: str, value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        config.variables(None, {name: value})
    assert caught.value.what.startswith(f"{name} contains ")
    assert "not expanded by a shell" in caught.value.what
    file = env(f"\n# a comment\n{name}={value}\n")
    with pytest.raises(SettingsError) as caught:
        config.variables(file, {})
    assert caught.value.what.startswith(f"{name} in line 3 of {file} ")


def test_a_key_is_no_path_and_is_taken_as_it_is() -> None:
    assert config.variables(None, {"AWS_SECRET_ACCESS_KEY": "a$b`c~"}) == {"AWS_SECRET_ACCESS_KEY": "a$b`c~"}


def test_a_home_folder_that_nobody_has_is_named(env: Env) -> None:
    with pytest.raises(SettingsError, match="BACKUP_DIR begins with ~nobody-is-called-so"):
        config.variables(env("BACKUP_DIR=~nobody-is-called-so/dr\n"), {})


@pytest.mark.parametrize("name", ["HC_CLUSTER_NS", "HC_CLUSTER_NAME"])
@pytest.mark.parametrize("value", ["../x", "a/b", "A", "a\nb", "-a", "a" * 300])
def test_a_name_that_no_object_has_is_refused(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"Invalid values: {name}: "):
        config.load({**WHOLE, name: value})
