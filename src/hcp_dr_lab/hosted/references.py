"""All objects that a HostedCluster and its NodePools can refer to in their namespace, under unrelated names.

The stand-in uses only some of these objects (see docs/rehearsal.md). A relocation must copy all of them, because the
real operators need them on the destination.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from cryptography.hazmat.primitives import serialization

from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Object, Resource
from hcp_dr_lab.ground.layout import HOSTED_DOMAIN, HostedClusterNames
from hcp_dr_lab.ground.pki import CertificateAuthority, signing_key
from hcp_dr_lab.hosted.secret import config_map, secret


def objects(names: HostedClusterNames) -> Iterator[tuple[Resource, Object]]:
    """All credentials and certificates are generated for this cluster and give access to nothing."""
    authority = CertificateAuthority.create("references")
    bundle = authority.cert_pem.decode()
    host = _extra_host(names)
    served = authority.issue(host, dns=(host,), server=True)
    certificate = {"tls.crt": served.cert_pem, "tls.key": served.key_pem}
    secrets: dict[str, dict[str, str | bytes]] = {
        "people": {"htpasswd": "rehearsal:$2y$05$3Qb8Zk0o5vJt1yYcPp9yKuVt8m9ZyqgXyq1Jm1cWcA1o4Jc3oZ5bW\n"},
        "single-sign-on": {"clientSecret": "made-for-the-rehearsal"},
        "login-page": {"login.html": "<p>rehearsal</p>"},
        "audit-target": {"webhook-kubeconfig": _audit_target()},
        "token-signing": {"key": _private_key()},
    }
    for name, content in secrets.items():
        yield r.SECRET, secret(names.namespace, _free(names, name), content)
    yield r.SECRET, secret(names.namespace, _free(names, "extra-certificate"), certificate, "kubernetes.io/tls")
    config_maps = {
        "trusted": {"ca-bundle.crt": bundle},
        "directory-authority": {"ca.crt": bundle},
        "clients-authority": {"ca-bundle.crt": bundle},
        "registries-authority": {"registry.rehearsal.example": bundle},
        "kernel": {"config": _machine_config()},
        "tuned": {"tuning": _tuned()},
    }
    for name, data in config_maps.items():
        yield r.CONFIG_MAP, config_map(names.namespace, _free(names, name), data)


def of_hosted_cluster(names: HostedClusterNames) -> Object:
    """Return the fields of the HostedCluster's spec."""

    def named(what: str) -> Object:
        return {"name": _free(names, what)}

    htpasswd = {
        "name": "people",
        "mappingMethod": "claim",
        "type": "HTPasswd",
        "htpasswd": {"fileData": named("people")},
    }
    openid = {
        "name": "single-sign-on",
        "mappingMethod": "claim",
        "type": "OpenID",
        "openID": {
            "clientID": "rehearsal",
            "clientSecret": named("single-sign-on"),
            "issuer": "https://identity.rehearsal.example",
            "ca": named("directory-authority"),
            "claims": {"preferredUsername": ["preferred_username"]},
        },
    }
    served = {"names": [_extra_host(names)], "servingCertificate": named("extra-certificate")}
    return {
        "additionalTrustBundle": named("trusted"),
        "auditWebhook": named("audit-target"),
        "serviceAccountSigningKey": named("token-signing"),
        "configuration": {
            "oauth": {"identityProviders": [htpasswd, openid], "templates": {"login": named("login-page")}},
            "apiServer": {
                "clientCA": named("clients-authority"),
                "servingCerts": {"namedCertificates": [served]},
            },
            "image": {"additionalTrustedCA": named("registries-authority")},
        },
    }


def of_node_pool(names: HostedClusterNames) -> Object:
    """Return the fields of every NodePool's spec."""
    return {"config": [{"name": _free(names, "kernel")}], "tuningConfig": [{"name": _free(names, "tuned")}]}


def _free(names: HostedClusterNames, what: str) -> str:
    """Return a name without a common prefix, so that no tool can find the object by prefix."""
    return f"{what}-for-{names.name}"


def _extra_host(names: HostedClusterNames) -> str:
    return f"kube-{names.name}.{HOSTED_DOMAIN}"


def _private_key() -> bytes:
    """Return the private key alone, as the operator requires."""
    key = serialization.load_pem_private_key(signing_key(), password=None)
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


def _audit_target() -> str:
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "audit", "cluster": {"server": "https://audit.rehearsal.example"}}],
            "users": [{"name": "audit", "user": {}}],
            "contexts": [{"name": "audit", "context": {"cluster": "audit", "user": "audit"}}],
            "current-context": "audit",
        }
    )


def _machine_config() -> str:
    return json.dumps(
        {
            "apiVersion": "machineconfiguration.openshift.io/v1",
            "kind": "MachineConfig",
            "metadata": {"name": "kernel", "labels": {"machineconfiguration.openshift.io/role": "worker"}},
            "spec": {"config": {"ignition": {"version": "3.2.0"}}, "kernelArguments": ["audit=1"]},
        }
    )


def _tuned() -> str:
    profile = {"name": "quiet", "data": "[main]\nsummary=rehearsal\n[sysctl]\nvm.swappiness=10\n"}
    recommended = {"priority": 20, "profile": "quiet"}
    return json.dumps(
        {
            "apiVersion": "tuned.openshift.io/v1",
            "kind": "Tuned",
            "metadata": {"name": "quiet", "namespace": "openshift-cluster-node-tuning-operator"},
            "spec": {"profile": [profile], "recommend": [recommended]},
        }
    )
