"""What no real API server can be asked to do: jump in time, stop, begin anew on another's store, play commands."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from hcp_dr import errors
from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Completed, Object, Resource
from hcp_dr_lab.standin.install import OWN_CRDS
from hcp_dr_lab.tabletop.kubernetes import ApiServer, Client, Store
from hcp_dr_lab.tabletop.kubernetes.access import Attributes, Caller
from hcp_dr_lab.tabletop.kubernetes.client import Rest

URL = "https://memory"
START = datetime(2026, 1, 1, tzinfo=UTC)
HOOKS = Resource(
    "admissionregistration.k8s.io",
    "v1",
    "validatingwebhookconfigurations",
    "ValidatingWebhookConfiguration",
    namespaced=False,
)


def client(server: ApiServer, rest: Rest = Store.wait, caller: Caller | None = None) -> Client:
    if caller is None:
        return Client(lambda: server, "contract", URL, rest=rest)
    return Client(lambda: server, "contract", URL, rest=rest, caller=caller)


def secret(name: str) -> Object:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "default"}}


class Clock:
    """Stands still until somebody rests, and then jumps."""

    def __init__(self) -> None:
        self.now = START
        self.rests: list[float] = []

    def __call__(self) -> datetime:
        return self.now

    def rest(self, _store: Store, _revision: int, seconds: float) -> None:
        self.rests.append(seconds)
        self.now += timedelta(seconds=seconds)


def test_a_watch_waits_in_the_time_of_the_clock() -> None:
    clock = Clock()
    asked = client(ApiServer(Store(), now=clock), clock.rest)
    version = asked.list(r.SECRET).resource_version
    events = list(asked.watch(r.SECRET, resource_version=version, seconds=3600))
    assert [event.type for event in events] == ["BOOKMARK"]
    assert events[0].object["metadata"] == {"resourceVersion": version}
    assert clock.rests == [3600]


def test_a_watch_hears_what_happens_while_time_passes() -> None:
    clock = Clock()
    server = ApiServer(Store(), now=clock)
    names = iter("ab")

    def rest(_store: Store, _revision: int, _seconds: float) -> None:
        clock.now += timedelta(seconds=20)
        for name in [name for name in [next(names, None)] if name]:
            client(server).create(r.SECRET, secret(name))

    asked = client(server, rest)
    events = list(asked.watch(r.SECRET, resource_version=asked.list(r.SECRET).resource_version, seconds=60))
    assert [event.type for event in events] == ["ADDED", "ADDED", "BOOKMARK"]
    times = [event.object["metadata"]["creationTimestamp"] for event in events[:2]]
    assert times == ["2026-01-01T00:00:20Z", "2026-01-01T00:00:40Z"]


def test_hearing_of_a_deletion_leaves_what_was_deleted_as_it_was() -> None:
    """Copies of a world share it, and in another one it is still there."""
    server = ApiServer(Store(), lends=True)
    asked = client(server)
    asked.create(r.SECRET, secret("a"))
    version = asked.list(r.SECRET).resource_version
    [entry] = server.store.list(str(r.SECRET))
    asked.delete(r.SECRET, "a", "default")
    [event] = [each for each in asked.watch(r.SECRET, resource_version=version, seconds=1) if each.type == "DELETED"]
    assert event.object["metadata"]["resourceVersion"] == str(server.store.revision)
    assert entry.object == entry.copy()


def test_a_server_that_stops_breaks_its_watches_off() -> None:
    server = ApiServer(Store())
    asked = client(server)
    version = asked.list(r.SECRET).resource_version
    asked.create(r.SECRET, secret("a"))
    events = asked.watch(r.SECRET, resource_version=version, seconds=3600)
    assert next(events).object["metadata"]["name"] == "a"
    server.stop()
    with pytest.raises(errors.ClusterUnreachable, match="the answer ended in the middle"):
        next(events)


def test_the_next_server_on_a_store_remembers_nothing_from_before_itself() -> None:
    store = Store()
    version = client(ApiServer(store)).list(r.SECRET).resource_version
    client(ApiServer(store)).create(r.SECRET, secret("a"))
    restarted = client(ApiServer(store))
    assert restarted.get(r.SECRET, "a", "default")["metadata"]["name"] == "a"
    with pytest.raises(errors.Expired):
        list(restarted.watch(r.SECRET, resource_version=version, seconds=1))


def test_a_watch_that_history_ran_away_from_has_expired() -> None:
    server = ApiServer(Store())
    watch = server.watch(r.SECRET, resource_version=str(server.store.revision))
    client(server).create(r.SECRET, secret("a"))
    server.store.compact()
    asked = client(server, lambda store, *_: (store.put(("secrets", "n", "x"), {}), store.compact()))
    with pytest.raises(errors.Expired):
        list(asked.watch(r.SECRET, resource_version=str(watch.revision), seconds=1))


def test_the_same_chance_gives_the_same_names_and_uids() -> None:
    def made(seed: int) -> tuple[str, str]:
        asked = client(ApiServer(Store(), chance=random.Random(seed)))  # noqa: S311 - to be foreseen
        metadata = {"generateName": "a-", "namespace": "default"}
        found = asked.create(r.SECRET, {"apiVersion": "v1", "kind": "Secret", "metadata": metadata})["metadata"]
        return found["name"], found["uid"]

    assert made(1) == made(1)
    assert made(1) != made(2)


def test_a_command_is_played_for_a_container_of_a_node() -> None:
    seen: list[object] = []

    def play(pod: Object, container: str, command: Sequence[str], stdin: bytes | None, seconds: float) -> Completed:
        seen.append((pod["metadata"]["name"], container, tuple(command), stdin, seconds))
        return Completed(3, b"out", b"err")

    asked = client(ApiServer(Store(), execute=play))
    asked.create(r.NODE, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node"}})
    pod = {**secret("a"), "kind": "Pod", "spec": {"nodeName": "node", "containers": [{"name": "c", "image": "i"}]}}
    asked.create(r.POD, pod)
    assert asked.execute("default", "a", "c", ["sh", "-c", "x"], stdin=b"in", seconds=5) == Completed(3, b"out", b"err")
    assert seen == [("a", "c", ("sh", "-c", "x"), b"in", 5)]
    with pytest.raises(errors.ServerBusy, match="error dialing backend"):
        client(ApiServer(asked._reach().store)).execute("default", "a", "c", ["x"])


def test_a_patch_leaves_the_object_before_it_alone() -> None:
    server = ApiServer(Store(), lends=True)
    asked = client(server)
    before = asked.create(r.SECRET, {**secret("one"), "data": {"kept": "b25l"}})
    after = asked.patch(r.SECRET, "one", "default", {"stringData": {"more": "two"}})
    assert (before["data"], after["data"]) == ({"kept": "b25l"}, {"kept": "b25l", "more": "dHdv"})
    assert server.store.tampered() == []


def test_an_answer_is_the_callers_own_even_where_nothing_was_written() -> None:
    server = ApiServer(Store())
    asked = client(server)
    asked.create(r.SECRET, {**secret("one"), "data": {"kept": "b25l"}})
    asked.patch(r.SECRET, "one", "default", {"data": {"kept": "b25l"}})["data"].clear()
    assert asked.get(r.SECRET, "one", "default")["data"] == {"kept": "b25l"}


def test_a_kind_that_changed_leaves_what_was_written_before_it_alone() -> None:
    def version(**properties: Object) -> Object:
        spec = {"type": "object", "properties": properties}
        schema = {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}
        return {"name": "v1", "served": True, "storage": True, "schema": schema}

    server = ApiServer(Store(), lends=True)
    admin, number = client(server), {"type": "integer"}
    names = {"kind": "Thing", "plural": "things"}
    spec = {"group": "x.org", "scope": "Namespaced", "names": names, "versions": [version(one=number, two=number)]}
    definition = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "spec": spec}
    admin.create(r.CUSTOM_RESOURCE_DEFINITION, {**definition, "metadata": {"name": "things.x.org"}})
    thing = Resource("x.org", "v1", "things", "Thing")
    made = admin.create(thing, {**secret("a"), "apiVersion": "x.org/v1", "kind": "Thing", "spec": {"one": 1, "two": 2}})
    changed = [version(one=number, three={**number, "default": 3})]
    admin.patch(r.CUSTOM_RESOURCE_DEFINITION, "things.x.org", None, {"spec": {"versions": changed}})
    after = admin.patch(thing, "a", "default", {"metadata": {"labels": {"x": "y"}}})
    assert (made["spec"], after["spec"]) == ({"one": 1, "two": 2}, {"one": 1, "three": 3})
    assert server.store.tampered() == []


def test_a_rule_may_stand_in_place_of_rbac() -> None:
    def may(caller: Caller, asked: Attributes) -> bool:
        return caller.user == "root" and asked.verb != "delete"

    server = ApiServer(Store(), may=may)
    root, nobody = (client(server, caller=Caller(name, ("system:masters",))) for name in ("root", "nobody"))
    root.create(r.SECRET, secret("a"))
    assert not root.may("delete", r.SECRET, "default")
    for ask in (lambda: root.delete(r.SECRET, "a", "default"), lambda: nobody.get(r.SECRET, "a", "default")):
        with pytest.raises(errors.Forbidden):
            ask()


def test_a_webhook_that_answers_is_heard() -> None:
    asked: list[Object] = []

    def answer(settings: Object, review: Object) -> Object:
        asked.append(review["request"])
        assert settings == {"url": "https://guard"}
        wrong = (review["request"]["object"] or {}).get("data", {}).get("wrong")
        status = {"message": "it is wrong"} if wrong else {}
        return {**review, "response": {"uid": review["request"]["uid"], "allowed": not wrong, "status": status}}

    server = ApiServer(Store(), webhook=answer)
    rule = {"operations": ["CREATE", "DELETE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]}
    guard = {"name": "guard.example.org", "clientConfig": {"url": "https://guard"}, "rules": [rule]}
    admin = client(server)
    admin.create(
        HOOKS, {"apiVersion": HOOKS.api_version, "kind": HOOKS.kind, "metadata": {"name": "g"}, "webhooks": [guard]}
    )
    body = {**secret("a"), "kind": "ConfigMap"}
    admin.create(r.CONFIG_MAP, body)
    admin.patch(r.CONFIG_MAP, "a", "default", {"data": {"wrong": "x"}})
    admin.delete(r.CONFIG_MAP, "a", "default")
    with pytest.raises(
        errors.Forbidden, match=r'admission webhook "guard.example.org" denied the request: it is wrong'
    ):
        admin.create(r.CONFIG_MAP, {**body, "data": {"wrong": "x"}})
    assert [request["operation"] for request in asked] == ["CREATE", "DELETE", "CREATE"]
    assert asked[1]["oldObject"]["data"] == {"wrong": "x"}


def test_a_conversion_that_answers_is_taken() -> None:
    def answer(_settings: Object, review: Object) -> Object:
        request = review["request"]
        items = [{**item, "apiVersion": request["desiredAPIVersion"]} for item in request["objects"]]
        for item in items:
            old, new = ("one", "two") if item["apiVersion"].endswith("v2") else ("two", "one")
            item["spec"] = {new: item["spec"][old]}
        result = {"status": "Success"}
        return {**review, "response": {"uid": request["uid"], "result": result, "convertedObjects": items}}

    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    versions = [{"name": name, "served": True, "storage": name == "v1", "schema": schema} for name in ("v1", "v2")]
    names = {"kind": "Thing", "plural": "things"}
    conversion = {"strategy": "Webhook", "webhook": {"clientConfig": {"url": "https://guard"}}}
    spec = {"group": "x.org", "scope": "Namespaced", "names": names, "versions": versions, "conversion": conversion}
    admin = client(ApiServer(Store(), webhook=answer))
    definition = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "spec": spec}
    admin.create(r.CUSTOM_RESOURCE_DEFINITION, {**definition, "metadata": {"name": "things.x.org"}})
    old, new = (Resource("x.org", version, "things", "Thing") for version in ("v1", "v2"))
    made = admin.create(new, {**secret("a"), "apiVersion": "x.org/v2", "kind": "Thing", "spec": {"two": 1}})
    assert made["spec"] == {"two": 1}
    assert admin.get(old, "a", "default")["spec"] == {"one": 1}
    assert admin.patch(new, "a", "default", {"spec": {"two": 2}})["spec"] == {"two": 2}
    assert [item["spec"] for item in admin.list(new).items] == [{"two": 2}]
    assert admin.get(old, "a", "default")["spec"] == {"one": 2}


def raws(schema: object) -> Iterator[Object]:
    if isinstance(schema, dict):
        yield schema
        for part in schema.values():
            yield from raws(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from raws(part)


def test_versions_are_in_the_order_of_kubernetes() -> None:
    from hcp_dr_lab.tabletop.kubernetes.custom import version_order  # noqa: PLC0415

    order = ["v10", "v2", "v1", "v11beta2", "v10beta3", "v3beta1", "v12alpha1", "v11alpha2", "foo1"]
    assert all(version_order(one) >= version_order(other) for one, other in pairwise(order))


@pytest.mark.parametrize("file", sorted(OWN_CRDS.glob("*.yaml")), ids=lambda file: file.stem)
def test_every_rule_of_the_rehearsals_own_kinds_can_be_asked(file: Path) -> None:
    from hcp_dr_lab.tabletop.kubernetes.expressions import Rule, compiled  # noqa: PLC0415

    definition = yaml.safe_load(file.read_text("utf-8"))
    for found in raws(definition["spec"]["versions"]):
        for raw in found.get("x-kubernetes-validations") or ():
            rule = Rule.read(raw)
            compiled(rule.text, optional_old=rule.optional)
