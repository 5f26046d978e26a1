"""The OIDC documents with which AWS verifies the tokens of the hosted cluster's service accounts, and their signing key
(rule E3)."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Literal

from hcp_dr.errors import AwsDenied, BucketRefused
from hcp_dr.kube.port import Kubernetes, Object
from hcp_dr.kube.resources import DEPLOYMENT
from hcp_dr.model import Case, Ports
from hcp_dr.objects.reading import condition, dig, first_container, flags_of
from hcp_dr.objects.scrub import keeps_oidc_documents
from hcp_dr.objects.signing import KEY_SET, publishes
from hcp_dr.upstream import OPERATOR, OPERATOR_NAMESPACE, VALID_AWS_IDENTITY_PROVIDER

PUBLIC_KEY = "service-account.pub"
_MOST_BYTES = 64 * 1024  # of a key set

Published = Literal["same", "other", "absent", "unreadable", "untold"]
"""The published key set compared with the signing key. untold: no source names its bucket."""


@dataclass(frozen=True, slots=True)
class Documents:
    bucket: str  # the bucket of the operator, "" if unknown
    published: Published
    own_key: bool  # the user provided the signing key, and publishes the documents
    kept: bool  # by the HostedCluster, the operator has published the documents
    trusted: str  # does AWS accept a token of the key? By the HostedCluster: True, False, Unknown or ""


def read_documents(
    ports: Ports, cluster: Kubernetes, case: Case, hosted_cluster: Object | None, secret: Object | None
) -> Documents:
    """`cluster` is the management cluster whose operator publishes them; `secret` is its Secret sa-signing-key."""
    bucket = bucket_of(cluster.find(DEPLOYMENT, OPERATOR, OPERATOR_NAMESPACE) or {})
    return Documents(
        bucket=bucket,
        published=_published(ports, bucket, f"{case.infra_id}{KEY_SET}", secret) if bucket else "untold",
        own_key=bool(dig(hosted_cluster, "spec", "serviceAccountSigningKey", "name")),
        kept=hosted_cluster is not None and keeps_oidc_documents(hosted_cluster),
        trusted=(condition(hosted_cluster, VALID_AWS_IDENTITY_PROVIDER) if hosted_cluster else None) or "",
    )


def bucket_of(operator: Object) -> str:
    """The bucket for OIDC documents, by the HyperShift operator's Deployment; "" if it has none."""
    return next(iter(flags_of(first_container(operator)).get("oidc-storage-provider-s3-bucket-name", ())), "")


def _published(ports: Ports, bucket: str, key: str, secret: Object | None) -> Published:
    public = dig(secret, "data", PUBLIC_KEY)
    try:
        key_set = ports.bucket.read_elsewhere(bucket, key, first_bytes=_MOST_BYTES)
        if key_set is None:
            return "absent"
        if not public:
            return "unreadable"
        return "same" if publishes(key_set, base64.b64decode(public)) else "other"
    except (ValueError, AwsDenied, BucketRefused):
        return "unreadable"
