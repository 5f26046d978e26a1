"""Probes of the region's parts: None means that the part serves, a text is the reason for not serving."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from functools import lru_cache
from pathlib import Path
from typing import Any

_SECONDS = 2.0


def accepts(address: str, port: int) -> str | None:
    """Probe whether a server listens on a TCP port."""
    try:
        with socket.create_connection((address, port), timeout=_SECONDS):
            return None
    except OSError as error:
        return f"{address}:{port}: {error}"


def answers_http(address: str, port: int, path: str) -> str | None:
    """Probe whether a plain HTTP server answers 200."""
    return _answer(http.client.HTTPConnection(address, port, timeout=_SECONDS), path)[0]


def answers_https(address: str, port: int, path: str, *, ca: Path, identity: Path | None = None) -> str | None:
    """Probe whether a TLS server answers 200; `identity` is the path of a client's .crt and .key without suffix."""
    return get_https(address, port, path, ca=ca, identity=identity)[0]


def node_ready(address: str, port: int, node: str, *, ca: Path, identity: Path, boot_id: Path) -> str | None:
    """Probe whether the node is Ready in a cluster's API, and the status is from the current boot (compared with the
    file with the boot ID): the status of the previous boot stays for most of a minute."""
    why_not, body = get_https(address, port, f"/api/v1/nodes/{node}", ca=ca, identity=identity)
    if why_not is not None:
        return why_not
    status = json.loads(body).get("status", {})
    if not boot_id.exists() or status.get("nodeInfo", {}).get("bootID") != boot_id.read_text("ascii").strip():
        return f"node {node} has not reported since its start"
    conditions: list[dict[str, Any]] = status.get("conditions", [])
    ready = next((condition for condition in conditions if condition["type"] == "Ready"), None)
    if ready is None:
        return f"node {node} has no condition Ready"
    return None if ready["status"] == "True" else f"node {node} is not Ready: {ready.get('message', '')}"


def get_https(
    address: str, port: int, path: str, *, ca: Path, identity: Path | None = None
) -> tuple[str | None, bytes]:
    """Return the response's body, or the reason for a missing response."""
    try:
        context = _context(ca, identity)
    except OSError as error:
        return f"certificates: {error}", b""
    return _answer(http.client.HTTPSConnection(address, port, timeout=_SECONDS, context=context), path)


@lru_cache
def _context(ca: Path, identity: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(ca))
    if identity is not None:
        context.load_cert_chain(f"{identity}.crt", f"{identity}.key")
    return context


def _answer(connection: http.client.HTTPConnection, path: str) -> tuple[str | None, bytes]:
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read()
    except (OSError, http.client.HTTPException) as error:
        return f"{connection.host}:{connection.port}{path}: {error}", b""
    finally:
        connection.close()
    if response.status != 200:
        return f"{connection.host}:{connection.port}{path} answered {response.status}: {body[:200]!r}", b""
    return None, body
