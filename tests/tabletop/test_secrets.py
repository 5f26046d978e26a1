"""Secrets are planted everywhere, and hcp-dr works, refuses and undoes: no text of it has any (rule I8)."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

import pytest

from hcp_dr.commands.status import status
from hcp_dr.errors import HcpDrError, Invalid
from hcp_dr.hypershift.state import ROUTES
from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Kubernetes, Object
from hcp_dr.objects.reading import dig
from hcp_dr.report import outcome, page, plan, relocation
from hcp_dr.report import status as status_report
from hcp_dr_lab.ground.layout import BUCKET
from hcp_dr_lab.hosted.shapes import Shape
from hcp_dr_lab.tabletop.aws.signing import Keys
from hcp_dr_lab.tabletop.gate import Request
from hcp_dr_lab.tabletop.operator import Ending
from tests.tabletop.scene import Scene, scene, twin
from tests.tabletop.test_dangers import just_before
from tests.tabletop.test_fence_watch import OWN, during, lift, source

MARK = "pl4nted"
KEY = f"-----BEGIN RSA PRIVATE KEY-----\n{MARK}-key\n-----END RSA PRIVATE KEY-----\n"
APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
LAST = json.dumps({"spec": {"tls": {"key": KEY}, "password": f"{MARK}-applied"}})
ROUTE: Object = {
    "apiVersion": "route.openshift.io/v1",
    "kind": "Route",
    "metadata": {"name": "own", "namespace": OWN, "annotations": {APPLIED: LAST}},
    "spec": {
        "host": "own.internal.example",
        "tls": {"termination": "edge", "certificate": "public", "key": KEY},
        "to": {"kind": "Service", "name": "oauth-openshift", "weight": 100},
        "wildcardPolicy": "None",
    },
}
SPEC = {
    "configuration": {
        "proxy": {"httpProxy": f"http://me:{MARK}-proxy@proxy.example:3128", "noProxy": f"{MARK}-no-proxy.example"},
        "image": {"additionalTrustedCA": {"name": "trusted"}},
    },
    "channel": f"{MARK}-channel",
}


def planted(*shapes: Shape) -> Scene:
    """In every Secret of both namespaces, in a Route, in the specs, in annotations, in the keys of AWS."""
    here = scene(*shapes)
    here.world.cloud.storage.keys = Keys(f"AKIA{MARK}", f"{MARK}-aws", f"{MARK}-session")
    there = here.world.sides[0].client(manager="kubectl-edit")
    for namespace in ("clusters", OWN):
        for item in there.list(r.SECRET, namespace).items:
            if item["metadata"]["name"] == "shop-seen":  # the observer's
                continue
            more = base64.b64encode(f"{MARK}-secret".encode()).decode()
            body = {"data": {"planted": more}, "metadata": {"annotations": {APPLIED: LAST}}}
            there.patch(r.SECRET, item["metadata"]["name"], namespace, body)
    annotations = {APPLIED: LAST, "example.com/token": f"{MARK}-annotation"}
    there.patch(r.HOSTED_CLUSTER, "shop", "clusters", {"metadata": {"annotations": annotations}, "spec": SPEC})
    plane = there.get(r.HOSTED_CONTROL_PLANE, "shop", OWN)
    head = {"apiVersion": plane["apiVersion"], "kind": plane["kind"], "name": "shop", "uid": plane["metadata"]["uid"]}
    metadata = {**ROUTE["metadata"], "ownerReferences": [head]}
    there.create(r.ROUTE, {**ROUTE, "metadata": metadata})
    _plant_beside(here)
    here.world.clock.spend(5)
    return here


def _plant_beside(here: Scene) -> None:
    """In what the operators are given, and in what hcp-dr reads of them."""
    for side in here.world.sides:
        there = side.client(manager="kubectl-edit")
        [dns] = [item for item in there.list(r.DEPLOYMENT, None).items if "external-dns" in item["metadata"]["name"]]
        [container] = dns["spec"]["template"]["spec"]["containers"]
        more = [{"name": "AWS_SECRET_ACCESS_KEY", "value": f"{MARK}-env"}]
        planted = {
            **container,
            "env": [*container.get("env", []), *more],
            "args": [*container["args"], f"--txt-encrypt-aes-key={MARK}-argument"],
        }
        patch = {"spec": {"template": {"spec": {"containers": [planted]}}}}
        there.patch(r.DEPLOYMENT, dns["metadata"]["name"], dns["metadata"]["namespace"], patch)
        annotation = {"metadata": {"annotations": {"example.com/password": f"{MARK}-beside"}}}
        for resource, namespace in (
            (r.DEPLOYMENT, OWN),
            (r.STATEFUL_SET, OWN),
            (r.SERVICE, OWN),
            (r.NODE_POOL, "clusters"),
        ):
            for item in there.list(resource, namespace).items:
                there.patch(resource, item["metadata"]["name"], namespace, annotation)
        there.patch(r.NAMESPACE, "clusters", None, annotation)


def contents(cluster: Kubernetes) -> Iterator[str]:
    """What the Secrets of the hosted cluster hold: whole, and line by line."""
    for namespace in ("clusters", OWN):
        for item in cluster.list(r.SECRET, namespace).items:
            for value in (item.get("data") or {}).values():
                text = base64.b64decode(value).decode(errors="replace")
                yield from (each for each in (value, text, *text.splitlines()) if len(each) >= 20)


def signatures(here: Scene) -> set[str]:
    """Of every presigned URL from now on; filled while the world goes on."""
    found: set[str] = set()
    storage = here.world.cloud.storage
    presign = storage.presign

    def listen(*arguments: Any, **named: Any) -> str:
        url = presign(*arguments, **named)
        found.update(parse_qs(urlsplit(url).query)["X-Amz-Signature"])
        return url

    storage.presign = listen  # type: ignore[method-assign]
    return found


def texts(here: Scene, ending: Ending | None = None) -> Iterator[tuple[str, str]]:
    """Everything that hcp-dr has told, kept for itself in the journal, or brought elsewhere; not the backup itself."""
    operator, story = here.operator, here.operator.story()
    yield "journal", operator.journal_data().decode()
    yield from (("progress", f"{each.step} {each.text}") for each in operator.told)
    yield from (("question", f"{each.what} {each.checks}") for each in operator.asked)
    report = relocation.to_json(story, backup_dir="/backup")
    yield from (("report", text) for text in (json.dumps(report), relocation.to_text(report), page.to_html(report)))
    end = outcome.to_json(story, backup_dir="/backup", result="", checks=ending.checks if ending else ())
    yield from (("outcome", text) for text in (json.dumps(end), outcome.to_text(end)))
    seen = status_report.to_json(status(operator.context()))
    yield from (("status", text) for text in (json.dumps(seen), status_report.to_text(seen, 0.0)))
    if ending is not None and ending.error is not None:
        yield "error", ending.error.paragraph() + repr(ending.error)
    storage = here.world.cloud.storage
    for key in storage.keys_of(BUCKET, "hcp-dr/"):
        stored = storage.get(BUCKET, key)
        if not re.search(r"snapshot(-1)?\.db$", key):
            yield f"bucket {key}", f"{stored.body.decode()} {dict(stored.metadata)}"
    for side in here.world.sides:
        leases = side.client().list(r.LEASE, "clusters").items
        yield "leases", json.dumps(leases)


def leaks(here: Scene, secrets: set[str], ending: Ending | None = None) -> list[str]:
    return sorted(
        {f"{place}: {secret[:40]}" for place, text in texts(here, ending) for secret in secrets if secret in text}
    )


def secrets_of(here: Scene) -> set[str]:
    return {MARK, *contents(source(here))}


def by_field(sent: Object) -> str:
    return f"spec: Invalid value: {json.dumps(sent)}: it is refused"


def by_webhook(sent: Object) -> str:
    """In its own words."""
    values = [base64.b64decode(value).decode(errors="replace") for value in (sent.get("data") or {}).values()]
    proxy = dig(sent, "spec", "configuration", "proxy", "httpProxy")
    return f"admission webhook denied the request: {sent.get('data')} or {values} or {proxy} is not allowed"


def refusing(here: Scene, verb: str, kind: str, quoted: Callable[[Object], str]) -> None:
    """The API server of the destination quotes what it was sent, and refuses it."""

    def listen(moment: Literal["before", "after"], request: Request) -> None:
        asked = (request.port, request.verb, getattr(request.arguments[:1] and request.arguments[0], "kind", ""))
        if here.operator.story().command is not None and moment == "before" and asked == ("destination", verb, kind):
            sent = next(each for each in request.arguments if isinstance(each, dict))
            raise Invalid(cluster="mgmt-2", verb=verb, object="it", reason=quoted(sent))

    here.world.hooks.append(listen)


def test_a_relocation() -> None:
    here = planted(Shape.REFERENCES, Shape.ENCRYPTED)
    secrets, signed = secrets_of(here), signatures(here)
    planned = here.operator.plan()
    told = json.dumps(plan.to_json("relocate", planned)) + plan.to_text("relocate", planned)
    assert [secret for secret in secrets if secret in told] == []
    ending = here.operator.relocate()
    assert ending.error is None
    assert len(signed) > 3
    assert leaks(here, secrets | signed, ending) == []
    assert here.verdict().reasons == ()


def test_a_lifted_fence() -> None:
    """The specs are carried again, by patches."""
    here = planted()
    secrets, signed = secrets_of(here), signatures(here)

    def apply() -> None:
        source(here).patch(r.HOSTED_CLUSTER, "shop", "clusters", {"spec": {"channel": f"{MARK}-other"}})
        lift(here)

    during(here, "restore.refresh_external_dns", apply)
    ending = here.operator.relocate()
    assert ending.error is None
    moved = here.world.sides[1].client().get(r.HOSTED_CLUSTER, "shop", "clusters")["spec"]
    assert (moved["channel"], moved["configuration"]) == (f"{MARK}-other", SPEC["configuration"])
    assert leaks(here, secrets | signed, ending) == []


@pytest.mark.parametrize(
    ("verb", "kind"), [("create", "Secret"), ("create", "HostedCluster"), ("patch", "HostedCluster")]
)
@pytest.mark.parametrize("quoted", [by_field, by_webhook])
def test_a_server_that_quotes_what_it_refuses(verb: str, kind: str, quoted: Callable[[Object], str]) -> None:
    here = planted()
    secrets, signed = secrets_of(here), signatures(here)

    def apply() -> None:
        source(here).patch(r.HOSTED_CLUSTER, "shop", "clusters", {"spec": {"channel": f"{MARK}-other"}})
        lift(here)

    if verb == "patch":
        during(here, "restore.refresh_external_dns", apply)
    refusing(here, verb, kind, quoted)
    ending = here.operator.relocate()
    assert isinstance(ending.error, Invalid)
    assert "hidden" in ending.error.what
    assert leaks(here, secrets | signed, ending) == []


def undone_from(here: Scene, step: str) -> Ending:
    def stop() -> None:
        raise HcpDrError(what=step)

    just_before(here, step, stop)
    assert here.operator.relocate().error is not None
    here.world.hooks.clear()
    return here.operator.abort()


def test_an_abort_makes_a_route_with_its_own_key_again() -> None:
    """Bit for bit, although the key is neither in the journal nor in the bucket."""
    here = planted()
    before = source(here).get(r.ROUTE, "own", OWN)
    secrets, signed = secrets_of(here), signatures(here)
    ending = undone_from(here, "restore.node_pools")
    assert ending.error is None
    after = source(here).get(r.ROUTE, "own", OWN)
    assert after["spec"] == before["spec"]
    assert after["metadata"]["annotations"] == before["metadata"]["annotations"]
    assert leaks(here, secrets | signed, ending) == []


def test_killed_at_any_moment_a_route_with_its_own_key_is_made_again() -> None:
    here = planted()
    before = source(here).get(r.ROUTE, "own", OWN)
    left: list[Scene] = []

    def keep(moment: Literal["before", "after"], request: Request) -> None:
        del moment
        if request.writes and here.operator.story().current == "backup.delete_routes":
            left.append(twin(here))

    here.world.hooks.append(keep)
    undone_from(here, "backup.release_dns")
    assert len(left) > 6
    for each in left:
        assert each.operator.abort().error is None
        assert source(each).get(r.ROUTE, "own", OWN)["spec"] == before["spec"]
        assert leaks(each, {MARK}) == []


def test_a_route_that_an_older_version_remembered_whole_is_made_again() -> None:
    here = planted()

    def stop() -> None:
        raise HcpDrError(what="stop")

    just_before(here, "restore.node_pools", stop)
    assert here.operator.relocate().error is not None
    here.world.hooks.clear()
    routes = here.operator.story().memory.get(ROUTES) or {}
    routes["own"] = ROUTE
    here.operator.memory.journal.write("remember", key="routes", value=routes)
    here.operator.memory.files.pop("kept/route-own.json")
    assert here.operator.abort().error is None
    assert source(here).get(r.ROUTE, "own", OWN)["spec"] == ROUTE["spec"]


def test_a_file_that_is_not_of_the_remembered_route_is_not_used() -> None:
    here = planted()

    def stop() -> None:
        raise HcpDrError(what="stop")

    just_before(here, "restore.node_pools", stop)
    assert here.operator.relocate().error is not None
    here.world.hooks.clear()
    another = {**ROUTE, "spec": {**ROUTE["spec"], "host": "evil.example"}}
    here.operator.memory.files["kept/route-own.json"] = json.dumps(another).encode()
    ending = here.operator.abort()
    assert ending.error is None
    assert "Route own" in str([check.seen for check in ending.checks if check.name == "routes"])
    assert source(here).find(r.ROUTE, "own", OWN) is None


def test_an_abort_on_another_machine_names_the_route_that_it_cannot_make() -> None:
    here = planted()
    secrets, signed = secrets_of(here), signatures(here)

    def forget() -> None:
        here.operator.memory.files.clear()
        here.operator.memory.journal = type(here.operator.memory.journal)(here.world.clock)

    def stop() -> None:
        raise HcpDrError(what="stop")

    just_before(here, "restore.node_pools", stop)
    assert here.operator.relocate().error is not None
    here.world.hooks.clear()
    forget()
    ending = here.operator.abort()
    assert ending.error is None
    [check] = [check for check in ending.checks if check.name == "routes"]
    assert "Route own" in check.seen
    assert check.verdict == "warning"
    assert "key" in check.why
    assert source(here).find(r.ROUTE, "own", OWN) is None
    assert source(here).find(r.ROUTE, "oauth", OWN) is not None
    assert leaks(here, secrets | signed, ending) == []
