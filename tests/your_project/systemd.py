"""The part of systemd that a unit of type `notify` talks to."""

import socket
from pathlib import Path


class NotifySocket:
    """Where a service says that it is ready; `with NotifySocket(path) as socket:`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)

    def __enter__(self) -> "NotifySocket":
        self._socket.bind(str(self.path))
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        self.path.unlink()

    def received(self) -> str:
        """One message; empty if none is there."""
        try:
            return self._socket.recv(4096).decode()
        except BlockingIOError:
            return ""
