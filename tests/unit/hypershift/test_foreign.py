"""Whose object is it? By its owner, its marks, and its field managers."""

from __future__ import annotations

from typing import Any

import pytest

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.journal_lines import Line
from hcp_dr.errors import ClusterUnreachable, KubernetesError, ServerBusy
from hcp_dr.hypershift.deletion.foreign import Foreign, checks, find_foreign, unaccepted
from hcp_dr.kube.port import Object, Resource
from tests.ports import MemoryKubernetes

PLACE = "clusters-one"
WIDGET = Resource("example.com", "v1", "widgets", "Widget")
DEFINITION: Object = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": str(WIDGET)},
    "spec": {
        "group": WIDGET.group,
        "scope": "Namespaced",
        "names": {"plural": WIDGET.plural, "kind": WIDGET.kind},
        "versions": [{"name": "v2", "served": False, "storage": True}, {"name": "v1", "served": True}],
    },
}


def managed(manager: str, *path: str) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name in reversed(path or ("data",)):
        fields = {f"f:{name}": fields}
    return {"managedFields": [{"manager": manager, "operation": "Update", "fieldsV1": fields}]}


def cluster(*items: Any, name: str = "source") -> MemoryKubernetes:
    plane = {f"HostedControlPlane {PLACE}/one": {"metadata": managed("of-hypershift", "spec", "infraID")}}
    maker = {"owners": ["HostedControlPlane one"], "metadata": managed("of-the-plane", "metadata", "ownerReferences")}
    return MemoryKubernetes(name, plane, {f"Deployment {PLACE}/add-on-operator": maker}, *items)


CONFIG = f"ConfigMap {PLACE}/notes"


@pytest.mark.parametrize(
    ("item", "foreign"),
    [
        (CONFIG, True),
        ({CONFIG: {"metadata": managed("kubectl-create")}}, True),
        ({CONFIG: {"metadata": managed("of-hypershift")}}, False),
        ({CONFIG: {"metadata": managed("of-the-plane")}}, False),
        ({CONFIG: {"metadata": managed("add-on-operator")}}, False),
        ({CONFIG: {"owners": ["Deployment add-on-operator"]}}, False),
        ({CONFIG: {"owners": ["Deployment that-is-gone"]}}, False),
        ({CONFIG: {"owners": ["Node host"]}}, True),
        ({CONFIG: {"labels": {"hypershift.openshift.io/managed-by": "x"}}}, False),
        ({CONFIG: {"annotations": {"hcp-dr.openshift.io/relocation": "before"}}}, False),
        ({CONFIG: {"labels": {"app": "hypershift.openshift.io"}}}, True),
        ({CONFIG: {"deleting": True}}, False),
        (f"ConfigMap {PLACE}/kube-root-ca.crt", False),
        ({f"Secret {PLACE}/builder": {"type": "kubernetes.io/dockercfg"}}, False),
        (f"Secret {PLACE}/pull-secret", False),
        (f"Secret {PLACE}/password", True),
        (f"ServiceAccount {PLACE}/default", False),
        (f"RoleBinding {PLACE}/system:deployers", False),
        (f"RoleBinding {PLACE}/readers", True),
        (f"PersistentVolumeClaim {PLACE}/data-etcd-0", False),
        (f"PersistentVolumeClaim {PLACE}/data-etcd-events-2", False),
        (f"PersistentVolumeClaim {PLACE}/data-0", True),
        (f"Pod {PLACE}/debug", True),
        (f"Deployment {PLACE}/kube-apiserver", False),
        (f"Deployment {PLACE}/shell", True),
        ("ConfigMap elsewhere/notes", False),
    ],
)
def test_an_object_is_foreign_without_evidence(item: Any, *, foreign: bool) -> None:
    assert bool(find_foreign(cluster(item), PLACE).names) is foreign


def test_a_person_does_not_become_a_maker_of_the_control_plane() -> None:
    edited = {"owners": ["HostedControlPlane one"], "metadata": managed("kubectl-edit", "metadata", "ownerReferences")}
    foreign = find_foreign(
        cluster({f"Secret {PLACE}/a": edited}, {CONFIG: {"metadata": managed("kubectl-edit")}}), PLACE
    )
    assert foreign.names == ("ConfigMap notes",)


def test_the_claim_of_a_stateful_set_of_the_control_plane_is_its_own() -> None:
    spec = {"volumeClaimTemplates": [{"metadata": {"name": "logs"}}]}
    store = {f"StatefulSet {PLACE}/store": {"owners": ["HostedControlPlane one"], "spec": spec}}
    claims = [f"PersistentVolumeClaim {PLACE}/{name}" for name in ("logs-store-0", "logs-store-x")]
    assert find_foreign(cluster(store, *claims), PLACE).names == ("PersistentVolumeClaim logs-store-x",)


def test_during_a_teardown_the_destination_shows_the_makers() -> None:
    source = MemoryKubernetes("source", {f"Secret {PLACE}/made": {"metadata": managed("of-hypershift")}})
    assert find_foreign(source, PLACE).names == ("Secret made",)
    assert find_foreign(source, PLACE, cluster(name="destination")) == Foreign()


def failing(error: type[KubernetesError]) -> MemoryKubernetes:
    place = cluster(DEFINITION)
    list_all = place.list

    def listed(resource: Resource, namespace: str | None = None, **selectors: Any) -> Any:
        if resource.kind == WIDGET.kind:
            raise error(cluster="source", verb="list", object=str(resource), reason="a, b: c", retry_after=None)
        return list_all(resource, namespace, **selectors)

    place.list = listed  # type: ignore[method-assign]
    return place


def test_a_kind_whose_list_fails_is_not_taken_for_empty() -> None:
    found = find_foreign(failing(ServerBusy), PLACE)
    assert found == Foreign((), ("widgets.example.com (its list failed)",))
    with pytest.raises(ClusterUnreachable):
        find_foreign(failing(ClusterUnreachable), PLACE)


def test_only_the_accepted_names_are_let_go() -> None:
    found = Foreign(("ConfigMap a", "RoleBinding b:c"), ("example.com (forbidden)",))
    memory = RunState()
    for check in checks(PLACE, found):
        seen = {"check": check.name, "seen": f"{check.verdict}: {check.seen}"}
        memory = memory.after(Line.of("accepted", seen))
    assert unaccepted(found, memory) == Foreign()
    more = Foreign((*found.names, "ConfigMap d"), (*found.unseen, "example.org (forbidden)"))
    assert unaccepted(more, memory) == Foreign(("ConfigMap d",), ("example.org (forbidden)",))
    assert unaccepted(found, RunState()) == found
