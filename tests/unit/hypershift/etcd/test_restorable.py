"""What is seen on the source of an etcd that is to be restored by a URL."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from hcp_dr.engine.journal import RunState
from hcp_dr.errors import CommandFailed, Forbidden
from hcp_dr.hypershift.etcd import restorable
from hcp_dr.hypershift.state import ETCD_RESTORE, Encryption, RestoreProbe
from hcp_dr.kube.port import Completed
from tests.cases.building import an_object
from tests.ports import CASE, World
from tests.world import OPERATOR_IMAGE, READY, relocatable

OWN = "clusters-one"
SEEN = RestoreProbe(
    "quay.example/release:4.20.1", 1, (), ("etcdctl",), ("etcdctl",), ("etcdctl",), encryption=Encryption()
)


@pytest.fixture
def world() -> World:
    return relocatable()


def look(world: World) -> RestoreProbe:
    return restorable.probe_restore(world.source, CASE)[1]


def asked(world: World) -> list[tuple[str, str]]:
    """Pod and container of each command."""
    return [(call[2], call[3]) for call in world.source.asked if call[0] == "execute"]


def operators_pod(name: str, container: str, image: str = OPERATOR_IMAGE) -> Any:
    spec = {"containers": [{"name": "other", "image": "quay.example/other:1"}, {"name": container, "image": image}]}
    return {f"Pod {OWN}/{name}": {"status": READY, "spec": spec}}


def test_two_commands_read_what_will_run(world: World) -> None:
    assert look(world) == SEEN
    assert asked(world) == [("cpo-a", "control-plane-operator"), ("etcd-0", "etcd")]


def test_another_component_of_the_operators_image_is_asked_where_that_has_no_pod(world: World) -> None:
    del world.source.objects["Pod", OWN, "cpo-a"]
    world.source.put(operators_pod("config-operator-old", "config", "quay.example/control-plane-operator:0"))
    assert look(world).called is None
    assert "control-plane-operator" in look(world).unseen
    world.source.put(operators_pod("config-operator-new", "config"))
    assert look(world).called == ("etcdctl",)
    assert ("config-operator-new", "config") in asked(world)
    assert "config-operator-old" not in {pod for pod, _ in asked(world)}


def test_a_pod_of_an_etcd_that_is_about_to_be_replaced_says_nothing(world: World) -> None:
    pod = world.source.objects["Pod", OWN, "etcd-0"]
    pod["spec"] = {"containers": [{"name": "etcd", "image": "quay.example/etcd:0"}]}
    seen = look(world)
    assert (seen.tools, seen.restoring) == (None, ())
    assert "etcd" in seen.unseen


def test_while_an_upgrade_goes_on_nobody_sees_what_it_ends_with(world: World) -> None:
    hosted_cluster = world.source.objects["HostedCluster", "clusters", "one"]
    hosted_cluster["status"]["version"] = {"history": [{"state": "Partial", "version": "4.21.1"}]}
    seen = look(world)
    assert (seen.called, seen.tools) == (None, None)
    assert "upgraded" in seen.unseen
    assert asked(world) == []


@pytest.mark.parametrize("code", [2, 126, 127])
def test_a_command_that_fails_has_seen_nothing(world: World, code: int) -> None:
    world.source.script = lambda _command, _stdin: Completed(code, b"etcdctl snapshot restore\n", b"not found")
    seen = look(world)
    assert (seen.called, seen.tools) == (None, None)


def test_a_script_that_calls_nothing_known_was_seen_and_is_none(world: World) -> None:
    def script(command: Sequence[str], _stdin: bytes | None) -> Completed:
        return Completed(1, b"", b"") if "grep -a" in command[-1] else Completed(0, b"has etcdutl\ncan etcdutl\n", b"")

    world.source.script = script
    assert look(world) == replace(SEEN, called=(), tools=("etcdutl",), restoring=("etcdutl",))


@pytest.mark.parametrize("error", [Forbidden, CommandFailed])
def test_whoever_may_not_ask_has_seen_nothing(world: World, error: Any) -> None:
    def refuse(verb: str) -> None:
        if verb == "execute":
            raise error(cluster="source", verb="execute", object="Pod", reason="no", command="x", code=1)

    world.source.before = refuse
    seen = look(world)
    assert (seen.called, seen.tools, seen.members) == (None, None, 1)


def test_shards_are_seen_in_what_is_there(world: World) -> None:
    world.source.put({f"StatefulSet {OWN}/etcd-events": {"spec": {"replicas": 1}}})
    config = {"apiServerArguments": {"etcd-servers-overrides": ["/events#https://etcd-client-events:2379"]}}
    world.source.put({f"ConfigMap {OWN}/kas-config": {"data": {"config.json": json.dumps(config)}}})
    overrides = "etcd-servers-overrides /events#https://etcd-client-events:2379"
    assert look(world).shards == ("etcd-events", overrides)


@pytest.mark.parametrize("text", ["", "[]", "no json", '{"apiServerArguments": {"etcd-servers-overrides": null}}'])
def test_a_configuration_that_is_not_understood_says_nothing(world: World, text: str) -> None:
    world.source.put({f"ConfigMap {OWN}/kas-config": {"data": {"config.json": text}}})
    assert look(world).shards == ()


def test_members_are_counted_where_they_are(world: World) -> None:
    world.source.objects["StatefulSet", OWN, "etcd"]["spec"]["replicas"] = 3
    assert look(world).members == 3


@pytest.mark.parametrize(
    "looked", [SEEN, replace(SEEN, called=None, tools=None, restoring=(), unseen="no pod"), replace(SEEN, called=())]
)
def test_it_comes_out_of_the_journal_as_it_went_in(looked: RestoreProbe) -> None:
    kept = json.loads(json.dumps(ETCD_RESTORE.to_json(looked)))
    assert restorable.remembered(RunState().with_value(ETCD_RESTORE.name, kept)) == looked


STORED: Any = ETCD_RESTORE.to_json(SEEN)


@pytest.mark.parametrize(
    "value",
    [
        None,
        "x",
        {},
        {**STORED, "members": "many"},
        {**STORED, "shards": 3},
        {"members": 1},
    ],
)
def test_what_is_not_understood_was_not_seen(value: Any) -> None:
    assert restorable.remembered(RunState().with_value(ETCD_RESTORE.name, value)) is None


@pytest.mark.parametrize("replicas", [0, 1])
def test_nothing_that_is_unknown_is_ever_ok(replicas: int) -> None:
    hosted_cluster = an_object({"HostedCluster clusters/one": {"spec": {}}})
    for looked in (
        None,
        RestoreProbe("", replicas, (), None, None),
        RestoreProbe("", replicas, (), ("etcdctl",), None),
    ):
        stopping = {check.name for check in restorable.checks(hosted_cluster, looked) if check.stops}
        assert {"etcd_members", "etcd_restore"} <= stopping
