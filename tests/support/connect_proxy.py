"""An HTTP proxy that opens tunnels (CONNECT), as those of companies do, or refuses them as it is told."""

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Final, Literal

import pytest

#: What it writes instead of opening a tunnel, before it closes; "silence" holds the connection until the end.
Answer = bytes | Literal["silence"]

OPEN: Final = b"HTTP/1.1 200 Connection established\r\nVia: 1.1 tests\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Request:
    """What came before the tunnel: header names in lower case."""

    line: str
    headers: dict[str, str]


class ConnectProxy:
    """A proxy on 127.0.0.1; `with ConnectProxy() as proxy:`.

    `routes` are the ports of 127.0.0.1 that stand for "host:port": nobody else knows these hosts. If `sign_in` is set,
    it is the Proxy-Authorization that it asks for.
    """

    def __init__(self) -> None:
        self.routes: dict[str, int] = {}
        self.sign_in = ""
        self.answer: Answer | None = None
        self.requests: list[Request] = []
        self.over = threading.Event()
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="connect-proxy")

    def __enter__(self) -> "ConnectProxy":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def address(self) -> str:
        """host:port"""
        return f"127.0.0.1:{self._server.server_address[1]}"

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    def answer_to(self, request: Request) -> Answer:
        """Keep a request, and say what to answer: OPEN if there is a route."""
        self.requests.append(request)
        if self.answer is not None:
            return self.answer
        if self.sign_in and request.headers.get("proxy-authorization") != self.sign_in:
            return b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 5\r\n\r\nnope\n"
        return OPEN if _target(request) in self.routes else b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"

    def port_for(self, request: Request) -> int:
        return self.routes[_target(request)]


def _target(request: Request) -> str:
    method, target, _ = request.line.split()
    return target if method == "CONNECT" else ""


class _Server(ThreadingTCPServer):
    # Not daemons: server_close() waits for them, so that no test leaves a thread behind.
    daemon_threads = False
    allow_reuse_address = True

    def __init__(self, proxy: ConnectProxy) -> None:
        self.proxy = proxy
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(StreamRequestHandler):
    server: _Server
    timeout = 10
    rbufsize = 0  # what follows the headers belongs to the tunnel

    def handle(self) -> None:
        proxy = self.server.proxy
        with suppress(OSError):  # the client may hang up
            request = Request(self._line(), dict(self._headers()))
            answer = proxy.answer_to(request)
            if answer == "silence":
                proxy.over.wait()
                return
            self.connection.sendall(answer)
            if answer == OPEN:
                self._join(proxy.port_for(request))

    def _line(self) -> str:
        return self.rfile.readline(65536).decode("latin-1").strip()

    def _headers(self) -> Iterator[tuple[str, str]]:
        while line := self._line():
            name, _, value = line.partition(":")
            yield name.lower(), value.strip()

    def _join(self, port: int) -> None:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as server:
            back = threading.Thread(target=_pump, args=(server, self.connection))
            back.start()
            _pump(self.connection, server)
            back.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):  # one side has gone
        while data := source.recv(65536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@pytest.fixture
def proxy() -> Iterator[ConnectProxy]:
    with ConnectProxy() as server:
        yield server
