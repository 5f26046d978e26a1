"""An API server's error response: a Status object with its HTTP code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hcp_dr.kube.port import Resource


class Refusal(Exception):
    """`status` is the body of the response, kind Status."""

    def __init__(self, code: int, reason: str, message: str, details: Mapping[str, Any] | None = None) -> None:
        self.code = code
        self.status: Mapping[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "status": "Failure",
            "code": code,
            "reason": reason,
            "message": message,
            "details": dict(details or {}),
        }
        super().__init__(message)


class Unanswered(Exception):
    """A webhook does not answer; the text is the failure, like `connection refused`."""


def not_found(resource: Resource, name: str) -> Refusal:
    return Refusal(404, "NotFound", f'{resource} "{name}" not found', {"name": name, "kind": resource.plural})


def not_served() -> Refusal:
    return Refusal(404, "NotFound", "the server could not find the requested resource")


def already_exists(resource: Resource, name: str) -> Refusal:
    return Refusal(409, "AlreadyExists", f'{resource} "{name}" already exists', {"name": name})


def conflict(resource: Resource, name: str, why: str) -> Refusal:
    message = f'Operation cannot be fulfilled on {resource} "{name}": {why}'
    return Refusal(409, "Conflict", message, {"name": name, "kind": resource.plural})


def bad_request(message: str) -> Refusal:
    return Refusal(400, "BadRequest", message)


def unknown_fields(resource: Resource, paths: Sequence[str]) -> Refusal:
    """Return the response to a strict request with fields that the kind does not have."""
    fields = ", ".join(f'unknown field "{path}"' for path in paths)
    name = resource.kind
    return bad_request(
        f'{name} in version "{resource.version}" cannot be handled as a {name}: strict decoding error: {fields}'
    )


def forbidden(resource: Resource, name: str, why: str, *causes: Mapping[str, str]) -> Refusal:
    message = f'{resource} "{name}" is forbidden: {why}'
    return Refusal(403, "Forbidden", message, {"name": name, "causes": list(causes)})


def expired(message: str) -> Refusal:
    return Refusal(410, "Expired", message)


def internal(message: str) -> Refusal:
    return Refusal(500, "InternalError", f"Internal error occurred: {message}")


def internal_plain(message: str) -> Refusal:
    """Return the response for an error that is not a Status."""
    return Refusal(500, "", message)


def invalid(resource: Resource, name: str, problems: Sequence[str]) -> Refusal:
    """Every problem begins with the path of its field."""
    text = problems[0] if len(problems) == 1 else f"[{', '.join(problems)}]"
    message = f'{resource.kind}{"." + resource.group if resource.group else ""} "{name}" is invalid: {text}'
    return Refusal(422, "Invalid", message, {"name": name, "group": resource.group, "kind": resource.kind})
