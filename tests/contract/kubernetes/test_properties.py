"""What no list of examples reaches: random bodies and patches come out the same on both sides, and whatever is done to
an API server in memory, it keeps what every API server keeps."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from hcp_dr import errors
from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Event, Object
from hcp_dr_lab.tabletop.kubernetes import ApiServer, Client, Store, collect
from tests.contract.kubernetes import real, sides
from tests.contract.kubernetes.sides import an_object

WORDS = st.sampled_from(["a", "b", "metadata", "spec", "x/y", "~", "ü", "0", "-"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["", "1", "true", "é"]),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(WORDS, children, max_size=3),
    max_leaves=8,
)
TREES = st.dictionaries(WORDS, VALUES, max_size=4)
POINTERS = st.lists(WORDS, min_size=1, max_size=3).map(
    lambda words: "/spec/configuration/" + "/".join(word.replace("~", "~0").replace("/", "~1") for word in words)
)
COMPARED = VALUES.filter(lambda value: "[null" not in json.dumps(value) and ", null" not in json.dumps(value))
"""Without nulls in lists: a real API server of 1.37 breaks the connection off when it compares one."""
OPERATIONS = st.one_of(
    st.builds(lambda path, value: {"op": "add", "path": path, "value": value}, POINTERS, VALUES),
    st.builds(lambda path, value: {"op": "replace", "path": path, "value": value}, POINTERS, VALUES),
    st.builds(lambda path, value: {"op": "test", "path": path, "value": value}, POINTERS, COMPARED),
    st.builds(lambda path: {"op": "remove", "path": path}, POINTERS),
    st.builds(lambda path, source: {"op": "copy", "path": path, "from": source}, POINTERS, POINTERS),
    st.builds(lambda path, source: {"op": "move", "path": path, "from": source}, POINTERS, POINTERS),
)
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def both(control_plane: real.ControlPlane, prepared: Store) -> Iterator[tuple[sides.Side, sides.Side, str]]:
    memory, served = sides.Memory(prepared), sides.Real(control_plane)
    namespace = sides.new_namespace(served)
    memory.admin.create(r.NAMESPACE, an_object(r.NAMESPACE, namespace))
    yield memory, served, namespace
    served.close()


def outcome(ask: Callable[[], Object]) -> Any:
    """What a test may compare: the object without what the server makes up, or the class of the error."""
    try:
        made = ask()
    except errors.KubernetesError as error:
        return type(error)
    metadata = made["metadata"]
    kept = {word: metadata.get(word) for word in ("generation", "labels", "annotations", "finalizers")}
    return {"spec": made.get("spec"), "data": made.get("data"), **kept}


def carrier(namespace: str, configuration: Any) -> Object:
    """A kind with a field that holds any object."""
    spec = {
        "etcd": {"managementType": "Unmanaged"},
        "networking": {},
        "platform": {"type": "None"},
        "pullSecret": {},
        "release": {"image": "image"},
        "services": [{"service": "APIServer", "servicePublishingStrategy": {"type": "Route"}}] * 4,
        "configuration": configuration,
    }
    return an_object(r.HOSTED_CLUSTER, f"h{next(_numbers)}", namespace, spec=spec)


Patch = Callable[[sides.Side], Object]


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TREES, TREES | st.lists(OPERATIONS, min_size=1, max_size=3))
def test_a_patch_makes_the_same_of_any_object(
    both: tuple[sides.Side, sides.Side, str], configuration: Any, patch: Any
) -> None:
    memory, served, namespace = both
    body = carrier(namespace, configuration)
    name = body["metadata"]["name"]
    whole = patch if isinstance(patch, list) else {"spec": {"configuration": patch}}
    seen = []
    for side in (memory, served):
        made = outcome(lambda side=side: side.admin.create(r.HOSTED_CLUSTER, body))  # type: ignore[misc]
        changed = outcome(lambda side=side: side.admin.patch(r.HOSTED_CLUSTER, name, namespace, whole))  # type: ignore[misc]
        seen.append((made, changed))
    assert seen[0] == seen[1]


METADATA = st.fixed_dictionaries(
    {},
    optional={
        "labels": st.dictionaries(st.sampled_from(["a", "b/c", "a b"]), st.sampled_from(["x", "", "x y", 1, None])),
        "annotations": st.dictionaries(st.sampled_from(["a", "b/c"]), st.sampled_from(["x", "", 1, None])),
        "finalizers": st.none() | st.lists(st.sampled_from(["a.b/c", "d.e/f", "plain"]), max_size=3),
        "name": st.sampled_from(["other"]),
        "deletionTimestamp": st.none(),
        "generation": st.integers(0, 9),
    },
)
DATA: st.SearchStrategy[Any] = st.none() | st.dictionaries(
    st.sampled_from(["a", "b", "c/d"]), st.sampled_from(["x", "", 1, None, {}])
)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.fixed_dictionaries({}, optional={"metadata": METADATA, "data": DATA}), min_size=1, max_size=4))
def test_metadata_and_data_change_alike(both: tuple[sides.Side, sides.Side, str], patches: list[Object]) -> None:
    memory, served, namespace = both
    name = f"c{next(_numbers)}"
    seen = []
    for side in (memory, served):
        side.admin.create(r.CONFIG_MAP, an_object(r.CONFIG_MAP, name, namespace, data={"a": "1"}))
        seen.append([outcome(lambda: side.admin.patch(r.CONFIG_MAP, name, namespace, patch)) for patch in patches])  # noqa: B023
    assert seen[0] == seen[1]


class AnyServer(RuleBasedStateMachine):
    """Random creations, patches, deletions and rounds of the controllers over a few objects that own each other."""

    objects = Bundle("objects")

    @initialize()
    def start(self) -> None:
        self.server = ApiServer(Store())
        self.client = Client(lambda: self.server, "contract", "https://memory")
        self.client.create(r.NAMESPACE, an_object(r.NAMESPACE, "n"))
        self.begun = str(self.server.store.revision)
        self.watch = self.server.watch(r.CONFIG_MAP, "n", resource_version=self.begun)
        self.mirror: dict[str, Object] = {}
        self.revisions: list[int] = []

    @rule(target=objects, name=st.sampled_from("abcde"), held=st.booleans())
    def create(self, name: str, *, held: bool) -> Any:
        metadata = {"finalizers": ["a.b/c"]} if held else {}
        try:
            return self.client.create(r.CONFIG_MAP, an_object(r.CONFIG_MAP, name, "n", metadata=metadata))
        except errors.AlreadyExists:
            return multiple()

    @rule(owned=objects, owner=objects, block=st.booleans())
    def own(self, owned: Object, owner: Object, *, block: bool) -> None:
        metadata = owner["metadata"]
        reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": metadata["name"], "uid": metadata["uid"]}
        patch = {"metadata": {"ownerReferences": [{**reference, "blockOwnerDeletion": block}]}}
        self.ask(lambda: self.client.patch(r.CONFIG_MAP, owned["metadata"]["name"], "n", patch))

    @rule(found=objects, value=st.sampled_from("xyz"))
    def change(self, found: Object, value: str) -> None:
        self.ask(lambda: self.client.patch(r.CONFIG_MAP, found["metadata"]["name"], "n", {"data": {"a": value}}))

    @rule(found=objects)
    def release(self, found: Object) -> None:
        patch = {"metadata": {"finalizers": None}}
        self.ask(lambda: self.client.patch(r.CONFIG_MAP, found["metadata"]["name"], "n", patch))

    @rule(found=objects, how=st.sampled_from(["Foreground", "Background", "Orphan"]))
    def delete(self, found: Object, how: Any) -> None:
        uid = found["metadata"]["uid"]
        self.ask(lambda: self.client.delete(r.CONFIG_MAP, found["metadata"]["name"], "n", uid=uid, propagation=how))

    @rule(found=consumes(objects))
    def forget(self, found: Object) -> None:
        """That test, not the server."""

    @rule()
    def compact(self) -> None:
        self.look()
        self.server.store.compact()

    @rule()
    def collect_until_rest(self) -> None:
        rounds = 0
        while collect(self.server):
            rounds += 1
            assert rounds < 50, "the controllers never come to rest"
        for item in self.listed():
            owners = item["metadata"].get("ownerReferences") or []
            going = "deletionTimestamp" in item["metadata"]
            uids = {other["metadata"]["uid"] for other in self.listed()}
            assert going or not owners or any(owner["uid"] in uids for owner in owners)

    @staticmethod
    def ask(what: Callable[[], Any]) -> None:
        try:
            what()
        except (errors.NotFound, errors.Conflict):
            return

    def listed(self) -> tuple[Object, ...]:
        return self.client.list(r.CONFIG_MAP, "n").items

    def look(self) -> list[Event]:
        events = self.watch.poll()
        for event in events:
            name = event.object["metadata"]["name"]
            self.revisions.append(int(event.object["metadata"]["resourceVersion"]))
            if event.type == "DELETED":
                del self.mirror[name]
            else:
                assert (event.type == "ADDED") == (name not in self.mirror)
                self.mirror[name] = event.object
        return events

    @invariant()
    def a_watch_shows_what_a_list_shows(self) -> None:
        if hasattr(self, "server"):
            self.look()
            assert self.mirror == {item["metadata"]["name"]: item for item in self.listed()}
            assert self.revisions == sorted(set(self.revisions))

    @invariant()
    def what_nothing_holds_is_gone(self) -> None:
        for item in self.listed() if hasattr(self, "server") else ():
            metadata = item["metadata"]
            assert "deletionTimestamp" not in metadata or metadata["finalizers"]

    @invariant()
    def a_snapshot_is_the_whole_of_it(self) -> None:
        if hasattr(self, "server"):
            restored = ApiServer(Store.restored(self.server.store.snapshot()))
            other = Client(lambda: restored, "restored", "https://memory")
            assert other.list(r.CONFIG_MAP, "n").items == self.listed()


AnyServer.TestCase.settings = settings(max_examples=40, stateful_step_count=25)
TestAnyServer = AnyServer.TestCase
TestAnyServer.__doc__ = AnyServer.__doc__
