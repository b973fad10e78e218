"""Web servers as deployed, on one socket that outlives them, as systemd holds it: killed, frozen, started again."""

import array
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from tests.soak.held import Held
from tests.support.child import Process
from tests.support.faults import process_tree
from tests.support.wait import wait_for

#: Seconds without a word of its worker's after which gunicorn replaces it: longer than a whole server is frozen.
TIMEOUT: Final = 10
LONGEST_FREEZE: Final = 6.0


class Ready:
    """systemd's side of its socket: which processes have said that they are ready."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ready: set[int] = set()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._socket.bind(str(path))
        self._thread = threading.Thread(target=self._listen, name="ready")
        self._thread.start()

    def knows(self, process: int) -> bool:
        """Whether it has said so."""
        return process in self._ready

    def forget(self, process: int) -> None:
        """It is killed: its number may be another's."""
        self._ready.discard(process)

    def close(self) -> None:
        """Hear no more."""
        self._socket.shutdown(socket.SHUT_RD)
        self._thread.join()
        self._socket.close()

    def _listen(self) -> None:
        while message := self._socket.recvmsg(4096, socket.CMSG_SPACE(12)):
            if not message[0]:  # shut down
                return
            if b"READY=1" in message[0]:
                self._ready.add(array.array("i", message[1][0][2])[0])


class WebServer:
    """One of them. `held` notes what it has in hand when it is killed or frozen."""

    def __init__(self, name: str, make: Callable[[], Process], ready: "Ready", held: Held, port: int) -> None:
        self.name = name
        self.exits: list[int | None] = []
        self.process: Process | None = None
        self._ended = False
        self._make, self._ready, self._held, self._port = make, ready, held, port

    def start(self) -> None:
        self.process = self._make()

    def look_after(self) -> None:
        """Start it again where it has ended by itself, as systemd does."""
        process = self._running()
        if not process.alive and not self._ended:
            self.exits.append(process.exit_code)
            process.kill()  # what is left of its group
            self.start()

    def terminate(self) -> None:
        """SIGTERM, until it has ended, for good."""
        self._ended = True
        self._running().terminate(60)

    def worker(self) -> int:
        """The process that answers, once it is ready to."""
        return wait_for(self._worker, timeout=120, message=f"{self.name}, ready")

    def kill(self) -> None:
        """SIGKILL for gunicorn and its worker; it is started again at once."""
        worker, process = self.worker(), self._running()
        _stop(process.pid, worker)
        self._grip("web server killed", worker)
        process.kill()
        self.start()

    def kill_worker(self) -> None:
        """SIGKILL for the worker alone: gunicorn starts another."""
        worker = self.worker()
        _stop(worker)
        self._grip("web worker killed", worker)
        os.kill(worker, signal.SIGKILL)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """SIGSTOP for gunicorn and its worker, and SIGCONT at the end."""
        worker, gunicorn = self.worker(), self._running().pid
        _stop(gunicorn, worker)
        grip = self._held.grip("web server frozen", worker, self._port)
        try:
            yield
        finally:
            os.killpg(gunicorn, signal.SIGCONT)
            grip.until = time.monotonic()

    def freeze_worker(self) -> None:
        """SIGSTOP for the worker alone, until gunicorn has killed it."""
        worker = self.worker()
        _stop(worker)
        self._grip("web worker frozen", worker)
        wait_for(lambda: not Path(f"/proc/{worker}").exists(), timeout=TIMEOUT * 6, message="the end of the worker")

    def _worker(self) -> int | None:
        workers = process_tree(self._running().pid)[1:]
        return workers[0] if len(workers) == 1 and self._ready.knows(workers[0]) else None

    def _running(self) -> Process:
        assert self.process is not None, f"{self.name} was never started"
        return self.process

    def _grip(self, fault: str, worker: int) -> None:
        self._held.grip(fault, worker, self._port)
        self._ready.forget(worker)


def _stop(*processes: int) -> None:
    """SIGSTOP, until none of their threads runs any more."""
    for process in processes:
        os.kill(process, signal.SIGSTOP)
        wait_for(partial(_stopped, process), timeout=60, message=f"process {process}, stopped")


def _stopped(process: int) -> bool:
    stats = Path(f"/proc/{process}/task").glob("*/stat")
    return all(stat.read_text().rpartition(")")[2].split()[0] == "T" for stat in stats)
