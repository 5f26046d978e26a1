"""The one place where errors of the AWS library become the errors of this project."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from botocore import exceptions

from hcp_dr import errors
from hcp_dr.aws import page

LONGEST = 256

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
    exceptions.HTTPClientError,  # also what lies below: connecting, timing out, TLS, proxies
    exceptions.ConnectionError,
    exceptions.IncompleteReadError,
    exceptions.InvalidIMDSEndpointError,
    exceptions.MetadataRetrievalError,
)
_NO_CREDENTIALS = (
    EOFError,  # nobody is there to type the code that they ask for
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
_OTHER = (exceptions.BotoCoreError, exceptions.UndefinedModelAttributeError)


@contextmanager
def translate_errors(service: str, operation: str, subject: str) -> Iterator[None]:
    """What fails inside is raised as a class of hcp_dr.errors; `subject` is a bucket, a zone, an instance."""
    try:
        yield
    except exceptions.ClientError as error:
        message = str(error.response.get("Error", {}).get("Message", ""))
        http = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        if service == "S3" and (redirect := _answered(error, http)).redirects:
            raise _redirected(redirect, operation, subject) from error
        raise from_answer(
            code_of(error), message, http, service=service, operation=operation, subject=subject
        ) from error
    except _UNREACHABLE as error:
        raise errors.AwsUnreachable(service=service, operation=operation, object=subject, reason=_cut(error)) from error
    except _NO_CREDENTIALS as error:
        raise errors.AwsDenied(service=service, operation=operation, object=subject, reason=_cut(error)) from error
    except _OTHER as error:
        raise errors.AwsError(service=service, operation=operation, object=subject, reason=_cut(error)) from error


def _answered(error: exceptions.ClientError, http: int) -> page.Page:
    answer: Mapping[str, Any] = error.response
    code = code_of(error)
    location = str(answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("location", ""))
    place = page.host_of(location) or page.host_of(f"//{answer.get('Error', {}).get('Endpoint', '')}")
    return page.Page(http, "" if code.isdecimal() else code, "", place)


def _redirected(found: page.Page, operation: str, subject: str) -> errors.AwsError:
    return errors.BucketRefused(operation=operation, object=subject, reason=found.told(), todo=page.REDIRECTED)


def code_of(error: exceptions.ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def from_answer(code: str, message: str, http: int, *, service: str, operation: str, subject: str) -> errors.AwsError:
    """The error that a refusal stands for: the service's error code and message, and the HTTP status."""
    values = {"service": service, "operation": operation, "object": subject, "reason": _cut(message or code, code)}
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
    """As `from_answer`, of a refusal in XML, or a redirect, that no library has read."""
    found = page.read(http, body, location)
    if found.redirects:
        return _redirected(found, operation, subject)
    return from_answer(
        found.code or str(http), found.message, http, service=service, operation=operation, subject=subject
    )


def _cut(error: object, code: str = "") -> str:
    text = " ".join(str(error).split()).rstrip(".")
    text = text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
    return f"{code}: {text}" if code and code not in text else text
