"""The control port for faults: plain HTTP on the region's loopback, reached from the host through the region's control.

GET /faults lists faults and targets. POST /faults sets the fault in the body, in the format of `Fault.read`.
DELETE /faults, /faults?which=NUMBER or ?which=TARGET removes faults. Refusals are 400 with {"error": sentence}.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import h11

from hcp_dr_lab.ground.layout import FAULT_ADDRESS, FAULT_PORT
from hcp_dr_lab.region.faults import Fault, FaultError
from hcp_dr_lab.region.network.exchange import Exchanges, Side
from hcp_dr_lab.region.network.interception import Interception, targets

PATH = "/faults"
MAX_BODY_BYTES = 64 * 1024
SECONDS = 10.0

Answer = tuple[int, dict[str, Any]]


async def serve(interception: Interception) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, h11.ProtocolError):
            try:
                await _handle(interception, Side((reader, writer), h11.Connection(h11.SERVER)))
            finally:
                writer.close()

    await asyncio.start_server(handle, FAULT_ADDRESS, FAULT_PORT)


async def _handle(interception: Interception, side: Side) -> None:
    head = await side.next_event()
    if not isinstance(head, h11.Request):
        return
    body = b""
    while isinstance(event := await side.next_event(), h11.Data) and len(body) < MAX_BODY_BYTES:
        body += bytes(event.data)
    status, answer = order(
        interception.exchanges,
        tuple(targets(interception.layout)),
        head.method.decode("ascii"),
        head.target.decode("latin-1"),
        body,
    )
    content = json.dumps(answer).encode()
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(content))), ("Connection", "close")]
    await side.send(h11.Response(status_code=status, headers=headers), h11.Data(data=content), h11.EndOfMessage())


def order(exchanges: Exchanges, known: tuple[str, ...], method: str, target: str, body: bytes) -> Answer:
    """Execute a request, and return the response."""
    parts = urlsplit(target)
    if parts.path != PATH:
        return 404, {"error": f"Unknown path {parts.path}."}
    try:
        match method:
            case "GET":
                return 200, {"faults": exchanges.faults.rows(), "targets": list(known)}
            case "POST":
                document = json.loads(body)
                if not isinstance(document, dict):
                    raise FaultError("A fault is a JSON object.")
                return 200, {"number": exchanges.set(Fault.read(document))}
            case "DELETE":
                which = parse_qs(parts.query).get("which", [""])[-1]
                return 200, {"cleared": exchanges.faults.clear(which)}
            case _:
                return 405, {"error": f"{method} is not supported."}
    except json.JSONDecodeError as error:
        return 400, {"error": f"The body is not JSON: {error}."}
    except FaultError as error:
        return 400, {"error": str(error)}


def ask(method: str, target: str, document: Mapping[str, Any] | None = None) -> Answer:
    """Send a request from a process of the region. Raises OSError, http.client.HTTPException without a response."""
    connection = http.client.HTTPConnection(FAULT_ADDRESS, FAULT_PORT, timeout=SECONDS)
    try:
        connection.request(method, target, json.dumps(document) if document is not None else None)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()
