"""A socket in journald's place that is read as slowly as a test wants."""

import shutil
import socket
import struct
import threading
import time
import uuid
from pathlib import Path
from typing import Any

from notifications.journal import Entry

_CREDENTIALS = struct.Struct("@iII")


class SlowJournald:
    """Keeps the entries that come, without newlines in them, with the sender that the kernel names. Needs root."""

    def __init__(self, a_second: float) -> None:
        name = f"proppy-test-{uuid.uuid4().hex[:12]}"
        self.url = f"journald://{name}"
        self.entries: list[Entry] = []
        self._folder = Path(f"/run/systemd/journal.{name}")
        self._pause = 1 / a_second
        self._stop = threading.Event()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._thread = threading.Thread(target=self._read)

    def __enter__(self) -> "SlowJournald":
        self._folder.mkdir(parents=True)
        self._socket.bind(str(self._folder / "socket"))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._socket.settimeout(0.1)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._socket.close()
        shutil.rmtree(self._folder)

    def named(self, name: str) -> list[Entry]:
        """The entries of this event name."""
        return [entry for entry in list(self.entries) if entry.fields["PROPPY_EVENT"] == name]

    def _read(self) -> None:
        while not self._stop.wait(self._pause):
            try:
                record, ancillary, _, _ = self._socket.recvmsg(65536, socket.CMSG_SPACE(_CREDENTIALS.size))
            except TimeoutError:
                continue
            fields: dict[str, Any] = dict(line.split("=", 1) for line in record.decode().splitlines())
            pid, uid, _ = _CREDENTIALS.unpack(ancillary[0][2])
            fields |= {"_PID": str(pid), "_UID": str(uid)}
            self.entries.append(Entry(str(len(self.entries)), time.time_ns() // 1000, fields))
