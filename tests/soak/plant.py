"""Everything that runs: two web servers on one socket as deployed, both workers, and real services around them."""

import os
import random
import shutil
import socket
from collections.abc import Callable
from configparser import ConfigParser
from contextlib import ExitStack
from pathlib import Path
from typing import Final, Self

import psycopg

from tests.soak.servers import FaultySlack, Mail
from tests.support import web_servers
from tests.support.child import BASE_DIR, BIN, Process
from tests.support.faults import PostgresServer, Server
from tests.support.held_journald import HeldJournald
from tests.support.postgres import Postgres
from tests.support.processes import Site
from tests.support.s3 import S3Server
from tests.support.wait import wait_for

WEB_SERVERS: Final = 2
#: systemd's own.
BACKLOG: Final = 4096


class Plant:
    """A context manager. `rest(seconds)` waits, and says whether it is over; faults wait with it."""

    def __init__(self, folder: Path, rest: Callable[[float], bool]) -> None:
        self.folder, self.rest = folder, rest
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            (self.folder / "state").mkdir(mode=0o700, parents=True)
            self.postgres = stack.enter_context(Postgres())
            stack.callback(self._keep_the_database_log)
            self.journald = HeldJournald(settings=_journald_conf())
            self.journald._configure()
            stack.enter_context(self.journald)
            self.slack = FaultySlack()
            stack.enter_context(self.slack)
            self.mail = stack.enter_context(Mail())
            self.s3 = stack.enter_context(S3Server(self.folder))
            self.database = PostgresServer(self.postgres, self.rest)
            self.site = self._site()
            self.workers = {name: self._worker(name) for name in ("process_raw", "follow_journal")}
            self.web: list[Process] = []
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
        self.journald.start()

    def kill_worker(self, name: str) -> None:
        """SIGKILL; it is started again at once."""
        self.workers[name].kill(random.Random(0))

    def stop_web(self) -> None:
        """SIGTERM: what the servers have counted is told."""
        for process in self.web:
            process.terminate(60)

    def logs(self) -> list[str]:
        """Lines of our processes that say what went wrong, but for the 503s of pages, which are counted."""
        return [
            f"{path.stem}: {line}"
            for path in sorted(self.folder.glob("*.log"))
            for line in path.read_text(errors="replace").splitlines()
            if line.startswith(("ERROR", "CRITICAL", "Traceback")) and "Service Unavailable" not in line
        ]

    def _site(self) -> Site:
        site = Site(self.folder)
        mail = {"EMAIL_URL": f"smtp://127.0.0.1:{self.mail.port}"}
        site.env |= self.slack.env | mail | self.s3.env
        site.env |= {"JOURNAL_URL": self.journald.url, "TEXT_JOURNAL_URL": self.journald.url}
        site.env |= {"DATABASE_URL": self.postgres.url, "DJANGO_SETTINGS_MODULE": "tests.soak.settings"}
        site.env |= {"DEBUG": "false", "TRUSTED_PROXIES": "127.0.0.1", "RATE_LIMITS": "true"}
        return site

    def _start(self) -> None:
        self.site.migrate()
        self.site.manage("collectstatic", "--noinput", "--verbosity", "0")
        for worker in self.workers.values():
            worker.start()
        with socket.create_server(("127.0.0.1", self.site.port), backlog=BACKLOG) as listener:
            for number in range(WEB_SERVERS):
                log = self.folder / f"web-{number}.log"
                self.web.append(web_servers.start(listener, env=self.site.env, log=log))
        wait_for(self._workers_turn, timeout=60, message="both workers")

    def _workers_turn(self) -> bool:
        with psycopg.connect(self.postgres.url) as connection:
            follows = connection.execute("SELECT count(*) FROM notifications_position").fetchone()
        return bool(follows and follows[0]) and any((self.folder / "state" / "workers").glob("*"))

    def _worker(self, name: str) -> Server:
        command = [str(BIN / "python"), "manage.py", name]
        log = self.folder / f"{name}.log"
        return Server(name, lambda: Process(command, env=self.site.env, log=log, cwd=BASE_DIR), self.rest)

    def _kill(self) -> None:
        servers = [worker.process for worker in self.workers.values()]
        for process in filter(None, [*self.web, *servers]):
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
