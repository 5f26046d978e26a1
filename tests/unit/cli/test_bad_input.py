"""Bad input ends in one paragraph that names it and says what to do, with an exit code of its own, and nothing is
changed anywhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hcp_dr.errors import AwsDenied, ClusterUnreachable
from hcp_dr.procedure import PHASES
from tests.ports import World
from tests.unit.cli.conftest import Ended, Hcp
from tests.unit.test_config import WHOLE
from tests.world import reads

UNTOUCHED = "Nothing was changed anywhere."
ONLY_OURS = "Nothing of the hosted cluster was changed."  # where preflight may have put its probe into the bucket
BEGINNING = ["preflight", "plan", "relocate", "backup"]
every_beginning = pytest.mark.parametrize("verb", BEGINNING)


@pytest.fixture
def refused(hcp: Hcp, world: World, folder: Path) -> Callable[..., str]:
    """Runs hcp-dr, which must end with this code; its paragraph."""

    def run(code: int, *words: str) -> str:
        ended: Ended = hcp(*words)
        assert ended.code == code, ended.err
        assert not ended.out or "\nverdict: " in ended.out
        probing = ("execute", "presign_put") if ended.out else ()  # of the bucket, by preflight
        calls = [call for call in world.written if not reads(call) and not str(call[1]).endswith("/probe")]
        assert [call for call in calls if call[0] not in probing] == []
        assert not folder.exists()
        assert UNTOUCHED in ended.paragraph or ONLY_OURS in ended.paragraph
        assert "hcp-dr resume" not in ended.paragraph, "there is nothing to resume"
        return ended.paragraph

    return run


Refused = Callable[..., str]


@every_beginning
@pytest.mark.parametrize("name", sorted(WHOLE))
def test_a_missing_variable(refused: Refused, monkeypatch: pytest.MonkeyPatch, verb: str, name: str) -> None:
    monkeypatch.delenv(name)
    assert refused(3, verb).startswith(f"A variable is missing: {name}. ")


@pytest.mark.parametrize("verb", ["restore", "verify", "teardown", "finish", "resume", "abort", "status"])
def test_a_missing_variable_of_a_later_verb(refused: Refused, monkeypatch: pytest.MonkeyPatch, verb: str) -> None:
    monkeypatch.delenv("BUCKET_NAME")
    assert refused(3, verb).startswith("A variable is missing: BUCKET_NAME. ")


@every_beginning
def test_an_env_file_that_cannot_be_read(refused: Refused, tmp_path: Path, verb: str) -> None:
    file = tmp_path / "missing.env"
    assert refused(3, verb, "--env-file", str(file)).startswith(
        f"The file {file}, given with --env-file, cannot be read"
    )


@every_beginning
def test_a_contradiction_of_file_and_environment(refused: Refused, tmp_path: Path, verb: str) -> None:
    file = tmp_path / "env"
    file.write_text("BUCKET_NAME=another\n")
    told = refused(3, verb, "--env-file", str(file))
    assert told.startswith(f"BUCKET_NAME has different values in the environment and in {file}. ")
    assert "`unset BUCKET_NAME`" in told


@every_beginning
@pytest.mark.parametrize("name", ["MGMT_KUBECONFIG", "MGMT2_KUBECONFIG", "HC_KUBECONFIG"])
@pytest.mark.parametrize("content", [None, "", "no: kubeconfig", "\0"])
def test_a_kubeconfig_that_cannot_be_used(
    refused: Refused, environment: dict[str, str], verb: str, name: str, content: str | None
) -> None:
    good = (
        "apiVersion: v1\nkind: Config\ncurrent-context: a\n"
        "contexts: [{name: a, context: {cluster: a, user: a}}]\n"
        "clusters: [{name: a, cluster: {server: 'https://127.0.0.1:1'}}]\nusers: [{name: a, user: {}}]\n"
    )
    for other in ("MGMT_KUBECONFIG", "MGMT2_KUBECONFIG", "HC_KUBECONFIG"):
        if other != name:
            Path(environment[other]).write_text(good)
    if content is not None:
        Path(environment[name]).write_text(content)
    told = refused(4, verb)
    assert told.startswith(f"The kubeconfig {environment[name]}, named by {name} for the ")


@every_beginning
def test_source_and_destination_are_one_cluster(refused: Refused, connected: World, verb: str) -> None:
    connected.destination.put({"Namespace kube-system": {"uid": "uid-of-mgmt-1"}})
    assert refused(5, verb) == (
        "MGMT_KUBECONFIG and MGMT2_KUBECONFIG lead to the same management cluster (namespace kube-system has uid "
        "uid-of-mgmt-1 on both): source and destination must be different clusters. Nothing was changed anywhere. "
        "Point MGMT2_KUBECONFIG at the destination management cluster, and run the command again."
    )


@every_beginning
@pytest.mark.usefixtures("connected")
def test_an_unknown_hosted_cluster(refused: Refused, monkeypatch: pytest.MonkeyPatch, verb: str) -> None:
    monkeypatch.setenv("HC_CLUSTER_NAME", "three")
    assert refused(6, verb) == (
        "There is no HostedCluster clusters/three on the source management cluster (https://source.example:6443). "
        "HostedClusters there: clusters/one, clusters/one2. Nothing was changed anywhere. "
        "Correct HC_CLUSTER_NS and HC_CLUSTER_NAME, or MGMT_KUBECONFIG, and run the command again."
    )


@every_beginning
def test_no_hosted_cluster_at_all(refused: Refused, connected: World, verb: str) -> None:
    connected.source.objects = {
        key: item for key, item in connected.source.objects.items() if key[0] != "HostedCluster"
    }
    assert "It has no HostedCluster at all." in refused(6, verb)


@every_beginning
@pytest.mark.usefixtures("connected")
@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("NODEPOOLS", "one-workers,spare", "NODEPOOLS is one-workers, spare, but the source has one-workers."),
        ("NODE_POOL_REPLICAS", "3", "NODE_POOL_REPLICAS is 3, but the NodePools on the source have 2 in total."),
    ],
)
def test_a_contradiction_of_a_variable_and_what_is_there(
    refused: Refused, monkeypatch: pytest.MonkeyPatch, *, verb: str, name: str, value: str, told: str
) -> None:
    monkeypatch.setenv(name, value)
    assert refused(3, verb).startswith(told)


@pytest.mark.usefixtures("connected")
def test_an_unknown_phase(refused: Refused) -> None:
    assert refused(3, "plan", "rollback").startswith(
        f"There is no plan for rollback. {UNTOUCHED} Choose one of {', '.join(PHASES)}, resume, abort."
    )
    assert refused(3, "plan", "verify", "--source-lost").startswith("--source-lost only applies to restore.")


@pytest.mark.parametrize("verb", ["preflight", "relocate", "backup"])
def test_a_bucket_that_refuses(refused: Refused, connected: World, verb: str) -> None:
    def before(asked: str) -> None:
        if asked == "put":
            raise AwsDenied(service="S3", operation="PutObject", object="backups", reason="no")

    connected.bucket.before = before
    ended = refused(41, verb)
    assert ended.startswith("AWS S3 does not allow PutObject on backups with these credentials: no.")


@every_beginning
def test_a_cluster_that_does_not_answer(refused: Refused, connected: World, verb: str) -> None:
    def before(_: str) -> None:
        raise ClusterUnreachable(cluster="source", verb="get", object="Namespace kube-system", reason="timed out")

    connected.source.before = before
    told = refused(29, verb)
    assert told.startswith(
        "The API server of the source cluster did not answer (get Namespace kube-system: timed out)."
    )


@pytest.mark.parametrize("verb", ["restore", "verify", "teardown", "finish", "resume", "abort", "status"])
@pytest.mark.usefixtures("connected")
def test_a_folder_without_a_journal(hcp: Hcp, world: World, folder: Path, verb: str) -> None:
    ended = hcp(verb)
    assert ended.code == 57
    nor = "and the bucket has none for this hosted cluster"
    assert ended.paragraph.startswith(f"There is nothing to resume: {folder} holds no journal, {nor}. ")
    assert world.written == []
    assert not folder.exists()
