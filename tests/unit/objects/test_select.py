"""What belongs to a hosted cluster is told by reference, label, annotation and owner: the neighbour whose name only
begins alike is never taken, and what bears a free name is never missed."""

from __future__ import annotations

from typing import Any

import pytest

from hcp_dr.kube.port import Object
from hcp_dr.objects.reading import name_of
from hcp_dr.objects.select import (
    control_plane_config_maps,
    inputs_of,
    is_token_secret,
    node_pools_of,
    of_infrastructure,
    referenced_config_maps,
    referenced_secrets,
    travels,
)
from tests.cases.building import an_object


def names(items: Any) -> list[str]:
    return [name_of(item) for item in items]


ONE = an_object({"HostedCluster clusters/one": {"spec": {"infraID": "one-x7k2"}}})
POOLS = [
    an_object({f"NodePool clusters/{name}": {"spec": {"clusterName": cluster}}})
    for name, cluster in (("one", "one"), ("one-b", "one2"), ("free", "one"), ("one2", "one2"))
]


def test_node_pools_are_those_whose_spec_names_the_cluster() -> None:
    assert names(node_pools_of(ONE, POOLS)) == ["one", "free"]


def test_a_node_pool_without_a_cluster_is_nobodys() -> None:
    assert node_pools_of(ONE, [an_object("NodePool clusters/one")]) == ()


def reference(name: str) -> dict[str, str]:
    return {"name": name}


SPEC: Object = {
    "pullSecret": reference("one-pull"),
    "sshKey": reference("a-free-name"),
    "auditWebhook": reference("audit"),
    "serviceAccountSigningKey": reference("sa-key"),
    "secretEncryption": {"aescbc": {"activeKey": reference("active"), "backupKey": reference("backup")}},
    "additionalTrustBundle": reference("trust"),
    "platform": {"type": "AWS", "aws": {"region": "us-east-1"}},
    "services": [{"service": "APIServer", "servicePublishingStrategy": {"type": "Route"}}],
    "etcd": {"unmanaged": {"tls": {"clientSecret": reference("etcd-client")}}},
    "configuration": {
        "apiServer": {
            "clientCA": reference("client-ca"),
            "servingCerts": {"namedCertificates": [{"servingCertificate": reference("serving")}]},
        },
        "authentication": {
            "oauthMetadata": reference("metadata"),
            "webhookTokenAuthenticator": {"kubeConfig": reference("authenticator")},
            "webhookTokenAuthenticators": [{"kubeConfig": reference("authenticator-of-old")}],
            "oidcProviders": [
                {
                    "issuer": {"issuerCertificateAuthority": reference("issuer-ca")},
                    "oidcClients": [{"componentName": "console", "clientSecret": reference("console-client")}],
                }
            ],
        },
        "ingress": {"componentRoutes": [{"name": "console", "servingCertKeyPairSecret": reference("console-cert")}]},
        "scheduler": {"policy": reference("policy")},
        "image": {"additionalTrustedCA": reference("image-ca")},
        "proxy": {"trustedCA": reference("proxy-ca")},
        "oauth": {
            "identityProviders": [
                {"name": "users", "htpasswd": {"fileData": reference("htpasswd")}},
                {"name": "directory", "ldap": {"bindPassword": reference("bind"), "ca": reference("ldap-ca")}},
                {"name": "sso", "openID": {"clientSecret": reference("client"), "ca": reference("")}},
                {"name": "basic", "basicAuth": {"tlsClientCert": reference("cert"), "tlsClientKey": reference("key")}},
            ],
            "templates": {
                "login": reference("login-page"),
                "error": reference("error-page"),
                "providerSelection": reference("selection-page"),
            },
        },
    },
}
SECRETS = {
    *("one-pull", "a-free-name", "audit", "sa-key", "active", "backup", "etcd-client", "serving", "authenticator"),
    *(
        "authenticator-of-old",
        "console-client",
        "console-cert",
        "htpasswd",
        "bind",
        "client",
        "cert",
        "key",
        "login-page",
        "error-page",
        "selection-page",
    ),
}
CONFIG_MAPS = {"policy", "trust", "client-ca", "metadata", "issuer-ca", "image-ca", "proxy-ca", "ldap-ca"}


def test_secrets_are_those_the_spec_refers_to_whatever_their_names() -> None:
    assert referenced_secrets({**ONE, "spec": SPEC}) == SECRETS


def test_config_maps_are_those_the_spec_and_the_node_pools_refer_to() -> None:
    pools = [
        an_object(
            {"NodePool clusters/a": {"spec": {"config": [reference("kubelet")], "tuningConfig": [reference("t")]}}}
        ),
        an_object({"NodePool clusters/b": {"spec": {"config": [reference("")]}}}),
        an_object("NodePool clusters/c"),
    ]
    assert referenced_config_maps({**ONE, "spec": SPEC}, pools) == CONFIG_MAPS | {"kubelet", "t"}


def test_a_cluster_that_refers_to_nothing_has_no_inputs() -> None:
    assert referenced_secrets(ONE) == referenced_config_maps(ONE, []) == frozenset()


def test_inputs_are_what_is_referred_to_or_marked_for_this_cluster() -> None:
    mark = "referenced-resource.hypershift.openshift.io/"
    candidates = [
        an_object("Secret clusters/one-pull"),
        an_object({"Secret clusters/marked": {"annotations": {f"{mark}one": ""}}}),
        an_object({"Secret clusters/of-the-neighbour": {"annotations": {f"{mark}one2": ""}}}),
        an_object("Secret clusters/one2-pull"),
        an_object("Secret clusters/one-admin-kubeconfig"),
    ]
    assert names(inputs_of(ONE, frozenset({"one-pull", "missing"}), candidates)) == ["one-pull", "marked"]


@pytest.mark.parametrize("name", ["token-workers-1", "user-data-workers-1", "of-any-name"])
def test_token_secrets_say_so_by_the_annotation_and_not_by_their_name(name: str) -> None:
    pool = {"hypershift.openshift.io/nodePool": "clusters/workers"}
    assert is_token_secret(an_object({f"Secret clusters-one/{name}": {"annotations": pool}}))
    assert not is_token_secret(an_object({f"Secret clusters-one/{name}": {"labels": pool}}))
    assert not is_token_secret(an_object(f"Secret clusters-one/{name}"))


@pytest.mark.parametrize(
    ("secret", "expected"),
    [
        ({"type": "Opaque"}, True),
        ({"type": "kubernetes.io/tls"}, True),
        ({"type": "kubernetes.io/dockerconfigjson"}, True),
        ({}, True),
        ({"type": "kubernetes.io/service-account-token"}, False),
        ({"type": "kubernetes.io/dockercfg"}, False),
        ({"type": "Opaque", "annotations": {"kubernetes.io/service-account.name": "default"}}, False),
    ],
)
def test_what_is_made_anew_for_service_accounts_stays(secret: Object, *, expected: bool) -> None:
    assert travels(an_object({"Secret clusters-one/docker-like-name": secret})) is expected


def test_config_maps_that_count_in_a_pools_hash_travel() -> None:
    items = [
        an_object({f"ConfigMap clusters-one/{name}": {"labels": {f"hypershift.openshift.io/{name}": "true"}}})
        for name in ("core-ignition-config", "nto-generated-machine-config", "something-else")
    ]
    assert names(control_plane_config_maps([*items, an_object("ConfigMap clusters-one/root-ca")])) == [
        "core-ignition-config",
        "nto-generated-machine-config",
    ]


def test_machine_objects_are_told_by_the_infrastructure_id() -> None:
    label = "cluster.x-k8s.io/cluster-name"
    items = [
        an_object({"Machine n/by-spec": {"spec": {"clusterName": "one-x7k2"}}}),
        an_object({"AWSMachine n/by-label": {"labels": {label: "one-x7k2"}}}),
        an_object({"MachineSet n/by-owner": {"owners": ["Cluster one-x7k2"]}}),
        an_object({"Machine n/one-x7k2": {"spec": {"clusterName": "one-x7k2b"}}}),
        an_object({"AWSMachine n/neighbour": {"labels": {label: "one-x7k"}}}),
        an_object({"MachineSet n/by-another-kind": {"owners": ["HostedCluster one-x7k2"]}}),
        an_object("Machine n/of-nobody"),
    ]
    assert names(of_infrastructure("one-x7k2", items)) == ["by-spec", "by-label", "by-owner"]
    assert of_infrastructure("", [an_object("Machine n/of-nobody")]) == ()
