"""A peer that is slow, in whichever way, holds nobody longer than the limit; nor does a large answer."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Final

import pytest
import trustme

from notifications.utils.limited_sockets import LARGEST_ANSWER, LimitedSocket, LimitedTLSSocket, limited

LIMIT: Final = 0.3
DEADLINE: Final = 20.0

#: Does something to a connection, until it fails or the event is set.
Peer = Callable[[socket.socket, threading.Event], None]


def drip(peer: socket.socket, over: threading.Event) -> None:
    while not over.wait(0.02):
        peer.sendall(b"x")


def read_slowly(peer: socket.socket, over: threading.Event) -> None:
    while not over.wait(0.02):
        peer.recv(1000)


def flood(peer: socket.socket, over: threading.Event) -> None:
    while not over.is_set():
        peer.sendall(b"x" * 10_000)


@pytest.fixture(params=["plain", "TLS"])
def connect(request: pytest.FixtureRequest) -> Iterator[Callable[[Peer], LimitedSocket]]:
    is_tls = request.param == "TLS"
    over, threads, sockets = threading.Event(), list[threading.Thread](), list[LimitedSocket]()
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("localhost").configure_cert(server)
    authority.configure_trust(client)
    client.sslsocket_class = LimitedTLSSocket

    def connect(peer: Peer) -> LimitedSocket:
        ours, theirs = socket.socketpair()

        def run() -> None:
            with suppress(OSError), server.wrap_socket(theirs, server_side=True) if is_tls else theirs as sock:
                peer(sock, over)

        threads.append(threading.Thread(target=run))
        threads[-1].start()
        if is_tls:
            ours.settimeout(DEADLINE)
            ours = client.wrap_socket(ours, server_hostname="localhost")
        sockets.append(limited(ours, time.monotonic() + LIMIT))
        return sockets[-1]

    yield connect
    over.set()
    for each in sockets:
        each.close()
    for thread in threads:
        thread.join()


def test_one_that_drips(connect: Callable[[Peer], LimitedSocket]) -> None:
    sock = connect(drip)
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        while True:
            sock.recv_into(bytearray(100))
    assert LIMIT * 0.9 < time.monotonic() - started < DEADLINE


def test_one_that_reads_slowly(connect: Callable[[Peer], LimitedSocket]) -> None:
    sock = connect(read_slowly)
    with pytest.raises(TimeoutError):
        sock.sendall(b"x" * 20_000_000)
    with pytest.raises(TimeoutError):
        sock.sendall(b"x")


def test_one_that_sends_without_end(connect: Callable[[Peer], LimitedSocket]) -> None:
    sock = connect(flood)
    sock.limit(time.monotonic() + DEADLINE)
    received = 0
    with pytest.raises(OSError, match="too large"):
        while True:
            received += sock.recv_into(bytearray(65536))
    assert LARGEST_ANSWER - 65536 <= received <= LARGEST_ANSWER
