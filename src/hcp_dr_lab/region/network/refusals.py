"""Failure responses in the format of every service, as clients expect them: Kubernetes' Status, AWS's XML."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http import HTTPStatus

from hcp_dr_lab.region.faults import API_SUFFIX, Fault, Kind, Request

_REASONS = {  # apimachinery's metav1.StatusReason
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    410: "Expired",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}
_TOO_OLD = "The provided resource version or continue parameter is too old to be used."
_CODES = {  # error codes of services under overload
    "s3": "SlowDown",
    "route53": "Throttling",
    "ec2": "RequestLimitExceeded",
    "sts": "Throttling",
}
_XML = {
    "s3": "<Error><Code>{code}</Code><Message>{message}</Message><RequestId>rehearsal</RequestId></Error>",
    "ec2": "<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors>"
    "<RequestID>rehearsal</RequestID></Response>",
}
_ERROR_RESPONSE = (
    "<ErrorResponse><Error><Type>{type}</Type><Code>{code}</Code><Message>{message}</Message></Error>"
    "<RequestId>rehearsal</RequestId></ErrorResponse>"
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A response that a fault generates."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


def refusal(fault: Fault, number: int, target: str, request: Request) -> Refusal:
    """Return the response for a fault of kind STATUS or GONE."""
    message = f"Fault {number} of the rehearsal is active on {target}."
    after = (("Retry-After", str(fault.retry_after)),) if fault.retry_after is not None else ()
    if not target.endswith(API_SUFFIX):
        return Refusal(fault.status, (("Content-Type", "application/xml"), *after), _xml(target, fault.status, message))
    content_type = (("Content-Type", "application/json"),)
    if fault.kind is Kind.GONE:
        if request.watches:
            event = {"type": "ERROR", "object": _status(410, _TOO_OLD)}
            return Refusal(200, content_type, json.dumps(event).encode() + b"\n")
        return Refusal(410, content_type, json.dumps(_status(410, _TOO_OLD)).encode())
    details = {"details": {"retryAfterSeconds": fault.retry_after}} if fault.retry_after is not None else {}
    return Refusal(fault.status, (*content_type, *after), json.dumps(_status(fault.status, message) | details).encode())


def _status(code: int, message: str) -> dict[str, object]:
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": _REASONS.get(code, ""),
        "code": code,
    }


def _xml(service: str, status: int, message: str) -> bytes:
    busy = status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.BAD_REQUEST}
    denied = status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
    code = _CODES[service] if busy else "AccessDenied" if denied else "InternalError"
    kind = "Sender" if status < 500 else "Receiver"
    text = _XML.get(service, _ERROR_RESPONSE).format(code=code, message=message, type=kind)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'.encode()
