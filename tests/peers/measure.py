"""One queue in its projects: calls, posts, and what its worker does."""

import json
import os
import select
import socket
import subprocess
import uuid
from pathlib import Path
from typing import Final

from tests.benchmarks.lab import LONGEST, Lab
from tests.benchmarks.own_project import own_project
from tests.benchmarks.serving import Served
from tests.peers.queues import Queue
from tests.support.child import BASE_DIR
from tests.support.stock_project import StockProject
from tests.support.wait import wait_for

#: Where the peers are installed, apart from the project's own environment.
BIN: Final = Path(os.environ.get("BENCH_PEERS_BIN", BASE_DIR / ".venv-bench-peers" / "bin"))
CALLS: Final = 200
STARTS: Final = 10
THREADS: Final = (1, 4, 8)


class Measured:
    """Two projects: posts would leave jobs that the worker of the other has to do first."""

    def __init__(self, lab: Lab, queue: Queue) -> None:
        self._lab, self._queue = lab, queue
        self._project, posted = self._make(), self._make()
        self.posts = Served(lab, "gunicorn", queue.application, queue.path, posted.env, THREADS, BIN)

    def round(self) -> tuple[float, ...]:
        """µs of a call, posts a second, jobs a second, ms from a call to the start of its job."""
        return self._inside("enqueue", "-", self._lab.count(CALLS)), self.posts.rate(), *self._work()

    def _work(self) -> tuple[float, float]:
        address, count = f"proppy-peers-{uuid.uuid4().hex}", self._lab.count(self._queue.jobs)
        self._inside("fill", address, count)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
            receiver.bind(f"\0{address}")
            worker = self._project.start("manage.py", *self._queue.worker)
            try:
                wait_for(lambda: _is_readable(receiver) or not worker.alive, timeout=LONGEST, message="its jobs")
                assert worker.alive, f"{self._queue.name}: its worker ended"
                rate = float(receiver.recv(64))
                return rate, self._inside("idle", f"{address}-idle", self._lab.count(STARTS))
            except AssertionError as error:
                error.add_note(worker.log)
                raise
            finally:
                worker.kill()

    def _inside(self, kind: str, address: str, count: int) -> float:
        command = [str(BIN / "python"), "-m", "tests.peers.inside", kind, address, str(count)]
        env = self._project.env
        done = subprocess.run(command, env=env, cwd=BASE_DIR, capture_output=True, text=True, timeout=LONGEST)
        if done.returncode:
            raise RuntimeError(f"{self._queue.name}, {kind}:\n{done.stderr}")
        return float(json.loads(done.stdout.splitlines()[-1]))

    def _make(self) -> StockProject:
        database = self._queue.database or self._lab.database()
        return own_project(self._lab, database, self._queue.files, python=str(BIN / "python"))


def empty_view(lab: Lab) -> Served:
    """What posts are held against."""
    env = own_project(lab, "NORMAL", python=str(BIN / "python")).env
    return Served(lab, "gunicorn", "shop.wsgi:application", "/empty/", env, THREADS, BIN)


def _is_readable(receiver: socket.socket) -> bool:
    return bool(select.select([receiver], [], [], 0)[0])
