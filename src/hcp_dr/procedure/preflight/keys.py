"""The keys of the hosted cluster: are the certificate authorities complete, does AWS know the signing key (rule E3),
and may the destination use the encryption keys?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Check, Decision, Step
from hcp_dr.hypershift import oidc_documents
from hcp_dr.hypershift.checks import bad_if, read_one, verdict
from hcp_dr.hypershift.oidc_documents import Documents
from hcp_dr.kube.port import Object
from hcp_dr.kube.resources import HOSTED_CLUSTER, SECRET, STORAGE_CLASS
from hcp_dr.model import Case, Ports
from hcp_dr.objects.reading import dig, name_of
from hcp_dr.upstream import ANCHORS, AUTHORITIES, SIGNING_KEY

KMS_ACTIONS = "kms:Encrypt, kms:Decrypt, kms:ReEncrypt*, kms:GenerateDataKey*, kms:DescribeKey"
"""Required by the HostedCluster's schema (spec.secretEncryption.kms.aws.auth.awsKms)."""
VOLUME_ACTIONS = "kms:Decrypt, kms:ReEncrypt*, kms:GenerateDataKeyWithoutPlaintext, kms:DescribeKey, kms:CreateGrant"


@dataclass(frozen=True, slots=True)
class Facts:
    missing: tuple[str, ...]  # absent Secrets that must be carried, and absent keys of these Secrets
    documents: Documents
    provider: str  # of KMS; "" if secrets are not encrypted with KMS
    keys: tuple[str, ...]  # of KMS
    role: str
    volume_key: str  # KMS key of the destination's storage class for etcd's volume


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    source, own = ports.source, case.control_plane_namespace
    hosted_cluster = source.get(HOSTED_CLUSTER, case.name, case.namespace)
    secrets = {name_of(secret): secret for secret in source.list(SECRET, own).items}
    anchors = {name: secrets.get(name) for name in ANCHORS}
    kms = dig(hosted_cluster, "spec", "secretEncryption", "kms") or {}
    storage_class = dig(hosted_cluster, "spec", "etcd", "managed", "storage", "persistentVolume", "storageClassName")
    chosen = read_one(ports.destination, STORAGE_CLASS, str(storage_class)) if storage_class else None
    arns = (dig(kms, "aws", which, "arn") for which in ("activeKey", "backupKey"))
    return Facts(
        missing=tuple(text for name, secret in anchors.items() for text in _find_missing(name, secret)),
        documents=oidc_documents.read_documents(ports, source, case, hosted_cluster, anchors[SIGNING_KEY]),
        provider=str(kms.get("provider", "")),
        keys=tuple(str(arn) for arn in arns if arn),
        role=str(dig(kms, "aws", "auth", "awsKms") or ""),
        volume_key=str(dig(chosen, "parameters", "kmsKeyId") or ""),
    )


def _find_missing(name: str, secret: Object | None) -> tuple[str, ...]:
    if secret is None:
        return (name,)
    wanted = ("ca.crt", "ca.key") if name in AUTHORITIES else ("service-account.key",)
    data = secret.get("data") or {}
    return tuple(f"{key} of {name}" for key in wanted if not data.get(key))


def checks(facts: Facts) -> tuple[Check, ...]:
    results = [
        bad_if(
            facts.missing,
            "keys.authorities",
            f"missing in the control plane namespace: {', '.join(facts.missing)}"
            if facts.missing
            else f"{', '.join(ANCHORS)} are complete",
            "the destination would generate a new key, and distrust every node and token of the hosted cluster (rules "
            "B1, B2)",
            "restore the Secret first",
        ),
        _check_signing_key(facts),
        _check_kms(facts),
    ]
    if facts.volume_key:
        results.append(
            Check(
                "keys.etcd_volume",
                "warning",
                f"the destination's storage class encrypts etcd's volume with KMS key {facts.volume_key}",
                "without permission to use this key no volume is created, and etcd's pod stays pending while the API "
                "is unavailable",
                f"check that the role of the destination's EBS CSI driver has {VOLUME_ACTIONS} on the key",
            )
        )
    return tuple(results)


def _check_signing_key(facts: Facts) -> Check:
    """Compares the documents if they are readable, else uses the condition of the control plane operator."""
    name, documents = "keys.signing_key", facts.documents
    why = "AWS accepts only tokens of a published key: without it no volume is attached, no load balancer created, and "
    why += "no NodePool becomes ready (rule E3)"
    match documents.published:
        case "same":
            return Check(name, "ok", f"{SIGNING_KEY} is among the published keys in {documents.bucket}")
        case "other":
            return Check(
                name,
                "blocked",
                f"the published key set in {documents.bucket} has no key of Secret {SIGNING_KEY}",
                why,
                "find out which key is right; publish the documents of the signing key, and test a token of this key",
            )
        case "absent" if documents.kept and not documents.own_key:
            return Check(
                name,
                "blocked",
                f"no key set is published in {documents.bucket}, but the HostedCluster has the finalizer of a "
                "published key set",
                why,
                "publish the documents again: because of the finalizer, the destination does not publish the documents",
                acceptable=True,
            )
    place = "of the cluster's owner" if documents.own_key else f"in {documents.bucket or 'an unknown bucket'}"
    seen = f"the documents {place} were not compared with Secret {SIGNING_KEY}; "
    if documents.trusted == "True":
        return Check(name, "ok", f"{seen}ValidAWSIdentityProvider is True: AWS accepts tokens of the key")
    seen += f"ValidAWSIdentityProvider is {documents.trusted or 'not reported'}"
    todo = "compare the key set below the issuer's URL (openid/v1/jwks) with service-account.pub of the Secret"
    verdict: Literal["blocked", "unknown"] = "blocked" if documents.trusted == "False" else "unknown"
    return Check(name, verdict, seen, why, f"{todo}; accept this check if both keys are the same", acceptable=True)


def _check_kms(facts: Facts) -> Check:
    name = "keys.encryption"
    if not facts.provider:
        return Check(name, "ok", "the content of etcd is not encrypted with KMS")
    if facts.provider != "AWS" or not facts.keys:
        return Check(
            name,
            "blocked",
            f"etcd's content is encrypted by KMS of {facts.provider}, key {', '.join(facts.keys) or 'not named'}",
            "without the key the restored content is unreadable",
            "not supported: hcp-dr handles only keys of AWS KMS",
        )
    return Check(
        name,
        "warning",
        f"etcd's content is encrypted with KMS key {', '.join(facts.keys)}, used by role {facts.role or '(none)'}",
        "without permission to use this key from the destination, kube-apiserver cannot read the restored content; "
        "hcp-dr cannot test this permission in advance",
        f"check that the role has {KMS_ACTIONS} on the key, and that the key's policy is not limited to the source's "
        "network or VPC endpoint",
    )


def plan(facts: Facts) -> Decision:
    return verdict(checks(facts))


STEP = Step(name="preflight.keys", documented="-", observe=observe, plan=plan)
