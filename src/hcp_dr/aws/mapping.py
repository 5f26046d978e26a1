"""Translates the errors of the AWS library into the errors of this project."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from botocore import exceptions
from botocore.parsers import ResponseParserError

from hcp_dr import errors
from hcp_dr.aws import page

MAX_LENGTH = 256

_CREDENTIALS = re.compile(
    "AuthFailure|ExpiredToken.*|IncompleteSignature|Invalid(AccessKeyId|ClientTokenId|Token)|MissingAuthenticationToken|"
    "NotSignedUp|OptInRequired|RequestExpired|RequestTimeTooSkewed|SignatureDoesNotMatch|TokenRefreshRequired|"
    "UnrecognizedClientException"
)
_DENIED = re.compile("403|AccessDenied.*|AllAccessDisabled|Forbidden|UnauthorizedOperation")
_BUSY = re.compile(
    ".*Thrott.*|.*LimitExceeded|Internal(Error|Failure|ServerError)|OperationAborted|PriorRequestNotComplete|"
    "ConditionalRequestConflict|RequestTimeout.*|(Service)?Unavailable|SlowDown|TooManyRequests.*"
)
_CONFLICT = re.compile("PreconditionFailed|412")
_STALE_BATCH = re.compile("but it already exists|but it was not found|do not match the current values")
_UNREACHABLE = (
    exceptions.HTTPClientError,  # with its subclasses for connections, timeouts, TLS and proxies
    exceptions.ConnectionError,
    exceptions.IncompleteReadError,
    exceptions.InvalidIMDSEndpointError,
    exceptions.MetadataRetrievalError,
)
_NO_CREDENTIALS = (
    EOFError,  # the credentials need an MFA code, and stdin is closed
    exceptions.CredentialRetrievalError,
    exceptions.LoginError,
    exceptions.NoAuthTokenError,
    exceptions.NoCredentialsError,
    exceptions.PartialCredentialsError,
    exceptions.ProfileNotFound,
    exceptions.RefreshWithMFAUnsupportedError,
    exceptions.SSOError,
    exceptions.TokenRetrievalError,
)
MALFORMED: tuple[type[Exception], ...] = (ResponseParserError, LookupError, AttributeError, TypeError, ValueError)
_OTHER = (exceptions.BotoCoreError, exceptions.UndefinedModelAttributeError)


@contextmanager
def translate_errors(service: str, operation: str, subject: str) -> Iterator[None]:
    """Raise errors of the body as classes of hcp_dr.errors; `subject` names a bucket, a zone, an instance."""
    try:
        yield
    except exceptions.ClientError as error:
        message = str(error.response.get("Error", {}).get("Message", ""))
        http = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        if service == "S3" and (redirect := _page_of(error, http)).redirects:
            raise _redirected(redirect, operation, subject) from error
        raise from_answer(
            code_of(error), message, http, service=service, operation=operation, subject=subject
        ) from error
    except _UNREACHABLE as error:
        raise errors.AwsUnreachable(
            service=service, operation=operation, object=subject, reason=_shorten(error)
        ) from error
    except _NO_CREDENTIALS as error:
        raise errors.AwsDenied(service=service, operation=operation, object=subject, reason=_shorten(error)) from error
    except _OTHER as error:
        raise errors.AwsError(service=service, operation=operation, object=subject, reason=_shorten(error)) from error
    except MALFORMED as error:
        reason = "the response does not have the form that the service sends"
        raise errors.AwsError(service=service, operation=operation, object=subject, reason=reason) from error


def _page_of(error: exceptions.ClientError, http: int) -> page.Page:
    answer: Mapping[str, Any] = error.response
    code = code_of(error)
    location = str(answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("location", ""))
    host = page.host_of(location) or page.host_of(f"//{answer.get('Error', {}).get('Endpoint', '')}")
    return page.Page(http, "" if code.isdecimal() else code, "", host)


def _redirected(redirect: page.Page, operation: str, subject: str) -> errors.AwsError:
    return errors.BucketRefused(operation=operation, object=subject, reason=redirect.reason(), todo=page.REDIRECTED)


def code_of(error: exceptions.ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def from_answer(code: str, message: str, http: int, *, service: str, operation: str, subject: str) -> errors.AwsError:
    """The error for a service's error code and message, and the HTTP status."""
    values = {"service": service, "operation": operation, "object": subject, "reason": _shorten(message or code, code)}
    if _BUSY.fullmatch(code) or http == 429 or http >= 500:
        return errors.AwsBusy(**values)
    if _CREDENTIALS.fullmatch(code):
        return errors.AwsDenied(**values)
    if _CONFLICT.fullmatch(code) or (code == "InvalidChangeBatch" and _STALE_BATCH.search(message)):
        return errors.AwsConflict(**values)
    if service == "S3":
        return errors.BucketRefused(**values)
    return errors.AwsDenied(**values) if _DENIED.fullmatch(code) or http == 403 else errors.AwsError(**values)


def from_page(
    body: bytes, http: int, *, location: str = "", service: str, operation: str, subject: str
) -> errors.AwsError:
    """As `from_answer`, for a raw response: a refusal in XML, or a redirect."""
    answer = page.read(http, body, location)
    if answer.redirects:
        return _redirected(answer, operation, subject)
    return from_answer(
        answer.code or str(http), answer.message, http, service=service, operation=operation, subject=subject
    )


def _shorten(error: object, code: str = "") -> str:
    text = " ".join(str(error).split()).rstrip(".")
    text = text if len(text) <= MAX_LENGTH else text[: MAX_LENGTH - 1] + "…"
    return f"{code}: {text}" if code and code not in text else text
