"""The settings of external-dns in every form in which a Deployment may have them, and the obstacles in them."""

from __future__ import annotations

from typing import Any

import pytest

from hcp_dr.hypershift.dns import obstacles
from hcp_dr.hypershift.dns.external_dns import ExternalDns, read_external_dns
from hcp_dr.kube.port import Object
from hcp_dr.model import HANDOVER, RELEASE
from tests.ports import MemoryKubernetes

POD: Object = {
    "kind": "Pod",
    "metadata": {"name": "external-dns-1", "namespace": "hypershift", "labels": {"app": "external-dns"}},
    "status": {"conditions": [{"type": "Ready", "status": "True"}]},
}
NAMES = frozenset({"api-one.hosted.example", "oauth-one.hosted.example"})


def read(container: dict[str, Any], *, beside: tuple[dict[str, Any], ...] = (), **objects: Any) -> ExternalDns:
    cluster = MemoryKubernetes("source")
    spec = {
        "selector": {"matchLabels": {"app": "external-dns"}},
        "template": {"spec": {"containers": [*beside, {"name": "external-dns", **container}]}},
    }
    cluster.put({"Deployment hypershift/external-dns": {"spec": spec}})
    cluster.put(POD)
    for name, data in objects.items():
        cluster.put({f"ConfigMap hypershift/{name}": {"data": data}})
    return read_external_dns(cluster, "source")


FORMS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"args": ["--policy=upsert-only"]}, {}),
    ({"args": ["--policy", "upsert-only", "--events"]}, {}),
    ({"command": ["external-dns", "--policy=upsert-only"]}, {}),
    ({"command": ["/bin/sh", "-c", "exec external-dns --provider=aws --policy=upsert-only"]}, {}),
    ({"env": [{"name": "EXTERNAL_DNS_POLICY", "value": "upsert-only"}]}, {}),
    ({"args": ["--policy=$(HOW)"], "env": [{"name": "HOW", "value": "upsert-only"}]}, {}),
    ({"envFrom": [{"configMapRef": {"name": "flags"}}]}, {"flags": {"EXTERNAL_DNS_POLICY": "upsert-only"}}),
    (
        {"envFrom": [{"prefix": "EXTERNAL_", "configMapRef": {"name": "flags"}}]},
        {"flags": {"DNS_POLICY": "upsert-only"}},
    ),
    (
        {
            "env": [
                {"name": "EXTERNAL_DNS_POLICY", "valueFrom": {"configMapKeyRef": {"name": "flags", "key": "policy"}}}
            ]
        },
        {"flags": {"policy": "upsert-only"}},
    ),
]


@pytest.mark.parametrize(("container", "config_maps"), FORMS)
def test_a_flag_is_read_in_every_form(container: dict[str, Any], config_maps: dict[str, Any]) -> None:
    found = read(container, **config_maps)
    assert found.value("policy") == "upsert-only"
    assert obstacles.against_deletion(found) == ("policy is upsert-only, with which no record is deleted",)
    assert found.unread == ()


def test_an_argument_goes_before_a_variable_and_a_variable_before_a_config_map() -> None:
    env = [{"name": "EXTERNAL_DNS_POLICY", "value": "create-only"}]
    assert read({"args": ["--policy=sync"], "env": env}).value("policy") == "sync"
    assert (
        read(
            {"env": env, "envFrom": [{"configMapRef": {"name": "flags"}}]}, flags={"EXTERNAL_DNS_POLICY": "sync"}
        ).value("policy")
        == "create-only"
    )


def test_several_values_in_one_variable_and_the_owner_and_the_filter() -> None:
    env = [
        {"name": "EXTERNAL_DNS_DOMAIN_FILTER", "value": "a.example\nhosted.example"},
        {"name": "EXTERNAL_DNS_TXT_OWNER_ID", "value": "one"},
        {"name": "EXTERNAL_DNS_PROVIDER", "value": "aws"},
    ]
    found = read({"env": env})
    assert (found.domain_filters, found.owner, found.provider) == (("a.example", "hosted.example"), "one", "aws")


def test_the_container_is_found_beside_others() -> None:
    beside = ({"name": "proxy", "args": ["--provider=other"]},)
    assert read({"args": ["--provider=aws"]}, beside=beside).provider == "aws"
    by_image = {"name": "main", "image": "registry.example:5000/k8s/external-dns:v0.15.1", "args": ["--provider=aws"]}
    assert read(by_image, beside=beside).provider == "aws"


def test_what_is_in_a_secret_or_in_no_config_map_is_told() -> None:
    env = [{"name": "EXTERNAL_DNS_POLICY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]
    other = [{"name": "AWS_SECRET_ACCESS_KEY", "valueFrom": {"secretKeyRef": {"name": "aws", "key": "k"}}}]
    assert read({"env": [*env, *other]}).unread == ("Secret s",)
    assert read({"envFrom": [{"secretRef": {"name": "all"}}, {"configMapRef": {"name": "none"}}]}).unread == (
        "Secret all",
        "ConfigMap none",
    )


@pytest.mark.parametrize(
    ("words", "problems"),
    [
        ([], ()),
        (["--policy=sync", "--managed-record-types=CNAME", "--managed-record-types=A"], ()),
        (["--policy=create-only"], ("policy is create-only, with which no record is deleted",)),
        (["--dry-run"], ("dry-run is set",)),
        (["--dry-run=true"], ("dry-run is set",)),
        (["--dry-run=false"], ()),
        (["--no-dry-run"], ()),
        (["--once", "--interval", "1m"], ("once is set, with which external-dns ends after one pass",)),
        (["--managed-record-types=A"], ("records of type CNAME are not managed",)),
        (["--managed-record-types=TXT,AAAA"], ("records of type A and CNAME are not managed",)),
        (["--exclude-record-types=CNAME"], ("records of type CNAME are not managed",)),
        (["--registry=noop"], ("registry is noop instead of txt, so that no TXT record has the owner",)),
        (["--interval=24h"], ("interval is 24h, and records are awaited for 400 s",)),
        (["--interval=24h", "--events"], ()),
        (["--interval=5m"], ()),
    ],
)
def test_what_stands_against_a_deletion(words: list[str], problems: tuple[str, ...]) -> None:
    assert obstacles.against_deletion(read({"args": words})) == problems


def test_what_stands_against_a_creation() -> None:
    creating = read({"args": ["--policy=create-only"]})
    assert obstacles.against_creation(creating, RELEASE) == ()
    assert obstacles.against_creation(creating, HANDOVER) == ("policy is create-only, with which no record is changed",)
    assert obstacles.against_creation(read({"args": ["--policy=upsert-only"]}), HANDOVER) == ()
    assert obstacles.against_creation(read({"args": ["--dry-run"]}), RELEASE) == ("dry-run is set",)
    env = [{"name": "EXTERNAL_DNS_DRY_RUN", "value": "1"}]
    assert obstacles.against_creation(read({"env": env}), RELEASE) == ("dry-run is set",)


@pytest.mark.parametrize(
    ("words", "problems"),
    [
        (["--domain-filter=hosted.example"], ()),
        (["--domain-filter=.hosted.example"], ()),
        (["--domain-filter=hosted.example."], ()),
        (["--domain-filter=api-one.hosted.example"], ("filtered out: oauth-one.hosted.example",)),
        (
            ["--domain-filter=hosted.example", "--exclude-domains=api-one.hosted.example"],
            ("filtered out: api-one.hosted.example",),
        ),
        (["--regex-domain-filter=hosted\\.example$"], ()),
        (
            ["--domain-filter=hosted.example", "--regex-domain-filter=^x"],
            ("filtered out: api-one.hosted.example, oauth-one.hosted.example",),
        ),
        (["--regex-domain-exclusion=oauth-"], ("filtered out: oauth-one.hosted.example",)),
        (["--regex-domain-filter=(("], ("the regular expression (( was not understood",)),
        (["--zone-id-filter=Z1"], ()),
        (["--zone-id-filter=/hostedzone/Z1"], ()),
        (["--zone-id-filter=Z2"], ("zone-id-filter is Z2, without Z1",)),
    ],
)
def test_names_that_are_filtered_out(words: list[str], problems: tuple[str, ...]) -> None:
    assert obstacles.unseen_names(read({"args": words}), NAMES, "Z1") == problems


ROUTE: Object = {
    "kind": "Route",
    "metadata": {"name": "oauth", "namespace": "clusters-one", "labels": {"app": "oauth"}},
    "spec": {"host": "oauth-one.hosted.example"},
    "status": {"ingress": [{"routerName": "default"}]},
}
SERVICE: Object = {
    "kind": "Service",
    "metadata": {
        "name": "kube-apiserver",
        "namespace": "clusters-one",
        "annotations": {"external-dns.alpha.kubernetes.io/hostname": "api-one.hosted.example"},
    },
    "spec": {"type": "LoadBalancer"},
}


@pytest.mark.parametrize(
    ("words", "unseen"),
    [
        (["--source=service", "--source=openshift-route"], ()),
        (["--label-filter=hypershift.openshift.io/route-visibility!=private"], ()),
        (["--source=service"], ("oauth: source openshift-route is not set",)),
        (["--source=openshift-route"], ("kube-apiserver: source service is not set",)),
        (["--namespace=clusters-one"], ()),
        (["--namespace=other"], ("kube-apiserver: namespace is other", "oauth: namespace is other")),
        (["--label-filter=app=oauth"], ("kube-apiserver: label-filter is app=oauth",)),
        (
            ["--annotation-filter", "mine"],
            ("kube-apiserver: annotation-filter is mine", "oauth: annotation-filter is mine"),
        ),
        (["--label-filter=app in x"], ("kube-apiserver: label-filter is app in x", "oauth: label-filter is app in x")),
        (["--ignore-hostname-annotation"], ("kube-apiserver: ignore-hostname-annotation is set",)),
        (["--service-type-filter=NodePort"], ("kube-apiserver: service-type-filter is NodePort",)),
        (["--openshift-router-name=other"], ("oauth: openshift-router-name is other",)),
        (["--openshift-router-name=default"], ()),
    ],
)
def test_objects_that_are_overlooked(words: list[str], unseen: tuple[str, ...]) -> None:
    found = obstacles.unseen_objects(read({"args": words}), (ROUTE, SERVICE), NAMES)
    assert [text.partition("(")[2].removesuffix(")").partition(" ")[2] for text in found] == list(unseen)


def test_a_name_is_seen_if_one_of_its_objects_is() -> None:
    private = {**ROUTE, "metadata": {**ROUTE["metadata"], "name": "private", "labels": {"app": "private"}}}
    found = read({"args": ["--label-filter=app!=private"]})
    assert obstacles.unseen_objects(found, (ROUTE, private), NAMES) == ()
    assert len(obstacles.unseen_objects(found, (private,), NAMES)) == 1


@pytest.mark.parametrize(
    "container",
    [
        {"env": [{"name": "AWS_ROLE_ARN", "value": "x"}]},
        {"env": [{"name": "AWS_CONTAINER_CREDENTIALS_FULL_URI", "value": "x"}]},
        {"env": [{"name": "AWS_ACCESS_KEY_ID", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]},
    ],
)
def test_credentials_of_any_kind(container: dict[str, Any]) -> None:
    assert read(container).credentials
    assert not read({}).credentials


def test_credentials_that_a_webhook_gave_to_the_pod() -> None:
    cluster = MemoryKubernetes("source")
    spec = {"selector": {"matchLabels": {"app": "external-dns"}}, "template": {"spec": {"containers": [{}]}}}
    env = [{"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": "x"}]
    pod = {**POD, "spec": {"containers": [{"env": env}]}}
    cluster.put({"Deployment hypershift/external-dns": {"spec": spec}})
    cluster.put(pod)
    assert read_external_dns(cluster, "source").credentials
