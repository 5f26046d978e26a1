"""Which answers to a dry run refuse an object, which may pass, and which say nothing about it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable

import pytest

from hcp_dr import errors
from hcp_dr.hypershift.trial import Trial, try_hosted_cluster, try_restore
from hcp_dr.kube.port import Object, Resource
from tests.ports import World
from tests.world import CASE, relocatable

SECRET = b"the key of an authority"
QUOTA = 'nodepools.hypershift.openshift.io "workers" is forbidden: exceeded quota: pools'
WEBHOOK = 'Internal error occurred: failed calling webhook "sizes.example": connection refused'


@pytest.fixture
def world() -> World:
    return relocatable()


def refusing(world: World, kind: str, refusal: Callable[[Object], errors.KubernetesError]) -> None:
    """The destination answers so for each object of the kind."""
    accept = world.destination.try_create

    def answer(resource: Resource, body: Object) -> None:
        if resource.kind == kind:
            raise refusal(body)
        accept(resource, body)

    world.destination.try_create = answer  # type: ignore[method-assign]


def error(kind: type[errors.KubernetesError], reason: str) -> Callable[[Object], errors.KubernetesError]:
    more = {"retry_after": None} if kind is errors.ServerBusy else {}
    return lambda body: kind(
        cluster="destination", verb="create", object=body["metadata"]["name"], reason=reason, **more
    )


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (errors.Invalid, 'strict decoding error: unknown field "spec.arch"'),
        (errors.Forbidden, QUOTA),
        (errors.KubernetesError, "unable to create new content in namespace clusters because it is being terminated"),
    ],
)
def test_a_refusal_names_the_object_and_quotes_the_server(
    world: World, kind: type[errors.KubernetesError], reason: str
) -> None:
    refusing(world, "NodePool", error(kind, reason))
    trial = try_restore(world.ports, CASE)
    assert trial.refused == (f"NodePool clusters/one-workers ({reason})",)
    assert (trial.unanswered, trial.absent) == ((), ())
    assert trial.check().stops
    refusal = trial.refusal("Nothing was created.")
    assert refusal is not None
    assert reason in refusal.what


def test_a_version_that_is_not_served_is_named(world: World) -> None:
    refusing(world, "NodePool", error(errors.NotFound, "the server could not find the requested resource"))
    version = "hypershift.openshift.io/v1beta1"
    assert try_restore(world.ports, CASE).refused == (f"NodePool clusters/one-workers ({version} is not served there)",)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [(errors.ServerBusy, WEBHOOK), (errors.Conflict, 'Operation cannot be fulfilled on resourcequotas "pools"')],
)
def test_what_may_pass_blocks_preflight_and_is_awaited_before_the_fence(
    world: World, kind: type[errors.KubernetesError], reason: str
) -> None:
    refusing(world, "HostedCluster", error(kind, reason))
    trial = try_hosted_cluster(world.ports, CASE)
    assert (trial.refused, trial.unanswered) == ((), (f"HostedCluster clusters/one ({reason})",))
    assert trial.check().stops
    assert trial.refusal("Nothing was created.") is None


@pytest.mark.parametrize("kind", [errors.ServerBusy, errors.ClusterUnreachable, errors.Unauthorized])
def test_a_server_that_does_not_answer_is_no_result(world: World, kind: type[errors.KubernetesError]) -> None:
    refusing(world, "HostedCluster", error(kind, "timed out"))
    with pytest.raises(kind):
        try_restore(world.ports, CASE)


def test_in_a_namespace_that_does_not_exist_only_fields_were_checked(world: World) -> None:
    place = CASE.control_plane_namespace
    refusing(world, "Machine", error(errors.NotFound, f'namespaces "{place}" not found'))
    trial = try_restore(world.ports, CASE)
    assert (trial.refused, trial.absent) == ((), (place,))
    assert not trial.check().stops
    assert f"in namespaces that do not exist yet ({place}), fields only" in trial.check().seen


def test_what_exists_already_is_not_tried(world: World) -> None:
    first = try_restore(world.ports, CASE).tried
    world.destination.put({"Secret clusters/one-pull": {}})
    assert try_restore(world.ports, CASE).tried == first - 1
    refusing(world, "HostedCluster", error(errors.AlreadyExists, "already exists"))
    assert try_hosted_cluster(world.ports, CASE) == Trial(tried=3)


def test_no_value_of_a_secret_is_sent(world: World) -> None:
    """Its length is, because Secrets have a limit, and it is JSON, because some types must be."""
    value = base64.b64encode(SECRET).decode()
    for (kind, *_), item in world.source.objects.items():
        if kind == "Secret":
            item["data"] = {"key": value}
    sent: list[Object] = []
    world.destination.try_create = lambda resource, body: sent.append(body)  # type: ignore[method-assign] # noqa: ARG005
    try_restore(world.ports, CASE)
    values = [body["data"]["key"] for body in sent if body["kind"] == "Secret"]
    assert values
    assert value not in str(sent)
    assert {len(base64.b64decode(each)) for each in values} == {len(SECRET)}
    assert json.loads(base64.b64decode(values[0])) == {}


@pytest.mark.parametrize(
    ("hard", "used", "why"),
    [
        ({"count/machines.cluster.x-k8s.io": "3"}, {"count/machines.cluster.x-k8s.io": "2"}, "room for 1 of 2 objects"),
        ({"count/machines.cluster.x-k8s.io": "4"}, {"count/machines.cluster.x-k8s.io": "2"}, None),
        ({"secrets": "1"}, {}, "secrets has room for 1 of"),
        ({"count/secrets": "1k", "pods": "0"}, {}, None),
    ],
)
def test_a_quota_without_room_for_all_objects_is_named(
    world: World, hard: dict[str, str], used: dict[str, str], why: str | None
) -> None:
    """A dry run of each of them succeeds."""
    place = CASE.control_plane_namespace
    world.destination.put({f"ResourceQuota {place}/numbers": {"status": {"hard": hard, "used": used}}})
    refused = try_restore(world.ports, CASE).refused
    if why is None:
        assert refused == ()
    else:
        [text] = refused
        assert text.startswith(f"ResourceQuota {place}/numbers (")
        assert why in text
