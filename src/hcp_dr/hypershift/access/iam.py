"""The permissions of the AWS credentials, as an IAM policy: one prefix of one bucket, one zone, the instances."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hcp_dr.hypershift.manual_backup.snapshot import documented_key
from hcp_dr.upstream import INSTANCE_TAGS


@dataclass(frozen=True, slots=True)
class Scope:
    """The settings that narrow the policy. `region`, `domain` and `infra_id` may be empty: then they narrow nothing."""

    namespace: str
    name: str
    bucket: str
    zone_id: str
    domain: str
    region: str
    encryption: str
    infra_id: str = ""
    partition: str = "aws"
    suffix: str = "amazonaws.com"  # of AWS's hostnames in the partition


def policy(scope: Scope) -> dict[str, Any]:
    """An IAM policy document, without termination of instances, and without any other hosted cluster's prefix."""
    arn = f"arn:{scope.partition}"
    bucket = f"{arn}:s3:::{scope.bucket}"
    zone = f"{arn}:route53:::hostedzone/{scope.zone_id.removeprefix('/hostedzone/')}"
    statements = [
        _allow(
            "Backups",
            (
                "s3:PutObject",
                "s3:GetObject",
                "s3:DeleteObject",
                "s3:AbortMultipartUpload",
                "s3:ListMultipartUploadParts",
            ),
            f"{bucket}/hcp-dr/{scope.namespace}/{scope.name}/*",
        ),
        # written by `--documented-key`, and read by the restore of a backup made by hand
        _allow(
            "DocumentedSnapshot",
            ("s3:PutObject", "s3:GetObject", "s3:DeleteObject"),
            f"{bucket}/{documented_key(scope.name)}",
        ),
        # without ListBucket S3 answers 403 for a missing object, and a HEAD has no prefix for a condition
        _allow("BackupIsThereOrNot", ("s3:ListBucket", "s3:ListBucketMultipartUploads"), bucket),
        # public by design: AWS itself reads them without credentials
        _allow("ReadPublishedKeys", ("s3:GetObject",), f"{arn}:s3:::*/openid/v1/jwks"),
        _allow("ReadZone", ("route53:GetHostedZone", "route53:ListResourceRecordSets"), zone),
        {**_allow("MoveNames", ("route53:ChangeResourceRecordSets",), zone), **_only_below(scope.domain)},
        _allow("SeeInstances", ("ec2:DescribeInstances", "ec2:DescribeInstanceAttribute"), "*"),
        {
            **_allow(
                "ProtectInstances",
                ("ec2:ModifyInstanceAttribute",),
                f"{arn}:ec2:{scope.region or '*'}:*:instance/*",
            ),
            **_only_protection(scope.infra_id),
        },
        _allow("WhoAmI", ("sts:GetCallerIdentity",), "*"),
    ]
    # The bucket may encrypt by default, with any key, in a region of its own: the key is used for this bucket only.
    name = "EncryptBackups" if scope.encryption.startswith("aws:kms") else "EncryptByDefault"
    of_bucket = {
        "kms:ViaService": f"s3.*.{scope.suffix}",
        "kms:EncryptionContext:aws:s3:arn": [bucket, f"{bucket}/*"],
    }
    keys = _allow(name, ("kms:GenerateDataKey", "kms:Decrypt"), "*")
    statements.append({**keys, "Condition": {"StringLike": of_bucket}})
    return {"Version": "2012-10-17", "Statement": statements}


def _allow(sid: str, actions: tuple[str, ...], resource: str) -> dict[str, Any]:
    return {"Sid": sid, "Effect": "Allow", "Action": list(actions), "Resource": resource}


def _only_protection(infra_id: str) -> dict[str, Any]:
    """No other attribute: user data and security groups are attributes too."""
    equal = {"ec2:Attribute": "DisableApiTermination"}
    if infra_id:
        equal[f"aws:ResourceTag/{INSTANCE_TAGS[0]}{infra_id}"] = "owned"
    return {"Condition": {"StringEquals": equal}}


def _only_below(domain: str) -> dict[str, Any]:
    if not domain:
        return {}
    names = {"route53:ChangeResourceRecordSetsNormalizedRecordNames": [domain, f"*.{domain}"]}
    return {"Condition": {"ForAllValues:StringLike": names}}


def text(document: dict[str, Any]) -> str:
    """For display: a line for each statement."""
    lines = ["iam:"]
    for each in document["Statement"]:
        narrowed = " (narrowed by a condition)" if "Condition" in each else ""
        lines.append(f"  {each['Sid']:19} {' '.join(each['Action'])}\n  {'':19}   on {each['Resource']}{narrowed}")
    return "\n".join(lines)
