"""Everything that runs: two web servers on one socket as deployed, both workers, and real services around them."""

import os
import random
import re
import shutil
import socket
import time
from collections.abc import Callable
from configparser import ConfigParser
from contextlib import ExitStack
from itertools import cycle
from pathlib import Path
from typing import Final, Self

import psycopg

from tests.soak.held import Held
from tests.soak.servers import FaultySlack, Mail
from tests.soak.web import TIMEOUT, Ready, WebServer
from tests.support import web_servers
from tests.support.child import BASE_DIR, BIN, Process
from tests.support.control_group import WEIGHT, CpuGroup, set_nice
from tests.support.faults import PostgresServer, Server
from tests.support.held_journald import HeldJournald
from tests.support.postgres import Postgres
from tests.support.processes import Site
from tests.support.s3 import S3Server
from tests.support.wait import wait_for

WEB_SERVERS: Final = 2
#: systemd's own.
BACKLOG: Final = 4096
#: Seconds in which a process that goes on has told what it could not tell a journald that was away.
TELLING: Final = 3.0
#: A line that says what went wrong, of ours and of gunicorn's. 503s of pages are counted; workers are killed by us.
WRONG: Final = re.compile(r"ERROR|CRITICAL|Traceback|\[[^]]*\] \[\d+\] \[(ERROR|CRITICAL)\]")
EXPECTED: Final = re.compile(r"Service Unavailable|WORKER TIMEOUT|was sent SIGKILL")


class Plant:
    """A context manager. `rest(seconds)` waits, and says whether it is over; faults wait with it.

    `nice`: of the workers, as `make run` has it. `weight`: their CPUWeight, as units have it; each process has a
    control group of its own then.
    """

    def __init__(
        self, folder: Path, rest: Callable[[float], bool], *, nice: int = 10, weight: int | None = None
    ) -> None:
        self.folder, self.rest, self._nice, self._weight = folder, rest, nice, weight
        #: What web servers had in hand that were killed or frozen.
        self.held = Held()
        #: When journald was last back, by time.monotonic().
        self.journald_back = 0.0
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            (self.folder / "state").mkdir(mode=0o700, parents=True)
            self.postgres = stack.enter_context(Postgres())
            stack.callback(self._keep_the_database_log)
            self.journald = HeldJournald(settings=_journald_conf())
            stack.enter_context(self.journald)
            self.slack = FaultySlack()
            stack.enter_context(self.slack)
            self.mail = stack.enter_context(Mail())
            self.s3 = stack.enter_context(S3Server(self.folder))
            self.database = PostgresServer(self.postgres, self.rest)
            self.ready = Ready(self.folder / "ready")
            stack.callback(self.ready.close)
            self.site = self._site()
            self._groups = dict[str, CpuGroup]()
            stack.callback(self._close_groups)
            self.workers = {name: self._worker(name) for name in ("process_raw", "follow_journal")}
            self.listener = stack.enter_context(socket.create_server(("127.0.0.1", self.site.port), backlog=BACKLOG))
            self.web = [self._web_server(number) for number in range(WEB_SERVERS)]
            self._victims = cycle(self.web)
            stack.callback(self._kill)
            self._start()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def look_after(self) -> None:
        """Start again what has ended by itself, as systemd does."""
        for worker in self.workers.values():
            worker.look_after()
        for server in self.web:
            server.look_after()
        self.journald.start()

    def kill_worker(self, name: str) -> None:
        """SIGKILL; it is started again at once. Without the database it could not be: what breaks next waits for it."""
        worker = self.workers[name]
        worker.kill(random.Random(0))
        wait_for(lambda: worker.process and self.ready.knows(worker.process.pid), timeout=120, message=f"{name}, ready")

    def victim(self) -> WebServer:
        """The web server whose turn it is to fail, once both are well and have told what they had to."""
        for server in self.web:
            server.worker()
        self.rest(max(0.0, self.journald_back + TELLING - time.monotonic()))
        return next(self._victims)

    def stop_web(self) -> None:
        """SIGTERM: what the servers have counted is told."""
        for server in self.web:
            server.terminate()

    def exits(self) -> dict[str, list[int | None]]:
        """Which processes have ended by themselves, and how."""
        exits = {worker.name: worker.exits for worker in self.workers.values()}
        exits |= {server.name: server.exits for server in self.web}
        return {name: codes for name, codes in exits.items() if codes}

    def logs(self) -> list[str]:
        """Lines of our processes that say what went wrong, but for the 503s of pages, which are counted."""
        return [
            f"{path.stem}: {line}"
            for path in sorted(self.folder.glob("*.log"))
            for line in path.read_text(errors="replace").splitlines()
            if WRONG.match(line) and not EXPECTED.search(line)
        ]

    def _site(self) -> Site:
        site = Site(self.folder)
        mail = {"EMAIL_URL": f"smtp://127.0.0.1:{self.mail.port}"}
        site.env |= self.slack.env | mail | self.s3.env
        site.env |= {"JOURNAL_URL": self.journald.url, "TEXT_JOURNAL_URL": self.journald.url}
        site.env |= {"DATABASE_URL": self.postgres.url, "DJANGO_SETTINGS_MODULE": "tests.soak.settings"}
        site.env |= {"NOTIFY_SOCKET": str(self.ready.path)}
        site.env |= {"DEBUG": "false", "TRUSTED_PROXIES": "127.0.0.1", "RATE_LIMITS": "true"}
        return site

    def _start(self) -> None:
        self.site.migrate()
        self.site.manage("collectstatic", "--noinput", "--verbosity", "0")
        for worker in self.workers.values():
            worker.start()
        for server in self.web:
            server.start()
        for server in self.web:
            server.worker()
        wait_for(self._workers_turn, timeout=60, message="both workers")

    def _workers_turn(self) -> bool:
        with psycopg.connect(self.postgres.url) as connection:
            follows = connection.execute("SELECT count(*) FROM notifications_position").fetchone()
        return bool(follows and follows[0]) and any((self.folder / "state" / "workers").glob("*"))

    def _worker(self, name: str) -> Server:
        command = [str(BIN / "python"), "manage.py", name]
        log = self.folder / f"{name}.log"

        def make() -> Process:
            process = Process(command, env=self.site.env, log=log, cwd=BASE_DIR)
            set_nice(process.pid, self._nice)
            return self._weighed(name, process, self._weight)

        return Server(name, make, self.rest)

    def _web_server(self, number: int) -> WebServer:
        options, log = [f"--timeout={TIMEOUT}"], self.folder / f"web-{number}.log"

        def make() -> Process:
            process = web_servers.start(self.listener, env=self.site.env, log=log, options=options)
            return self._weighed(f"web-{number}", process, WEIGHT)

        return WebServer(f"web-{number}", make, self.ready, self.held, self.site.port)

    def _weighed(self, name: str, process: Process, weight: int | None) -> Process:
        """In its group, if the workers have a weight."""
        if self._weight is not None and weight is not None:
            if name not in self._groups:
                self._groups[name] = CpuGroup(weight)
            self._groups[name].join(process.pid)
        return process

    def _close_groups(self) -> None:
        for group in self._groups.values():
            group.close()

    def _kill(self) -> None:
        workers = [worker.process for worker in self.workers.values()]
        for process in filter(None, [*workers, *(server.process for server in self.web)]):
            process.kill()

    def _keep_the_database_log(self) -> None:
        if (log := self.postgres.folder / "log").exists():
            shutil.copy(log, self.folder / "postgres.txt")
            os.chmod(self.folder / "postgres.txt", 0o600)


def _journald_conf() -> dict[str, str]:
    """What deploy/ gives the namespace of events."""
    parser = ConfigParser()
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # names as they are
    parser.read(BASE_DIR / "deploy" / "journald@proppy.conf")
    return dict(parser["Journal"])
