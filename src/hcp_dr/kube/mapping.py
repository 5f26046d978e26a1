"""The one place where library errors and HTTP statuses become the errors of this project.

Only the text of a body of kind Status is passed on, cut short: other bodies (of proxies, of load balancers) and
long ones may hold what must not be in a log.
"""

from __future__ import annotations

import json
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

LONGEST = 256

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
_NOT_YET = "error looking up service account"
"""A pod is refused so in a namespace that is so new that its ServiceAccount is not made yet: that passes."""


class AnswerError(Exception):
    """An answer that breaks the protocol; the text says how."""


class StatusError(Exception):
    """A Status object inside an answer that began well; code 0 makes it a refusal of no special kind."""

    def __init__(self, status: Mapping[str, Any], code: int) -> None:
        self.status = status
        self.code = code
        super().__init__(str(status.get("message")))


@contextmanager
def mapped(cluster: str, verb: str, subject: str) -> Iterator[None]:
    """What fails inside is raised as a class of hcp_dr.errors; `subject` names the object, like Secret a/b."""
    try:
        yield
    except (CredentialsError, UnusableError) as error:
        raise errors.Unauthorized(cluster=cluster, verb=verb, object=subject, reason=_cut(str(error))) from error
    except httpx2.HTTPStatusError as error:
        raise _from_response(error.response, (cluster, verb, subject)) from error
    except StatusError as error:
        raise from_status(error.code, error.status, None, (cluster, verb, subject)) from error
    except _UNREACHABLE as error:
        where = {"cluster": cluster, "verb": verb, "object": subject}
        shown = any(isinstance(cause, ssl.SSLCertVerificationError) for cause in _causes(error))
        raise errors.ClusterUnreachable(**where, reason=_reason(error), shown=shown) from error


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


def _from_response(response: httpx2.Response, where: tuple[str, str, str]) -> errors.KubernetesError:
    code, status = response.status_code, _status(response)
    if not status and code not in _BUSY and "Audit-Id" not in response.headers:
        # An absence reported by a load balancer or a proxy on the way would be taken for a fact about the cluster.
        cluster, verb, subject = where
        reason = f"HTTP {code} came from something that is not a Kubernetes API server"
        return errors.ClusterUnreachable(cluster=cluster, verb=verb, object=subject, reason=reason)
    return from_status(code, status, response.headers.get("Retry-After"), where)


def from_status(
    code: int, status: Mapping[str, Any], retry_after: str | None, where: tuple[str, str, str]
) -> errors.KubernetesError:
    """The error that a Status object (empty where there was none) and its HTTP code stand for."""
    cluster, verb, subject = where
    reason = str(status.get("reason") or "")
    told = _cut(str(status.get("message") or reason or f"HTTP {code}"))
    values = {"cluster": cluster, "verb": verb, "object": subject, "reason": told}
    details = status.get("details") or {}
    if code in _BUSY:
        return errors.ServerBusy(retry_after=_seconds(retry_after or details.get("retryAfterSeconds")), **values)
    if code == 403 and _NOT_YET in told:
        return errors.ServerBusy(retry_after=None, **values)
    if code == 409 and reason == "AlreadyExists":
        return errors.AlreadyExists(**values)
    if any(cause.get("reason") == "NamespaceTerminating" for cause in details.get("causes") or ()):
        return errors.KubernetesError(**values)
    return _BY_CODE.get(code, errors.KubernetesError)(**values)


def _status(response: httpx2.Response) -> Mapping[str, Any]:
    try:
        body = json.loads(response.content)
    except (ValueError, httpx2.ResponseNotRead):
        return {}
    return body if isinstance(body, dict) and body.get("kind") == "Status" else {}


def _seconds(retry_after: str | int | None) -> float | None:
    """Seconds from a Retry-After header, which is a number or a date."""
    if retry_after is None:
        return None
    try:
        return max(0.0, float(retry_after))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(str(retry_after)) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def _reason(error: Exception) -> str:
    """Words for a person; where they are not our own, the deepest cause says most."""
    if isinstance(error, AnswerError):
        return _cut(str(error))
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _cut(f"its certificate is not trusted: {getattr(cause, 'verify_message', '') or cause}")
        if isinstance(cause, socket.gaierror):
            return _cut(f"its name cannot be resolved: {cause.strerror or cause}")
        if isinstance(cause, (httpx2.ConnectTimeout, httpcore2.ConnectTimeout)):
            return "no connection in time"
        if isinstance(cause, (httpx2.TimeoutException, httpcore2.TimeoutException, TimeoutError)):
            return "no answer in time"
    return _cut(str(error) or type(error).__name__)


def _causes(error: BaseException) -> list[BaseException]:
    """The error, and what led to it."""
    chain = [error]
    while (deeper := chain[-1].__cause__ or chain[-1].__context__) is not None and deeper not in chain:
        chain.append(deeper)
    return chain


def _cut(text: str) -> str:
    text = " ".join(text.split()).rstrip(".")
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
