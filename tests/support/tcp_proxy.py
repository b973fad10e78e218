"""A TCP proxy that can fall silent, as a network does whose cable was pulled: nothing is closed, nothing comes."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.support.ports import free_port


class TcpProxy:
    """Forwards connections to 127.0.0.1:`port` to a port of 127.0.0.1 named `target`; `with TcpProxy(5432) as proxy:`.

    What was connected while it was silent stays so for ever: neither side hears of the other again, nor that it has
    closed. The kernel acknowledges what is sent, so that no time-out of TCP's sees it.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self.port = free_port()
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._silent = False
        self._lines: list[_Line] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> "TcpProxy":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        self._listener.close()
        for line in self._lines:
            line.close()

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Swallow what comes, from now on for those that are connected, and for those who connect meanwhile."""
        self._silent = True
        for line in self._lines:
            line.mute = True
        try:
            yield
        finally:
            self._silent = False

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # closed
                return
            try:
                self._lines.append(_Line(client, self._target, mute=self._silent))
            except OSError:  # nobody listens there now
                client.close()


class _Line:
    """One connection: two sockets, and a thread for each direction."""

    def __init__(self, client: socket.socket, target: int, *, mute: bool) -> None:
        self.mute = mute
        self._sockets = [client]
        pairs = [(client, client)]
        if not mute:
            server = socket.create_connection(("127.0.0.1", target), timeout=10)
            server.settimeout(None)
            self._sockets.append(server)
            pairs = [(client, server), (server, client)]
        self._threads = [threading.Thread(target=self._pump, args=pair, daemon=True) for pair in pairs]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        for side in self._sockets:
            with suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        for side in self._sockets:
            side.close()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):  # one side has gone
            while data := source.recv(65536):
                if not self.mute:
                    target.sendall(data)
        if not self.mute:
            with suppress(OSError):
                target.shutdown(socket.SHUT_RDWR)
