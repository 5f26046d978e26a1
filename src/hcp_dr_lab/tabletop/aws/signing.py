"""Presigned URLs of S3: signature version 4 in the query, over the method, the path, the query and the signed headers.

The format is AWS's (Signature Version 4, "Authenticating Requests: Using Query Parameters"), identical to URLs for curl
in a real pod.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from calendar import timegm
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from hcp_dr_lab.tabletop.aws.refusal import Refusal

LONGEST_LIFE = 7 * 24 * 3600
_ALGORITHM = "AWS4-HMAC-SHA256"
_TIME = "%Y%m%dT%H%M%SZ"
_DENIED = "AccessDenied"


@dataclass(frozen=True, slots=True)
class Keys:
    """An access key. `token` is a session token, which makes URLs long."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    token: str | None = field(default=None, repr=False)


def presigned(
    keys: Keys, region: str, method: str, url: str, headers: Mapping[str, str], *, seconds: int, now: float
) -> str:
    """Return `url` with a signature valid from `now` for `seconds`, for a request with exactly these headers (by lower
    case names; the host is added)."""
    parts = urlsplit(url)
    stamp = time.strftime(_TIME, time.gmtime(now))
    scope = f"{stamp[:8]}/{region}/s3/aws4_request"
    signed = sorted({"host", *headers})
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    query |= {
        "X-Amz-Algorithm": _ALGORITHM,
        "X-Amz-Credential": f"{keys.access_key_id}/{scope}",
        "X-Amz-Date": stamp,
        "X-Amz-Expires": str(seconds),
        "X-Amz-SignedHeaders": ";".join(signed),
    }
    if keys.token:
        query["X-Amz-Security-Token"] = keys.token
    present = {"host": parts.netloc, **headers}
    signature = _signature(keys, method, parts.path, query, {name: present[name] for name in signed}, scope=scope)
    return f"{parts.scheme}://{parts.netloc}{parts.path}?{_encoded(query)}&X-Amz-Signature={signature}"


def verify(keys: Keys, method: str, url: str, headers: Mapping[str, str], *, now: float) -> None:
    """Raises Refusal like S3: unsigned, expired, a header not signed, or a request that differs from the signed
    request."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    given = query.pop("X-Amz-Signature", None)
    if given is None:
        raise Refusal(_DENIED, "Access Denied", 403)
    _check_form(query)
    access_key_id, _, scope = query["X-Amz-Credential"].partition("/")
    if access_key_id != keys.access_key_id:
        message = "The AWS Access Key Id you provided does not exist in our records."
        raise Refusal("InvalidAccessKeyId", message, 403)
    begins = _began(query["X-Amz-Date"])
    if now >= begins + int(query["X-Amz-Expires"]):
        raise Refusal(_DENIED, "Request has expired", 403)
    if now < begins - 900:
        raise Refusal(_DENIED, "Request is not yet valid", 403)
    present = {name.lower(): " ".join(value.split()) for name, value in headers.items()} | {"host": parts.netloc}
    signed = query["X-Amz-SignedHeaders"].split(";")
    if any(name.startswith("x-amz-") and name not in signed for name in present):
        raise Refusal(_DENIED, "There were headers present in the request which were not signed", 403)
    wanted = {name: present.get(name, "") for name in signed}
    expected = _signature(keys, method, parts.path, query, wanted, scope=scope)
    if not hmac.compare_digest(given.encode(), expected.encode()):
        message = (
            "The request signature we calculated does not match the signature you provided. "
            "Check your key and signing method."
        )
        raise Refusal("SignatureDoesNotMatch", message, 403)


def _check_form(query: Mapping[str, str]) -> None:
    wanted = ("X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders")
    life = query.get("X-Amz-Expires", "")
    if any(name not in query for name in wanted) or not life.isdigit():
        message = "Query-string authentication version 4 requires " + ", ".join(wanted)
        raise Refusal("AuthorizationQueryParametersError", message)
    if int(life) > LONGEST_LIFE:
        message = "X-Amz-Expires must be less than a week (in seconds) that is 604800"
        raise Refusal("AuthorizationQueryParametersError", message)


def _began(stamp: str) -> int:
    """Parse the timestamp into seconds since the epoch."""
    try:
        return timegm(time.strptime(stamp, _TIME))
    except ValueError as error:
        message = "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\""
        raise Refusal("AuthorizationQueryParametersError", message) from error


def _signature(
    keys: Keys, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str], *, scope: str
) -> str:
    """`headers` are the signed headers, by lower case names, sorted."""
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    canonical = "\n".join(
        (method, quote(unquote(path), safe="/-_.~"), _encoded(query), lines, ";".join(headers), "UNSIGNED-PAYLOAD")
    )
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    text = "\n".join((_ALGORITHM, query["X-Amz-Date"], scope, hashed))
    key = f"AWS4{keys.secret_access_key}".encode()
    for word in scope.split("/"):
        key = hmac.digest(key, word.encode(), "sha256")
    return hmac.digest(key, text.encode(), "sha256").hex()


def _encoded(query: Mapping[str, str]) -> str:
    return "&".join(f"{quote(name, safe='-_.~')}={quote(query[name], safe='-_.~')}" for name in sorted(query))
