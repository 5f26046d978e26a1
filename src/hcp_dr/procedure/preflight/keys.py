"""The keys on which the hosted cluster stands: are its authorities whole, is its signing key the one that AWS knows
(rule E3), and may the destination use what encrypts its content?"""

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
"""As the HostedCluster's schema asks for (spec.secretEncryption.kms.aws.auth.awsKms)."""
VOLUME_ACTIONS = "kms:Decrypt, kms:ReEncrypt*, kms:GenerateDataKeyWithoutPlaintext, kms:DescribeKey, kms:CreateGrant"


@dataclass(frozen=True, slots=True)
class Facts:
    missing: tuple[str, ...]  # Secrets that must travel, and parts of them
    documents: Documents
    provider: str  # of KMS; "" where secrets are not encrypted by one
    keys: tuple[str, ...]  # of KMS
    role: str
    volume_key: str  # of KMS, with which the destination's storage class encrypts etcd's volume


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
        missing=tuple(text for name, secret in anchors.items() for text in _missing(name, secret)),
        documents=oidc_documents.read_documents(ports, source, case, hosted_cluster, anchors[SIGNING_KEY]),
        provider=str(kms.get("provider", "")),
        keys=tuple(str(arn) for arn in arns if arn),
        role=str(dig(kms, "aws", "auth", "awsKms") or ""),
        volume_key=str(dig(chosen, "parameters", "kmsKeyId") or ""),
    )


def _missing(name: str, secret: Object | None) -> tuple[str, ...]:
    if secret is None:
        return (name,)
    wanted = ("ca.crt", "ca.key") if name in AUTHORITIES else ("service-account.key",)
    data = secret.get("data") or {}
    return tuple(f"{key} of {name}" for key in wanted if not data.get(key))


def checks(facts: Facts) -> tuple[Check, ...]:
    found = [
        bad_if(
            facts.missing,
            "keys.authorities",
            f"missing in the control plane namespace: {', '.join(facts.missing)}"
            if facts.missing
            else f"{', '.join(ANCHORS)} are whole",
            "the destination would make it anew, and no node and no token would be trusted any more (rules B1, B2)",
            "restore the Secret first",
        ),
        _signing_key(facts),
        _kms(facts),
    ]
    if facts.volume_key:
        found.append(
            Check(
                "keys.etcd_volume",
                "warning",
                f"the destination's storage class encrypts etcd's volume with KMS key {facts.volume_key}",
                "without the right to use it no volume is made, and etcd's pod stays pending while the API is away",
                f"see that the role of the destination's EBS CSI driver is allowed {VOLUME_ACTIONS} on it",
            )
        )
    return tuple(found)


def _signing_key(facts: Facts) -> Check:
    """The documents are looked at where they can be read, else the control plane operator's word is what there is."""
    name, found = "keys.signing_key", facts.documents
    why = (
        "AWS takes the tokens of a key that it knows only: else no volume is attached, no load balancer made, and the "
    )
    why += "NodePools never become ready (rule E3)"
    match found.published:
        case "same":
            return Check(name, "ok", f"{SIGNING_KEY} is among the published keys in {found.bucket}")
        case "other":
            return Check(
                name,
                "blocked",
                f"the key set that is published in {found.bucket} has no key of Secret {SIGNING_KEY}",
                why,
                "find out which of the two is right; publish the documents of the signing key, and try a token of it",
            )
        case "absent" if found.kept and not found.own_key:
            return Check(
                name,
                "blocked",
                f"no key set is published in {found.bucket}, and the HostedCluster says that its own is there",
                why,
                "publish the documents again: the destination will not, since their finalizer says that they are there",
                acceptable=True,
            )
    where = "by the cluster's owner" if found.own_key else f"in {found.bucket or 'a bucket that is not told'}"
    seen = f"the documents that are kept {where} were not compared with Secret {SIGNING_KEY}; "
    if found.trusted == "True":
        return Check(name, "ok", f"{seen}ValidAWSIdentityProvider is True: AWS takes the tokens of the key")
    seen += f"ValidAWSIdentityProvider is {found.trusted or 'not told'}"
    todo = "compare the key set below the issuer's URL (openid/v1/jwks) with service-account.pub of the Secret"
    verdict: Literal["blocked", "unknown"] = "blocked" if found.trusted == "False" else "unknown"
    return Check(name, verdict, seen, why, f"{todo}; accept this when they are the same", acceptable=True)


def _kms(facts: Facts) -> Check:
    name = "keys.encryption"
    if not facts.provider:
        return Check(name, "ok", "the content of etcd is not encrypted with KMS")
    if facts.provider != "AWS" or not facts.keys:
        return Check(
            name,
            "blocked",
            f"etcd's content is encrypted by KMS of {facts.provider}, key {', '.join(facts.keys) or 'not named'}",
            "without the key nothing of the restored content can be read",
            "none here: only keys of AWS KMS are known",
        )
    return Check(
        name,
        "warning",
        f"etcd's content is encrypted with KMS key {', '.join(facts.keys)}, used by role {facts.role or '(none)'}",
        "without the right to use it from the destination kube-apiserver cannot read what was restored; whether it is "
        "allowed there cannot be tried beforehand",
        f"see that the role is allowed {KMS_ACTIONS} on the key, and that the key's policy does not name the source's "
        "network or VPC endpoint",
    )


def plan(facts: Facts) -> Decision:
    return verdict(checks(facts))


STEP = Step(name="preflight.keys", documented="-", observe=observe, plan=plan)
