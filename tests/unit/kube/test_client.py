"""The verbs: what is sent, and what comes back as a value or as an error of this project."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from hcp_dr import errors
from hcp_dr.kube import client
from hcp_dr.kube.client import Cluster
from hcp_dr.kube.port import Event
from hcp_dr.kube.resources import CONFIG_MAP, HOSTED_CLUSTER, NAMESPACE, POD
from tests.unit.kube.api_server import Answer, Server, events, status

BODY = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "n"}, "data": {"k": "ü"}}
NO_ACCOUNT = 'pods "a" is forbidden: error looking up service account n/default: serviceaccount "default" not found'


def test_objects_come_and_go_unchanged(cluster: Cluster, server: Server) -> None:
    strange = {**BODY, "unknown": {"field": [None, 1.5, "\u2028\x85"]}}
    server.answer = lambda _: Answer(201, strange)
    assert cluster.create(CONFIG_MAP, strange) == strange
    assert server.seen[0].json == strange
    assert server.seen[0].headers["authorization"] == "Bearer secret-token"


def test_each_verb_asks_for_the_right_thing(cluster: Cluster, server: Server) -> None:
    cluster.get(HOSTED_CLUSTER, "x", "clusters")
    cluster.create(NAMESPACE, {"metadata": {"name": "n"}})
    cluster.replace(CONFIG_MAP, BODY)
    cluster.replace(HOSTED_CLUSTER, {"metadata": {"name": "x", "namespace": "clusters"}}, subresource="status")
    cluster.patch(CONFIG_MAP, "a", "n", {"data": None})
    cluster.patch(CONFIG_MAP, "a", "n", [{"op": "remove", "path": "/data"}])
    cluster.delete(CONFIG_MAP, "a", "n", uid="u", grace_seconds=0, propagation="Orphan")
    assert [(seen.method, seen.path) for seen in server.seen] == [
        ("GET", "/apis/hypershift.openshift.io/v1beta1/namespaces/clusters/hostedclusters/x"),
        ("POST", "/api/v1/namespaces"),
        ("PUT", "/api/v1/namespaces/n/configmaps/a"),
        ("PUT", "/apis/hypershift.openshift.io/v1beta1/namespaces/clusters/hostedclusters/x/status"),
        ("PATCH", "/api/v1/namespaces/n/configmaps/a"),
        ("PATCH", "/api/v1/namespaces/n/configmaps/a"),
        ("DELETE", "/api/v1/namespaces/n/configmaps/a"),
    ]
    assert [seen.headers.get("content-type") for seen in server.seen[4:6]] == [
        "application/merge-patch+json",
        "application/json-patch+json",
    ]
    assert all(("fieldManager", "hcp-dr") in seen.query for seen in server.seen[1:6])
    options = server.seen[6].json
    assert options["preconditions"] == {"uid": "u"}
    assert (options["gracePeriodSeconds"], options["propagationPolicy"]) == (0, "Orphan")


def test_creations_are_strict_and_can_be_tried(cluster: Cluster, server: Server) -> None:
    cluster.create(CONFIG_MAP, BODY)
    cluster.try_create(CONFIG_MAP, BODY)
    made, tried = server.seen
    assert (made.method, made.path, made.json) == (tried.method, tried.path, tried.json)
    assert ("fieldValidation", "Strict") in made.query
    assert [each for each in tried.query if each not in made.query] == [("dryRun", "All")]


@pytest.mark.parametrize("name", ["", "..", "."])
def test_a_name_cannot_lead_to_another_path(cluster: Cluster, server: Server, name: str) -> None:
    with pytest.raises(ValueError, match="not a valid name"):
        cluster.delete(CONFIG_MAP, name, "n")
    cluster.get(CONFIG_MAP, "a/b?c", "n")
    assert [seen.path for seen in server.seen] == ["/api/v1/namespaces/n/configmaps/a%2Fb%3Fc"]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (status(401, "Unauthorized"), errors.Unauthorized),
        (status(403, "Forbidden"), errors.Forbidden),
        (status(403, "Forbidden", causes=[{"reason": "NamespaceTerminating"}]), errors.KubernetesError),
        (status(403, "Forbidden", message=NO_ACCOUNT), errors.ServerBusy),
        (status(404, "NotFound"), errors.NotFound),
        (status(405, "MethodNotAllowed"), errors.KubernetesError),
        (status(409, "Conflict"), errors.Conflict),
        (status(409, "AlreadyExists"), errors.AlreadyExists),
        (status(410, "Expired"), errors.Expired),
        (status(400, "BadRequest"), errors.Invalid),
        (status(422, "Invalid"), errors.Invalid),
        (status(429, "TooManyRequests"), errors.ServerBusy),
        (status(500, "InternalError"), errors.ServerBusy),
        (Answer(502, b"<html>"), errors.ServerBusy),
        (status(503, "ServiceUnavailable"), errors.ServerBusy),
        (status(504, "Timeout"), errors.ServerBusy),
        (Answer(404, b"404 page not found", {"Audit-Id": "1"}), errors.NotFound),
        (Answer(404, b"no such route"), errors.ClusterUnreachable),
        (Answer(302, b"", {"Location": "https://elsewhere"}), errors.ClusterUnreachable),
        (Answer(200, b"<html>"), errors.ClusterUnreachable),
        (Answer(200, b"\xff"), errors.ClusterUnreachable),
        (Answer(200, [1]), errors.ClusterUnreachable),
        (Answer(200, {}, cut=True), errors.ClusterUnreachable),
        (Answer(reset=True), errors.ClusterUnreachable),
        (Answer(hang=True), errors.ClusterUnreachable),
    ],
)
def test_each_answer_has_its_error(
    cluster: Cluster, server: Server, answer: Answer, error: type[errors.KubernetesError]
) -> None:
    server.answers(answer)
    with pytest.raises(errors.KubernetesError) as caught:
        cluster.replace(CONFIG_MAP, BODY)
    assert type(caught.value) is error
    assert "ConfigMap n/a" in caught.value.paragraph()
    assert "source" in caught.value.paragraph()
    assert len(server.seen) == 1, "nothing is tried twice"


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        (Answer(429, b"later", {"Retry-After": "7"}), 7),
        (Answer(503, b"", {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}), 0),
        (Answer(503, b"", {"Retry-After": "soon"}), None),
        (status(500, "ServerTimeout", retryAfterSeconds=3), 3),
        (status(503, "ServiceUnavailable"), None),
    ],
)
def test_retry_after_is_passed_on(cluster: Cluster, server: Server, answer: Answer, seconds: float | None) -> None:
    server.answers(answer)
    with pytest.raises(errors.ServerBusy) as caught:
        cluster.get(CONFIG_MAP, "a", "n")
    assert caught.value.retry_after == seconds


def test_only_the_text_of_a_status_is_shown_and_not_all_of_it(cluster: Cluster, server: Server) -> None:
    server.answers(status(422, "Invalid", "x" * 1000), Answer(503, b"token=hidden"))
    with pytest.raises(errors.Invalid) as long:
        cluster.create(CONFIG_MAP, BODY)
    with pytest.raises(errors.ServerBusy) as foreign:
        cluster.create(CONFIG_MAP, BODY)
    assert "x" * 255 + "…" in str(long.value)
    assert "x" * 256 not in str(long.value)
    assert "hidden" not in str(foreign.value)


def test_find_knows_absence_from_refusal(cluster: Cluster, server: Server) -> None:
    server.answers(status(404, "NotFound"), status(403, "Forbidden"))
    assert cluster.find(CONFIG_MAP, "a", "n") is None
    with pytest.raises(errors.Forbidden):
        cluster.find(CONFIG_MAP, "a", "n")


def page(names: str, token: str = "") -> Answer:
    items: list[dict[str, Any]] = [{"metadata": {"name": name}} for name in names]
    return Answer(
        200, {"kind": "ConfigMapList", "metadata": {"resourceVersion": "9", "continue": token}, "items": items}
    )


def test_a_list_is_all_pages(cluster: Cluster, server: Server) -> None:
    server.answers(page("ab", "more"), page("c"))
    listing = cluster.list(CONFIG_MAP, labels="a=b", fields="metadata.name=c")
    assert [item["metadata"]["name"] for item in listing.items] == ["a", "b", "c"]
    assert {(item["apiVersion"], item["kind"]) for item in listing.items} == {("v1", "ConfigMap")}
    assert listing.resource_version == "9"
    assert [dict(seen.query).get("continue") for seen in server.seen] == [None, "more"]
    assert dict(server.seen[1].query) | {"limit": "500", "labelSelector": "a=b"} == dict(server.seen[1].query)
    assert server.seen[0].path == "/api/v1/configmaps"


def test_a_list_whose_pages_expire_begins_anew(cluster: Cluster, server: Server) -> None:
    server.answers(page("ab", "more"), status(410, "Expired"), page("xy", "more"), page("z"))
    assert [item["metadata"]["name"] for item in cluster.list(CONFIG_MAP, "n").items] == ["x", "y", "z"]


def test_a_list_that_always_expires_says_so(cluster: Cluster, server: Server) -> None:
    server.answer = lambda seen: page("ab", "more") if len(dict(seen.query)) == 1 else status(410, "Expired")
    with pytest.raises(errors.Expired):
        cluster.list(CONFIG_MAP, "n")
    assert len(server.seen) == 2 * client.LIST_ATTEMPTS


def test_a_watch_gives_events_until_the_server_ends_it(cluster: Cluster, server: Server) -> None:
    body = {"metadata": {"name": "a", "annotations": {"text": "one\u2028two\x85three"}}}
    bookmark = {"metadata": {"resourceVersion": "12"}}
    server.answers(Answer(200, events({"type": "ADDED", "object": body}, {"type": "BOOKMARK", "object": bookmark})))
    seen = list(cluster.watch(CONFIG_MAP, "n", resource_version="5", seconds=0.3, labels="a=b"))
    assert seen == [Event("ADDED", body), Event("BOOKMARK", bookmark)]
    assert dict(server.seen[0].query) == {
        "watch": "true",
        "allowWatchBookmarks": "true",
        "timeoutSeconds": "1",
        "resourceVersion": "5",
        "labelSelector": "a=b",
    }


EXPIRED = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version: 5 (90)"}
ADDED = {"type": "ADDED", "object": {"metadata": {"name": "a"}}}


@pytest.mark.parametrize(
    ("answer", "before", "error"),
    [
        (Answer(200, events(ADDED, {"type": "ERROR", "object": EXPIRED})), 1, errors.Expired),
        (status(410, "Expired"), 0, errors.Expired),
        (Answer(200, events(ADDED), cut=True), 1, errors.ClusterUnreachable),
        (Answer(200, events(ADDED) + b'{"type": "ADD'), 1, errors.ClusterUnreachable),
        (Answer(200, events({"type": "ADDED"})), 0, errors.ClusterUnreachable),
        (Answer(hang=True), 0, errors.ClusterUnreachable),
    ],
)
def test_a_watch_that_breaks_says_how(
    cluster: Cluster, server: Server, answer: Answer, before: int, error: type[errors.KubernetesError]
) -> None:
    server.answers(answer)
    seen: list[Event] = []
    with pytest.raises(error):
        seen.extend(cluster.watch(CONFIG_MAP, "n", resource_version="5", seconds=1))
    assert len(seen) == before


def test_versions_begin_with_the_preferred_one(cluster: Cluster, server: Server) -> None:
    group = {"versions": [{"version": "v2"}, {"version": "v1"}], "preferredVersion": {"version": "v1"}}
    server.answers(Answer(200, group), Answer(200, {"versions": ["v1"]}), status(404, "NotFound"))
    assert [cluster.versions(name) for name in ("apps", "", "gone.example")] == [("v1", "v2"), ("v1",), ()]
    assert [seen.path for seen in server.seen] == ["/apis/apps", "/api", "/apis/gone.example"]


def test_may_asks_for_a_review(cluster: Cluster, server: Server) -> None:
    server.answers(Answer(201, {"status": {"allowed": True}}), Answer(201, {"status": {"allowed": False}}))
    assert cluster.may("create", POD, "n", subresource="exec")
    assert not cluster.may("list", HOSTED_CLUSTER)
    assert server.seen[0].json["spec"]["resourceAttributes"] == {
        "verb": "create",
        "group": "",
        "version": "v1",
        "resource": "pods",
        "subresource": "exec",
        "namespace": "n",
    }


def test_connections_are_used_again_and_threads_share_a_cluster(cluster: Cluster, server: Server) -> None:
    for _ in range(5):
        cluster.get(CONFIG_MAP, "a", "n")
    assert len({seen.connection for seen in server.seen}) == 1
    threads = [threading.Thread(target=cluster.get, args=(CONFIG_MAP, str(n), "n")) for n in range(1, 20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {seen.path.rpartition("/")[2] for seen in server.seen} == {"a", *(str(n) for n in range(1, 20))}
