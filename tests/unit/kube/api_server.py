"""A TLS server on loopback that answers as a test says, so that the adapter is tested with true sockets."""

from __future__ import annotations

import contextlib
import json
import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qsl, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, BytesMessage, CloseConnection, Message, Ping, Request


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key, PEM."""

    certificate: str
    key: str


class Authority:
    """A certificate authority for one test run."""

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = self._builder(self._name, self._key)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self.certificate = _pem(builder.sign(self._key, hashes.SHA256()))

    def issue(self, name: str, *alternatives: str) -> Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), key)
        names = [_alternative(alternative) for alternative in alternatives]
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return Pair(_pem(builder.sign(self._key, hashes.SHA256())), private.decode())

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
        )


def _alternative(name: str) -> x509.GeneralName:
    return x509.IPAddress(IPv4Address(name)) if name[0].isdigit() else x509.DNSName(name)


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


@dataclass(frozen=True, slots=True)
class Seen:
    """A request as the server saw it; `user` is the common name of the client's certificate."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    body: bytes
    user: str | None
    connection: int

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Answer:
    """What to send back. With `cut`, a longer body is promised than sent; `end` is waited for before answering."""

    code: int = 200
    body: object = field(default_factory=lambda: {"metadata": {"name": "a"}})
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False
    hang: bool = False
    reset: bool = False


def status(code: int, reason: str, message: str = "because", **details: object) -> Answer:
    """An answer of kind Status, as the API server gives."""
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason}
    return Answer(code, {**body, "message": message, "details": details})


def events(*lines: object) -> bytes:
    return b"".join(json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in lines)


@dataclass
class Shell:
    """The far end of an exec connection: what it reads, and what it writes then."""

    protocol: str = "v5.channel.k8s.io"
    output: tuple[bytes, ...] = ()
    status: Mapping[str, Any] | None = field(default_factory=lambda: {"status": "Success"})
    awaits_ping: bool = False
    read: bytearray = field(default_factory=bytearray)
    closed: bool = False


class Server:
    """Runs until `stop`. `answer` decides by request; `shell` is what exec reaches."""

    def __init__(self, pair: Pair, clients: str, folder: Path) -> None:
        self.answer: Callable[[Seen], Answer] = lambda _: Answer()
        self.shell: Shell | None = None
        self.seen: list[Seen] = []
        self.end = threading.Event()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        file = folder / "server.pem"
        file.write_text(pair.certificate + pair.key)
        context.load_cert_chain(file)
        context.verify_mode = ssl.CERT_OPTIONAL
        context.load_verify_locations(cadata=clients)
        self._http = _Listener(("127.0.0.1", 0), _Handler)
        self._http.context = context
        self._http.owner = self
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return self._http.server_address[1]

    def answers(self, *answers: Answer) -> None:
        """One after the other; a request too many finds the connection closed."""
        left = iter(answers)
        self.answer = lambda _: next(left)

    def stop(self) -> None:
        self.end.set()
        self._http.shutdown()
        self._http.server_close()


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64  # many threads knock at once, and five is the default
    context: ssl.SSLContext
    owner: Server

    def finish_request(self, request: Any, client_address: Any) -> None:
        with contextlib.suppress(OSError, ssl.SSLError), self.context.wrap_socket(request, server_side=True) as wrapped:
            super().finish_request(wrapped, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one segment for head and body

    def handle_expect_100(self) -> bool:
        expected = super().handle_expect_100()
        self.wfile.flush()
        return expected

    def log_message(self, *_: object) -> None:
        """Silence."""

    def _any(self) -> None:
        owner = cast("_Listener", self.server).owner
        length = int(self.headers.get("Content-Length") or 0)
        url = urlsplit(self.path)
        connection = cast("ssl.SSLSocket", self.connection)
        subject = cast("tuple[Any, ...]", (connection.getpeercert() or {}).get("subject", ()))
        user = next((value for part in subject for _, value in part), None)
        headers = {key.lower(): value for key, value in self.headers.items()}
        query = tuple(parse_qsl(url.query, keep_blank_values=True))
        body = self.rfile.read(length)
        seen = Seen(self.command, url.path, query, headers, body, user, self.client_address[1])
        owner.seen.append(seen)
        if headers.get("upgrade") == "websocket" and owner.shell is not None:
            _run_shell(connection, seen, owner.shell, owner.end)
            self.close_connection = True
            return
        self._send(owner.answer(seen), owner.end)

    def __getattr__(self, name: str) -> Callable[[], None]:
        """One method for all of HTTP's."""
        if name.startswith("do_"):
            return self._any
        raise AttributeError(name)

    def _send(self, answer: Answer, end: threading.Event) -> None:
        if answer.hang:
            end.wait(10)
        if answer.reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            self.close_connection = True
            return
        body = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
        self.send_response(answer.code)
        for key, value in {"Content-Type": "application/json", **answer.headers}.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body) + answer.cut))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = answer.cut


def _run_shell(connection: ssl.SSLSocket, seen: Seen, shell: Shell, end: threading.Event) -> None:
    frames = WSConnection(ConnectionType.SERVER)
    lines = [f"GET {seen.path} HTTP/1.1", *(f"{key}: {value}" for key, value in seen.headers.items()), "", ""]
    frames.receive_data("\r\n".join(lines).encode())
    offered = next(event for event in frames.events() if isinstance(event, Request)).subprotocols
    if shell.protocol not in offered:
        raise AssertionError(f"{shell.protocol} was not offered")
    connection.sendall(frames.send(AcceptConnection(subprotocol=shell.protocol)))
    wanted = dict(seen.query).get("stdin") == "true" and shell.protocol.startswith("v5")
    message = bytearray()
    while wanted and not shell.closed:
        frames.receive_data(connection.recv(65536) or None)
        for event in frames.events():
            if isinstance(event, Message):
                message += event.data
                if event.message_finished:
                    shell.closed = message == b"\xff\0"
                    shell.read += message[1:] if message[0] == 0 else b""
                    message.clear()
    while shell.awaits_ping:
        frames.receive_data(connection.recv(65536) or None)
        for event in frames.events():
            if isinstance(event, Ping):
                connection.sendall(frames.send(event.response()) + frames.send(Ping(b"are you there")))
                shell.awaits_ping = False
    for part in shell.output:
        connection.sendall(frames.send(BytesMessage(part)))
    if shell.status is None:
        end.wait(10)
    else:
        connection.sendall(frames.send(BytesMessage(b"\3" + json.dumps(shell.status).encode())))
        connection.sendall(frames.send(CloseConnection(1000)))


class Proxy(socketserver.ThreadingTCPServer):
    """A CONNECT proxy that remembers where it was asked to go, and always goes to `target`."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, target: int) -> None:
        super().__init__(("127.0.0.1", 0), _ProxyHandler)
        self.target = target
        self.asked: list[str] = []
        self.answer = b"HTTP/1.1 200 Connection established\r\n\r\n"


class _ProxyHandler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        proxy = cast("Proxy", self.server)
        proxy.asked.append(self.rfile.readline().decode().split()[1])
        while self.rfile.readline().strip():
            pass
        self.wfile.write(proxy.answer)
        if b" 200 " not in proxy.answer:
            return
        with socket.create_connection(("127.0.0.1", proxy.target)) as far:
            back = threading.Thread(target=_pump, args=(far, self.connection), daemon=True)
            back.start()
            _pump(self.connection, far)
            back.join(10)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def proxy(target: int) -> Iterator[Proxy]:
    with Proxy(target) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
