"""A receiver of webhooks over HTTP, which answers byte by byte as it is told."""

import socket
import ssl
import struct
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

import pytest


@dataclass(frozen=True, slots=True)
class Slowly:
    """Each piece 20 ms after the one before."""

    pieces: Iterable[bytes]


#: Bytes that are written as they are, in pieces, before the connection is closed; "silence" holds it until the end,
#: "reset" breaks it.
Answer = bytes | Iterable[bytes] | Slowly | Literal["silence", "reset"]


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request as it came: header names in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Receiver:
    """A server on 127.0.0.1; `with Receiver() as receiver:`. Takes everything (204) unless it is told otherwise."""

    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Request] = []
        self.scheme = "https" if tls else "http"
        self._answers: deque[Answer] = deque()
        self._over = threading.Event()
        self._server = _Server(self)
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="webhook-receiver")

    def __enter__(self) -> "Receiver":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._server.shutdown()
        self._thread.join()
        self._server.hang_up()
        self._server.server_close()

    @property
    def port(self) -> int:
        return self._server.server_port

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/hook"

    @property
    def env(self) -> dict[str, str]:
        """The site's environment variables."""
        return {"WEBHOOK_URL": self.url, "WEBHOOK_SECRET": self.secret}

    def answers(self, *answers: Answer) -> None:
        """Answer the next requests so, one each."""
        self._answers.extend(answers)

    def take(self, request: Request) -> Answer:
        """Keep a request, and what to answer."""
        self.requests.append(request)
        return self._answers.popleft() if self._answers else response(204)

    def wait(self, seconds: float | None = None) -> bool:
        """Wait, unless all is over."""
        return self._over.wait(seconds)


def response(status: int, body: bytes | str = b"", **headers: str) -> bytes:
    """A well-formed answer; `Retry_After="1"` is the header Retry-After."""
    body = body.encode() if isinstance(body, str) else body
    fields = {"Content-Length": str(len(body))} | {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"HTTP/1.1 {status} As told", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


class _Server(ThreadingHTTPServer):
    # Not daemons: server_close() waits for them, so that no test leaves a thread behind.
    daemon_threads = False

    def __init__(self, receiver: Receiver) -> None:
        self.receiver = receiver
        self._connections: list[socket.socket] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.append(request)
        super().process_request(request, client_address)

    def hang_up(self) -> None:
        """End what is still written or read."""
        for connection in self._connections:
            with suppress(OSError):  # it is closed already
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = 10

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = self.server.receiver.take(Request(self.command, self.path, headers, body))
        with suppress(OSError):  # the client may have hung up
            self._answer(answer)

    do_GET = do_HEAD = do_POST  # noqa: N815

    def _answer(self, answer: Answer) -> None:
        match answer:
            case "silence":
                self.server.receiver.wait()
            case "reset":
                # Linger 0: close() sends RST. socketserver itself would send FIN before.
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.rfile.close()
                self.connection.close()
            case bytes():
                self.wfile.write(answer)
            case Slowly(pieces):
                for piece in pieces:
                    if self.server.receiver.wait(0.02):
                        return
                    self.wfile.write(piece)
            case _:
                for piece in answer:
                    self.wfile.write(piece)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing: Receiver.requests has it all."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        yield server
