"""Translates the errors of libraries and the HTTP statuses of an API server into the errors of this project.

Only the message of a Status object is reported, and only its beginning: the bodies of proxies and load balancers, and
long messages, may contain data that must not be logged.
"""

from __future__ import annotations

import json
import math
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpcore2
import httpx2
import wsproto.utilities

from hcp_dr import errors
from hcp_dr.kube.credentials import CredentialsError
from hcp_dr.kube.fields import UnusableError

MAX_LENGTH = 256

_BY_CODE: Mapping[int, type[errors.KubernetesError]] = {
    400: errors.Invalid,
    401: errors.Unauthorized,
    403: errors.Forbidden,
    404: errors.NotFound,
    409: errors.Conflict,
    410: errors.Expired,
    413: errors.Invalid,
    422: errors.Invalid,
}
_BUSY = frozenset({408, 429, 500, 502, 503, 504})
_NO_SERVICE_ACCOUNT_YET = "error looking up service account"
"""The API server refuses a pod with these words in a new namespace until its ServiceAccount exists: a passing error."""


class AnswerError(Exception):
    """A response that breaks the protocol; the text gives the reason."""


class StatusError(Exception):
    """A Status object inside a response with a good HTTP status; code 0 translates into a plain KubernetesError."""

    def __init__(self, status: Mapping[str, Any], code: int) -> None:
        self.status = status
        self.code = code
        super().__init__(str(status.get("message")))


@contextmanager
def translate_errors(cluster: str, verb: str, subject: str) -> Iterator[None]:
    """Raise errors of the body as classes of hcp_dr.errors; `subject` names the object, such as Secret a/b."""
    try:
        yield
    except (CredentialsError, UnusableError) as error:
        raise errors.Unauthorized(cluster=cluster, verb=verb, object=subject, reason=_shorten(str(error))) from error
    except httpx2.HTTPStatusError as error:
        raise _from_response(error.response, (cluster, verb, subject)) from error
    except StatusError as error:
        raise from_status(error.code, error.status, None, (cluster, verb, subject)) from error
    except _UNREACHABLE as error:
        request = {"cluster": cluster, "verb": verb, "object": subject}
        shown = any(isinstance(cause, ssl.SSLCertVerificationError) for cause in _causes(error))
        raise errors.ClusterUnreachable(**request, reason=_reason(error), shown=shown) from error


_UNREACHABLE = (
    httpx2.HTTPError,
    httpx2.InvalidURL,
    httpx2.StreamError,
    httpx2.CookieConflict,
    httpcore2.TimeoutException,
    httpcore2.NetworkError,
    httpcore2.ProtocolError,
    httpcore2.ProxyError,
    httpcore2.UnsupportedProtocol,
    httpcore2.ConnectionNotAvailable,
    wsproto.utilities.ProtocolError,
    ssl.SSLError,
    OSError,
    AnswerError,
)


def _from_response(response: httpx2.Response, request: tuple[str, str, str]) -> errors.KubernetesError:
    code, status = response.status_code, _status(response)
    if not status and code not in _BUSY and "Audit-Id" not in response.headers:
        # A 404 from a load balancer or a proxy does not mean that the object is absent from the cluster.
        cluster, verb, subject = request
        reason = f"HTTP {code} does not come from a Kubernetes API server"
        return errors.ClusterUnreachable(cluster=cluster, verb=verb, object=subject, reason=reason)
    return from_status(code, status, response.headers.get("Retry-After"), request)


def from_status(
    code: int, status: Mapping[str, Any], retry_after: str | None, request: tuple[str, str, str]
) -> errors.KubernetesError:
    """The error for a Status object (empty if the response has none) and its HTTP code; `request` is cluster, verb,
    object."""
    cluster, verb, subject = request
    reason = str(status.get("reason") or "")
    message = _shorten(str(status.get("message") or reason or f"HTTP {code}"))
    if code == 401:
        message = "Unauthorized"  # a server that refuses a token may quote it
    values = {"cluster": cluster, "verb": verb, "object": subject, "reason": message}
    details, causes = details_of(status)
    if code in _BUSY:
        return errors.ServerBusy(retry_after=_seconds(retry_after or details.get("retryAfterSeconds")), **values)
    if code == 403 and _NO_SERVICE_ACCOUNT_YET in message:
        return errors.ServerBusy(retry_after=None, **values)
    if code == 409 and reason == "AlreadyExists":
        return errors.AlreadyExists(**values)
    if any(cause.get("reason") == "NamespaceTerminating" for cause in causes):
        return errors.KubernetesError(**values)
    return _BY_CODE.get(code, errors.KubernetesError)(**values)


def details_of(status: Mapping[str, Any]) -> tuple[Mapping[str, Any], tuple[Mapping[str, Any], ...]]:
    """The details of a Status object, and their causes; those of another type are left out."""
    details = status.get("details")
    details = details if isinstance(details, Mapping) else {}
    causes = details.get("causes")
    return details, tuple(each for each in causes if isinstance(each, Mapping)) if isinstance(causes, list) else ()


def _status(response: httpx2.Response) -> Mapping[str, Any]:
    try:
        body = json.loads(response.content)
    except (ValueError, RecursionError, httpx2.ResponseNotRead):
        return {}
    return body if isinstance(body, dict) and body.get("kind") == "Status" else {}


def _seconds(retry_after: object) -> float | None:
    """The seconds of a Retry-After header, a number or a date; None for any other value."""
    if not isinstance(retry_after, str | int):
        return None
    try:
        seconds = float(retry_after)
    except (ValueError, OverflowError):
        seconds = math.nan
    if math.isfinite(seconds):
        return max(0.0, seconds)
    try:
        return max(0.0, (parsedate_to_datetime(str(retry_after)) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return None


def _reason(error: Exception) -> str:
    """A readable reason: the AnswerError's own text, else the first known cause."""
    if isinstance(error, AnswerError):
        return _shorten(str(error))
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _shorten(f"its certificate is not trusted: {getattr(cause, 'verify_message', '') or cause}")
        if isinstance(cause, socket.gaierror):
            return _shorten(f"its name cannot be resolved: {cause.strerror or cause}")
        if isinstance(cause, (httpx2.ConnectTimeout, httpcore2.ConnectTimeout)):
            return "no connection in time"
        if isinstance(cause, (httpx2.TimeoutException, httpcore2.TimeoutException, TimeoutError)):
            return "no answer in time"
    return _shorten(str(error) or type(error).__name__)


def _causes(error: BaseException) -> list[BaseException]:
    """The error and its chain of causes."""
    chain = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None and cause not in chain:
        chain.append(cause)
    return chain


def _shorten(text: str) -> str:
    text = " ".join(text.split()).rstrip(".")
    return text if len(text) <= MAX_LENGTH else text[: MAX_LENGTH - 1] + "…"
