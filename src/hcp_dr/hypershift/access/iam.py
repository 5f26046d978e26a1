"""What the AWS credentials must be allowed, as an IAM policy: one prefix of one bucket, one zone, the instances."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hcp_dr.hypershift.manual_backup.snapshot import documented_key

_OBJECTS = (
    "s3:PutObject",
    "s3:GetObject",
    "s3:DeleteObject",
    "s3:AbortMultipartUpload",
    "s3:ListMultipartUploadParts",
)


@dataclass(frozen=True, slots=True)
class Scope:
    """What of the settings narrows the policy. `region` and `domain` may be empty: then they narrow nothing."""

    namespace: str
    name: str
    bucket: str
    zone_id: str
    domain: str
    region: str
    encryption: str


def policy(scope: Scope) -> dict[str, Any]:
    """An IAM policy document. Termination of instances is not in it, nor is any other hosted cluster's prefix."""
    bucket = f"arn:aws:s3:::{scope.bucket}"
    zone = f"arn:aws:route53:::hostedzone/{scope.zone_id}"
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
        # what `--documented-key` writes, and a restore of a backup that was made by hand reads
        _allow(
            "DocumentedSnapshot",
            ("s3:PutObject", "s3:GetObject", "s3:DeleteObject"),
            f"{bucket}/{documented_key(scope.name)}",
        ),
        # without ListBucket S3 calls what is not there forbidden, and a HEAD names no prefix to narrow it by
        _allow("BackupIsThereOrNot", ("s3:ListBucket", "s3:ListBucketMultipartUploads"), bucket),
        # public by their nature: AWS itself reads them without credentials
        _allow("ReadPublishedKeys", ("s3:GetObject",), "arn:aws:s3:::*/openid/v1/jwks"),
        _allow("ReadZone", ("route53:GetHostedZone", "route53:ListResourceRecordSets"), zone),
        {**_allow("MoveNames", ("route53:ChangeResourceRecordSets",), zone), **_only_below(scope.domain)},
        _allow("SeeInstances", ("ec2:DescribeInstances", "ec2:DescribeInstanceAttribute"), "*"),
        _allow(
            "ProtectInstances",
            ("ec2:ModifyInstanceAttribute",),
            f"arn:aws:ec2:{scope.region or '*'}:*:instance/*",
        ),
        _allow("WhoAmI", ("sts:GetCallerIdentity",), "*"),
    ]
    if scope.encryption.startswith("aws:kms"):
        through_s3 = {"Condition": {"StringLike": {"kms:ViaService": f"s3.{scope.region or '*'}.amazonaws.com"}}}
        statements.append({**_allow("EncryptBackups", ("kms:GenerateDataKey", "kms:Decrypt"), "*"), **through_s3})
    return {"Version": "2012-10-17", "Statement": statements}


def _allow(sid: str, actions: tuple[str, ...], resource: str) -> dict[str, Any]:
    return {"Sid": sid, "Effect": "Allow", "Action": list(actions), "Resource": resource}


def _only_below(domain: str) -> dict[str, Any]:
    if not domain:
        return {}
    names = {"route53:ChangeResourceRecordSetsNormalizedRecordNames": [domain, f"*.{domain}"]}
    return {"Condition": {"ForAllValues:StringLike": names}}


def text(document: dict[str, Any]) -> str:
    """For people: a line for each statement."""
    lines = ["iam:"]
    for each in document["Statement"]:
        narrowed = " (narrowed by a condition)" if "Condition" in each else ""
        lines.append(f"  {each['Sid']:19} {' '.join(each['Action'])}\n  {'':19}   on {each['Resource']}{narrowed}")
    return "\n".join(lines)
