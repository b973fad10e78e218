"""The HTTP half of FakeSlack: reads requests and writes answers, the broken ones included."""

import json
import socket
import ssl
import struct
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import parse_qsl


@dataclass(frozen=True, slots=True)
class RateLimited:
    """429, with Retry-After in seconds."""

    retry_after: int = 1


@dataclass(frozen=True, slots=True)
class Plain:
    """How an incoming webhook answers: Plain(404, "no_service")."""

    status: int
    text: str


#: A status (500, 503 …), what Slack says as JSON ({"ok": False, "error": "channel_not_found"}), or a word:
#: "timeout" holds the connection until `release()`, "reset" breaks it before the message is taken, "lost"
#: after it was taken, "html" is the page of some proxy, with status 200; "drip" sends a header letter by letter and
#: "endless" a body as fast as it can, until `release()`.
Answer = int | dict[str, Any] | RateLimited | Plain | Literal["timeout", "reset", "lost", "html", "drip", "endless"]


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request as it came: header names in lower case; `at` is time.monotonic()."""

    path: str
    headers: dict[str, str]
    fields: dict[str, Any]
    at: float = field(default_factory=time.monotonic)


@dataclass(frozen=True, slots=True)
class Reply:
    """How to answer one request: after `latency` seconds; `released` ends all waiting. `headers` come with JSON."""

    answer: Answer
    latency: float
    released: threading.Event
    headers: dict[str, str] = field(default_factory=dict)


class Server(ThreadingHTTPServer):
    """Asks `decide` about each request, on a thread of its own for each connection."""

    # Not daemons: server_close() waits for them, so that no test leaves a thread behind.
    daemon_threads = False

    def __init__(self, decide: Callable[[Request], Reply], tls: ssl.SSLContext | None = None, *, port: int = 0) -> None:
        self.decide = decide
        super().__init__(("127.0.0.1", port), _Handler)
        if tls:
            # Shaking hands is the connection's thread's to do.
            self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that does not trust the certificate hangs up: no news."""
        if not isinstance(sys.exception(), (ssl.SSLError, ConnectionError)):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: Server
    timeout = 10

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        reply = self.server.decide(Request(self.path, headers, _fields(headers, body)))
        reply.released.wait(reply.latency)
        # The client may have given up in the meantime.
        with suppress(ConnectionError, ssl.SSLError):
            self._reply(reply)

    def _reply(self, reply: Reply) -> None:
        match reply.answer:
            case str() as word:
                self._misbehave(word, reply.released)
            case dict() as answer:
                self._send(200, json.dumps(answer).encode(), **reply.headers)
            case Plain(status, text):
                self._send(status, text.encode(), "text/html")
            case RateLimited(seconds):
                self._send(429, b'{"ok": false, "error": "ratelimited"}', **{"Retry-After": str(seconds)})
            case int() as status:
                self._send(status, b"")

    def _misbehave(self, word: str, released: threading.Event) -> None:
        match word:
            case "timeout":
                released.wait()
            case "reset" | "lost":
                # Linger 0: close() sends RST instead of FIN.
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            case "html":
                self._send(200, b"<!doctype html><title>Sign in to the network</title>", "text/html")
            case "drip":
                self.wfile.write(b"HTTP/1.0 200 OK\r\nX-Drip: ")
                while not released.wait(0.02):
                    self.wfile.write(b"x")
            case "endless":
                self.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n")
                while not released.is_set():
                    self.wfile.write(b"x" * 65536)

    def _send(self, status: int, body: bytes, content_type: str = "application/json", **headers: str) -> None:
        self.send_response(status)
        headers |= {"Content-Type": content_type, "Content-Length": str(len(body))}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def do_HEAD(self) -> None:
        """Of a server that tells the time."""
        self._send(200, b"")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing: FakeSlack.requests has it all."""


def _fields(headers: dict[str, str], body: bytes) -> dict[str, Any]:
    """slack_sdk sends some methods as JSON, others as a form."""
    if headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return dict(parse_qsl(body.decode()))
    fields: dict[str, Any] = json.loads(body or b"{}")
    return fields
