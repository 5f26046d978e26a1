"""Which requests a fault strikes, and how often."""

from __future__ import annotations

import json
from collections.abc import Callable
from xml.etree import ElementTree as ET

import pytest

from hcp_dr_lab.region.faults import Fault, FaultError, Faults, Kind, Match, Request
from hcp_dr_lab.region.network.refusals import refusal

TARGETS = ("mgmt-1/api", "mgmt-2/api", "shop/api", "s3", "route53", "ec2", "sts")
HYPERSHIFT = "/apis/hypershift.openshift.io/v1beta1"


def request(line: str, body: str = "") -> Request:
    method, target = line.split()
    return Request.of(method, target, body)


@pytest.mark.parametrize(
    ("line", "verb", "resource"),
    [
        (f"GET {HYPERSHIFT}/namespaces/clusters/hostedclusters/shop", "get", "hostedclusters"),
        (f"GET {HYPERSHIFT}/namespaces/clusters/hostedclusters?limit=5", "list", "hostedclusters"),
        (f"GET {HYPERSHIFT}/hostedclusters?watch=true", "watch", "hostedclusters"),
        (f"PATCH {HYPERSHIFT}/namespaces/clusters/hostedclusters/shop/status", "patch", "hostedclusters/status"),
        ("POST /api/v1/namespaces/clusters/secrets", "create", "secrets"),
        ("PUT /api/v1/namespaces/clusters/secrets/one", "update", "secrets"),
        ("DELETE /api/v1/namespaces/clusters/secrets/one", "delete", "secrets"),
        ("DELETE /api/v1/namespaces/clusters/secrets", "deletecollection", "secrets"),
        ("GET /api/v1/namespaces/clusters", "get", "namespaces"),
        ("GET /api/v1/namespaces", "list", "namespaces"),
        ("PUT /api/v1/namespaces/clusters/finalize", "update", "namespaces/finalize"),
        ("POST /api/v1/namespaces/a/pods/etcd-0/exec?command=ls", "create", "pods/exec"),
        ("GET /readyz", "list", ""),
    ],
)
def test_what_kubernetes_is_asked(line: str, verb: str, resource: str) -> None:
    asked = request(line)
    assert (asked.verb, asked.resource) == (verb, resource)


@pytest.mark.parametrize(
    ("text", "line", "struck"),
    [
        ("", "GET /readyz", True),
        ("*", "GET /readyz", True),
        ("PATCH hostedclusters", f"PATCH {HYPERSHIFT}/namespaces/a/hostedclusters/shop", True),
        ("patch hostedclusters", f"PATCH {HYPERSHIFT}/namespaces/a/hostedclusters/shop", True),
        ("PATCH hostedclusters", f"GET {HYPERSHIFT}/namespaces/a/hostedclusters/shop", False),
        ("PATCH hostedclusters", f"PATCH {HYPERSHIFT}/namespaces/a/hostedclusters/shop/status", False),
        ("* hostedclusters", f"PUT {HYPERSHIFT}/namespaces/a/hostedclusters/shop", True),
        ("hostedclusters", f"GET {HYPERSHIFT}/hostedclusters", True),
        ("watch", f"GET {HYPERSHIFT}/hostedclusters?watch=1", True),
        ("watch", f"GET {HYPERSHIFT}/hostedclusters", False),
        ("list", "GET /readyz", False),
        ("PUT /bucket/*snapshot.db", "PUT /bucket/clusters/shop/7/snapshot.db?X-Amz-Signature=x", True),
        ("PUT /bucket/*snapshot.db", "PUT /bucket/clusters/shop/7/manifest.json", False),
    ],
)
def test_what_a_match_matches(text: str, line: str, struck: bool) -> None:  # noqa: FBT001
    assert Match.parse(text)(request(line)) is struck


def test_ec2_is_matched_by_its_action() -> None:
    asked = request("POST /", "Action=TerminateInstances&InstanceId.1=i-1")
    assert Match.parse("TerminateInstances")(asked)
    assert not Match.parse("DescribeInstances")(asked)


@pytest.mark.parametrize("text", ["PATCH a b", "FETCH hostedclusters"])
def test_a_match_that_can_match_nothing_is_refused(text: str) -> None:
    with pytest.raises(FaultError, match="matches no request"):
        Match.parse(text)


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"target": "s3", "kind": "status", "status": 200}, "no status of a failure"),
        ({"target": "s3", "kind": "delay"}, "not a valid duration"),
        ({"target": "s3", "kind": "cut", "times": 0}, "0 times"),
        ({"target": "s3", "kind": "cut", "percent": 0}, "not a valid percentage"),
        ({"target": "s3", "kind": "cut", "match": "a b c"}, "matches no request"),
        ({"target": "s3", "kind": "fire"}, "not a valid fault"),
        ({"kind": "cut"}, "not a valid fault"),
        ({"target": "s3"}, "not a valid fault"),
    ],
)
def test_a_fault_that_cannot_be_is_refused(document: dict[str, object], said: str) -> None:
    with pytest.raises(FaultError, match=said):
        Fault.read(document)


@pytest.fixture
def faults() -> Faults:
    return Faults(lambda: TARGETS)


def test_the_next_three_and_no_more(faults: Faults) -> None:
    number = faults.set(Fault("mgmt-1/api", Kind.STATUS, status=429, match="PATCH hostedclusters", times=3))
    patch, get = (request(f"{verb} {HYPERSHIFT}/namespaces/a/hostedclusters/shop") for verb in ("PATCH", "GET"))
    fates = [faults.strike("mgmt-1/api", one) for one in (patch, get, patch, patch, patch)]
    assert [fate is not None for fate in fates] == [True, False, True, True, False]
    assert faults.strike("mgmt-2/api", patch) is None
    row = faults.rows()[0]
    assert (row["number"], row["struck"], row["left"]) == (number, 3, 0)


def test_a_share_is_the_same_each_time_and_about_that_share() -> None:
    def fates(seed: int) -> list[bool]:
        faults = Faults(lambda: TARGETS)
        faults.set(Fault("s3", Kind.CUT, percent=25, seed=seed))
        return [faults.strike("s3", request("GET /bucket/key")) is not None for _ in range(400)]

    assert fates(1) == fates(1)
    assert fates(1) != fates(2)
    assert 60 < sum(fates(1)) < 140


def test_a_target_may_be_several(faults: Faults) -> None:
    faults.set(Fault("*/api", Kind.STATUS, status=500))
    assert {target for target in TARGETS if faults.strike(target, request("GET /readyz"))} == set(TARGETS[:3])


def test_set_and_clear_name_what_there_is(faults: Faults) -> None:
    with pytest.raises(FaultError, match="Targets: ec2, mgmt-1/api"):
        faults.set(Fault("mgmt-3/api", Kind.CUT))
    one, two, three = (faults.set(Fault(target, Kind.CUT)) for target in ("s3", "s3", "ec2"))
    with pytest.raises(FaultError, match="neither the number"):
        faults.clear("17")
    assert faults.clear("route53") == []
    assert faults.clear(str(one)) == [one]
    assert faults.clear("s3") == [two]
    assert faults.clear() == [three]
    assert faults.rows() == []


def test_watches_only_and_pages_only(faults: Faults) -> None:
    watch, young = request("GET /api/v1/pods?watch=1&resourceVersion=7"), request("GET /api/v1/pods?watch=1")
    page, plain = request("GET /api/v1/pods?continue=x"), request("GET /api/v1/pods")
    faults.set(Fault("mgmt-1/api", Kind.GONE))
    struck = [faults.strike("mgmt-1/api", one) is not None for one in (watch, young, page, plain)]
    assert struck == [True, False, True, False]
    faults.clear()
    faults.set(Fault("mgmt-1/api", Kind.DROP_WATCHES))
    struck = [faults.strike("mgmt-1/api", one) is not None for one in (watch, young, page, plain)]
    assert struck == [True, True, False, False]


def test_kubernetes_words_of_a_refusal() -> None:
    throttled = refusal(
        Fault("mgmt-1/api", Kind.STATUS, status=429, retry_after=2), 1, "mgmt-1/api", request("GET /api/v1/pods")
    )
    assert dict(throttled.headers)["Retry-After"] == "2"
    assert json.loads(throttled.body)["reason"] == "TooManyRequests"
    gone = Fault("mgmt-1/api", Kind.GONE)
    watch = refusal(gone, 1, "mgmt-1/api", request("GET /api/v1/pods?watch=1&resourceVersion=7"))
    event = json.loads(watch.body)
    assert (watch.status, event["type"], event["object"]["code"]) == (200, "ERROR", 410)
    page = refusal(gone, 1, "mgmt-1/api", request("GET /api/v1/pods?continue=x"))
    assert (page.status, json.loads(page.body)["reason"]) == (410, "Expired")


@pytest.mark.parametrize(
    ("service", "code", "found"),
    [
        ("s3", "SlowDown", lambda document: document.find("Code")),
        ("route53", "Throttling", lambda document: document.find("Error/Code")),
        ("ec2", "RequestLimitExceeded", lambda document: document.find("Errors/Error/Code")),
    ],
)
def test_aws_words_of_a_refusal(service: str, code: str, found: Callable[[ET.Element], ET.Element | None]) -> None:
    told = refusal(Fault(service, Kind.STATUS, status=503), 4, service, request("GET /"))
    element = found(ET.fromstring(told.body))  # noqa: S314 - our own text
    assert element is not None
    assert element.text == code
