"""Kills, stops and restarts the processes of a site and its database at random, each by a plan of its own."""

import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

import psycopg
import pytest

from tests.support.child import Process
from tests.support.postgres import Postgres
from tests.support.wait import wait_for

#: Seconds between two faults of one target, and for which one is stopped or down.
QUIET: Final = (0.3, 4.0)
SHORT, LONG = (0.1, 1.0), (1.0, 4.0)


class Target(Protocol):
    """What can be broken. `faults`: names of methods that break it and bring it back, the likely ones twice."""

    name: str

    @property
    def faults(self) -> Sequence[str]: ...

    def start(self) -> None: ...

    def look_after(self) -> None:
        """Start it again where it has ended by itself, as systemd does."""


class Server:
    """A process of the site. `make` starts it."""

    faults = ("kill", "kill", "pause", "restart")

    def __init__(self, name: str, make: Callable[[], Process], rest: Callable[[float], bool]) -> None:
        self.name = name
        self._make, self._rest = make, rest
        self.process: Process | None = None
        self.exits: list[int | None] = []

    def start(self) -> None:
        self.process = self._make()

    def look_after(self) -> None:
        assert self.process is not None
        if not self.process.alive:
            self.exits.append(self.process.exit_code)
            self.process.kill()  # what is left of its group
            self.start()

    def kill(self, chance: random.Random) -> None:
        assert self.process is not None
        self.process.kill()
        self._rest(chance.uniform(*SHORT))
        self.start()

    def pause(self, chance: random.Random) -> None:
        assert self.process is not None
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGSTOP)
        self._rest(chance.uniform(*LONG))
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGCONT)

    def restart(self, _: random.Random) -> None:
        assert self.process is not None
        if self.process.alive:
            self.process.terminate(60)
        self.start()


class PostgresServer:
    """The database, as the target of faults."""

    name = "database"
    faults = ("crash", "kill", "pause", "restart", "away", "disconnect")

    def __init__(self, postgres: Postgres, rest: Callable[[float], bool]) -> None:
        self._postgres, self._rest = postgres, rest

    def start(self) -> None:
        """It runs already."""

    def look_after(self) -> None:
        """It never ends by itself."""

    def crash(self, chance: random.Random) -> None:
        self._postgres.stop("immediate")
        self._rest(chance.uniform(*SHORT))
        self._postgres.start()

    def kill(self, chance: random.Random) -> None:
        """SIGKILL for all of its processes: nothing is said to any client."""
        lock = self._postgres.folder / "data" / "postmaster.pid"
        pids = process_tree(int(lock.read_text().split()[0]))
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not any(map(_runs, pids)), message="the end of PostgreSQL")
        for left in (lock, *self._postgres.folder.glob(".s.PGSQL.*")):
            left.unlink()  # the next one would take a zombie that init has yet to reap for a server
        self._rest(chance.uniform(*SHORT))
        self._postgres.start()

    def pause(self, chance: random.Random) -> None:
        with self._postgres.paused():
            self._rest(chance.uniform(*LONG))

    def restart(self, _: random.Random) -> None:
        self._postgres.restart("fast")

    def away(self, chance: random.Random) -> None:
        self._postgres.stop("fast")
        self._rest(chance.uniform(*LONG))
        self._postgres.start()

    def disconnect(self, _: random.Random) -> None:
        with psycopg.connect(self._postgres.url, autocommit=True) as connection:
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid != pg_backend_pid()")


def process_tree(main: int) -> list[int]:
    """The process and its children, the parent first."""
    children = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it may be gone by now
            stat = path.read_text()
            if int(stat.rpartition(")")[2].split()[1]) == main:
                children.append(int(stat.split()[0]))
    return [main, *children]


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


class SQLiteFile:
    """A SQLite file, locked by a process of its own: for a while, or until that is killed."""

    name = "database"
    faults = ("lock", "lock_long", "write_and_die")
    _program = (
        "import sys, threading\n"
        "from notifications.sqlite import use_fixed_sqlite\n"
        "use_fixed_sqlite()\n"
        "import sqlite3\n"
        "database = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)\n"
        "database.execute('BEGIN EXCLUSIVE')\n"
        "database.execute('UPDATE notifications_rawpayload SET source = 1, lease_token = NULL')\n"
        "open(sys.argv[2], 'w').close()\n"
        "threading.Event().wait()\n"
    )

    def __init__(self, path: Path, rest: Callable[[float], bool]) -> None:
        self._path, self._rest = path, rest

    def start(self) -> None:
        """A file is there."""

    def look_after(self) -> None:
        """A file stays there."""

    def lock(self, chance: random.Random) -> None:
        self._lock_for(chance.uniform(*SHORT))

    def lock_long(self, chance: random.Random) -> None:
        """Longer than anybody waits for it."""
        self._lock_for(chance.uniform(5.5, 7.0))

    def write_and_die(self, _: random.Random) -> None:
        """What was written and never committed is nothing."""
        self._lock_for(0.0)

    def _lock_for(self, seconds: float) -> None:
        folder = self._path.parent
        locked = folder.parent / "locked"
        locked.unlink(missing_ok=True)
        environment = {"PATH": os.environ["PATH"]}
        process = Process(
            [sys.executable, "-c", self._program, str(self._path), str(locked)],
            env=environment,
            log=folder.parent / "locker.log",
        )
        try:
            wait_for(lambda: locked.exists() or not process.alive, timeout=60, message="the lock")
            assert process.alive, process.log
            self._rest(seconds)
        finally:
            process.kill()


class Chaos:
    """Breaks each target in a thread of its own, by `random.Random(f"{seed} {target.name}")`, until `finish()`."""

    def __init__(self, seed: str) -> None:
        self.log: list[str] = []
        self._seed = seed
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._errors: list[BaseException] = []

    def rest(self, seconds: float) -> bool:
        """Wait; True when it is over."""
        return self._stop.wait(seconds)

    def unleash(self, targets: Sequence[Target]) -> None:
        """From now on. All are started already."""
        for target in targets:
            chance = random.Random(f"{self._seed} {target.name}")
            thread = threading.Thread(target=self._guard, args=[target, chance], name=target.name)
            self._threads.append(thread)
            thread.start()

    def finish(self) -> None:
        """All is up when this returns. Raises what bringing something up raised."""
        self._stop.set()
        for thread in self._threads:
            thread.join(180)
            assert not thread.is_alive(), f"{thread.name} does not come back: {self.log[-10:]}"
        if self._errors:
            raise self._errors[0]

    def _guard(self, target: Target, chance: random.Random) -> None:
        try:
            self._break_again_and_again(target, chance)
        except BaseException as error:  # noqa: BLE001  raised by finish()
            self._errors.append(error)
            self._stop.set()

    def _break_again_and_again(self, target: Target, chance: random.Random) -> None:
        while not self._wait_and_look_after(target, chance.uniform(*QUIET)):
            fault = chance.choice(target.faults)
            self._note(f"{target.name}: {fault}")
            getattr(target, fault)(chance)
            self._note(f"{target.name}: {fault} is over")

    def _wait_and_look_after(self, target: Target, seconds: float) -> bool:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            target.look_after()
            if self._stop.wait(0.05):
                return True
        return self._stop.is_set()

    def _note(self, text: str) -> None:
        self.log.append(f"{time.strftime('%H:%M:%S')} {text}")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("faults")
    group.addoption("--faults-seconds", type=float, default=20.0, help="how long test_keep_faults.py breaks things")
    group.addoption("--faults-seed", default="1", help="what it breaks, in which order")
