"""HTTP/1.1 between one client and one server, request by request, with injected faults.

Requests without a fault pass unchanged: methods, paths, headers (including the signed Host of a presigned URL), interim
responses, streamed bodies, endless watches, and the raw bytes of an exec after an upgrade. Every client connection has
its own server connection; when either of the two ends, both end.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field

import h11

from hcp_dr_lab.region.faults import Fault, Faults, Kind, Request
from hcp_dr_lab.region.network.refusals import refusal
from hcp_dr_lab.region.network.relay import CHUNK, Stream, relay, reset

HEAD_LIMIT = 64 * 1024
FORM_LIMIT = 1024 * 1024
_FORM = b"application/x-www-form-urlencoded"
_CREDENTIAL = b"Credential="

log = logging.getLogger(__name__)


class CutError(ConnectionError):
    """A fault ends this connection."""


@dataclass(slots=True)
class Side:
    """One connection with its HTTP state."""

    stream: Stream
    http: h11.Connection

    async def next_event(self) -> h11.Event | type[h11.PAUSED]:
        """Raises OSError, h11.ProtocolError."""
        while True:
            event = self.http.next_event()
            if event is not h11.NEED_DATA:
                return event  # type: ignore[return-value]
            self.http.receive_data(await self.stream[0].read(CHUNK))

    async def send(self, *events: h11.Event) -> None:
        for event in events:
            data = self.http.send(event)
            if data:
                self.stream[1].write(data)
        await self.stream[1].drain()


@dataclass(slots=True, eq=False)
class Watch:
    """An open watch."""

    target: str
    request: Request
    client: Stream

    def cut(self) -> None:
        reset(self.client[1])


@dataclass(slots=True)
class Exchanges:
    """The shared state of all the proxy's connections: faults and open watches."""

    faults: Faults
    watches: set[Watch] = field(default_factory=set)

    def set(self, fault: Fault) -> int:
        """Set a fault. A fault of kind DROP_WATCHES closes matching open watches at once. Raises FaultError."""
        number = self.faults.set(fault)
        if fault.kind is Kind.DROP_WATCHES:
            for watch in list(self.watches):
                if self.faults.strike_with(number, watch.target, watch.request):
                    log.info("fault %d: %s: dropped an open watch of %s", number, watch.target, watch.request.path)
                    watch.cut()
        return number

    async def carry(self, target: str, client: Stream, server: Stream) -> None:
        """Run until one of the two ends. `target` is the API's target, or empty if each request's signature names the
        AWS service. Raises OSError if a connection fails or a fault cuts it."""
        exchange = _Exchange(
            self,
            target,
            Side(client, h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_LIMIT)),
            Side(server, h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_LIMIT)),
        )
        try:
            while await exchange.once():
                pass
        except h11.ProtocolError as error:
            log.warning("%s: %s", target or "aws", error)
            raise CutError(str(error)) from error
        finally:
            client[1].close()
            server[1].close()


@dataclass(slots=True)
class _Exchange:
    shared: Exchanges
    target: str
    client: Side
    server: Side

    async def once(self) -> bool:
        """Forward one request and its response; return whether another request may follow."""
        head = await self._next_request()
        if head is None:
            return False
        form = await self._form(head)
        request = Request.of(head.method.decode("ascii"), head.target.decode("latin-1"), form.decode("latin-1"))
        target = self.target or service_of(head, request)
        struck = self.shared.faults.strike(target, request)
        fault = struck[1] if struck is not None else None
        if struck is not None:
            log.info("fault %d: %s: %s %s: %s", struck[0], target, request.method, request.path, struck[1].words)
            if struck[1].kind in {Kind.STATUS, Kind.GONE}:
                return await self._refuse(*struck, target, request)
            if struck[1].kind is Kind.DELAY:
                await asyncio.sleep(struck[1].seconds)
        with self._watched(target, request):
            return await self._pass(head, form, fault)

    async def _next_request(self) -> h11.Request | None:
        """Return None if the client is done, or the server has closed the connection in the meantime."""
        asked = asyncio.ensure_future(self.client.next_event())
        ended = asyncio.ensure_future(self.server.stream[0].read(1))
        try:
            await asyncio.wait((asked, ended), return_when=asyncio.FIRST_COMPLETED)
            if not asked.done():
                return None
            event = asked.result()
        finally:
            for task in (asked, ended):
                if not task.done():
                    task.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await task
        if ended.done() and not ended.cancelled():
            return None
        return event if isinstance(event, h11.Request) else None

    async def _form(self, head: h11.Request) -> bytes:
        """Read the whole body if it is a form, because forms contain the action of EC2; otherwise read nothing."""
        headers = dict(head.headers)
        if not headers.get(b"content-type", b"").startswith(_FORM):
            return b""
        body = b""
        while isinstance(event := await self.client.next_event(), h11.Data):
            body += bytes(event.data)
            if len(body) > FORM_LIMIT:
                raise CutError("the form is too long")
        return body

    async def _refuse(self, number: int, fault: Fault, target: str, request: Request) -> bool:
        """Answer instead of the server. A client that waits for 100 Continue need not send its body."""
        http = self.client.http
        if not http.they_are_waiting_for_100_continue:
            while http.their_state is h11.SEND_BODY:
                await self.client.next_event()
        answer = refusal(fault, number, target, request)
        lasting = http.their_state is not h11.SEND_BODY
        headers = [*answer.headers, ("Content-Length", str(len(answer.body)))]
        await self.client.send(
            h11.Response(
                status_code=answer.status, headers=headers if lasting else [*headers, ("Connection", "close")]
            ),
            h11.Data(data=answer.body if request.method != "HEAD" else b""),
            h11.EndOfMessage(),
        )
        return self._again(self.client)

    @staticmethod
    def _again(*sides: Side) -> bool:
        if any(side.http.our_state is not h11.DONE or side.http.their_state is not h11.DONE for side in sides):
            return False
        for side in sides:
            side.http.start_next_cycle()
        return True

    @contextlib.contextmanager
    def _watched(self, target: str, request: Request) -> Iterator[None]:
        if not request.watches:
            yield
            return
        watch = Watch(target, request, self.client.stream)
        self.shared.watches.add(watch)
        try:
            yield
        finally:
            self.shared.watches.discard(watch)

    async def _pass(self, head: h11.Request, form: bytes, fault: Fault | None) -> bool:
        """Forward both directions concurrently: the response may begin, or refuse the body, before the body is sent."""
        await self.server.send(head)
        sending = asyncio.ensure_future(self._send(form))
        limit = fault.seconds if fault is not None and fault.kind is Kind.DROP_WATCHES else None
        cutting = fault is not None and fault.kind is Kind.CUT
        try:
            async with asyncio.timeout(limit):
                upgraded = await self._answer(cutting=cutting)
        except TimeoutError as error:
            raise CutError("a fault drops this watch") from error
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
        if upgraded:
            await self._switch(cutting=cutting)
            return False
        return self._again(self.client, self.server)

    async def _send(self, form: bytes) -> None:
        """Forward the request's body; then watch for a client that disconnects early, and disconnect from the
        server."""
        try:
            if form:
                await self.server.send(h11.Data(data=form))
            if self.client.http.their_state is not h11.SEND_BODY:
                await self.server.send(h11.EndOfMessage())
            else:
                while not isinstance(event := await self.client.next_event(), h11.EndOfMessage):
                    await self.server.send(_event(event))
                await self.server.send(event)
            while data := await self.client.stream[0].read(CHUNK):
                self.client.http.receive_data(data)
        except (OSError, h11.ProtocolError) as error:
            log.info("%s: the request ended early: %s", self.target or "aws", error)
        reset(self.server.stream[1])

    async def _answer(self, *, cutting: bool) -> bool:
        """Forward the response; return whether it was an upgrade."""
        while True:
            event = _event(await self.server.next_event())
            if cutting and isinstance(event, h11.Data | h11.EndOfMessage):
                if isinstance(event, h11.Data):
                    await self.client.send(h11.Data(data=event.data[: len(event.data) // 2]))
                raise CutError("a fault cuts this answer")
            await self.client.send(event)
            if isinstance(event, h11.InformationalResponse) and event.status_code == 101:
                return True
            if isinstance(event, h11.EndOfMessage):
                return False

    async def _switch(self, *, cutting: bool) -> None:
        """Forward raw bytes after an upgrade."""
        asked, answered = self.client.http.trailing_data[0], self.server.http.trailing_data[0]
        self.server.stream[1].write(asked)
        if cutting:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.2):  # the client's first bytes belong to the request
                    while data := await self.client.stream[0].read(CHUNK):
                        self.server.stream[1].write(data)
            answered = answered or await self.server.stream[0].read(CHUNK)
            self.client.stream[1].write(answered[: len(answered) // 2])
            raise CutError("a fault cuts this answer")
        self.client.stream[1].write(answered)
        await relay(self.client.stream, self.server.stream)


def _event(event: h11.Event | type[h11.PAUSED]) -> h11.Event:
    """Raises ConnectionResetError if the message is incomplete."""
    if isinstance(event, h11.Event) and not isinstance(event, h11.ConnectionClosed):
        return event
    raise ConnectionResetError("the other side closed the connection")


def service_of(head: h11.Request, request: Request) -> str:
    """Return the AWS service in a request's signature, from header or query; `aws` for unsigned requests."""
    header: bytes = dict(head.headers).get(b"authorization", b"")
    scope = header.partition(_CREDENTIAL)[2].decode("latin-1") or request.parameters.get("X-Amz-Credential", "")
    words = scope.split(",")[0].split("/")
    return words[3] if len(words) > 4 else "aws"
