"""A relocation needs no more than the roles that `hcp-dr rbac` prints, and uses what they grant."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace

import pytest

from hcp_dr import errors
from hcp_dr.commands import restore_lost
from hcp_dr.hypershift.access.permissions import SIDES, permissions
from hcp_dr.hypershift.steps import POINT_OF_NO_RETURN
from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Kubernetes, Resource
from hcp_dr.model import PREPARED_ANNOTATION, RELOCATION_ANNOTATION, Side
from hcp_dr_lab.ground.layout import PRODUCT_USER
from hcp_dr_lab.hosted import shapes
from hcp_dr_lab.hosted.shapes import REFUSED, Shape
from hcp_dr_lab.observer.tabletop import EASY, Observation
from hcp_dr_lab.tabletop.kubernetes.access import Attributes, Caller
from hcp_dr_lab.tabletop.kubernetes.server import ApiServer
from hcp_dr_lab.tabletop.operator import Operator
from hcp_dr_lab.tabletop.world import NAME, World
from tests.tabletop.scene import Scene
from tests.tabletop.test_dangers import stop_before
from tests.tabletop.test_relocation import ALL_AT_ONCE, assert_it_lives_on
from tests.tabletop.test_rotation import NEW, before_the_fence

USER = Caller(PRODUCT_USER)
MOVING = [(), *((shape,) for shape in Shape if shape not in REFUSED), ALL_AT_ONCE]

Used = tuple[Side, str, str, str]
"""A side, a namespace ("" is none or all of them), a verb, and a kind with its subresource."""


@dataclass(slots=True)
class Requests:
    """What the product's user asked of the API servers of one world."""

    world: World
    granted: set[Used] = field(default_factory=set)
    refused: set[Used] = field(default_factory=set)

    def note(self, server: ApiServer, asked: Attributes, *, granted: bool) -> None:
        sides: dict[int, Side] = {
            id(self.world.sides[0].server): "source",
            id(self.world.sides[1].server): "destination",
        }
        kind = f"{asked.resource}.{asked.group}" if asked.group else asked.resource
        kind += f"/{asked.subresource}" if asked.subresource else ""
        used = (sides.get(id(server), "hosted"), asked.namespace, asked.verb, kind)
        (self.granted if granted else self.refused).add(used)


def listening(world: World, monkeypatch: pytest.MonkeyPatch) -> Requests:
    seen = Requests(world)
    demand = ApiServer.demand

    def listen(self: ApiServer, caller: Caller, asked: Attributes, resource: Resource) -> None:
        try:
            demand(self, caller, asked, resource)
        finally:
            if caller == USER:
                granted = self.allows(caller, _in_itself(asked))
                seen.note(self, asked, granted=granted)

    monkeypatch.setattr(ApiServer, "demand", listen)
    return seen


def _in_itself(asked: Attributes) -> Attributes:
    return replace(asked, namespace=asked.name) if asked.resource == "namespaces" and asked.name else asked


def restricted(*asked: Shape) -> Scene:
    """A world whose administrators have granted the printed roles, and an operator who has nothing else."""
    world = World.prepared(shapes.options(frozenset(asked)))
    world.grant()
    Observation(world, NAME, source=1, pace=EASY).begin()
    return Scene(world, Operator(world, caller=USER))


@pytest.fixture(scope="module")
def used() -> set[Used]:
    """Filled by the relocations of every shape, which come first in this file."""
    return set()


BORNE = {("source", "hypershift", "get", "pods/exec"), ("destination", "hypershift", "get", "pods/exec")}
"""An operator's pods are not told a second time to end: who may run commands in them may do what they may."""


@pytest.mark.parametrize("asked", MOVING, ids=lambda asked: "+".join(asked) or "plain")
def test_every_shape_moves_with_nothing_but_the_printed_roles(
    asked: tuple[Shape, ...], used: set[Used], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = restricted(*asked)
    seen = listening(here.world, monkeypatch)
    ending = here.operator.relocate()
    assert ending.error is None
    assert here.verdict().reasons == ()
    assert_it_lives_on(here, second=True)
    assert seen.refused <= BORNE
    used |= seen.granted


def test_no_verb_is_granted_that_no_relocation_uses(used: set[Used]) -> None:
    """Unless the table says what for."""
    unused = []
    for side in SIDES:
        for right in permissions(side, "clusters", NAME):
            kind = f"{right.resource}/{right.part}" if right.part else str(right.resource)
            for verb in right.verbs:
                asked = [each for each in used if (each[0], each[2], each[3]) == (side, verb, kind)]
                here = [each for each in asked if not right.place or each[1] in (right.place, "")]
                if not here and not right.beyond and not (kind == "pods/exec" and verb == "create"):
                    unused.append(f"{side}: {verb} {kind} in {right.place or 'all'}")
    assert not unused, "\n".join(unused)


def test_there_and_back_each_time_with_the_roles_of_that_way() -> None:
    here = restricted()
    assert here.operator.relocate().error is None
    here.world.grant(source=2)
    back = Operator(here.world, source=2, caller=USER)
    assert back.relocate().error is None
    assert_it_lives_on(here, second=False)


def test_trouble_needs_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dead operator on the source, an authority that rotates and a machine object that changes before the fence, an
    external-dns with a cache on the destination, and the marks of an earlier relocation."""
    here = restricted(Shape.THREE_POOLS)
    own = here.world.residents[NAME].names.control_plane_namespace
    first, second = (side.client() for side in here.world.sides)
    found = copy.deepcopy(second.get(r.DEPLOYMENT, "external-dns", "hypershift"))  # the world is shared
    [container] = found["spec"]["template"]["spec"]["containers"]
    container["args"] = [*(each for each in container["args"] if "cache" not in each), "--txt-cache-interval=1h"]
    second.replace(r.DEPLOYMENT, found)
    first.patch(r.DEPLOYMENT, "operator", "hypershift", {"spec": {"replicas": 0}})
    mark = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "mgmt-parent-cluster", "namespace": "default"},
    }
    here.world.hosted_client().create(r.CONFIG_MAP, {**mark, "data": {"from": "mgmt-0"}})
    here.world.clock.spend(30)

    def rotate(source: Kubernetes) -> None:
        source.patch(r.SECRET, "etcd-signer", own, {"data": {"rotated": NEW}})
        for each in source.list(r.MACHINE_DEPLOYMENT, own).items:
            source.patch(r.MACHINE_DEPLOYMENT, each["metadata"]["name"], own, {"metadata": {"labels": {"late": "yes"}}})

    before_the_fence(here, rotate)
    seen = listening(here.world, monkeypatch)
    ending = here.operator.relocate()
    assert ending.error is None
    assert seen.refused <= BORNE
    assert {
        ("destination", own, "delete", "secrets"),
        ("destination", own, "patch", "machinedeployments.cluster.x-k8s.io"),
        ("destination", "hypershift", "delete", "pods"),
        ("hosted", "default", "patch", "configmaps"),
        ("source", own, "patch", "hostedcontrolplanes.hypershift.openshift.io"),
    } <= seen.granted


def test_an_online_backup_and_a_lost_source_need_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether somebody answers is asked by what is allowed: a refusal would be an answer too, and a riddle."""
    here = restricted()
    seen = listening(here.world, monkeypatch)
    assert here.operator.back_up_online().error is None
    ports = here.operator.ports()
    for each in restore_lost.liveness_probes(ports, here.operator.case()):
        each.ask()
    here.world.die(here.world.sides[0])
    here.world.clock.spend(5)
    assert here.operator.restore_lost().error is None
    assert seen.refused <= BORNE


def test_calling_off_needs_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """When all is made on the destination."""
    here = restricted(Shape.THREE_POOLS, Shape.LOAD_BALANCER)
    stop_before(here, POINT_OF_NO_RETURN)
    seen = listening(here.world, monkeypatch)
    assert here.operator.abort().error is None
    assert seen.refused <= BORNE
    own = here.world.residents[NAME].names.control_plane_namespace
    assert {
        ("source", own, "create", "routes.route.openshift.io"),
        ("destination", "clusters", "delete", "hostedclusters.hypershift.openshift.io"),
        ("destination", "hypershift", "patch", "deployments.apps/scale"),
    } <= seen.granted


def test_without_the_roles_preflight_names_each_verb_that_is_missing() -> None:
    world = World.prepared()
    world.grant()
    names = world.residents[NAME].names
    first = world.sides[0].client()
    first.delete(r.ROLE_BINDING, "hcp-dr:source:clusters-shop", names.control_plane_namespace)
    ending = Operator(world, caller=USER).relocate()
    assert isinstance(ending.error, errors.CannotMigrate | errors.Forbidden)
    said = {check.name: check.seen for check in ending.checks}
    assert "delete machines.cluster.x-k8s.io in clusters-shop" in said.get("permissions.source", "")
    assert not ending.story.lines


def test_a_prepared_namespace_is_claimed_and_one_with_something_in_it_is_not() -> None:
    world = World.prepared()
    world.grant()
    place = world.residents[NAME].names.control_plane_namespace
    second = world.sides[1].client()
    stranger = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "somebodys", "namespace": place}}
    second.create(r.SECRET, stranger)
    operator = Operator(world, caller=USER)
    stopped = operator.relocate()
    assert isinstance(stopped.error, errors.NotOurs)
    assert "Secret somebodys" in stopped.error.what
    assert RELOCATION_ANNOTATION not in second.get(r.NAMESPACE, place)["metadata"]["annotations"]

    second.delete(r.SECRET, "somebodys", place)
    assert operator.resume().error is None
    marks = second.get(r.NAMESPACE, place)["metadata"]["annotations"]
    assert marks[PREPARED_ANNOTATION] == "true"
    assert RELOCATION_ANNOTATION in marks


def test_nobody_may_read_the_secrets_of_another_namespace() -> None:
    world = World.prepared()
    world.grant()
    for side in ("source", "destination"):
        cluster = Operator(world, caller=USER).ports().cluster(side)
        with pytest.raises(errors.Forbidden):
            cluster.list(r.SECRET, "kube-system")
        with pytest.raises(errors.Forbidden):
            cluster.list(r.SECRET)
        with pytest.raises(errors.Forbidden):
            cluster.delete(r.NAMESPACE, "default")
