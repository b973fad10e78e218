"""200 clients that send heads and bodies a byte at a time: how long do others wait meanwhile?"""

import socket
import threading
import time
from typing import Final

from tests.web_servers.bodies import length
from tests.web_servers.wire import head

CLIENTS: Final = 200
#: Seconds between two bytes of each.
PACE: Final = 1.0


class SlowClients(threading.Thread):
    """Half of them never finish a head, half never a body; as a context they begin and end."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self._port, self._done = port, threading.Event()
        self._began = threading.Event()
        self._lines: list[socket.socket] = []

    def __enter__(self) -> "SlowClients":
        for number in range(CLIENTS):
            line = socket.create_connection(("127.0.0.1", self._port), timeout=5)
            line.setblocking(False)
            whole = head("/slow", length(1_000_000))
            line.send(whole if number % 2 else whole[:40])
            self._lines.append(line)
        self.start()
        self._began.wait()
        return self

    def run(self) -> None:
        while not self._done.wait(PACE):
            self._began.set()
            for line in self._lines:
                try:
                    line.send(b"a")
                except OSError:  # the server has had enough of it
                    continue

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self.join()
        for line in self._lines:
            line.close()


def answered(port: int, tries: int, patience: float) -> list[float]:
    """Seconds that each of so many posts in turn took; infinite where no answer came in `patience` seconds."""
    found = []
    for _ in range(tries):
        started = time.monotonic()
        found.append(time.monotonic() - started if _post(port, patience) else float("inf"))
    return found


def _post(port: int, patience: float) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=patience) as line:
            line.sendall(head("/fast", length(2), b"Connection: close") + b"ok")
            return line.recv(100).startswith(b"HTTP/1.1 200")
    except OSError:
        return False
